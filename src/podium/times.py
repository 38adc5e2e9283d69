"""Moments as stores keep them, whole milliseconds since 1970, and as users see them: aware, UTC, to the millisecond."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

__all__ = ["milliseconds_of", "time_of"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def time_of(milliseconds: int) -> datetime:
    """The aware UTC time of milliseconds since 1970."""
    seconds, rest = divmod(milliseconds, 1000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest * 1000)


def milliseconds_of(moment: datetime) -> int | float:
    """Milliseconds since 1970 of an aware time; exact for whole ones, which every time podium writes is."""
    whole, rest = divmod(moment - _EPOCH, _MILLISECOND)
    return whole + rest / _MILLISECOND if rest else whole
