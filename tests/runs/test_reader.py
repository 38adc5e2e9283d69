"""Runs are read whole while they are written, from any parts that cover their logs."""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podium.errors import RunNotFound
from podium.runs.codec import encode
from podium.runs.columns import read_columns
from podium.runs.events import Event, Metrics
from podium.runs.finding import find_run
from podium.runs.layout import RunKeys
from podium.runs.reader import read_run, refresh
from podium.runs.writer import Writer
from podium.stores import LocalStore, MemoryStore
from tests.runs.conftest import RUN_ID
from tests.runs.logs import SESSION, put_logs


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


def test_a_run_that_was_copied_reads_as_it_was(writer: Writer, store: LocalStore, tmp_path: Path) -> None:
    writer.log_metric("loss", 0.5)
    shutil.copytree(store.root, tmp_path / "copy")
    writer.log_metric("loss", 0.25)

    copy = LocalStore(tmp_path / "copy")

    assert read_run(copy, find_run(copy, RUN_ID)).metrics["loss"].count == 1
