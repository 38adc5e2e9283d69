"""When two values of a param are one: 1.0 equals 1, True does not, NaN equals NaN.

Values are equal if they are spelled alike, so that many can be told apart by a key. Pure.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from podium.strictjson import encode_value

__all__ = ["same_value", "spelled"]


def same_value(one: Any, other: Any) -> bool:
    """Whether two values of a param are equal: 1.0 equals 1, True does not, NaN equals NaN."""
    return spelled(one) == spelled(other)


# Escapes all but ASCII: half a character, which JSON can hold and UTF-8 cannot, is a value as any other.
_spell = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


def spelled(value: Any) -> str:
    """A text that values have in common if, and only if, they are equal."""
    if type(value) is float and math.isfinite(value) and not value.is_integer():
        return repr(value)
    return _spell(encode_value(_whole_as_int(value)))


def _whole_as_int(value: Any) -> Any:
    """The value with whole floats as the integers they equal."""
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        return int(value)
    if isinstance(value, list | tuple):
        return [_whole_as_int(each) for each in value]
    if isinstance(value, Mapping):
        return {key: _whole_as_int(each) for key, each in value.items()}
    return value
