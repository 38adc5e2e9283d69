"""A shadow sees every request it has time for, is waited for by nobody, and leaves no thread behind."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from podium.models import shadowing
from podium.models.following import Followed, Follower
from podium.models.loading import load_directory
from podium.models.saving import save_model
from podium.models.shadowing import Shadow, ShadowCounts, agree

Saved = Callable[[Callable[[Any], Any]], Shadow]


@pytest.fixture
def shadow_of(tmp_path: Path) -> Saved:
    def make(function: Callable[[Any], Any]) -> Shadow:
        save_model(function, tmp_path / "model", flavor="function")
        path = str(tmp_path / "model")
        return Shadow(
            Follower(Followed("models:/fraud@next", lambda: path, load_directory), clock=lambda: 0.0)
        )

    return make


def test_answers_are_compared_and_counted(shadow_of: Saved) -> None:
    shadow = shadow_of(lambda data: data * 2)

    shadow.offer(np.ones(2), None, np.array([2.0, 2.0]), "models:/fraud/1")
    shadow.offer(np.ones(2), None, np.array([2.0, 3.0]), "models:/fraud/1")
    shadow.drain()

    assert shadow.counts == ShadowCounts(compared=2, disagreed=1)


def test_a_shadow_that_fails_is_counted_and_goes_on(shadow_of: Saved) -> None:
    shadow = shadow_of(lambda data: 1 / data)

    shadow.offer(0, None, 1, "models:/fraud/1")
    shadow.offer(1, None, 1.0, "models:/fraud/1")
    shadow.drain()

    assert shadow.counts == ShadowCounts(compared=1, failed=1)


def test_a_slow_shadow_delays_nothing_and_passes_requests_over(shadow_of: Saved) -> None:
    gate = threading.Event()
    shadow = shadow_of(lambda data: data.wait())

    for _ in range(200):
        shadow.offer(gate, None, True, "models:/fraud/1")
    gate.set()
    shadow.drain()

    counts = shadow.counts
    assert counts.compared + counts.passed_over == 200
    assert 64 <= counts.compared <= 66


def test_nothing_is_taken_after_the_end_and_the_thread_goes(shadow_of: Saved) -> None:
    shadow = shadow_of(lambda data: data)
    shadow.offer(1, None, 1, "models:/fraud/1")
    thread = shadow._thread
    assert thread is not None

    shadow.close()
    thread.join()
    shadow.offer(1, None, 1, "models:/fraud/1")

    assert shadow.counts == ShadowCounts(compared=1)


def test_the_thread_ends_also_where_the_queue_was_full(
    shadow_of: Saved, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end had no place in the queue: the thread, and the model with it, stayed for ever."""
    monkeypatch.setattr(shadowing, "_IDLE_S", 0.01)
    gate = threading.Event()
    shadow = shadow_of(lambda data: data.wait())
    for _ in range(200):
        shadow.offer(gate, None, True, "models:/fraud/1")
    thread = shadow._thread
    assert thread is not None

    shadow.close()
    gate.set()
    thread.join()

    assert shadow.counts.compared >= 64


def test_a_forgotten_shadow_ends_when_it_is_idle(shadow_of: Saved, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadowing, "_IDLE_S", 0.01)
    shadow = shadow_of(lambda data: data)
    shadow.offer(1, None, 1, "models:/fraud/1")
    thread = shadow._thread
    assert thread is not None

    shadow.forget()
    thread.join()


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        (np.array([1, 2]), np.array([1, 2]), True),
        (np.array([1, 2]), np.array([1, 3]), False),
        (np.array([1, 2]), np.array([[1, 2]]), False),
        (np.array([0.1 + 0.2, np.nan]), np.array([0.3, np.nan]), True),
        (np.array([0.3]), np.array([0.3001]), False),
        (np.array(["a"]), np.array(["b"]), False),
        (pd.Series([1.0]), np.array([1.0]), True),
        ({"a": np.ones(2)}, {"a": np.ones(2)}, True),
        ({"a": 1}, {"b": 1}, False),
        ([1, 2], [1, 2], True),
        (math.nan, math.nan, True),
        ("a", "a", True),
        (None, 1, False),
    ],
)
def test_answers_agree_where_they_say_the_same(left: object, right: object, same: bool) -> None:
    assert agree(left, right) is same
