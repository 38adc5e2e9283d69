"""What the arguments and the results of a function are to a run: params, data sets, models, metrics. Pure."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import numbers
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

__all__ = ["arguments_of", "is_data", "is_model", "is_number", "params_of", "results_of"]

_PLAIN = (str, int, float, bool, type(None), enum.Enum, os.PathLike)


def arguments_of(
    signature: inspect.Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """The arguments by name, defaults too; those of ``**kwargs`` under their own names."""
    bound = signature.bind(*args, **kwargs)
    bound.apply_defaults()
    named: dict[str, Any] = {}
    for at, (name, value) in enumerate(bound.arguments.items()):
        if at == 0 and name in ("self", "cls"):
            # Whatever it is besides: a method's own object is not what the call was given.
            named[name] = value.__name__ if isinstance(value, type) else type(value).__name__
        elif signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
            named.update(value)
        else:
            named[name] = value
    return named


def is_data(value: object) -> bool:
    """Whether a value is an array, frame or series: noted as a data set, never as a param."""
    return (
        hasattr(value, "shape")
        and hasattr(value, "dtype" if not hasattr(value, "columns") else "columns")
        and bool(getattr(value, "shape", ()))
    )


def is_model(value: object) -> bool:
    """Whether a value is something to keep as a model."""
    return not isinstance(value, type) and callable(getattr(value, "predict", None))


def is_number(value: object) -> bool:
    """Whether a value is one number: Python's, or a scalar of numpy and the like."""
    if isinstance(value, numbers.Real):
        return not isinstance(value, bool)
    return getattr(value, "shape", None) == () and callable(getattr(value, "item", None))


def params_of(name: str, value: object) -> dict[str, Any]:
    """The params an argument comes to; nested keys are joined by dots."""
    if isinstance(value, _PLAIN) or is_number(value):
        return {name: value}
    if callable(getattr(value, "get_params", None)) and not isinstance(value, type):
        found = value.get_params(deep=False)  # type: ignore[attr-defined]  # it has it
        return {name: type(value).__name__, **_below(name, found)}
    if steps := _named_steps(value):
        return {name: list(steps), **_below(name, steps)}
    if isinstance(value, Mapping):
        return _below(name, value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        # Field by field: one may hold an array or a logger, of which only the type is said.
        return _below(name, {field.name: getattr(value, field.name) for field in dataclasses.fields(value)})
    if isinstance(value, list | tuple) and all(isinstance(each, _PLAIN) for each in value):
        return {name: list(value)}
    return {name: type(value).__name__}


def _named_steps(value: object) -> dict[str, object]:
    """The estimators of a Pipeline or ColumnTransformer by their names; nothing where these are none."""
    if not isinstance(value, list | tuple) or not value:
        return {}
    pairs = [
        each for each in value if isinstance(each, tuple) and len(each) in (2, 3) and isinstance(each[0], str)
    ]
    if len(pairs) < len(value) or not any(hasattr(each[1], "get_params") for each in pairs):
        return {}
    return {each[0]: each[1] for each in pairs}


def _below(name: str, values: Mapping[Any, object]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        found.update(params_of(f"{name}.{key}", value))
    return found


def results_of(result: object, returns: Sequence[str] | None) -> Iterator[tuple[str, object]]:
    """The models and numbers a result holds, each with its name; everything else is passed over."""
    if isinstance(result, tuple) and not hasattr(result, "_fields"):
        names = list(returns or ())
        taken: dict[str, int] = {}
        for at, each in enumerate(result):
            yield from _named(each, names[at] if at < len(names) else None, taken)
        return
    if hasattr(result, "_asdict"):
        result = result._asdict()
    yield from _named(result, returns[0] if returns else None, {})


def _named(value: object, name: str | None, taken: dict[str, int]) -> Iterator[tuple[str, object]]:
    if name == "_":
        return
    if is_model(value):
        yield name or _free("model", taken), value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            if is_number(each) or is_model(each):
                yield str(key), each
    elif is_number(value):
        yield name or _free("value", taken), value


def _free(name: str, taken: dict[str, int]) -> str:
    taken[name] = taken.get(name, -1) + 1
    return name if taken[name] == 0 else f"{name}_{taken[name]}"
