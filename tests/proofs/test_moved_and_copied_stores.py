"""Promises 3, 4 and 7: bytes that changed, stores that moved, stores that came from somebody else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from podium import Workspace
from podium.errors import Corrupt, ForkedHistory
from tests.proofs.conftest import Start, kill_after
from tests.proofs.workers import log_one_run_until_killed, register_until_killed

TRAIN = textwrap.dedent(
    """
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression
    from podium import registry, track

    X, y = load_iris(return_X_y=True)
    with track.start_run("first", experiment="iris"):
        track.log_param("C", 1.0)
        track.log_metric("accuracy", 0.97)
        info = track.log_model(LogisticRegression(max_iter=500).fit(X, y), input_example=X[:3])
    registry.register(info, "iris", alias="champion")
    """
)
HOSTILE = textwrap.dedent(
    """
    import os
    from podium import registry, track

    class Trap:
        def __reduce__(self):
            return (os.system, ('touch "$HOME/the trap has run"',))

    class Model:
        def __init__(self):
            self.trap = Trap()
        def __call__(self, data):
            return data

    with track.start_run("harmless", experiment="iris"):
        track.log_metric("accuracy", 0.99)
        info = track.log_model(Model(), input_example=[1.0])
    registry.register(info, "iris", alias="champion", why="trust me")
    """
)


def python(code: str, folder: Path, home: Path) -> subprocess.CompletedProcess[str]:
    """Run a script as a user whose home is ``home``, in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    home.mkdir(parents=True, exist_ok=True)
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PODIUM_", "XDG_"))}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=folder,
        env={**environment, "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """A store with one run, one model and one champion; its folder."""
    made = python(TRAIN, tmp_path / "project", tmp_path / "home")
    assert made.returncode == 0, made.stderr
    return tmp_path / "project" / ".podium"


def test_a_store_that_was_moved_still_resolves_and_loads(trained: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere" / "archive"
    moved.parent.mkdir()
    trained.rename(moved)

    with Workspace(moved) as workspace:
        (run,) = workspace.search_runs("metrics.accuracy > 0.9")
        assert run.params["C"] == 1.0
        assert workspace.load_model(run.model_uri()).predict(np.array([[5.1, 3.5, 1.4, 0.2]])).tolist() == [0]
        assert workspace.load_model("models:/iris@champion").version == 1


def test_no_file_of_a_store_names_the_place_it_lies_at(trained: Path, tmp_path: Path) -> None:
    holders = [
        str(file.relative_to(trained))
        for file in trained.rglob("*")
        if file.is_file() and str(tmp_path).encode() in file.read_bytes()
    ]
    assert holders == []


def test_every_file_of_a_registered_model_is_refused_by_name_when_one_bit_flips(trained: Path) -> None:
    (manifest,) = trained.glob("models/*/objects/*.json")
    folder = manifest.with_suffix("")
    files = sorted(each for each in folder.rglob("*") if each.is_file())
    assert len(files) >= 4
    with Workspace(trained) as workspace:
        for file in files:
            original = file.read_bytes()
            middle = len(original) // 2
            file.write_bytes(original[:middle] + bytes([original[middle] ^ 1]) + original[middle + 1 :])
            with pytest.raises(Corrupt, match=file.name):
                workspace.load_model("models:/iris@champion")
            file.write_bytes(original)
        assert workspace.load_model("models:/iris@champion").version == 1


def test_a_flipped_bit_in_a_runs_model_is_refused_too(trained: Path) -> None:
    with Workspace(trained) as workspace:
        (run,) = workspace.search_runs()
        (file,) = trained.glob("experiments/*/artifacts/*/*/model/model.skops")
        original = file.read_bytes()
        file.write_bytes(original[:100] + bytes([original[100] ^ 1]) + original[101:])
        with pytest.raises(Corrupt, match=r"model\.skops"):
            workspace.load_model(run.model_uri())


def commits_in(store: Path) -> set[int]:
    return {int(each.stem) for each in store.glob("models/fraud/commits/*.json")}


def test_a_copy_taken_while_the_store_is_written_reads_as_it_was_or_later(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "store"
    logging, steps = start(log_one_run_until_killed, str(store))
    registering, commits = start(register_until_killed, str(store), 0)
    run_id = steps.recv_bytes().decode()
    acknowledged_step, acknowledged_version = -1, 0

    for copy_number in range(5):
        while acknowledged_step < 200 * (copy_number + 1):
            acknowledged_step = int(steps.recv_bytes())
        while acknowledged_version < 3 * (copy_number + 1):
            _, acknowledged_version, _ = commits.recv()
        copy = tmp_path / f"copy{copy_number}"
        # A temporary file may vanish under cp, which then says so and copies the rest.
        subprocess.run(["cp", "-r", str(store), str(copy)], check=False, capture_output=True)

        with Workspace(copy) as workspace:
            run = workspace.get_run(run_id)
            assert run.summary["loss"].last_step >= acknowledged_step
            candidate = workspace.registry.resolve("models:/fraud@candidate")
            assert int(candidate.rpartition("/")[2]) >= acknowledged_version
            # Later commits may name bytes that were not there yet when cp passed by: those are refused, not mixed up.
            for version in range(1, acknowledged_version + 1):
                assert workspace.load_model(f"models:/fraud/{version}").version == version
            # The copy goes on by itself, or, where cp left a hole, is never written to.
            monkeypatch.setattr(workspace.registry._histories, "patience_s", 0.2)
            before = commits_in(copy)
            try:
                workspace.registry.set_tag("fraud", "copied", copy_number)
            except ForkedHistory:
                assert commits_in(copy) == before
            else:
                assert before == set(range(1, len(before) + 1))

    kill_after(logging, 0)
    kill_after(registering, 0)


def test_a_cloned_repository_with_a_hostile_store_runs_nothing(tmp_path: Path) -> None:
    made = python(HOSTILE, tmp_path / "attacker", tmp_path / "attackers home")
    assert made.returncode == 0, made.stderr
    clone = tmp_path / "clone"
    shutil.copytree(tmp_path / "attacker", clone)
    home = tmp_path / "home"
    trap = home / "the trap has run"
    look = textwrap.dedent(
        """
        from podium import load_model, live, registry, track, errors
        (run,) = track.search_runs("metrics.accuracy > 0.5")
        tried = 0
        for act in (
            lambda: load_model("models:/iris@champion"),
            lambda: load_model(run.model_uri()),
            lambda: load_model(registry.get_version("iris")),
            lambda: live("models:/iris@champion"),
        ):
            try:
                act()
            except errors.UntrustedModel as error:
                assert "podium trust" in str(error), error
                tried += 1
        assert tried == 4, tried
        registry.set_alias("iris", "staging", 1)
        print(registry.history("iris", "staging")[0].preflight)
        """
    )

    looked = python(look, clone / "src", home)

    assert looked.returncode == 0, looked.stderr
    assert "skipped" in looked.stdout
    assert not trap.exists()

    trusted = subprocess.run(
        [sys.executable, "-m", "podium", "trust", str(clone)],
        env={**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert trusted.returncode == 0, trusted.stderr
    python("from podium import load_model; load_model('models:/iris@champion')", clone, home)
    assert trap.exists()  # so the store was hostile, and only trust kept it still
