"""A run is lost only when nobody holds it."""

from __future__ import annotations

import os
import time
from dataclasses import replace

import pytest

from podium.runs.codec import encode
from podium.runs.events import Beat, Start
from podium.runs.finding import FoundRun, find_run
from podium.runs.layout import RunKeys
from podium.runs.living import living_writers
from podium.runs.locking import is_held, machine
from podium.runs.reader import read_run, refresh, status_of
from podium.runs.writer import Writer
from podium.stores import LocalStore, MemoryStore
from tests.runs.conftest import RUN_ID
from tests.runs.logs import SESSION, put_logs


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
