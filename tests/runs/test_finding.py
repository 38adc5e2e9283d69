"""Runs are found by id or prefix, whatever else lies among them."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from podium.errors import Invalid, RunNotFound
from podium.runs.codec import encode
from podium.runs.experiments import FoundExperiment, experiments
from podium.runs.finding import find_again, find_run, runs_of
from podium.runs.layout import RunKeys
from podium.runs.reader import read_run
from podium.stores import Key, LocalStore, MemoryStore
from tests.runs.conftest import RUN_ID
from tests.runs.logs import SESSION, put_logs


@pytest.mark.skipif(sys.platform == "win32", reason="links of POSIX")
def test_links_that_came_with_a_store_are_passed_over_and_hide_no_run(
    store: LocalStore, keys: RunKeys, tmp_path: Path
) -> None:
    put_logs(store, keys, {"0123456789": [(1, SESSION)]})
    outside = tmp_path / "outside"
    shutil.copytree(store.root, outside)
    inside = store.root / "experiments"
    (inside / "linked").symlink_to(outside / "experiments" / "fraud")
    (inside / "fraud" / "runs" / "named").symlink_to(
        outside / "experiments" / "fraud" / "runs" / keys.logs.name
    )
    (inside / "fraud" / "runs" / keys.logs.name / f"{RUN_ID}.abcdefghjk.jsonl").symlink_to(
        outside / "experiments" / "fraud" / "runs" / keys.logs.name / f"{RUN_ID}.0123456789.jsonl"
    )

    (experiment,) = experiments(store)
    (run,) = runs_of(store, experiment)
    assert list(run.logs) == ["0123456789"]
    assert read_run(store, find_run(store, RUN_ID)).status() == "LOST"


def test_a_run_of_an_experiment_whose_file_is_damaged_is_found_again(store: LocalStore) -> None:
    keys = RunKeys.of("Fraud / June", RUN_ID)
    put_logs(store, keys, {"0123456789": [(1, SESSION)]})
    (run,) = [run for each in experiments(store) for run in runs_of(store, each)]

    store.put(run.keys.log("abcdefghjk"), encode(SESSION, 2))

    assert sorted(find_again(store, run).logs) == ["0123456789", "abcdefghjk"]


@pytest.mark.parametrize("kind", ["local", "memory"])
def test_all_runs_of_an_experiment_are_found_whatever_else_lies_there(kind: str, store: LocalStore) -> None:
    where: LocalStore | MemoryStore = store if kind == "local" else MemoryStore()
    for run_id in (RUN_ID, "nightly"):
        put_logs(
            where, RunKeys.of("fraud", run_id), {"0123456789": [(1, SESSION)], "abcdefghjk": [(2, SESSION)]}
        )
    where.put(Key.parse("experiments/fraud/runs/named/readme.txt"), b"not podium's")

    (experiment,) = experiments(where)
    found = {run.run_id: sorted(run.logs) for run in runs_of(where, experiment)}

    both = ["0123456789", "abcdefghjk"]
    assert found == {RUN_ID: both, "nightly": both}


def test_a_run_is_found_by_a_prefix_that_only_it_has(store: LocalStore) -> None:
    other = RUN_ID[:12] + "0" * 14
    for run_id in (RUN_ID, other):
        put_logs(store, RunKeys.of("fraud", run_id), {"0123456789": [(1, SESSION)]})

    assert find_run(store, RUN_ID[:20]).run_id == RUN_ID
    with pytest.raises(RunNotFound, match=r"2 runs begin.*Did you mean") as several:
        find_run(store, RUN_ID[:10])
    assert several.value.near == tuple(sorted((RUN_ID, other)))
    with pytest.raises(RunNotFound, match="no run"):
        find_run(store, RUN_ID[:7])


def test_a_run_is_found_by_its_ulid_in_upper_case(store: LocalStore) -> None:
    put_logs(store, RunKeys.of("fraud", RUN_ID), {"0123456789": [(1, SESSION)]})

    assert find_run(store, RUN_ID.upper()).run_id == RUN_ID
    assert find_run(store, RUN_ID[:12].upper()).run_id == RUN_ID
    with pytest.raises(Invalid):
        find_run(store, "Nightly")  # the name of no run, and no ULID


def test_a_run_that_is_not_there_names_those_that_are_near(store: LocalStore) -> None:
    put_logs(store, RunKeys.of("fraud", "nightly"), {"0123456789": [(1, SESSION)]})

    with pytest.raises(RunNotFound) as caught:
        find_run(store, "nihgtly")
    assert caught.value.near == ("nightly",)


def test_a_run_is_read_from_an_experiment_whose_folder_is_given(store: LocalStore, keys: RunKeys) -> None:
    put_logs(store, keys, {"0123456789": [(1, SESSION)]})

    (run,) = runs_of(store, FoundExperiment("fraud", keys.logs.parent.parent))

    assert (run.keys, list(run.logs)) == (keys, ["0123456789"])
