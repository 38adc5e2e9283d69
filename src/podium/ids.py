"""Ids nobody else will draw.

All of them come from ``os.urandom``: training scripts seed ``random``, and forked workers share its state,
so an id drawn from it would be drawn twice.
"""

from __future__ import annotations

import os
from datetime import UTC, date, datetime

__all__ = ["new_id", "new_run_id", "new_writer_id", "run_id_day"]

# Crockford's base 32 in lower case: no i, l, o, u (https://www.crockford.com/base32.html).
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_ULID_LENGTH = 26


def _base32(number: int, length: int) -> str:
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(5 * (length - 1), -1, -5))


def new_run_id(time_ms: int) -> str:
    """A lower-case ULID (https://github.com/ulid/spec): 48 bits of milliseconds, then 80 random bits."""
    return _base32((time_ms << 80) | int.from_bytes(os.urandom(10)), _ULID_LENGTH)


def new_writer_id() -> str:
    """50 random bits as ten characters; names one log of one run."""
    return _base32(int.from_bytes(os.urandom(7)) >> 6, 10)


def new_id() -> str:
    """128 random bits as 32 hex digits: a store, a history, a commit."""
    return os.urandom(16).hex()


def run_id_day(run_id: str) -> date | None:
    """The UTC day a ULID was drawn on, or None where ``run_id`` is a name of the user's own."""
    if len(run_id) != _ULID_LENGTH or run_id[0] not in "01234567" or not set(run_id) <= set(_ALPHABET):
        return None
    time_ms = 0
    for character in run_id[:10]:
        time_ms = time_ms * 32 + _ALPHABET.index(character)
    try:
        return datetime.fromtimestamp(time_ms / 1000, UTC).date()
    except (OverflowError, ValueError, OSError):
        return None  # a year past 9999: shaped like a ULID, and nothing drew it
