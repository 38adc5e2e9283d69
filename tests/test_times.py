"""Moments as stores keep them and as users see them are the same moments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from podium.times import milliseconds_of, time_of


@pytest.mark.parametrize(
    "milliseconds", [0, 1, 999, 1_764_090_000_001, 1_764_090_000_999, 4_102_444_800_007, -1]
)
def test_a_moment_comes_back_to_the_millisecond(milliseconds: int) -> None:
    moment = time_of(milliseconds)

    assert moment.tzinfo is UTC
    assert moment.microsecond == milliseconds % 1000 * 1000  # exact: not a float's next best
    assert milliseconds_of(moment) == milliseconds
    assert isinstance(milliseconds_of(moment), int)


def test_the_zone_does_not_matter() -> None:
    there = datetime(2026, 11, 1, 9, 30, tzinfo=timezone(timedelta(hours=1)))

    assert milliseconds_of(there) == milliseconds_of(datetime(2026, 11, 1, 8, 30, tzinfo=UTC))
    assert milliseconds_of(there + timedelta(microseconds=500)) == milliseconds_of(there) + 0.5
