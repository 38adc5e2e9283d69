"""Hyperparameters as users hold them, made flat: one JSON value under each dotted key.

Pure: never reads a run or a store. Whether a param contradicts an earlier one is decided where it is written.
"""

from __future__ import annotations

import dataclasses
import enum
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from podium.errors import Invalid
from podium.strictjson import JsonValue

__all__ = ["flat_params", "plain_value"]

_DEEPEST = 50
_PLAIN = frozenset({str, float, int, bool, type(None)})


def flat_params(params: object) -> dict[str, JsonValue]:
    """Every value under its key, nested keys joined by dots: ``{"opt": {"lr": 0.1}}`` is ``{"opt.lr": 0.1}``.

    Args:
        params: a mapping, dataclass, `argparse.Namespace`, attrs or pydantic object; values likewise. Lists stay
            lists; an empty mapping stays a value of its own.

    Raises:
        TypeError: something that has no keys.
        Invalid: two values would have the same key, or the nesting has no end.
    """
    fields = _fields_of(params)
    if fields is None:
        raise TypeError(
            f"params come as a mapping, dataclass, argparse.Namespace or pydantic object, not as "
            f"{type(params).__name__}. One alone: log_param(key, value)."
        )
    flat: dict[str, JsonValue] = {}
    _flatten(fields, "", flat, 0)
    return flat


def _flatten(fields: Mapping[Any, object], prefix: str, flat: dict[str, JsonValue], depth: int) -> None:
    if depth > _DEEPEST:
        raise Invalid(
            f"params nest more than {_DEEPEST} deep at {prefix[:80]!r}: does something hold itself?"
        )
    for name, value in fields.items():
        key = f"{prefix}{name if isinstance(name, str) else plain_value(name)}"
        inner = None if type(value) in _PLAIN else _fields_of(value)
        if inner:
            _flatten(inner, f"{key}.", flat, depth + 1)
        elif key in flat:
            raise Invalid(f"two params would both be called {key!r}. Rename one of them.")
        else:
            flat[key] = plain_value(value)


def _fields_of(value: object) -> Mapping[Any, object] | None:
    """The named values an object consists of, or None where it is a value itself."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, type | enum.Enum):
        return None
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    dump = getattr(type(value), "model_dump", None)  # pydantic
    if callable(dump):
        dumped = dump(value)
        return dumped if isinstance(dumped, Mapping) else None
    attributes = getattr(type(value), "__attrs_attrs__", None)
    if attributes is not None:
        return {attribute.name: getattr(value, attribute.name) for attribute in attributes}
    # Whoever has a Namespace has imported argparse; podium need not.
    namespaces = tuple(
        getattr(sys.modules[module], name)
        for module, name in (("argparse", "Namespace"), ("types", "SimpleNamespace"))
        if module in sys.modules
    )
    return vars(value) if isinstance(value, namespaces) else None


def plain_value(value: object) -> JsonValue:
    """A value as JSON has it.

    JSON values keep their types; scalars of numpy and torch become Python's; an enum is its value, a path and
    everything else its text. A class or function is its full name, which is the same in the next process.

    Raises:
        Invalid: a list or mapping that nests without end.
    """
    return _plain(value, 0)


def _plain(value: object, depth: int) -> JsonValue:
    kind = type(value)
    if value is None or kind is bool or kind is int or kind is float or kind is str:
        return value  # type: ignore[return-value]  # exact types, which mypy does not narrow to
    if depth > _DEEPEST:
        raise Invalid(f"a param's value nests more than {_DEEPEST} deep: does it hold itself?")
    if isinstance(value, enum.Enum):
        return _plain(value.value, depth + 1)
    if isinstance(value, list | tuple):
        return [_plain(each, depth + 1) for each in value]
    if isinstance(value, Mapping):
        return {_key_text(key): _plain(each, depth + 1) for key, each in value.items()}
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    scalar = _scalar(value)
    if scalar is not value:
        return _plain(scalar, depth + 1)
    if isinstance(value, int | float | str):  # a subclass of one: its base is what JSON can hold
        return next(base(value) for base in (int, float, str) if isinstance(value, base))
    return _text(value)


def _key_text(key: object) -> str:
    return key if type(key) is str else str(_plain(key, 1))


def _scalar(value: object) -> object:
    """Python's own scalar where ``value`` is one of numpy, torch or the like (no dimensions, ``item()``)."""
    item: Callable[[], object] | None = getattr(value, "item", None)
    if isinstance(value, type) or not callable(item) or getattr(value, "ndim", None) != 0:
        return value
    return item()


def _text(value: object) -> str:
    name = getattr(value, "__qualname__", None)
    if isinstance(name, str) and callable(value):
        return f"{getattr(value, '__module__', None) or ''}.{name}".lstrip(".")
    return str(value)
