"""Every event survives its line, and no line is taken for what it is not."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium.errors import Invalid
from podium.runs.events import (
    BAD_LINE,
    EMPTY_LINE,
    Artifact,
    Beat,
    Dataset,
    Deleted,
    Dropped,
    End,
    Environment,
    Event,
    Goal,
    Metrics,
    Model,
    ModelFile,
    Note,
    Params,
    Rewind,
    Start,
    Tags,
    Unknown,
    Verdict,
    check_key,
    decode,
    encode,
    parse_lines,
)

EVENTS: list[Event] = [
    Start("session", "fraud", "lr=0.1", "ada", "gpu7", "nightly", {"python": "3.11"}, 600.0, "m", True, 17),
    Start("edit", "fraud"),
    Params({"lr": 0.1, "deep": {"a": [1, None, True]}, "odd": {"$float": "text"}}),
    Params({"lr": math.inf}, overwrite=True),
    Metrics(3, {"loss": 0.25, "acc": -0.0, "Verlust ü": 1e300}),
    Metrics(-3, {"loss": math.inf}),
    Metrics(7, {"loss": 0.5, "acc": -math.inf}, at=1_700_000_000_000),
    Tags({"team": "risk", "gone": None, "line\nbreak": "\udcff"}),
    Note("first\nsecond"),
    Artifact("a b/ü.txt", "a b/x~0123456789abcdef", 5, "0" * 64),
    Model("model", "model", "1" * 64, (ModelFile("MLmodel", 412, "2" * 64),), {"flavor": "sklearn"}),
    Dataset("train", "4be1", "eval", 10, {"age": "int64"}, (10, 1)),
    Dataset("train", "4be1"),
    Goal("loss", "min"),
    Rewind(5),
    Verdict({"gate": "metrics.f1 > 0.9", "left": None}),
    Deleted(True),
    Beat(),
    Environment({"packages.numpy": "2.3.5"}),
    Dropped(3),
    End("FAILED", "ValueError: no", "Traceback"),
    End("FINISHED"),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_comes_back_from_its_line_as_it_was(event: Event) -> None:
    line = encode(event, 1_763_885_728_123)

    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    (row,) = parse_lines(line)
    assert decode(row) == (1_763_885_728_123, event)


@given(
    st.floats(),
    st.integers(-(2**63), 2**63 - 1),
    st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1),
)
def test_any_number_step_and_key_of_a_metric_come_back(value: float, step: int, key: str) -> None:
    (row,) = parse_lines(encode(Metrics(step, {key: value}), 5))

    time_ms, event = decode(row)

    assert time_ms == 5
    assert isinstance(event, Metrics)
    assert event.step == step
    assert repr(event.values) == repr({key: value})


def test_every_line_of_the_page_is_an_event(specified: Callable[[str], str]) -> None:
    text = specified("run-log")

    rows = parse_lines(text.encode())

    decoded = [decode(row)[1] for row in rows]
    assert {type(each) for each in decoded if not isinstance(each, Unknown)} == {
        type(each) for each in EVENTS
    } - {Rewind}
    assert [each.name for each in decoded if isinstance(each, Unknown)] == ["painted"]
    for line, row in zip(text.splitlines(), rows, strict=True):
        time_ms, event = decode(row)
        if not isinstance(event, Unknown):
            assert json.loads(encode(event, time_ms)) == json.loads(line)


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


@pytest.mark.parametrize(
    "row",
    [
        [],
        ["metric"],
        ["metric", 1, 2],
        ["metric", 1, 2, "loss"],
        ["metric", 1.5, 2, "loss", 0.5],
        ["metric", 1, True, "loss", 0.5],
        ["metric", 1, 2, 3, 0.5],
        ["metric", 1, 2, "loss", "0.5"],
        ["metric", 1, 2, "loss", True],
        ["metric", 1, 2**63, "loss", 0.5],
        ["metric", 1, 2, "loss", 10**400],
        {"time": 1},
        {"event": "beat"},
        {"event": "beat", "time": "1"},
        {"event": "start", "time": 1, "kind": "other", "experiment": "x"},
        {"event": "params", "time": 1, "params": []},
        {"event": "tags", "time": 1, "tags": {"a": 1}},
        {"event": "goal", "time": 1, "key": "loss", "goal": "up"},
        {"event": "end", "time": 1, "status": "LOST"},
        {"event": "end", "time": 1, "status": ["FINISHED"]},
        {"event": "dropped", "time": 1, "count": -1},
        {"event": "model", "time": 1, "name": "m", "key": "m", "sha256": "", "files": [1]},
    ],
)
def test_what_has_not_the_shape_of_its_event_is_refused(row: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(row)


def test_events_and_fields_of_a_newer_podium_are_passed_over() -> None:
    assert decode({"event": "painted", "time": 7, "colour": "red"}) == (7, Unknown("painted"))
    assert decode(["sketched", 7, {"deep": 1}]) == (7, Unknown("sketched"))
    assert decode({"event": "note", "time": 7, "text": "x", "colour": "red"}) == (7, Note("x"))


@pytest.mark.parametrize(
    ("key", "why"),
    [("", "empty"), ("a" * 501, "501"), ("a\nb", "'\\\\n'"), ("a\udcff", "udcff"), ("a\x7f", "x7f")],
)
def test_a_key_that_can_never_be_right_is_refused_with_the_reason(key: str, why: str) -> None:
    with pytest.raises(Invalid, match=why):
        check_key(key, "metric")


def test_a_key_that_is_no_text_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="int"):
        check_key(5, "param")


@pytest.mark.parametrize("key", ["loss", "val/loss", "a" * 500, "naïve 模型 🐍", "x\u00a0y"])
def test_any_printable_key_is_good(key: str) -> None:
    assert check_key(key, "metric") == key
