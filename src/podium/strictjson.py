"""JSON as podium writes it: UTF-8, one spelling a value, and never a bare NaN.

RFC 8259 has no NaN and no infinities. Where a float is expected they are the strings "NaN", "Infinity" and
"-Infinity"; inside a value of any type (a param) they are ``{"$float": "NaN"}``, so that the text "NaN" stays a
text. A user's own object whose only key begins with "$" is wrapped as ``{"$object": {...}}`` for the same reason.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

__all__ = [
    "JsonValue",
    "canonical",
    "decode_float",
    "decode_value",
    "encode_float",
    "encode_value",
    "loads",
    "named_floats",
    "parse",
]

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"

_NAMES = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def canonical(value: object) -> bytes:
    """The one spelling of a JSON value: sorted keys, no spaces, UTF-8, no newline at the end.

    Raises:
        ValueError: a NaN or infinity that was not encoded, or text with a lone surrogate.
        TypeError: something that is no JSON value.
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def loads(data: bytes | str) -> Any:
    """Parse strict JSON.

    Raises:
        ValueError: not JSON, or the bare words NaN and Infinity, which are no JSON.
    """
    return json.loads(data, parse_constant=_no_constant)


def _no_constant(word: str) -> float:
    raise ValueError(f"{word} is not JSON")


parse: Final[Callable[[str], Any]] = json.JSONDecoder(parse_constant=_no_constant).decode
"""As `loads`, of text: for whoever parses many small ones, since `json.loads` makes a decoder each time."""


def encode_float(value: float) -> float | str:
    """A float as JSON has it: itself, or the name of NaN or an infinity."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def decode_float(value: object) -> float:
    """The float behind `encode_float`.

    Raises:
        ValueError: neither a number nor one of the three names.
    """
    if isinstance(value, str) and value in _NAMES:
        return _NAMES[value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise ValueError(f"{value!r} is no number")


def named_floats(value: JsonValue) -> JsonValue:
    """A JSON value as strict JSON for others to read: NaN and infinities by their names, nothing else changed."""
    if isinstance(value, float):
        return encode_float(value)
    if isinstance(value, list):
        return [named_floats(each) for each in value]
    if isinstance(value, dict):
        return {key: named_floats(each) for key, each in value.items()}
    return value


def encode_value(value: object) -> JsonValue:
    """A JSON value that may hold NaN, as strict JSON; tuples become lists.

    Raises:
        TypeError: something that is no JSON value.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$float": str(encode_float(value))}
    if isinstance(value, list | tuple):
        return [encode_value(each) for each in value]
    if isinstance(value, Mapping):
        encoded = {_text(key): encode_value(each) for key, each in value.items()}
        if len(encoded) == 1 and next(iter(encoded)).startswith("$"):
            return {"$object": encoded}
        return encoded
    raise TypeError(f"{type(value).__name__} is no JSON value")


def _text(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(f"a JSON key is text, not {type(key).__name__}")
    return key


def decode_value(value: Any) -> Any:
    """The value behind `encode_value`."""
    if isinstance(value, list):
        return [decode_value(each) for each in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((key, inner),) = value.items()
        if key == "$float":
            return decode_float(inner)
        if key == "$object" and isinstance(inner, dict):
            return {name: decode_value(each) for name, each in inner.items()}
    return {name: decode_value(each) for name, each in value.items()}
