"""Every public error, provoked as a user would provoke it: it says what, why, and how to mend it.

The last test counts: an error that nobody here provokes fails it.
"""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from podium import Workspace, errors, load_model, registry, save_model, set_store, track
from podium.errors import PodiumError
from podium.registry import Registry
from podium.stores import Key, LocalStore, MemoryStore
from podium.testing import Fail, FaultyStore

PROVOKED: dict[type[Exception], Callable[..., Any]] = {}


def says(error: type[Exception], *parts: str, **fields: object) -> Callable[..., Any]:
    """The decorated function raises this very error; its text holds the parts, and its fields are these."""

    def decorated(provoke: Callable[..., Any]) -> Any:
        PROVOKED[error] = provoke

        @pytest.mark.usefixtures("world")
        def test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
            with pytest.raises(error) as caught:
                provoke(tmp_path, monkeypatch)

            assert type(caught.value) is error
            text = str(caught.value)
            for part in parts:
                assert part in text, text
            last = text.rstrip().splitlines()[-1]
            assert last.endswith((".", "?", ")", '"')) or "Type: " in last, f"no sentence: {text}"
            for name, value in fields.items():
                found = getattr(caught.value, name)
                assert value(found) if callable(value) else found == value, (name, found)

        test.__name__ = f"test_{error.__name__}"
        return test

    return decorated


@pytest.fixture
def world() -> None:
    """A run, a model with two versions and an alias."""
    for accuracy in (0.9, 0.95):
        with track.start_run("first", experiment="cards") as run:
            track.log_param("lr", 0.1)
            track.log_metric("accuracy", accuracy)
            track.log_text("hello", "report.txt")
            track.log_model(mean, input_example=np.zeros((2, 3)))
        registry.register(run.model_uri(), "fraud")
    registry.set_alias("fraud", "champion", 1, preflight="skip")


def mean(data: Any) -> Any:
    return np.asarray(data).mean(axis=1)


# NotFound -------------------------------------------------------------------------------------------------------------


@says(errors.NotFound, "no model at", "models/fraud", name="models/fraud")
def test_nothing_at_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_model("models/fraud")


@says(errors.RunNotFound, "there is no run 'nihgtly'", name="nihgtly", near=("nightly",))
def test_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    track.start_run(run_id="nightly", resume="allow").end()
    track.get_run("nihgtly")


@says(errors.ExperimentNotFound, "'crads'", "Did you mean 'cards'?", name="crads", near=("cards",))
def test_no_experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    track.delete_experiment("crads")


@says(errors.ModelNotFound, "'fruad'", name="fruad", near=("fraud",))
def test_no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry.get_model("fruad")


@says(errors.VersionNotFound, "has no version 9", "1 to 2")
def test_no_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry.get_version("fraud", 9)


@says(errors.AliasNotFound, "'champoin'", near=("champion",))
def test_no_alias(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_model("models:/fraud@champoin")


@says(errors.ArtifactNotFound, "'reprot.txt'", near=lambda near: near[0] == "report.txt")
def test_no_artifact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    track.search_runs()[0].download("reprot.txt")


# Conflict -------------------------------------------------------------------------------------------------------------


@says(errors.Conflict, "already", "another")
def test_a_place_that_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_model([1], tmp_path)


@says(errors.ParamConflict, "'lr'", "0.1", "0.2", "overwrite=True", key="lr", old=0.1, new=0.2)
def test_a_param_that_is_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with track.start_run():
        track.log_param("lr", 0.1)
        track.log_param("lr", 0.2)


@says(errors.RunActive, "'outer'", "track.end_run()", "nested=True", run=lambda run: run.run_name == "outer")
def test_a_run_that_is_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with track.start_run("outer"):
        track.start_run("inner")


@says(errors.NoCurrentRun, "track.start_run()", open=())
def test_no_run_in_a_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[BaseException] = []

    def work() -> None:
        try:
            track.log_metric("loss", 1.0)
        except PodiumError as error:
            raised.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    raise raised[0]


@says(errors.AliasMoved, "'champion'", "version 1", "expect=1", expected=2, found=1)
def test_an_alias_that_points_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry.set_alias("fraud", "champion", 2, expect=2)


# Refused --------------------------------------------------------------------------------------------------------------


@says(errors.Refused, "version 1", "'champion'", "rollback or delete_alias")
def test_a_version_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry.delete_version("fraud", 1, why="a mistake")


@says(
    errors.GateRefused,
    "metrics.accuracy >= 0.99",
    "0.95",
    "fails",
    "force=True",
    verdict=lambda verdict: not verdict and len(verdict) == 1,
)
def test_a_gate_that_does_not_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry.set_gate("fraud", "champion", "metrics.accuracy >= 0.99")
    registry.set_alias("fraud", "champion", 2)


@says(errors.PreflightFailed, "ZeroDivisionError: the scaler has no scale", "preflight='skip'", version=1)
def test_a_version_that_does_not_predict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        """Predicts where it was trained, and nowhere it was loaded."""

        def __init__(self) -> None:
            import os

            self.home = os.getpid()

        def predict(self, data: Any) -> Any:
            import os

            if os.getpid() != self.home:
                raise ZeroDivisionError("the scaler has no scale")
            return data

    with track.start_run() as run:
        track.log_model(Broken(), input_example=np.zeros((2, 3)))
    registry.register(run.model_uri(), "broken")
    registry.set_alias("broken", "champion", 1)


@says(errors.UntrustedModel, "podium trust", "trust=True", uri=lambda uri: "models:/fraud/1" in uri)
def test_a_model_of_a_store_that_was_only_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cloned = tmp_path / "cloned"
    shutil.copytree(".podium", cloned / ".podium")
    monkeypatch.chdir(cloned)
    Workspace().load_model("models:/fraud@champion")


@says(errors.Quarantined, "quarantined", "release", commit=lambda commit: commit > 0)
def test_a_version_in_quarantine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry.quarantine("fraud", 2, why="trained on test data")
    load_model("models:/fraud/2")


@says(errors.NothingToRollBack, "'champion'", "version 1", "Set the alias")
def test_no_earlier_holder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry.rollback("fraud")


@says(
    errors.EnvironmentMismatch,
    "numpy: saved with 0.0.1",
    "strict_environment",
    differences=lambda found: any("numpy" in each for each in found),
)
def test_packages_that_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_model(mean, tmp_path / "model", requirements=["numpy==0.0.1"])
    load_model(tmp_path / "model", strict_environment=True)


# Invalid --------------------------------------------------------------------------------------------------------------


@says(errors.Invalid, "'fra/ud'", "/ : @")
def test_a_name_that_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry.register(track.search_runs()[0].model_uri(), "fra/ud")


@says(errors.QueryError, "^", position=14, text="metrics.loss >> 1")
def test_a_filter_that_does_not_parse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    track.search_runs("metrics.loss >> 1")


@says(errors.SchemaError, "(2, 7)", "(-1, 3)", column=None)
def test_input_of_another_shape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_model("models:/fraud/1").predict(np.zeros((2, 7)))


# Corrupt --------------------------------------------------------------------------------------------------------------


@says(errors.Corrupt, "is not the file that was saved", "restore", key=lambda key: key.endswith(".pkl"))
def test_a_file_that_was_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for victim in Path(".podium/models").rglob("*.pkl"):
        data = bytearray(victim.read_bytes())
        data[len(data) // 2] ^= 1
        victim.write_bytes(data)
    load_model("models:/fraud/1")


@says(errors.ForkedHistory, "'fraud'", "copy it again", commit=2)
def test_a_history_with_a_hole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commits = sorted(Path(".podium/models/fraud/commits").iterdir())
    copied = Workspace(tmp_path / "copy")
    shutil.copytree(".podium", tmp_path / "copy", dirs_exist_ok=True)
    (tmp_path / "copy" / "models" / "fraud" / "commits" / commits[1].name).unlink()
    (tmp_path / "copy" / "models" / "fraud" / "index.json").unlink()
    copied.registry._histories.patience_s = 0.1
    copied.registry.set_tag("fraud", "team", "risk")


@says(errors.HistoryReplaced, "'fraud'", "was replaced", "start the process again", model="fraud")
def test_a_history_that_was_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(".podium", tmp_path / "yesterday")
    registry.set_tag("fraud", "team", "risk")
    registry.get_model("fraud")
    shutil.rmtree(".podium/models/fraud")
    shutil.copytree(tmp_path / "yesterday" / "models" / "fraud", ".podium/models/fraud")
    registry.get_model("fraud")


# StoreError -----------------------------------------------------------------------------------------------------------


@says(errors.StoreError, "format 2", "pip install --upgrade podium")
def test_a_store_of_a_newer_podium(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = tmp_path / "newer"
    shutil.copytree(".podium", store)
    (store / "podium.json").write_text('{"format": 2, "needs": [], "store_id": "' + "0" * 32 + '"}')
    for use in (
        lambda: Workspace(store).search_runs(),
        lambda: Workspace(store).experiments(),
        lambda: Workspace(store).registry,
        lambda: Workspace(store).load_model("models:/fraud/1"),
        lambda: Workspace(store).delete_experiment("cards"),
        lambda: Workspace(store).start_run(run_id="nightly", resume="allow"),
    ):
        with pytest.raises(errors.StoreError, match="newer one"):
            use()
    Workspace(store).get_run("nightly1")


@says(errors.StoreUnavailable, "Nothing was started")
def test_a_folder_that_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = Workspace(tmp_path / "store")
    with workspace.start_run(experiment="cards"):
        pass
    shutil.rmtree(tmp_path / "store" / "experiments" / "cards" / "runs")
    (tmp_path / "store" / "experiments" / "cards" / "runs").write_text("a file")
    workspace.start_run(experiment="cards")


@says(errors.KeyMissing, "hello")
def test_a_key_without_a_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    LocalStore(tmp_path / "store").get(Key.parse("hello"))


@says(errors.KeyExists, "hello")
def test_a_key_that_has_a_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    store.create(Key.parse("hello"), b"1")
    store.create(Key.parse("hello"), b"2")


@says(
    errors.CommitUnknown,
    "may stand",
    "history before you try again",
    commit_id=lambda commit_id: len(commit_id) == 32,
)
def test_a_store_that_gives_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = FaultyStore(
        LocalStore(Path(".podium").resolve()), lambda verb, key, number: Fail() if verb == "create" else None
    )
    registry_of_silent = Workspace(silent).registry
    registry_of_silent._claim = lambda: None
    registry_of_silent._histories.patience_s = 0.1
    registry_of_silent.set_tag("fraud", "team", "risk")


@says(errors.MissingExtra, 'pip install "podium[polars]"', install='pip install "podium[polars]"')
def test_a_package_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "polars", None)
    track.search_runs().to_polars()


# All of them ----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("world")
def test_a_warning_names_what_was_meant() -> None:
    with pytest.warns(errors.PodiumWarning, match=r"no experiment 'crads'.*Did you mean 'cards'") as said:
        assert len(track.search_runs(experiment="crads")) == 0
    assert len(said) == 1


def test_each_public_error_is_provoked_here() -> None:
    public = {getattr(errors, name) for name in errors.__all__}

    assert public - PROVOKED.keys() == {PodiumError, errors.PodiumWarning}


def test_the_stores_of_these_tests_are_their_own() -> None:
    assert isinstance(set_store(MemoryStore()).registry, Registry)
