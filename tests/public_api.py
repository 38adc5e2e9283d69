"""Every public name with its whole signature, one a line: python -m tests.public_api > tests/public_api.txt

What a release promises is what this prints. A change of it shows in the diff, and nowhere by accident.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from typing import Any, get_overloads

MODULES = (
    "podium",
    "podium.errors",
    "podium.registry",
    "podium.stores",
    "podium.testing",
    "podium.track",
    "podium.types",
)
_PLAIN = (
    object,
    tuple,
    dict,
    Exception,
    LookupError,
    ValueError,
    OSError,
    ImportError,
    UserWarning,
    BaseException,
)


def lines() -> Iterator[str]:
    """The lines of the page, sorted within each module."""
    for module in MODULES:
        names = importlib.import_module(module).__all__
        for name in names:
            yield from _of(f"{module}.{name}", getattr(importlib.import_module(module), name))


def _of(path: str, value: Any) -> Iterator[str]:
    if inspect.isclass(value):
        yield from _of_class(path, value)
    elif callable(value):
        # The overloads are what a caller sees; the implementation behind them is not.
        for each in get_overloads(value) or [value]:
            yield f"{path}{_signature(each)}"
    elif inspect.ismodule(value):
        yield path
    else:
        yield f"{path}: {type(value).__name__}"


def _of_class(path: str, cls: type) -> Iterator[str]:
    bases = ", ".join(base.__name__ for base in cls.__bases__ if base is not object)
    yield f"class {path}({bases})"
    for name in sorted(set(dir(cls)) | set(_annotations(cls))):
        if name.startswith("_") and name != "__init__":
            continue
        if any(name in vars(base) for base in cls.__mro__ if base in _PLAIN):
            continue
        member = inspect.getattr_static(cls, name, None)
        if isinstance(member, property):
            yield f"{path}.{name}: {_text(inspect.signature(member.fget).return_annotation)}"  # type: ignore[arg-type]
        elif name in _annotations(cls):
            yield f"{path}.{name}: {_text(_annotations(cls)[name])}"
        elif callable(getattr(cls, name)):
            for each in get_overloads(getattr(cls, name)) or [getattr(cls, name)]:
                yield f"{path}.{name}{_signature(each)}"


def _annotations(cls: type) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if base not in _PLAIN:
            found.update(vars(base).get("__annotations__", {}))
    return {name: kind for name, kind in found.items() if not name.startswith("_")}


def _signature(function: Any) -> str:
    try:
        signature = inspect.signature(function)
    except ValueError:
        return "(...)"
    parameters = [
        each.replace(annotation=_Text(each.annotation)) if each.annotation is not each.empty else each
        for each in signature.parameters.values()
    ]
    returned = signature.return_annotation
    result = returned if returned is signature.empty else _Text(returned)
    return str(signature.replace(parameters=parameters, return_annotation=result))


class _Text:
    """An annotation as it was written."""

    def __init__(self, annotation: Any) -> None:
        self._text = _text(annotation)

    def __repr__(self) -> str:
        return self._text


def _text(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


if __name__ == "__main__":
    print("\n".join(lines()))
