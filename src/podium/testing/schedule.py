"""When a store around a store goes wrong: operations are counted, and some numbers have a fault.

Deterministic: no clock, no chance, no thread of its own. Knows no fault by name.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Generic, Literal, TypeAlias, TypeVar

from podium.stores.keys import Key

__all__ = ["Plan", "Schedule", "Verb"]

Verb: TypeAlias = Literal["get", "put", "create", "list", "delete", "download"]

F = TypeVar("F")
Schedule: TypeAlias = Mapping[int, F] | Callable[[Verb, Key, int], F | None]
"""Which operation has which fault: by its number, counted from 0 over all verbs, or by a function of verb, key
and number. `local_path` is no operation: it asks nothing of the store."""


class Plan(Generic[F]):
    """A schedule, and how far it has got.

    Attributes:
        count: operations so far.
    """

    __slots__ = ("_numbers", "_schedule", "count")

    def __init__(self, schedule: Schedule[F]) -> None:
        self._schedule = schedule
        self._numbers = itertools.count()
        self.count: int = 0

    def next(self, verb: Verb, key: Key) -> F | None:
        """Count one operation and say what is wrong with it, if anything."""
        number = next(self._numbers)
        self.count = number + 1
        if isinstance(self._schedule, Mapping):
            return self._schedule.get(number)
        return self._schedule(verb, key, number)
