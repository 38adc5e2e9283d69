"""Values of a param are compared as values, not as Python compares them."""

from __future__ import annotations

import math
from typing import Any

import pytest

from podium.runs.equality import same_value


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (1, 1.0, True),
        (1, True, False),
        (0, False, False),
        (math.nan, math.nan, True),
        ("1", 1, False),
        ([1, 2.0], (1.0, 2), True),
        ({"a": 1, "b": 2}, {"b": 2.0, "a": 1}, True),
        (None, 0, False),
        (0.0, -0.0, True),
        (1e300, 1e300, True),
    ],
)
def test_when_two_values_of_a_param_are_the_same(one: Any, other: Any, same: bool) -> None:
    assert same_value(one, other) is same
