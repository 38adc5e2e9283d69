"""Every event survives its line, and no line is taken for what it is not."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium.runs.codec import decode, encode
from podium.runs.events import (
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
)
from podium.runs.lines import parse_lines

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


def test_the_page_names_the_required_fields_of_every_event(specified: Callable[[str], str]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "format.md").read_text(encoding="utf-8")
    table = page[page.index("Fields of the events") : page.index("What reads a run's models")]
    rows = {
        name: set(re.findall(r"`(\w+)`(?!\?)", cell))
        for name, cell in re.findall(r"^\| `(\w+)` \| (.*) \|$", table, re.M)
    }
    examples = [json.loads(line) for line in specified("run-log").splitlines()]
    examples.append({"event": "rewind", "time": 1, "to_step": 3})

    for example in examples:
        if isinstance(example, list) or example["event"] == "painted":
            continue
        required = set()
        for field in set(example) - {"event", "time"}:
            rest = {name: value for name, value in example.items() if name != field}
            try:
                decode(rest)
            except ValueError:
                required.add(field)
        inside = {"path", "size_bytes", "sha256"} if example["event"] == "model" else set()
        assert rows[example["event"]] - inside == required - inside, example["event"]
