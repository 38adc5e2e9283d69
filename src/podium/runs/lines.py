"""The lines of a log: bytes to JSON values and numbers, whatever the values say.

A line that cannot be read keeps its place. Pure: must never know which events there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from podium.strictjson import decode_float, parse

__all__ = [
    "BAD_LINE",
    "EMPTY_LINE",
    "INT64",
    "float_in",
    "in_range",
    "line_bytes",
    "line_chunks",
    "parse_lines",
    "whole_lines",
]

INT64: Final = 2**63
"""Numbers lie between this and its opposite: steps and times are kept in columns of 64 bits."""

_CHUNK_BYTES = 1 << 16


class _Line:
    """What stands where no event can be read."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


BAD_LINE: Final = _Line("BAD_LINE")
EMPTY_LINE: Final = _Line("EMPTY_LINE")


def whole_lines(data: bytes) -> int:
    """How many bytes of ``data`` are whole lines; what follows is torn, or still being written."""
    return data.rfind(b"\n") + 1


def line_chunks(data: bytes) -> Iterator[bytes]:
    """The whole lines of ``data`` in chunks, each as long as is best for `parse_lines`, or one line that is longer."""
    whole, at = whole_lines(data), 0
    while at < whole:
        cut = data.rfind(b"\n", at, at + _CHUNK_BYTES) + 1 or data.find(b"\n", at) + 1
        yield data[at:cut]
        at = cut


def parse_lines(chunk: bytes) -> list[object]:
    """The JSON value of each line of whole lines; `BAD_LINE` and `EMPTY_LINE` keep their places.

    All lines are parsed as one array, and one by one only where that fails: some value is no event, or lines and
    values differ in number. Chunks of 64 KiB are best: in larger ones the garbage collector looks at every list.
    """
    try:
        rows: list[object] = parse(f"[{chunk[:-1].decode().replace(chr(10), ',')}]")
    except (ValueError, RecursionError):
        return [_parse_line(line) for line in chunk[:-1].split(b"\n")]
    if len(rows) != chunk.count(b"\n") or not _EVENT_TYPES.issuperset(map(type, rows)):
        return [_parse_line(line) for line in chunk[:-1].split(b"\n")]
    return rows


_EVENT_TYPES = frozenset({list, dict})


def _parse_line(line: bytes) -> object:
    if not line:
        return EMPTY_LINE
    try:
        value = parse(line.decode())
    except (ValueError, RecursionError):
        return BAD_LINE
    return value if type(value) in _EVENT_TYPES else BAD_LINE


def line_bytes(text: str) -> bytes:
    """The bytes of a line."""
    # Lone surrogates (file names that are no UTF-8) only occur inside JSON strings, where \udcff is their escape.
    return text.encode("utf-8", "backslashreplace")


def float_in(value: object) -> float:
    """The float that a value of a line stands for.

    Raises:
        ValueError: it is none.
    """
    try:
        return decode_float(value)
    except OverflowError as error:
        raise ValueError("an integer too large for a float") from error


def in_range(number: int) -> int:
    """The integer itself.

    Raises:
        ValueError: it has more than 64 bits.
    """
    if not -INT64 <= number < INT64:
        raise ValueError("a number has at most 64 bits")
    return number
