"""Metrics as lines: positional arrays, ``["metric", time, step, key, value, key, value ...]``, and columns of them.

There are many of them, and they parse 2.8 times faster than objects. Pure, and made to be fast: the writer puts their
pieces together itself, and a reader takes whole chunks of alike lines by columns.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from podium.runs.lines import float_in, in_range, line_bytes
from podium.strictjson import encode_float

__all__ = [
    "MetricColumns",
    "float_text",
    "key_text",
    "metric_columns",
    "metric_line",
    "metric_row",
]


def metric_line(time_ms: int, step: int, pairs: Sequence[tuple[str, float]]) -> bytes:
    """The positional line of metrics at one step; keys come as JSON text already."""
    values = "".join(f",{key},{float_text(value)}" for key, value in pairs)
    return line_bytes(f'["metric",{time_ms},{step}{values}]\n')


def float_text(value: float) -> str:
    """A float as JSON text."""
    return repr(value) if value - value == 0.0 else f'"{encode_float(value)}"'


def key_text(key: str) -> str:
    """The JSON text of a key."""
    return json.encoder.encode_basestring(key)


def metric_row(row: list[Any]) -> tuple[int, int, list[tuple[str, float]]]:
    """Time, step, and pairs of key and value of a positional metric line.

    Raises:
        ValueError: it does not look like one.
    """
    if len(row) < 5 or len(row) % 2 == 0 or type(row[1]) is not int or type(row[2]) is not int:
        raise ValueError("a metric is its time, its step, and then keys and values in turns")
    keys = row[3::2]
    if not all(type(key) is str for key in keys):
        raise ValueError("the key of a metric is text")
    values = [float_in(value) for value in row[4::2]]
    return in_range(row[1]), in_range(row[2]), list(zip(keys, values, strict=True))


@dataclass(frozen=True, slots=True)
class MetricColumns:
    """Lines of one metric each, column by column: arrays of ``q``, ``q`` and ``d`` beside the keys."""

    times_ms: array[int]
    steps: array[int]
    keys: tuple[str, ...]
    values: array[float]

    def by_key(self) -> dict[str, list[bool] | None]:
        """Of each key which lines are its own; None: all."""
        if self.keys.count(self.keys[0]) == len(self.keys):
            return {self.keys[0]: None}
        return {key: [each == key for each in self.keys] for key in dict.fromkeys(self.keys)}


def metric_columns(rows: list[object]) -> MetricColumns | None:
    """The columns of parsed lines, where every one is a metric with one float; else None."""
    try:
        names, times, steps, keys, values = zip(*rows, strict=True)
    except (TypeError, ValueError):
        return None  # some line is an object, or has more values, or there is no line
    if (
        names.count("metric") != len(names)
        or set(map(type, values)) != {float}
        or set(map(type, times)) != {int}
        or set(map(type, steps)) != {int}
        or set(map(type, keys)) != {str}
    ):
        return None
    try:
        return MetricColumns(array("q", times), array("q", steps), keys, array("d", values))
    except OverflowError:
        return None
