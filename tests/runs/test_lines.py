"""A line that is no JSON event keeps its place among those that are."""

from __future__ import annotations

import pytest

from podium.runs.lines import BAD_LINE, EMPTY_LINE, parse_lines


@pytest.mark.parametrize(
    "line",
    [
        b'{"event":"tags"',
        b"\0\0\0\0",
        b'\0\0\0{"event":"beat","time":1}',
        b"17",
        b'"text"',
        b'["metric",1,2,"loss",NaN]',
        b"\xff\xfe",
        b"[" * 100_000,
        b'["metric",1' + b"0" * 5_000 + b',0,"a",1.0]',
    ],
)
def test_a_line_that_is_no_json_event_is_bad_and_its_neighbours_are_not(line: bytes) -> None:
    rows = parse_lines(b'["metric",1,0,"a",1.0]\n' + line + b'\n\n{"event":"beat","time":2}\n')

    assert rows == [["metric", 1, 0, "a", 1.0], BAD_LINE, EMPTY_LINE, {"event": "beat", "time": 2}]


def test_two_halves_that_join_to_one_value_are_still_two_bad_lines() -> None:
    assert parse_lines(b'["metric",1,2\n"a",3]\n5,6\n') == [BAD_LINE, BAD_LINE, BAD_LINE]
