"""An experiment keeps its true name; what is said of it as a whole is kept in logs that fold like those of a run."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from podium.errors import Invalid
from podium.runs.events import Deleted, Note, Tags
from podium.runs.experiments import (
    FoundExperiment,
    edit_experiment,
    ensure_experiment,
    experiments,
    read_experiment,
)
from podium.runs.layout import experiment_file, experiment_folder
from podium.stores import LocalStore, MemoryStore, Store

FRAUD = FoundExperiment("fraud", experiment_folder("fraud"))


@pytest.fixture(params=["disk", "memory"])
def any_store(request: pytest.FixtureRequest, store: LocalStore) -> Store:
    return store if request.param == "disk" else MemoryStore()


def test_an_experiment_is_made_once_and_keeps_its_true_name(store: LocalStore) -> None:
    for time_ms in (1, 2):
        ensure_experiment(store, "Fraud / June", time_ms)

    assert [(each.name, each.time_ms) for each in experiments(store)] == [("Fraud / June", 1)]


def test_two_names_of_one_folder_are_told_apart(store: LocalStore) -> None:
    store.create(experiment_file("fraud"), b'{"format":1,"name":"other","time":1}')

    with pytest.raises(Invalid, match="share one folder"):
        ensure_experiment(store, "fraud", 1)


def test_an_experiment_whose_file_is_damaged_goes_by_the_name_of_its_folder(store: LocalStore) -> None:
    store.put(experiment_file("fraud"), b"\0\0\0")

    assert [each.name for each in experiments(store)] == ["fraud"]


def test_a_folder_that_was_copied_under_another_name_is_another_experiment(store: LocalStore) -> None:
    ensure_experiment(store, "fraud", 1)
    shutil.copytree(store.root / "experiments" / "fraud", store.root / "experiments" / "churn")

    assert [(each.name, each.folder.name) for each in experiments(store)] == [
        ("churn", "churn"),
        ("fraud", "fraud"),
    ]


def test_nothing_was_said_of_an_experiment_nobody_edited(any_store: Store) -> None:
    state = read_experiment(any_store, FRAUD)

    assert (state.tags, state.note, state.deleted) == ({}, "", False)


def test_what_was_said_last_stands_whatever_the_clock_shows(
    any_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for at_ms, change in (
        (5_000, Tags({"team": "risk", "draft": "yes"})),
        (1_000, Tags({"team": "cards", "draft": None})),
        (2_000, Deleted(deleted=True)),
        (100, Deleted(deleted=False)),
        (0, Note("done")),
    ):
        monkeypatch.setattr("time.time_ns", lambda at_ms=at_ms: at_ms * 1_000_000)
        edit_experiment(any_store, FRAUD, change, user="ada", host="gpu7")

    state = read_experiment(any_store, FRAUD)
    assert (state.tags, state.note, state.deleted) == ({"team": "cards"}, "done", False)


def test_the_edit_of_the_specification_is_read(any_store: Store, specified: Callable[[str], str]) -> None:
    key = FRAUD.folder / "edits" / "0123456789.jsonl"
    any_store.put(key, specified("experiment-edit").encode())

    assert read_experiment(any_store, FRAUD).tags == {"team": "risk"}


def test_an_edit_is_written_as_the_specification_shows(
    store: LocalStore, specified: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time_ns", lambda: 1_763_885_728_000 * 1_000_000)

    edit_experiment(store, FRAUD, Tags({"team": "risk"}), user="ada", host="gpu7")

    (entry,) = store.list(FRAUD.folder / "edits")
    assert store.get(entry.key).decode() == specified("experiment-edit")
