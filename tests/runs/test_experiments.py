"""What is said of an experiment as a whole is kept in logs that fold like those of a run."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from podium.runs.events import Deleted, Note, Tags
from podium.runs.experiments import FoundExperiment, edit_experiment, read_experiment
from podium.runs.layout import experiment_folder
from podium.stores import LocalStore, MemoryStore, Store

FRAUD = FoundExperiment("fraud", experiment_folder("fraud"))


@pytest.fixture(params=["disk", "memory"])
def any_store(request: pytest.FixtureRequest, store: LocalStore) -> Store:
    return store if request.param == "disk" else MemoryStore()


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
