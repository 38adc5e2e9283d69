"""Runs that are gone on with: by the next attempt of a job, by eight ranks at once, by an evaluation long after."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from podium import Workspace, track
from podium.errors import Conflict, Invalid, ParamConflict, PodiumWarning, RunNotFound

Attempt = Callable[..., int]


@pytest.fixture
def attempt(here: Path) -> Attempt:
    """Runs code as a process of its own, in one folder and store for all; the exit code."""

    def run(code: str, *arguments: str, **environment: str) -> int:
        finished = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code), *arguments],
            cwd=here,
            env={**os.environ, **environment},
            timeout=60,
            check=False,
            stderr=subprocess.PIPE,
        )
        return finished.returncode

    return run


def test_the_next_attempt_goes_on_counting_steps_where_the_last_stopped(attempt: Attempt) -> None:
    code = """
        from podium import track
        with track.start_run(run_id="nightly", resume="allow") as run:
            for loss in (0.5, 0.25): track.log_metric("loss", loss)
        raise SystemExit(run.resumed)
    """

    assert [attempt(code), attempt(code), attempt(code)] == [0, 1, 1]

    run = track.get_run("nightly")
    assert list(run.history("loss").steps) == [0, 1, 2, 3, 4, 5]
    assert run.status == "FINISHED"


def test_an_attempt_that_was_killed_is_resumed_and_the_run_ends_as_its_last_attempt(attempt: Attempt) -> None:
    killed = attempt(
        """
        import os, signal
        from podium import track
        run = track.start_run(run_id="nightly", resume="allow")
        assert not run.resumed
        track.log_metric("loss", 0.5, 7)
        os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    assert killed == -signal.SIGKILL
    assert track.get_run("nightly").status == "LOST"

    with track.start_run(run_id="nightly") as run:
        assert run.resumed
        assert run.metrics == {"loss": 0.5}
        assert track.get_run("nightly").status == "RUNNING"
        track.log_metric("loss", 0.25)

    finished = track.get_run("nightly")
    assert (finished.status, list(finished.history("loss").steps)) == ("FINISHED", [7, 8])


def test_a_failed_attempt_before_does_not_fail_the_run_and_one_after_does(attempt: Attempt) -> None:
    code = """
        import sys
        from podium import track
        with track.start_run(run_id="nightly", resume="allow"):
            if sys.argv[1] == "fail": raise ValueError("no")
    """

    attempt(code, "fail")
    attempt(code, "go")
    assert track.get_run("nightly").status == "FINISHED"
    assert track.get_run("nightly").error is None

    attempt(code, "fail")
    assert track.get_run("nightly").status == "FAILED"
    assert track.get_run("nightly").error == "ValueError: no"


def test_rewinding_hides_what_the_attempt_before_logged_after_its_checkpoint(attempt: Attempt) -> None:
    attempt(
        """
        import os
        from podium import track
        track.start_run(run_id="nightly", resume="allow")
        for step in range(10): track.log_metric("loss", 1.0, step)
        os._exit(1)
        """
    )

    with track.start_run(run_id="nightly") as run:
        run.rewind(5)
        assert run.summary["loss"].count == 6
        for _ in range(4):
            track.log_metric("loss", 0.5)

    history = track.get_run("nightly").history("loss")
    assert list(history.steps) == list(range(10))
    assert list(history.values) == [1.0] * 6 + [0.5] * 4
    logs = [each.read_text() for each in Path(".podium").rglob("nightly.*.jsonl")]
    assert sum(text.count('"loss"') for text in logs) == 14  # kept in the logs


def test_a_requeued_job_with_the_same_params_goes_on_and_with_others_is_told_which(attempt: Attempt) -> None:
    with track.start_run(run_id="nightly", resume="allow"):
        track.log_params({"lr": 0.1, "opt": {"name": "adam"}})

    with track.start_run(run_id="nightly"):
        track.log_params({"lr": 0.1, "opt": {"name": "adam"}, "new": 1})
    with pytest.raises(ParamConflict) as caught, track.start_run(run_id="nightly"):
        track.log_params({"opt": {"name": "sgd"}})
    assert (caught.value.key, caught.value.old, caught.value.new) == ("opt.name", "adam", "sgd")

    with track.start_run(run_id="nightly"):
        track.log_param("opt.name", "sgd", overwrite=True)
    assert track.get_run("nightly").params == {"lr": 0.1, "opt.name": "sgd", "new": 1}


def test_resume_must_wants_a_run_that_is_there_and_allow_makes_it() -> None:
    with pytest.raises(RunNotFound):
        track.start_run(run_id="nightly")
    assert len(track.search_runs()) == 0

    with track.start_run(run_id="nightly", resume="allow") as run:
        assert (run.run_id, run.resumed) == ("nightly", False)


@pytest.mark.parametrize("name", ["Nightly", "", "a/b", "../x", "x" * 65, "con", "-x", "naïve"])
def test_a_name_of_ones_own_is_lower_case_and_portable(name: str) -> None:
    with pytest.raises(Invalid):
        track.start_run(run_id=name, resume="allow")


def test_an_id_that_is_known_in_another_experiment_is_refused() -> None:
    with track.start_run(run_id="nightly", resume="allow", experiment="fraud"):
        pass

    with pytest.raises(Conflict, match="'fraud'"):
        track.start_run(run_id="nightly", resume="allow", experiment="churn")
    with track.start_run(run_id="nightly") as run:
        assert run.experiment == "fraud"


def test_eight_ranks_write_one_run(here: Path) -> None:
    code = textwrap.dedent(
        """
        import sys
        from podium import track
        rank = int(sys.argv[1])
        with track.start_run("ddp", run_id="ddp-17", resume="allow", experiment="ddp") as run:
            print("open", flush=True)
            sys.stdin.read()  # until all are: as ranks wait for each other
            track.log_params({"lr": 0.1, "world": 8})
            for step in range(50):
                track.log_metric(f"rank{rank}/loss", rank + step, step)
            track.set_tag(f"rank{rank}", "done")
            track.log_text(f"rank {rank}", f"logs/rank{rank}.txt")
            track.log_text(f"rank {rank}", "same.txt")
            if rank == 3: raise ValueError("rank 3 fails")
        """
    )
    ranks = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", code, str(rank)],
            cwd=here,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        for rank in range(8)
    ]
    for each in ranks:
        assert each.stdout is not None
        each.stdout.readline()
    for each in ranks:
        each.communicate(timeout=60)

    (run,) = Workspace(here / ".podium").search_runs()
    assert run.run_id == "ddp-17"
    assert run.params == {"lr": 0.1, "world": 8}
    assert {key: summary.count for key, summary in run.summary.items()} == {
        f"rank{rank}/loss": 50 for rank in range(8)
    }
    assert run.tags == {f"rank{rank}": "done" for rank in range(8)}
    assert (run.status, run.error) == ("FAILED", "ValueError: rank 3 fails")
    for rank in range(8):
        assert run.download(f"logs/rank{rank}.txt").read_text() == f"rank {rank}"
    assert run.download("same.txt").read_text() in {f"rank {rank}" for rank in range(8)}


def test_ranks_that_disagree_about_a_param_do_not_stop_each_other() -> None:
    first = Workspace(".podium").start_run(run_id="ddp", resume="allow")
    second = Workspace(".podium").start_run(run_id="ddp", resume="allow")

    first.log_param("lr", 0.1)
    logged_ms = time.time_ns() // 1_000_000
    while time.time_ns() // 1_000_000 == logged_ms:
        pass  # of one millisecond the writers' ids would decide
    second.log_param("lr", 0.2)
    second.end()
    first.end()

    with pytest.warns(PodiumWarning, match="disagree"):
        assert track.get_run("ddp").params == {"lr": 0.1}


def test_an_evaluation_long_after_amends_and_the_run_stays_as_it_ended(attempt: Attempt) -> None:
    with pytest.raises(ValueError, match="no"), track.start_run("train") as run:  # noqa: PT012 - one run, in order
        track.log_metric("loss", 0.5)
        raise ValueError("no")
    before = track.get_run(run.run_id)

    assert not attempt(
        f"""
        from podium import track
        with track.amend_run({run.run_id!r}) as run:
            run.log_metric("f1", 0.9)
            run.set_tag("reviewed", "yes")
            run.log_text("fine", "review.txt")
            run.log_model([1, 2], "second")
            run.set_note("kept")
        """
    )

    after = track.get_run(run.run_id)
    assert (after.status, after.error, after.end_time) == (before.status, before.error, before.end_time)
    assert after.metrics == {"loss": 0.5, "f1": 0.9}
    assert (after.tags, after.note) == ({"reviewed": "yes"}, "kept")
    assert [each.path for each in after.artifacts("second")]
    assert after.models[0].name == "second"


def test_an_amended_run_is_current_inside_its_with_and_what_is_started_there_is_a_run_of_its_own() -> None:
    with track.start_run("first") as run:
        pass

    with track.amend_run(run):
        track.log_metric("f1", 0.9)
        with track.start_run("evaluation") as evaluation:
            track.log_metric("rows", 10)
        track.set_tag("reviewed", "yes")

    assert track.active_run() is None
    assert len(track.search_runs()) == 2
    amended = track.get_run(run.run_id)
    assert (amended.metrics, amended.tags, amended.status) == ({"f1": 0.9}, {"reviewed": "yes"}, "FINISHED")
    assert evaluation.parent_run_id is None
    assert track.last_run() is evaluation


def test_a_run_remembers_its_own_store_and_an_id_is_one_of_the_workspace_asked(tmp_path: Path) -> None:
    mine, other = Workspace(tmp_path / "mine"), Workspace(tmp_path / "other")
    with mine.start_run() as run:
        pass

    with other.amend_run(run) as amended:
        amended.log_metric("f1", 0.9)
    assert mine.get_run(run.run_id).metrics == {"f1": 0.9}
    other.delete_run(run)
    assert mine.get_run(run.run_id).deleted
    other.restore_run(mine.get_run(run.run_id))
    assert not mine.get_run(run.run_id).deleted
    with pytest.raises(RunNotFound):
        other.amend_run(run.run_id)


@pytest.mark.parametrize("wrong", [5, None, b"x", ["nightly"]])
def test_what_names_no_run_is_a_type_error(wrong: Any) -> None:
    for verb in (track.amend_run, track.delete_run, track.restore_run):
        with pytest.raises(TypeError, match="a run is named by its id"):
            verb(wrong)


def test_amending_makes_no_run_current_and_wants_one_that_is_there() -> None:
    with track.start_run("first") as run:
        pass

    amended = track.amend_run(run)
    assert track.active_run() is None
    amended.end()
    with pytest.raises(RunNotFound):
        track.amend_run("01jd0000000000000000000000")


def test_a_log_call_after_the_end_amends_and_warns_once() -> None:
    with track.start_run() as run:
        run.log_metric("loss", 0.5)

    with pytest.warns(PodiumWarning, match="after its end") as said:  # noqa: PT031 - three calls, one warning
        run.log_metric("loss", 0.25)
        run.log_metric("loss", 0.125)
        run.set_tag("late", "yes")

    assert len(said) == 1
    assert run.status == "FINISHED"
    assert list(track.get_run(run.run_id).history("loss").values) == [0.5, 0.25, 0.125]


def test_a_record_that_cannot_be_read_is_passed_over_and_who_gets_the_run_hears_of_it(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "store")
    with workspace.start_run(run_id="damaged", resume="allow") as run:
        run.log_metric("loss", 0.5)
        run.log_metric("loss", 0.25)
    (log,) = (tmp_path / "store").rglob("damaged.*.jsonl")
    lines = log.read_bytes().splitlines(keepends=True)
    bad = next(number for number, line in enumerate(lines) if b'"loss",0.5' in line)
    lines[bad] = lines[bad].replace(b'["metric"', b'["metric')
    log.write_bytes(b"".join(lines))

    with pytest.warns(
        PodiumWarning, match=rf"run damaged has records.*: 1 in the log.*line {bad + 1}\)"
    ) as said:
        read = workspace.get_run("damaged")
    assert len(said) == 1
    assert read.summary["loss"].count == 1

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [each.run_id for each in workspace.search_runs()] == ["damaged"]


def test_a_param_that_two_writers_disagree_about_was_shown_to_nobody(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "store")
    with workspace.start_run(run_id="shared", resume="allow") as one, workspace.amend_run("shared") as other:
        one.log_param("lr", 0.1)
        logged_ms = time.time_ns() // 1_000_000
        while time.time_ns() // 1_000_000 == logged_ms:
            pass  # of one millisecond the writers' ids would decide
        other.log_param("lr", 0.2)
        other.log_param("depth", 6)

    with pytest.warns(PodiumWarning, match=r"run shared disagree.*'lr' is 0\.1, and 0\.2 came later") as said:
        read = workspace.get_run("shared")
    assert len(said) == 1
    assert read.params == {"lr": 0.1, "depth": 6}

    workspace.amend_run("shared").log_param("lr", 0.2, overwrite=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert workspace.get_run("shared").params["lr"] == 0.2
