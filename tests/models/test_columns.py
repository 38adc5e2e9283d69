"""Columns, tensors and params have the JSON of MLflow, key for key."""

from __future__ import annotations

import json

import pytest

from podium.errors import Invalid
from podium.models.columns import (
    ArrayOf,
    Column,
    MapOf,
    ObjectOf,
    Param,
    Spec,
    Tensor,
    param_from_json,
    spec_from_json,
    type_text,
)

# As infer_signature of MLflow 3.17.2 wrote them.
SPECS: list[tuple[str, Spec]] = [
    ('{"type": "double", "name": "a", "required": true}', Column("double", "a")),
    ('{"type": "string", "required": true}', Column("string")),
    ('{"type": "long", "name": 0, "required": false}', Column("long", 0, required=False)),
    (
        '{"type": "array", "items": {"type": "long"}, "name": "x", "required": true}',
        Column(ArrayOf("long"), "x"),
    ),
    ('{"type": "map", "values": {"type": "double"}, "required": true}', Column(MapOf("double"))),
    (
        '{"type": "object", "properties": {"k": {"type": "long", "required": true}}, "name": "o", "required": true}',
        Column(ObjectOf((("k", "long", True),)), "o"),
    ),
    ('{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 4]}}', Tensor("float64", (-1, 4))),
    (
        '{"name": "q", "type": "tensor", "tensor-spec": {"dtype": "str", "shape": [-1]}}',
        Tensor("str", (-1,), "q"),
    ),
]


@pytest.mark.parametrize(("text", "spec"), SPECS)
def test_specs_are_written_and_read_as_mlflow_has_them(text: str, spec: Spec) -> None:
    assert json.dumps(spec.to_json()) == text
    assert spec_from_json(json.loads(text)) == spec


@pytest.mark.parametrize(
    ("text", "param"),
    [
        ('{"name": "k", "default": 2, "shape": null, "type": "long"}', Param("k", "long", 2)),
        (
            '{"name": "s", "default": ["a"], "shape": [-1], "type": "string"}',
            Param("s", "string", ["a"], is_list=True),
        ),
        (
            '{"name": "o", "default": {"k": 1}, "shape": null, "type": "object", '
            '"properties": {"k": {"type": "long", "required": true}}}',
            Param("o", ObjectOf((("k", "long", True),)), {"k": 1}),
        ),
    ],
)
def test_params_are_written_and_read_as_mlflow_has_them(text: str, param: Param) -> None:
    assert json.dumps(param.to_json()) == text
    assert param_from_json(json.loads(text)) == param


@pytest.mark.parametrize(
    "value",
    [
        "double",
        {"type": "doubel"},
        {"type": ["long"]},
        {"type": "array"},
        {"type": "map", "values": 3},
        {"type": "object", "properties": {"k": 1}},
        {"type": "long", "name": ["a"]},
        {"type": "tensor"},
        {"type": "tensor", "tensor-spec": {"dtype": 3, "shape": [1]}},
        {"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": "12"}},
        {"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-2]}},
        {"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [True]}},
    ],
)
def test_what_is_no_spec_is_refused(value: object) -> None:
    with pytest.raises(Invalid):
        spec_from_json(value)


def test_types_nested_without_end_are_refused() -> None:
    value: dict[str, object] = {"type": "long"}
    for _ in range(100):
        value = {"type": "array", "items": value}

    with pytest.raises(Invalid, match="no type of a column"):
        spec_from_json(value)


@pytest.mark.parametrize(
    "value", [3, {"type": "long"}, {"name": 3, "type": "long"}, {"name": "k", "type": "?"}]
)
def test_what_is_no_param_is_refused(value: object) -> None:
    with pytest.raises(Invalid):
        param_from_json(value)


def test_types_are_said_in_words() -> None:
    assert type_text("double") == "double"
    assert type_text(ArrayOf(MapOf("long"))) == "array of map of long"
    assert type_text(ObjectOf((("a", "long", True), ("b", "long", False)))) == "object with a, b"
