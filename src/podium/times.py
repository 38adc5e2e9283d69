"""Moments as stores keep them, whole milliseconds since 1970, and as users see them: aware, UTC, to the millisecond."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

__all__ = ["milliseconds_of", "time_of"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


# A log may claim any 64 bits.
_EARLIEST_MS, _LATEST_MS = -62_135_596_800_000, 253_402_300_799_999


def time_of(milliseconds: int) -> datetime:
    """The aware UTC time of milliseconds since 1970; past the years 1 to 9999 their first or last moment."""
    seconds, rest = divmod(min(max(milliseconds, _EARLIEST_MS), _LATEST_MS), 1000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest * 1000)


def milliseconds_of(moment: datetime) -> int | float:
    """Milliseconds since 1970 of an aware time; exact for whole ones, which every time podium writes is."""
    whole, rest = divmod(moment - _EPOCH, _MILLISECOND)
    return whole + rest / _MILLISECOND if rest else whole
