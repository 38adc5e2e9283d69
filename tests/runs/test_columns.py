"""Columns hold every point that counts."""

from __future__ import annotations

from podium.runs.codec import encode
from podium.runs.columns import Columns, read_columns
from podium.runs.events import End, Event, Metrics, Rewind
from podium.runs.finding import find_run
from podium.runs.layout import RunKeys
from podium.runs.reader import read_run
from podium.stores import LocalStore
from tests.runs.conftest import RUN_ID
from tests.runs.logs import SESSION, put_logs


def rows(columns: Columns) -> list[tuple[int, int, float]]:
    return list(zip(columns.steps, columns.times_ms, columns.values, strict=True))


def test_columns_hold_every_point_of_the_keys_asked_for_in_the_order_asked(
    store: LocalStore, keys: RunKeys
) -> None:
    run = put_logs(
        store,
        keys,
        {
            "0123456789": [
                (1, SESSION),
                (2, Metrics(0, {"loss": 1.0, "acc": 0.5})),
                (3, Metrics(1, {"loss": float("inf")})),
                (4, Metrics(2, {"acc": 0.75}, at=77)),
                (5, End("FINISHED")),
            ]
        },
    )
    state = read_run(store, run)

    assert {key: rows(each) for key, each in read_columns(store, run, state, ["loss", "acc"]).items()} == {
        "loss": [(0, 2, 1.0), (1, 3, float("inf"))],
        "acc": [(0, 2, 0.5), (2, 77, 0.75)],
    }
    assert list(read_columns(store, run, state, ["nothing", "acc"])) == ["nothing", "acc"]
    assert list(read_columns(store, run, state)) == ["acc", "loss"]


def test_columns_of_several_logs_are_by_step_and_hide_what_a_rewind_hides(
    store: LocalStore, keys: RunKeys
) -> None:
    first: list[tuple[int, Event]] = [
        (1, SESSION),
        *((10 + step, Metrics(step, {"loss": float(step)})) for step in range(4)),
    ]
    second: list[tuple[int, Event]] = [
        (50, SESSION),
        (51, Rewind(1)),
        (52, Metrics(2, {"loss": 20.0})),
        (53, Metrics(0, {"loss": 9.0})),
    ]
    run = put_logs(store, keys, {"0123456789": first, "abcdefghjk": second})
    state = read_run(store, run)

    assert rows(read_columns(store, run, state)["loss"]) == [
        (0, 10, 0.0),
        (0, 53, 9.0),
        (1, 11, 1.0),
        (2, 52, 20.0),
    ]


def test_long_logs_with_bad_lines_and_two_keys_lose_no_point(store: LocalStore, keys: RunKeys) -> None:
    lines = [encode(SESSION, 1)]
    for step in range(5_000):
        lines.append(encode(Metrics(step, {"loss" if step % 3 else "acc": step / 7}), 10 + step))
        if step in {1_000, 4_000}:
            lines.append(b'["metric",17\n')
    store.put(keys.log("0123456789"), b"".join(lines))
    run = find_run(store, RUN_ID)
    state = read_run(store, run)

    columns = read_columns(store, run, state)

    assert len(state.bad_lines) == 2
    assert rows(columns["acc"]) == [(step, 10 + step, step / 7) for step in range(0, 5_000, 3)]
    assert rows(columns["loss"]) == [(step, 10 + step, step / 7) for step in range(5_000) if step % 3]
    assert {key: each.count for key, each in state.metrics.items()} == {"acc": 1_667, "loss": 3_333}
    assert state.metrics["loss"].max_step == state.metrics["loss"].last_step == 4_999


def test_columns_and_summary_agree_on_lines_whose_numbers_are_too_large(
    store: LocalStore, keys: RunKeys
) -> None:
    good = encode(Metrics(0, {"loss": 1.0}), 5)
    data = encode(SESSION, 1) + good + b'["metric",5,99999999999999999999,"loss",1.0]\n' + good
    store.put(keys.log("0123456789"), data)
    run = find_run(store, RUN_ID)
    state = read_run(store, run)

    assert state.metrics["loss"].count == len(read_columns(store, run, state)["loss"].steps) == 2
    assert [each.line for each in state.bad_lines] == [3]
