"""Many points are three arrays, and still a table of facts."""

from __future__ import annotations

from array import array
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from podium.workspace.history import History, Point, Series

NOON = 1_763_899_200_000


@pytest.fixture
def history() -> History:
    return History(
        [
            Series(
                "run-a", "loss", array("q", [0, 1]), array("q", [NOON, NOON + 5]), array("d", [0.5, 0.25])
            ),
            Series("run-a", "empty", array("q"), array("q"), array("d")),
            Series("run-b", "loss", array("q", [0]), array("q", [NOON + 9]), array("d", [float("nan")])),
        ]
    )


def test_points_are_made_when_one_is_looked_at(history: History) -> None:
    assert len(history) == 3
    assert history[1] == Point("run-a", "loss", 1, datetime(2025, 11, 23, 12, 0, 0, 5000, UTC), 0.25)
    assert history[-1].run_id == "run-b"
    assert [point.step for point in history] == [0, 1, 0]
    with pytest.raises(IndexError):
        history[3]


def test_columns_are_sequences_that_numpy_takes(history: History) -> None:
    assert history.steps == [0, 1, 0]
    assert history.values[:2] == [0.5, 0.25]
    assert history.times[0] == datetime(2025, 11, 23, 12, tzinfo=UTC)
    assert np.asarray(history.values).dtype == np.float64
    assert np.asarray(history.times).dtype == np.dtype("datetime64[ms]")
    assert np.asarray(history.steps, dtype="float64").tolist() == [0.0, 1.0, 0.0]


def test_a_column_cannot_be_changed(history: History) -> None:
    with pytest.raises(ValueError, match="read-only"):
        np.asarray(history.values)[0] = 9.0
    with pytest.raises(TypeError):
        history.values[0] = 9.0  # type: ignore[index]  # that it has no __setitem__ is the point


def test_a_slice_is_a_history(history: History) -> None:
    later = history[1:]

    assert isinstance(later, History)
    assert later.steps == [1, 0]
    assert [point.run_id for point in later] == ["run-a", "run-b"]


def test_the_best_point_is_found_and_nan_is_left_out(history: History) -> None:
    assert history.min("value").step == 1
    assert history.max("value").value == 0.5


def test_frames_have_a_line_a_point(history: History) -> None:
    frame = history.to_pandas()

    assert list(frame.columns) == ["run_id", "key", "step", "time", "value"]
    assert frame["step"].tolist() == [0, 1, 0]
    assert frame["time"][0] == pd.Timestamp("2025-11-23T12:00:00Z")
    assert frame["run_id"].tolist() == ["run-a", "run-a", "run-b"]
    polars = history.to_polars()
    assert polars.columns == list(frame.columns)
    assert polars["time"][0] == datetime(2025, 11, 23, 12, tzinfo=UTC)
    assert polars["value"].to_list()[:2] == [0.5, 0.25]


def test_a_frame_can_be_written_to_without_touching_the_history(history: History) -> None:
    frame = history.to_pandas()
    frame.loc[0, "value"] = 7.0

    assert history.values[0] == 0.5


def test_no_points_are_an_empty_history() -> None:
    assert len(History()) == 0
    assert History().to_pandas().empty
    assert repr(History()) == "History: no rows"


def test_a_long_column_shows_its_ends() -> None:
    steps = array("q", range(1000))
    history = History([Series("r", "k", steps, steps, array("d", range(1000)))])

    assert repr(history.steps) == "[0, 1, 2, 3, 4, ... 1,000 values ..., 999]"
