"""Ids: from the operating system's randomness, ordered by time where they say so."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime

from hypothesis import given
from hypothesis import strategies as st

from podium.ids import new_id, new_run_id, new_writer_id, run_id_day

LAST_MS = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp() * 1000)


def test_seeding_random_does_not_repeat_ids() -> None:
    drawn = set()
    for _ in range(100):
        random.seed(0)
        drawn |= {new_run_id(1_763_885_728_123), new_writer_id(), new_id()}

    assert len(drawn) == 300


@given(st.integers(0, LAST_MS))
def test_a_run_id_tells_the_utc_day_it_was_drawn_on(time_ms: int) -> None:
    run_id = new_run_id(time_ms)

    assert len(run_id) == 26
    assert run_id == run_id.lower()
    assert run_id_day(run_id) == datetime.fromtimestamp(time_ms / 1000, UTC).date()


@given(st.integers(0, LAST_MS - 1), st.integers(1, 10_000_000))
def test_run_ids_of_different_milliseconds_sort_by_time(earlier: int, later_by: int) -> None:
    assert new_run_id(earlier) < new_run_id(min(earlier + later_by, LAST_MS))


def test_the_ulid_of_the_specification_is_read() -> None:
    assert run_id_day("01arz3ndektsv4rrffq69g5fav") == date(2016, 7, 30)


def test_a_name_of_the_users_own_has_no_day() -> None:
    assert run_id_day("slurm-17") is None
    assert run_id_day("i" * 26) is None
    assert run_id_day("7" + "z" * 25) is None  # shaped like one, from a year past 9999


def test_a_writer_id_is_ten_lower_case_characters() -> None:
    assert len(new_writer_id()) == 10
    assert new_writer_id().isalnum()
