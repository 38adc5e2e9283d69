"""Params come in as users hold them and are flat, typed JSON values afterwards."""

from __future__ import annotations

import argparse
import dataclasses
import enum
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from podium.errors import Invalid
from podium.workspace.params import flat_params, plain_value


class Color(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


@dataclasses.dataclass
class Optimizer:
    lr: float
    betas: tuple[float, float]


@dataclasses.dataclass
class Config:
    optimizer: Optimizer
    data: Path


class Pydantic:
    def model_dump(self) -> dict[str, Any]:
        return {"lr": 0.1, "nested": {"depth": 3}}


def make(*, verbose: bool) -> None:
    """A function as a param."""


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (0.1, 0.1),
        (1, 1),
        (True, True),
        (None, None),
        ("0.1", "0.1"),
        ([1, (2, 3)], [1, [2, 3]]),
        ({"a": {1: 2}}, {"a": {"1": 2}}),
        (Color.RED, "red"),
        (Level.HIGH, 3),
        (Path("data/train.csv"), str(Path("data/train.csv"))),
        (np.float64(0.25), 0.25),
        (np.int32(7), 7),
        (np.bool_(True), True),
        (np.str_("text"), "text"),
        (np.array(3), 3),
        ([np.float32(0.5)], [0.5]),
        (Color, "test_params.Color"),
        (make, "test_params.make"),
        (2**80, 2**80),
    ],
)
def test_a_value_keeps_its_json_type_and_everything_else_becomes_one(given: object, kept: object) -> None:
    plain = plain_value(given)

    if isinstance(kept, str) and kept.startswith("test_params"):
        assert isinstance(plain, str)
        assert plain.endswith(kept)
    else:
        assert plain == kept
        assert type(plain) is type(kept)


@pytest.mark.parametrize(
    "params",
    [
        {"optimizer": {"lr": 0.1, "betas": (0.9, 0.99)}, "data": "train.csv"},
        Config(Optimizer(0.1, (0.9, 0.99)), Path("train.csv")),
        argparse.Namespace(optimizer=Optimizer(0.1, (0.9, 0.99)), data="train.csv"),
        SimpleNamespace(optimizer=SimpleNamespace(lr=0.1, betas=[0.9, 0.99]), data=Path("train.csv")),
    ],
)
def test_nested_keys_are_joined_by_dots_whatever_holds_them(params: object) -> None:
    assert flat_params(params) == {"optimizer.lr": 0.1, "optimizer.betas": [0.9, 0.99], "data": "train.csv"}


def test_a_pydantic_object_is_dumped() -> None:
    assert flat_params(Pydantic()) == {"lr": 0.1, "nested.depth": 3}
    assert flat_params({"config": Pydantic()}) == {"config.lr": 0.1, "config.nested.depth": 3}


def test_a_real_pydantic_model_is_dumped_and_its_secrets_stay_hidden() -> None:
    pydantic = pytest.importorskip("pydantic")
    inner = pydantic.create_model("Inner", depth=(int, 3), kind=(Color, Color.RED))
    outer = pydantic.create_model(
        "Outer", lr=(float, 0.1), inner=(inner, inner()), key=(pydantic.SecretStr, "s3cret")
    )

    flat = flat_params(outer(key="s3cret"))

    assert {key: flat[key] for key in ("lr", "inner.depth", "inner.kind")} == {
        "lr": 0.1,
        "inner.depth": 3,
        "inner.kind": "red",
    }
    assert "s3cret" not in str(flat)


def test_an_empty_mapping_is_a_value() -> None:
    assert flat_params({"callbacks": {}}) == {"callbacks": {}}
    assert flat_params({}) == {}


def test_two_values_under_one_dotted_key_are_refused() -> None:
    with pytest.raises(Invalid, match=r"'a\.b'"):
        flat_params({"a": {"b": 1}, "a.b": 2})


@pytest.mark.parametrize("params", [3, "lr=0.1", [("lr", 0.1)], Config])
def test_what_has_no_keys_is_refused(params: object) -> None:
    with pytest.raises(TypeError, match="mapping"):
        flat_params(params)


def test_what_holds_itself_is_refused_and_does_not_hang() -> None:
    circle: dict[str, Any] = {}
    circle["self"] = circle
    ring: list[Any] = []
    ring.append(ring)

    with pytest.raises(Invalid, match="itself"):
        flat_params(circle)
    with pytest.raises(Invalid, match="itself"):
        plain_value(ring)
