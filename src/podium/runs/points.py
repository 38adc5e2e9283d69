"""What a point of a metric may be: its value, its step and its time, out of what users hand over.

A scalar of numpy, torch and the like is a number by its ``item``, a step by its ``__index__``. What can never be right
raises here, with a message for whoever logged it. Pure: knows no run and no log, and imports no framework.
"""

from __future__ import annotations

from datetime import datetime

from podium.errors import Invalid
from podium.runs.lines import INT64

__all__ = ["ms_of", "step_of", "value_of"]


def value_of(key: object, value: object) -> float:
    """The value of a metric.

    Raises:
        TypeError: it is no single number.
        Invalid: an integer too large for a float.
    """
    if isinstance(value, str | bytes):
        raise TypeError(
            f"metric {key!r} is {value!r}, a text: a metric is a number. Log a param or a tag instead."
        )
    item = getattr(value, "item", None)
    try:
        return float(item() if callable(item) else value)  # type: ignore[arg-type]  # what is no number raises
    except OverflowError as error:
        raise Invalid(f"metric {key!r} is an integer too large for a float.") from error
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(
            f"metric {key!r} is a {type(value).__name__}, which is no single number: {error}. Log one number, "
            "for instance a mean."
        ) from error


def step_of(step: object) -> int:
    """A step.

    Raises:
        TypeError: it is no integer.
        Invalid: it has more than 64 bits.
    """
    try:
        number = step.__index__()  # type: ignore[attr-defined]  # what is no integer raises
    except (AttributeError, TypeError) as error:
        raise TypeError(f"a step is an integer, not {step!r}.") from error
    if not -INT64 <= number < INT64:
        raise Invalid(f"a step has at most 64 bits: {number}.")
    return int(number)


def ms_of(at: object) -> int:
    """Milliseconds since 1970 of the time of a point.

    Raises:
        TypeError: it is no datetime.
        Invalid: it does not say of which zone.
    """
    if not isinstance(at, datetime):
        raise TypeError(f"time={at!r}: give an aware datetime, for instance datetime.now(UTC).")
    if at.utcoffset() is None:
        raise Invalid(f"time={at!r}: give an aware datetime, for instance datetime.now(UTC).")
    return round(at.timestamp() * 1000)
