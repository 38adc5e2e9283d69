"""Mappings inside frozen facts: what is written to one raises, and what it shows is nobody else's.

A dict all the same, so that it is written as JSON, pickled and copied as one; `types.MappingProxyType` is none of that.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, NoReturn, TypeVar

__all__ = ["read_only"]

Key = TypeVar("Key")
Value = TypeVar("Value")


class _ReadOnlyDict(dict[Key, Value]):
    """A dict that is not changed any more; ``dict(...)`` or ``|`` gives one that can be."""

    __slots__ = ()

    def _refuse(self, *args: object, **kwargs: object) -> NoReturn:
        raise TypeError(
            "a fact that was read is not changed: it says what was so. Copy the mapping with dict(...), or change what "
            "it tells of by a verb of the run or the registry."
        )

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[type[_ReadOnlyDict[Key, Value]], tuple[dict[Key, Value]]]:
        return type(self), (dict(self),)

    def __copy__(self) -> _ReadOnlyDict[Key, Value]:
        return self

    def copy(self) -> dict[Key, Value]:
        """One that can be changed."""
        return dict(self)


def read_only(values: Mapping[Key, Value]) -> Mapping[Key, Value]:
    """These values as a fact holds them; lists and mappings among them are copies."""
    return _ReadOnlyDict({key: _own(value) for key, value in values.items()})


def _own(value: Any) -> Any:
    return copy.deepcopy(value) if isinstance(value, list | dict) else value
