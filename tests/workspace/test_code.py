"""A run knows the code it ran: commit, branch, what was changed, what was imported."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from podium import Workspace
from podium.errors import PodiumWarning, StoreUnavailable
from podium.stores import LocalStore
from podium.testing import Fail, FaultyStore
from podium.workspace.run import Run

Program = Callable[..., Run]


@pytest.fixture
def repository(here: Path) -> Path:
    """The folder of the test is a repository with one commit; its store is not part of it."""
    if shutil.which("git") is None:
        pytest.skip("there is no git on this machine")
    (here / "train.py").write_text("lr = 0.1\n")
    (here / ".gitignore").write_text(".podium\nprogram.py\n")
    for command in (
        ("init", "-q", "-b", "main"),
        ("config", "user.email", "ada@example.org"),
        ("config", "user.name", "Ada"),
        ("add", "-A"),
        ("commit", "-q", "-m", "first"),
    ):
        subprocess.run(["git", *command], cwd=here, check=True)
    return here


@pytest.fixture
def program(here: Path) -> Program:
    """Runs code as a script of its own, and gives the run it left."""

    def run(code: str, *arguments: str, **environment: str) -> Run:
        (here / "program.py").write_text(textwrap.dedent(code))
        subprocess.run(
            [sys.executable, "program.py", *arguments],
            cwd=here,
            env={**os.environ, **environment},
            check=True,
            timeout=60,
        )
        return Workspace(here / ".podium").search_runs()[0]

    return run


ONE_RUN = """
from podium import track
with track.start_run(): track.log_metric("loss", 0.5)
"""


def test_commit_and_branch_are_recorded_and_a_clean_tree_is_said_to_be_clean(
    repository: Path, program: Program
) -> None:
    head = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=repository, text=True).strip()

    run = program(ONE_RUN)

    assert run.environment["git_commit"] == head
    assert run.environment["git_branch"] == "main"
    assert run.environment["git_dirty"] == "no"
    assert len(run.artifacts()) == 0


def test_what_was_changed_is_kept_as_a_diff_that_restores_it(repository: Path, program: Program) -> None:
    (repository / "train.py").write_text("lr = 0.2\n")

    run = program(ONE_RUN)

    assert run.environment["git_dirty"] == "yes"
    diff = run.download("podium/git.diff")
    subprocess.run(["git", "checkout", "-q", "train.py"], cwd=repository, check=True)
    subprocess.run(["git", "apply", str(diff)], cwd=repository, check=True)
    assert (repository / "train.py").read_text() == "lr = 0.2\n"


def test_git_that_does_not_answer_delays_neither_the_start_nor_more_than_a_moment_the_end(
    repository: Path, program: Program, tmp_path: Path
) -> None:
    slow = tmp_path / "bin" / "git"
    slow.parent.mkdir()
    slow.write_text("#!/bin/sh\nexec sleep 30\n")
    slow.chmod(0o755)

    run = program(
        """
        import time
        begin = time.monotonic()
        from podium import track
        with track.start_run(): started = time.monotonic()
        assert time.monotonic() - begin < 15, "the run waited for git"
        """,
        PATH=f"{slow.parent}{os.pathsep}{os.environ['PATH']}",
    )

    assert run.status == "FINISHED"
    assert "git_dirty" not in run.environment
    assert run.environment["git_commit"]


def test_many_runs_of_one_process_ask_git_once_and_all_know(
    repository: Path, program: Program, tmp_path: Path
) -> None:
    (repository / "train.py").write_text("lr = 0.2\n")
    asked = tmp_path / "asked"
    watched = tmp_path / "bin" / "git"
    watched.parent.mkdir()
    git = subprocess.check_output(["which", "git"], text=True).strip()
    watched.write_text(f'#!/bin/sh\necho asked >> {asked}\nexec {git} "$@"\n')
    watched.chmod(0o755)

    program(
        "from podium import track\nfor _ in range(10):\n    with track.start_run(): pass",
        PATH=f"{watched.parent}{os.pathsep}{os.environ['PATH']}",
    )

    assert asked.read_text() == "asked\n"
    runs = Workspace(repository / ".podium").search_runs()
    assert {run.environment["git_dirty"] for run in runs} == {"yes"}
    assert {run.artifacts()[0].sha256 for run in runs} == {runs[0].artifacts()[0].sha256}


def test_outside_of_a_repository_nothing_is_said_of_git(program: Program) -> None:
    assert not [name for name in program(ONE_RUN).environment if name.startswith("git")]


def test_packages_that_are_imported_are_recorded_also_those_imported_while_the_run_is_open(
    program: Program,
) -> None:
    import numpy as np
    import yaml

    run = program(
        """
        import yaml
        from podium import track
        with track.start_run():
            import numpy
        """
    )

    assert run.environment["packages.yaml"] == yaml.__version__
    assert run.environment["packages.numpy"] == np.__version__
    assert "packages.sklearn" not in run.environment
    assert "packages.json" not in run.environment


def test_the_command_line_is_recorded_without_its_secrets(program: Program) -> None:
    run = program(ONE_RUN, "--lr", "0.1", "--api-key", "hunter2")

    assert run.environment["script"] == "program.py"
    assert run.environment["arguments"] == "--lr 0.1 --api-key ***"


def test_ids_of_schedulers_are_recorded_and_no_other_variable(program: Program) -> None:
    run = program(
        ONE_RUN,
        SLURM_JOB_ID="4711",
        SLURM_ARRAY_TASK_ID="3",
        PBS_JOBID="12.head",
        LSB_JOBID="99",
        AIRFLOW_CTX_DAG_RUN_ID="nightly",
        KUBERNETES_SERVICE_HOST="10.0.0.1",
        DATABASE_PASSWORD="hunter2",
        MY_SETTING="private",
    )

    assert run.environment["slurm_job_id"] == "4711"
    assert run.environment["slurm_array_task_id"] == "3"
    assert run.environment["pbs_jobid"] == "12.head"
    assert run.environment["lsb_jobid"] == "99"
    assert run.environment["airflow_ctx_dag_run_id"] == "nightly"
    assert run.environment["pod"]
    text = str(run.environment)
    for absent in ("hunter2", "private", "10.0.0.1"):
        assert absent not in text


def test_a_run_that_is_killed_at_once_has_its_commit_and_is_none_the_worse(
    repository: Path, program: Program
) -> None:
    run = program(
        """
        import os, subprocess, sys
        code = "from podium import track; import os, signal; track.start_run(); os.kill(os.getpid(), signal.SIGTERM)"
        subprocess.run([sys.executable, "-c", code])
        """
    )

    assert run.status == "KILLED"
    assert run.environment["git_branch"] == "main"


def test_a_diff_that_could_not_be_kept_was_not_counted(repository: Path, tmp_path: Path) -> None:
    (repository / "train.py").write_text("lr = 0.2\n")

    def refuse(verb: str, key: object, number: int) -> Fail | None:
        return Fail(lambda: StoreUnavailable("the disk is full")) if verb == "put" else None

    with (
        pytest.warns(PodiumWarning, match=r"podium/git\.diff.*the disk is full"),
        Workspace(FaultyStore(LocalStore(tmp_path / "full"), refuse)) as workspace,
    ):
        with workspace.start_run() as run:
            pass

    assert Workspace(tmp_path / "full").get_run(run.run_id).dropped == 1
