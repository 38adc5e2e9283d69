"""Runs are found by id or prefix, read whole while they are written, and lost only when nobody holds them."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podium.errors import Invalid, RunNotFound
from podium.runs.events import Beat, End, Event, Metrics, Rewind, Start, encode
from podium.runs.layout import RunKeys, experiment_file
from podium.runs.locking import is_held, machine
from podium.runs.reader import (
    Columns,
    FoundExperiment,
    FoundRun,
    ensure_experiment,
    experiments,
    find_again,
    find_run,
    living_writers,
    read_columns,
    read_run,
    refresh,
    runs_of,
    status_of,
)
from podium.runs.writer import Writer
from podium.stores import Key, LocalStore, MemoryStore
from tests.runs.conftest import RUN_ID

SESSION = Start("session", "fraud")


def put_logs(
    store: LocalStore | MemoryStore, keys: RunKeys, logs: Mapping[str, list[tuple[int, Event]]]
) -> FoundRun:
    for writer_id, events in logs.items():
        store.put(keys.log(writer_id), b"".join(encode(event, time_ms) for time_ms, event in events))
    return find_run(store, keys.run_id)


def rows(columns: Columns) -> list[tuple[int, int, float]]:
    return list(zip(columns.steps, columns.times_ms, columns.values, strict=True))


# Experiments and runs -------------------------------------------------------------------------------------------------


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


# Parts ----------------------------------------------------------------------------------------------------------------


@settings(max_examples=100)
@given(st.data())
def test_any_parts_that_cover_a_log_are_the_log(data: st.DataObject) -> None:
    logged: list[Event] = [SESSION, *(Metrics(step, {"loss": 0.5}) for step in range(5))]
    whole = b"".join(encode(event, time_ms) for time_ms, event in enumerate(logged))
    keys, store = RunKeys.of("fraud", RUN_ID), MemoryStore()
    cuts = sorted({0, len(whole), *data.draw(st.lists(st.integers(1, len(whole) - 1), max_size=4))})
    more = data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=3))
    parts = [*pairwise(cuts), *((start, data.draw(st.integers(start + 1, len(whole)))) for start in more)]
    for start, end in data.draw(st.permutations(parts)):
        store.put(keys.part("0123456789", start, end), whole[start:end])

    run = find_run(store, RUN_ID)
    state = read_run(store, run)

    assert state.logs["0123456789"].offset == len(whole)
    assert list(read_columns(store, run, state)["loss"].steps) == [0, 1, 2, 3, 4]


def test_what_follows_a_hole_comes_when_the_hole_is_filled() -> None:
    keys, store = RunKeys.of("fraud", RUN_ID), MemoryStore()
    lines = [encode(event, 1) for event in (SESSION, Metrics(0, {"loss": 1.0}), Metrics(1, {"loss": 2.0}))]
    ends = [len(b"".join(lines[: each + 1])) for each in range(3)]
    store.put(keys.part("0123456789", 0, ends[0]), lines[0])
    store.put(keys.part("0123456789", ends[1], ends[2]), lines[2])
    assert read_run(store, find_run(store, RUN_ID)).metrics == {}

    store.put(keys.part("0123456789", ends[0], ends[1]), lines[1])

    assert read_run(store, find_run(store, RUN_ID)).metrics["loss"].count == 2


def test_a_part_that_is_not_all_there_yet_is_read_as_far_as_it_goes() -> None:
    keys, store = RunKeys.of("fraud", RUN_ID), MemoryStore()
    logged: list[Event] = [SESSION, *(Metrics(step, {"loss": float(step)}) for step in range(3))]
    lines = [encode(event, 1) for event in logged]
    whole = b"".join(lines)
    half = len(lines[0] + lines[1]) + 5
    store.put(keys.part("0123456789", 0, len(whole)), whole[:half])

    assert read_run(store, find_run(store, RUN_ID)).metrics["loss"].count == 1

    store.put(keys.part("0123456789", 3, half + 1), whole[3 : half + 1])
    store.put(keys.part("0123456789", half, len(whole) - 2), whole[half : len(whole) - 2])
    state = read_run(store, find_run(store, RUN_ID))
    assert (state.metrics["loss"].count, state.bad_lines) == (2, [])

    store.put(keys.part("0123456789", 0, len(whole)), whole)
    assert refresh(store, find_run(store, RUN_ID), state).metrics["loss"].count == 3


def test_a_reader_whose_part_was_put_together_with_others_lists_again() -> None:
    keys, store = RunKeys.of("fraud", RUN_ID), MemoryStore()
    lines = [encode(event, 1) for event in (SESSION, Metrics(0, {"loss": 1.0}))]
    store.put(keys.part("0123456789", 0, len(lines[0])), lines[0])
    before = find_run(store, RUN_ID)
    store.put(keys.part("0123456789", 0, len(lines[0] + lines[1])), lines[0] + lines[1])
    store.delete(keys.part("0123456789", 0, len(lines[0])))

    assert read_run(store, before).metrics["loss"].count == 1


def test_a_run_that_is_deleted_while_it_is_read_is_not_found(store: LocalStore, keys: RunKeys) -> None:
    run = put_logs(store, keys, {"0123456789": [(1, SESSION)]})
    store.delete(keys.log("0123456789"))

    with pytest.raises(RunNotFound, match="deleted"):
        read_run(store, run)


# Who lives ------------------------------------------------------------------------------------------------------------


def test_a_writer_that_lives_holds_its_log_and_one_that_ended_does_not(
    store: LocalStore, keys: RunKeys, session: Start
) -> None:
    writer = Writer(store, keys, session)
    path = store.local_path(keys.log(writer.writer_id))
    assert path is not None
    run = find_run(store, RUN_ID)

    assert is_held(path) is True
    assert is_held(path) is True  # asking leaves nothing behind
    assert status_of(store, run, read_run(store, run)) == "RUNNING"
    writer.end()
    assert is_held(path) is False
    assert status_of(store, run, read_run(store, run)) == "FINISHED"


def test_a_run_that_ends_between_reading_and_asking_is_not_called_lost(
    store: LocalStore, keys: RunKeys, session: Start
) -> None:
    writer = Writer(store, keys, session)
    run = find_run(store, RUN_ID)
    state = read_run(store, run)
    writer.end("FAILED")

    assert status_of(store, run, state) == "FAILED"


def aged(store: LocalStore, keys: RunKeys, start: Start, seconds: float) -> FoundRun:
    run = put_logs(store, keys, {"0123456789": [(1, start)]})
    path = store.local_path(keys.log("0123456789"))
    assert path is not None
    then = time.time() - seconds
    os.utime(path, (then, then))
    return run


@pytest.mark.parametrize(
    ("start", "age_s", "status"),
    [
        (replace(SESSION, locked=True, machine=machine()), 1, "LOST"),  # here: the lock is free, at once
        (replace(SESSION, locked=True, machine="another"), 1, "RUNNING"),  # elsewhere: its lease runs
        (replace(SESSION, locked=True, machine="another"), 599, "RUNNING"),
        (replace(SESSION, locked=True, machine="another"), 601, "LOST"),
        (replace(SESSION, locked=False, machine=machine()), 1, "RUNNING"),  # no lock to ask for
        (replace(SESSION, locked=False, machine=machine(), lease_s=5.0), 6, "LOST"),
        (replace(SESSION, locked=True, machine=""), 1, "RUNNING"),  # who knows where it is
    ],
)
def test_a_session_without_an_end(
    store: LocalStore, keys: RunKeys, start: Start, age_s: float, status: str
) -> None:
    run = aged(store, keys, start, age_s)

    assert status_of(store, run, read_run(store, run)) == status


def test_a_log_that_grows_again_is_running_again(store: LocalStore, keys: RunKeys) -> None:
    run = aged(store, keys, replace(SESSION, machine="another"), 1_000)
    state = read_run(store, run)
    assert status_of(store, run, state) == "LOST"

    path = store.local_path(keys.log("0123456789"))
    assert path is not None
    with path.open("ab") as log:
        log.write(encode(Beat(), 2))

    assert status_of(store, run, refresh(store, run, state)) == "RUNNING"


def test_in_a_store_that_is_no_disk_the_last_event_says_how_long_it_was_silent(keys: RunKeys) -> None:
    store = MemoryStore()
    store.put(keys.part("0123456789", 0, len(encode(SESSION, 10**12))), encode(SESSION, 10**12))
    run = find_run(store, RUN_ID)
    state = read_run(store, run)

    assert living_writers(store, run, state, now_s=10**9 + 599) == ["0123456789"]
    assert living_writers(store, run, state, now_s=10**9 + 601) == []


def test_whoever_sees_a_log_grow_goes_by_its_own_clock_and_not_by_the_writers(keys: RunKeys) -> None:
    store = MemoryStore()
    slow = [encode(SESSION, 10**12), encode(Beat(), 10**12 + 60_000)]  # a clock of the year 2001
    store.put(keys.part("0123456789", 0, len(slow[0])), slow[0])
    run = find_run(store, RUN_ID)
    state = read_run(store, run)
    assert status_of(store, run, state) == "LOST"  # at a first look there is only the time that it bears

    store.put(keys.part("0123456789", len(slow[0]), len(slow[0] + slow[1])), slow[1])
    run = find_run(store, RUN_ID)
    state = refresh(store, run, state)

    assert status_of(store, run, state) == "RUNNING"
    assert living_writers(store, run, state, now_s=time.time() + 599) == ["0123456789"]
    assert living_writers(store, run, state, now_s=time.time() + 601) == []


def test_a_clock_that_is_ahead_does_not_keep_a_dead_run_alive_for_who_watches(keys: RunKeys) -> None:
    store = MemoryStore()
    ahead = encode(SESSION, round(time.time() * 1000) + 10**9)
    store.put(keys.part("0123456789", 0, len(ahead)), ahead)
    run = find_run(store, RUN_ID)
    state = read_run(store, run)

    assert living_writers(store, run, state) == ["0123456789"]
    assert living_writers(store, run, state, now_s=time.time() + 601) == []


def test_a_run_that_was_copied_reads_as_it_was(writer: Writer, store: LocalStore, tmp_path: Path) -> None:
    writer.log_metric("loss", 0.5)
    shutil.copytree(store.root, tmp_path / "copy")
    writer.log_metric("loss", 0.25)

    copy = LocalStore(tmp_path / "copy")

    assert read_run(copy, find_run(copy, RUN_ID)).metrics["loss"].count == 1


# Columns --------------------------------------------------------------------------------------------------------------


def test_columns_hold_every_point_of_the_keys_asked_for_in_the_order_asked(
    store: LocalStore, keys: RunKeys
) -> None:
    run = put_logs(
        store,
        keys,
        {
            "0123456789": [
                (1, SESSION),
                (2, Metrics(0, {"loss": 1.0, "acc": 0.5})),
                (3, Metrics(1, {"loss": float("inf")})),
                (4, Metrics(2, {"acc": 0.75}, at=77)),
                (5, End("FINISHED")),
            ]
        },
    )
    state = read_run(store, run)

    assert {key: rows(each) for key, each in read_columns(store, run, state, ["loss", "acc"]).items()} == {
        "loss": [(0, 2, 1.0), (1, 3, float("inf"))],
        "acc": [(0, 2, 0.5), (2, 77, 0.75)],
    }
    assert list(read_columns(store, run, state, ["nothing", "acc"])) == ["nothing", "acc"]
    assert list(read_columns(store, run, state)) == ["acc", "loss"]


def test_columns_of_several_logs_are_by_step_and_hide_what_a_rewind_hides(
    store: LocalStore, keys: RunKeys
) -> None:
    first: list[tuple[int, Event]] = [
        (1, SESSION),
        *((10 + step, Metrics(step, {"loss": float(step)})) for step in range(4)),
    ]
    second: list[tuple[int, Event]] = [
        (50, SESSION),
        (51, Rewind(1)),
        (52, Metrics(2, {"loss": 20.0})),
        (53, Metrics(0, {"loss": 9.0})),
    ]
    run = put_logs(store, keys, {"0123456789": first, "abcdefghjk": second})
    state = read_run(store, run)

    assert rows(read_columns(store, run, state)["loss"]) == [
        (0, 10, 0.0),
        (0, 53, 9.0),
        (1, 11, 1.0),
        (2, 52, 20.0),
    ]


def test_long_logs_with_bad_lines_and_two_keys_lose_no_point(store: LocalStore, keys: RunKeys) -> None:
    lines = [encode(SESSION, 1)]
    for step in range(5_000):
        lines.append(encode(Metrics(step, {"loss" if step % 3 else "acc": step / 7}), 10 + step))
        if step in {1_000, 4_000}:
            lines.append(b'["metric",17\n')
    store.put(keys.log("0123456789"), b"".join(lines))
    run = find_run(store, RUN_ID)
    state = read_run(store, run)

    columns = read_columns(store, run, state)

    assert len(state.bad_lines) == 2
    assert rows(columns["acc"]) == [(step, 10 + step, step / 7) for step in range(0, 5_000, 3)]
    assert rows(columns["loss"]) == [(step, 10 + step, step / 7) for step in range(5_000) if step % 3]
    assert {key: each.count for key, each in state.metrics.items()} == {"acc": 1_667, "loss": 3_333}
    assert state.metrics["loss"].max_step == state.metrics["loss"].last_step == 4_999


def test_columns_and_summary_agree_on_lines_whose_numbers_are_too_large(
    store: LocalStore, keys: RunKeys
) -> None:
    good = encode(Metrics(0, {"loss": 1.0}), 5)
    data = encode(SESSION, 1) + good + b'["metric",5,99999999999999999999,"loss",1.0]\n' + good
    store.put(keys.log("0123456789"), data)
    run = find_run(store, RUN_ID)
    state = read_run(store, run)

    assert state.metrics["loss"].count == len(read_columns(store, run, state)["loss"].steps) == 2
    assert [each.line for each in state.bad_lines] == [3]


def test_a_run_is_read_from_an_experiment_whose_folder_is_given(store: LocalStore, keys: RunKeys) -> None:
    put_logs(store, keys, {"0123456789": [(1, SESSION)]})

    (run,) = runs_of(store, FoundExperiment("fraud", keys.logs.parent.parent))

    assert (run.keys, list(run.logs)) == (keys, ["0123456789"])
