"""Values are kept as JSON, come back as they were, and run nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from podium.errors import Corrupt, Invalid
from podium.models.loading import load_directory
from podium.models.saving import save_model


@pytest.mark.parametrize(
    "value",
    [
        {"threshold": 0.5, "names": ["a", None, True], "ä": {}},
        [],
        "a prompt\nof two lines",
        {"$float": "NaN"},
        {"x": 2**70},
    ],
)
def test_a_value_comes_back_as_it_was(tmp_path: Path, value: object) -> None:
    info = save_model(value, tmp_path / "model")

    assert (info.flavor, info.trust, info.requirements) == ("json", "data", ())
    assert load_directory(tmp_path / "model", trust=False).native == value


def test_nan_and_infinity_come_back(tmp_path: Path) -> None:
    save_model([math.nan, -math.inf], tmp_path / "model")

    nan, infinity = load_directory(tmp_path / "model").native
    assert math.isnan(nan)
    assert infinity == -math.inf


def test_it_does_not_predict(tmp_path: Path) -> None:
    save_model({"a": 1}, tmp_path / "model", input_example=[1])

    with pytest.raises(Invalid, match=r"Use model\.native"):
        load_directory(tmp_path / "model").predict([1])


@pytest.mark.parametrize("value", [{"a": object()}, {1: 2}, {"a": {1, 2}}])
def test_what_is_no_json_is_refused(tmp_path: Path, value: object) -> None:
    with pytest.raises(TypeError, match="cannot be kept as JSON"):
        save_model(value, tmp_path / "model")


@pytest.mark.parametrize("data", [b"{", b"[NaN]", b"\xff", b"[" * 100_000])
def test_what_does_not_parse_is_corrupt(written: Callable[..., Path], data: bytes) -> None:
    folder = written({"flavors": {"podium": {"flavor": "json", "data": "value.json"}}}, {"value.json": data})

    with pytest.raises(Corrupt) as caught:
        load_directory(folder)
    assert caught.value.key == "value.json"
