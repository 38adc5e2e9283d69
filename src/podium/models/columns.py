"""The vocabulary of a signature: column, tensor and param specs, and their JSON as MLflow writes it.

Pure values and their codec. This module must never see data: whether data fits is `signature`'s question.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from podium.errors import Invalid

__all__ = [
    "SCALARS",
    "ArrayOf",
    "Column",
    "ColumnType",
    "MapOf",
    "ObjectOf",
    "Param",
    "Spec",
    "Tensor",
    "param_from_json",
    "spec_from_json",
    "type_text",
]

SCALARS = ("boolean", "integer", "long", "float", "double", "string", "binary", "datetime", "any")
_DEEPEST = 20


@dataclass(frozen=True, slots=True)
class ArrayOf:
    """A list of values of one type."""

    items: ColumnType


@dataclass(frozen=True, slots=True)
class MapOf:
    """A dict from text to values of one type."""

    values: ColumnType


@dataclass(frozen=True, slots=True)
class ObjectOf:
    """A dict with known keys: (key, type, required) each."""

    properties: tuple[tuple[str, ColumnType, bool], ...]


ColumnType: TypeAlias = "str | ArrayOf | MapOf | ObjectOf"
"""A scalar's name (one of `SCALARS`) or a nested type."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table, or one bare value.

    Attributes:
        type: of its values.
        name: text, a number where the frame had numbers, None for unnamed.
        required: whether it must be given; an optional one may also hold nulls.
    """

    type: ColumnType
    name: str | int | None = None
    required: bool = True

    def to_json(self) -> dict[str, Any]:
        """As MLflow orders it: type, nested keys, name, required."""
        value = _type_to_json(self.type)
        if self.name is not None:
            value["name"] = self.name
        return value | {"required": self.required}


@dataclass(frozen=True, slots=True)
class Tensor:
    """One array.

    Attributes:
        dtype: numpy's name; "str" for text of any length.
        shape: -1 where any length will do.
        name: None for the only array.
    """

    dtype: str
    shape: tuple[int, ...]
    name: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As MLflow orders it: name, type, tensor-spec."""
        value: dict[str, Any] = {} if self.name is None else {"name": self.name}
        return value | {"type": "tensor", "tensor-spec": {"dtype": self.dtype, "shape": list(self.shape)}}


@dataclass(frozen=True, slots=True)
class Param:
    """One param of predict.

    Attributes:
        name: its key.
        type: of its value, or of each element where ``is_list``.
        default: used where the caller gives none.
        is_list: a one-dimensional list.
    """

    name: str
    type: ColumnType
    default: object
    is_list: bool = False

    def to_json(self) -> dict[str, Any]:
        """As MLflow orders it: name, default, shape, type."""
        shape = [-1] if self.is_list else None
        return {"name": self.name, "default": self.default, "shape": shape, **_type_to_json(self.type)}


Spec: TypeAlias = "Column | Tensor"


def type_text(kind: ColumnType) -> str:
    """A type in a few words, for a message."""
    if isinstance(kind, str):
        return kind
    if isinstance(kind, ArrayOf):
        return f"array of {type_text(kind.items)}"
    if isinstance(kind, MapOf):
        return f"map of {type_text(kind.values)}"
    return "object with " + ", ".join(name for name, _, _ in kind.properties)


def _type_to_json(kind: ColumnType) -> dict[str, Any]:
    if isinstance(kind, str):
        return {"type": kind}
    if isinstance(kind, ArrayOf):
        return {"type": "array", "items": _type_to_json(kind.items)}
    if isinstance(kind, MapOf):
        return {"type": "map", "values": _type_to_json(kind.values)}
    properties = {name: _type_to_json(each) | {"required": req} for name, each, req in kind.properties}
    return {"type": "object", "properties": properties}


def spec_from_json(value: object) -> Spec:
    """Read one element of ``inputs`` or ``outputs``.

    Raises:
        Invalid: it is no column and no tensor.
    """
    if not isinstance(value, Mapping):
        raise Invalid(f"{value!r} is no column")
    if value.get("type") == "tensor":
        return _tensor_from_json(value)
    name = value.get("name")
    if name is not None and not isinstance(name, str | int):
        raise Invalid(f"{name!r} is no name of a column")
    return Column(_type_from_json(value), name, bool(value.get("required", True)))


def _tensor_from_json(value: Mapping[str, Any]) -> Tensor:
    spec = value.get("tensor-spec")
    if not isinstance(spec, Mapping) or not isinstance(spec.get("dtype"), str):
        raise Invalid(f"{value!r} is no tensor")
    shape = spec.get("shape")
    if not isinstance(shape, Sequence) or not all(type(n) is int and n >= -1 for n in shape):
        raise Invalid(f"{shape!r} is no shape of a tensor")
    name = value.get("name")
    return Tensor(spec["dtype"], tuple(shape), None if name is None else str(name))


def _type_from_json(value: object, depth: int = 0) -> ColumnType:
    if not isinstance(value, Mapping) or depth > _DEEPEST:
        raise Invalid(f"{str(value)[:80]!r} is no type of a column")
    kind = value.get("type")
    if kind in SCALARS:
        return str(kind)
    if kind == "array":
        return ArrayOf(_type_from_json(value.get("items"), depth + 1))
    if kind == "map":
        return MapOf(_type_from_json(value.get("values"), depth + 1))
    properties = value.get("properties")
    if kind == "object" and isinstance(properties, Mapping):
        return ObjectOf(
            tuple(
                (str(name), _type_from_json(each, depth + 1), bool(each.get("required", True)))
                for name, each in properties.items()
            )
        )
    raise Invalid(f"{kind!r} is no type of a column; known are {', '.join(SCALARS)}, array, map, object")


def param_from_json(value: object) -> Param:
    """Read one element of ``params``.

    Raises:
        Invalid: it is no param.
    """
    if not isinstance(value, Mapping) or not isinstance(value.get("name"), str):
        raise Invalid(f"{value!r} is no param")
    return Param(value["name"], _type_from_json(value), value.get("default"), value.get("shape") is not None)
