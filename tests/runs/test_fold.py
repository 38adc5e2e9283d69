"""A run is the same whatever order its logs are read in, and in whatever pieces."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podium.runs import fold
from podium.runs.codec import encode
from podium.runs.events import (
    Artifact,
    Beat,
    Dataset,
    Deleted,
    Dropped,
    End,
    EndStatus,
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
)
from podium.runs.fold import RunState
from podium.strictjson import encode_float, encode_value
from tests.runs.conftest import RUN_ID

SESSION = Start("session", "fraud")
EDIT = Start("edit", "fraud")
Timed = tuple[int, Event]


def log(*events: Timed) -> bytes:
    return b"".join(encode(event, time_ms) for time_ms, event in events)


def folded(logs: Mapping[str, bytes]) -> RunState:
    state = RunState(RUN_ID)
    while True:
        for writer_id, data in logs.items():
            state.feed(writer_id, data)
        if not state.needs_reread:
            return state
        state = state.reread()


def run(**logs: bytes) -> RunState:
    return folded(logs)


def facts(state: RunState) -> str:
    """Everything a state says, as text: NaN equals NaN, and order counts only where it is said to."""
    return repr(
        (
            sorted(state.params.items()),
            state.conflicts,
            sorted(state.metrics.items()),
            state.tags,
            state.note,
            sorted(state.goals.items()),
            state.artifacts,
            state.models,
            state.datasets,
            state.verdict,
            state.deleted,
            state.dropped,
            state.first,
            state.start_ms,
            state.end_ms(),
            sorted(state.environment.items()),
            [state.status(alive) for alive in ((), ("a",), ("b",))],
            state.ending(),
            state.bad_lines,
            state.clock_ms,
            sorted((each.writer_id, each.offset, each.lines, each.clock_ms) for each in state.logs.values()),
        )
    )


# Few keys, steps and times, so that they meet.
times = st.integers(0, 8)
keys = st.sampled_from(["loss", "acc"])
numbers = st.sampled_from([0.0, -0.0, 1.0, 2.5, math.nan, math.inf, -math.inf])
steps = st.integers(0, 4)
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(Metrics, steps, st.dictionaries(keys, numbers, min_size=1), st.none() | times),
    st.builds(
        Params, st.dictionaries(keys, st.sampled_from([1, 1.0, True, "x", None]), min_size=1), st.booleans()
    ),
    st.builds(Tags, st.dictionaries(keys, st.none() | st.sampled_from(["x", "y"]), min_size=1)),
    st.builds(Note, st.sampled_from(["one", "two"])),
    st.builds(Goal, keys, st.sampled_from(["min", "max"])),
    st.builds(Artifact, keys, keys, st.integers(0, 2), st.just("0" * 64)),
    st.builds(
        lambda name, sha: Model(name, f"{name}~{sha}", sha, (ModelFile("MLmodel", 1, sha),)),
        keys,
        st.sampled_from(["1", "2"]),
    ),
    st.builds(Dataset, keys, st.sampled_from(["1", "2"])),
    st.builds(Deleted, st.booleans()),
    st.builds(Rewind, steps),
    st.builds(Dropped, st.integers(0, 2)),
    st.builds(Environment, st.dictionaries(st.sampled_from("ab"), st.sampled_from("xyz"), max_size=2)),
    st.just(Beat()),
    st.builds(End, st.sampled_from(["FINISHED", "FAILED", "KILLED"])),
)
points = st.lists(
    st.tuples(times, st.builds(Metrics, steps, st.dictionaries(keys, numbers, min_size=1, max_size=1))),
    max_size=8,
)
starts = st.tuples(
    times, st.builds(Start, st.sampled_from(["session", "edit"]), st.just("fraud"), after=times)
)
rubbish = st.sampled_from(
    [b"", b"\n", b"\0\0\n", b'["metric",1\n', b'{"event":"painted","time":3}\n', b"torn"]
)


@st.composite
def written_logs(draw: st.DrawFn) -> dict[str, bytes]:
    """Up to three logs, of clocks that step back, with bad lines and perhaps a torn end."""
    logs = {}
    for writer_id in draw(st.sampled_from([["a"], ["a", "b"], ["a", "b", "c"]])):
        body = draw(st.lists(st.tuples(times, events), max_size=6)) + draw(points)
        lines = [encode(event, time_ms) for time_ms, event in [draw(starts), *body]]
        lines.insert(draw(st.integers(0, len(lines))), draw(rubbish.filter(lambda each: each != b"torn")))
        logs[writer_id] = b"".join(lines) + draw(rubbish)
    return logs


@settings(max_examples=300)
@given(logs=written_logs(), data=st.data())
def test_any_order_of_logs_in_any_pieces_is_the_same_run(logs: dict[str, bytes], data: st.DataObject) -> None:
    expected = facts(folded(logs))
    state = RunState(RUN_ID)

    while True:
        waiting = dict.fromkeys(data.draw(st.permutations(sorted(logs))), 0)
        while waiting:
            writer_id = data.draw(st.sampled_from(sorted(waiting)))
            done = state.logs[writer_id].offset if writer_id in state.logs else 0
            size = len(logs[writer_id])
            left = data.draw(st.integers(0, max(size - waiting[writer_id] - 1, 0)))
            reach = size - left
            state.feed(writer_id, logs[writer_id][done:reach])
            waiting[writer_id] = reach
            if left == 0:
                del waiting[writer_id]
        if not state.needs_reread:
            break
        state = state.reread()

    assert facts(state) == expected


@settings(max_examples=200)
@given(body=st.lists(st.tuples(times, keys, steps, numbers.filter(math.isfinite)), min_size=1, max_size=30))
def test_lines_that_are_all_alike_fold_as_they_do_one_by_one(body: list[tuple[int, str, int, float]]) -> None:
    lines = [encode(Metrics(step, {key: value}), time_ms) for time_ms, key, step, value in body]
    at_once, one_by_one = RunState(RUN_ID), RunState(RUN_ID)

    at_once.feed("a", b"".join(lines))
    for line in lines:
        one_by_one.feed("a", line)

    assert facts(at_once) == facts(one_by_one)


def test_the_log_of_the_page_folds_to_the_run_of_the_page(specified: Callable[[str], str]) -> None:
    state = run(a=specified("run-log").encode())

    def record(key: str) -> dict[str, Any]:
        metric = state.metrics[key]
        return {
            "last": encode_float(metric.last),
            "last_step": metric.last_step,
            "min": metric.min,
            "min_step": metric.min_step,
            "max": metric.max,
            "max_step": metric.max_step,
            "count": metric.count,
        }

    assert {
        "params": encode_value(state.params),
        "metrics": {key: record(key) for key in state.metrics},
        "tags": state.tags,
        "note": state.note,
        "goals": state.goals,
        "artifacts": list(state.artifacts),
        "models": list(state.models),
        "datasets": [each.name for each in state.datasets],
        "verdict": state.verdict,
        "dropped": state.dropped,
        "deleted": state.deleted,
        "status": state.status(),
    } == json.loads(specified("run-fold"))
    assert state.bad_lines == []


@given(
    start=st.builds(
        Start, st.sampled_from(["session", "edit"]), st.just("fraud"), after=times, locked=st.booleans()
    ),
    time_ms=times,
)
def test_a_log_begun_from_what_was_written_is_as_if_it_had_been_read(start: Start, time_ms: int) -> None:
    line = encode(start, time_ms)
    begun, read = RunState(RUN_ID), RunState(RUN_ID)

    begun.begin("a", start, time_ms, len(line))
    read.feed("a", line)
    for state in (begun, read):
        state.feed("a", log((time_ms, Note("more"))))

    assert facts(begun) == facts(read)


def test_a_torn_last_line_is_left_until_its_newline_is_there() -> None:
    line = log((1, SESSION), (2, Note("whole")))
    state = RunState(RUN_ID)

    assert state.feed("a", line[:-1]) == len(log((1, SESSION)))
    assert state.note == ""

    state.feed("a", line[state.logs["a"].offset :])
    assert state.note == "whole"
    assert state.bad_lines == []


def test_a_bad_line_is_one_record_and_harms_no_other() -> None:
    state = run(
        a=log((1, SESSION), (2, Note("before"))) + b"\0" * 5_000 + b"\n" + log((3, Tags({"after": "x"})))
    )

    assert [(each.writer_id, each.line) for each in state.bad_lines] == [("a", 3)]
    assert (state.note, state.tags) == ("before", {"after": "x"})


def test_what_nests_deeper_than_anybody_can_read_is_one_bad_line() -> None:
    deep = b'{"event":"params","time":2,"params":{"a":' + b"[" * 600 + b"]" * 600 + b"}}\n"
    deeper = b'{"event":"model","time":2,"facts":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}\n"

    state = run(a=log((1, SESSION)) + deep + deeper + log((3, Note("after"))))

    assert [each.line for each in state.bad_lines] == [2, 3]
    assert (state.params, state.note) == ({}, "after")


def test_a_text_that_is_no_utf_8_harms_nothing() -> None:
    odd = log((1, SESSION), (2, Params({"\udcff": "\udcfe", "b": ["\udcfd"]})), (3, Note("\udcfc")))

    assert (run(a=odd).params, run(a=odd).note) == ({"\udcff": "\udcfe", "b": ["\udcfd"]}, "\udcfc")


def test_a_tag_of_a_clock_that_stepped_back_is_still_the_later_one() -> None:
    state = run(a=log((1_000, SESSION), (1_001, Tags({"t": "old"})), (5, Tags({"t": "new"}))))

    assert state.tags == {"t": "new"}


def test_what_a_joined_writer_says_is_later_whatever_its_clock_shows() -> None:
    first = log((1_000, SESSION), (2_000, Note("old")))
    joined = log((10, Start("edit", "fraud", after=2_001)), (11, Note("new")))

    assert run(a=first, b=joined).note == "new"


def test_a_deleted_tag_is_gone_until_it_is_set_again() -> None:
    begun: list[Timed] = [(1, SESSION), (2, Tags({"t": "x"})), (3, Tags({"t": None}))]

    assert run(a=log(*begun)).tags == {}
    assert run(a=log(*begun, (4, Tags({"t": "y"})))).tags == {"t": "y"}


def test_of_two_writers_the_first_param_stands_and_the_conflict_is_shown() -> None:
    state = run(a=log((1, SESSION), (9, Params({"lr": 0.1}))), b=log((2, SESSION), (5, Params({"lr": 0.2}))))

    assert state.params == {"lr": 0.2}
    assert [(each.key, each.kept, each.others) for each in state.conflicts] == [("lr", 0.2, (0.1,))]


def test_the_last_overwrite_of_a_param_stands_and_settles_a_conflict() -> None:
    state = run(
        a=log((1, SESSION), (2, Params({"lr": 0.1})), (5, Params({"lr": 0.3}, overwrite=True))),
        b=log((1, SESSION), (3, Params({"lr": 0.2})), (4, Params({"lr": 0.4}, overwrite=True))),
    )

    assert state.params == {"lr": 0.3}
    assert state.conflicts == ()


def test_the_last_value_is_that_of_the_highest_step_not_of_the_latest_time() -> None:
    state = run(a=log((1, SESSION), (2, Metrics(7, {"loss": 0.5})), (3, Metrics(2, {"loss": 0.1}))))

    record = state.metrics["loss"]
    assert (record.last, record.last_step, record.min, record.min_step, record.count) == (0.5, 7, 0.1, 2, 2)


def test_nan_is_no_extreme_unless_there_is_nothing_else() -> None:
    some = run(a=log((1, SESSION), (2, Metrics(0, {"loss": math.nan})), (3, Metrics(1, {"loss": 2.0}))))
    none = run(a=log((1, SESSION), (2, Metrics(3, {"loss": math.nan})), (3, Metrics(1, {"loss": math.nan}))))

    assert (some.metrics["loss"].min, some.metrics["loss"].max, some.metrics["loss"].count) == (2.0, 2.0, 2)
    assert math.isnan(none.metrics["loss"].min)
    assert none.metrics["loss"].min_step == 1


def test_the_callers_own_time_never_moves_the_clock_of_a_log() -> None:
    state = run(
        a=log((1, SESSION), (2, Metrics(0, {"loss": 1.0}, at=10**15)), (3, Note("early"))),
        b=log((1, SESSION), (4, Note("late"))),
    )

    assert state.note == "late"


def test_a_rewind_hides_later_points_of_earlier_sessions_and_no_others() -> None:
    first = log((1, SESSION), *((10 + step, Metrics(step, {"loss": float(step)})) for step in range(6)))
    second = log(
        (50, SESSION), (51, Rewind(2)), (52, Metrics(3, {"loss": 30.0})), (53, Metrics(4, {"loss": 40.0}))
    )

    record = run(a=first, b=second).metrics["loss"]

    assert (record.last, record.last_step, record.count) == (40.0, 4, 5)
    assert (record.min, record.max) == (0.0, 40.0)


def test_a_rewind_keeps_tags_params_and_files() -> None:
    first = log((1, SESSION), (2, Params({"lr": 0.1})), (3, Metrics(9, {"loss": 1.0})), (4, Tags({"t": "x"})))

    state = run(a=first, b=log((50, SESSION), (51, Rewind(0))))

    assert (state.params, state.tags, state.metrics) == ({"lr": 0.1}, {"t": "x"}, {})


# Status -----------------------------------------------------------------------------------------------------------


def ended(begin: int, end: int, status: EndStatus) -> bytes:
    return log((begin, SESSION), (end, End(status)))


def still_open(begin: int, *heard: int) -> bytes:
    return log((begin, SESSION), *((each, Beat()) for each in heard))


@pytest.mark.parametrize(
    ("logs", "alive", "status"),
    [
        ({"a": ended(1, 9, "FINISHED")}, (), "FINISHED"),
        ({"a": still_open(1)}, ("a",), "RUNNING"),
        ({"a": still_open(1)}, (), "LOST"),
        ({}, (), "LOST"),
        # one lives: the others do not matter yet
        ({"a": ended(1, 9, "FAILED"), "b": still_open(2)}, ("b",), "RUNNING"),
        # side by side: the worst end
        ({"a": ended(1, 9, "FAILED"), "b": ended(2, 20, "FINISHED")}, (), "FAILED"),
        ({"a": ended(1, 9, "KILLED"), "b": ended(2, 20, "FAILED")}, (), "FAILED"),
        ({"a": ended(1, 9, "FINISHED"), "b": still_open(2, 8)}, (), "LOST"),
        ({"a": still_open(1, 5), "b": ended(2, 20, "KILLED")}, (), "KILLED"),
        # an attempt that was over before the last one began does not count
        ({"a": ended(1, 9, "FAILED"), "b": ended(10, 20, "FINISHED")}, (), "FINISHED"),
        ({"a": still_open(1, 9), "b": ended(10, 20, "FINISHED")}, (), "FINISHED"),
        ({"a": still_open(1, 12), "b": ended(10, 20, "FINISHED")}, (), "LOST"),
        # amending decides nothing
        ({"a": ended(1, 9, "FINISHED"), "b": log((10, EDIT), (11, End("FAILED")))}, (), "FINISHED"),
        ({"a": ended(1, 9, "FINISHED"), "b": log((10, EDIT))}, ("b",), "FINISHED"),
    ],
)
def test_status(logs: dict[str, bytes], alive: tuple[str, ...], status: fold.Status) -> None:
    assert folded(logs).status(alive) == status


def test_the_error_is_that_of_the_end_that_decides() -> None:
    failed = log((1, SESSION), (9, End("FAILED", "ValueError: no", "Traceback")))

    assert run(a=failed, b=ended(2, 20, "FINISHED")).ending() == End("FAILED", "ValueError: no", "Traceback")
    assert run(a=failed, b=ended(10, 20, "FINISHED")).ending() == End("FINISHED")


def test_a_run_begins_with_its_first_session_whoever_amended_it_before() -> None:
    state = run(
        a=log((5, Start("session", "fraud", run_name="second", environment={"python": "3.12"}))),
        b=log((3, Start("session", "fraud", run_name="first", environment={"python": "3.11"}))),
        c=log((1, Start("edit", "fraud", run_name="edit"))),
    )

    assert state.first is not None
    assert (state.first.run_name, state.start_ms) == ("first", 3)
    assert state.environment == {"python": "3.12"}


def test_a_model_logged_again_replaces_its_files() -> None:
    def model(sha: str, *files: str) -> Model:
        return Model("model", f"model~{sha}", sha, tuple(ModelFile(each, 1, sha) for each in files))

    state = run(a=log((1, SESSION), (2, model("1", "MLmodel", "old")), (3, model("2", "MLmodel"))))

    assert {path: each.key for path, each in state.artifacts.items()} == {"model/MLmodel": "model~2/MLmodel"}
