"""A store whose network loses things: an answer, for a while a request, for a while a value.

Every store behind a network does all three, rarely. Deterministic and without threads, so that a model checker can
drive it step by step. Knows nothing of the store it wraps.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, TypeVar

from podium.errors import KeyMissing, StoreError, StoreUnavailable
from podium.stores.contract import Entry, Source, Store
from podium.stores.keys import Key
from podium.testing.schedule import Plan, Schedule, Verb

__all__ = ["Late", "LossyStore", "LostAnswer", "Stale"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LostAnswer:
    """The operation is done and its answer, also an error, is lost: `StoreUnavailable`."""


@dataclass(frozen=True, slots=True)
class Late:
    """The operation fails now (`StoreUnavailable`) and takes effect later, if the store then lets it.

    A late `create` creates only if the key is free then; a late `put` replaces whatever is there then. Verbs that
    change nothing only fail.

    Attributes:
        after: how many later operations come first; None: until `LossyStore.flush_late`.
    """

    after: int | None = None


@dataclass(frozen=True, slots=True)
class Stale:
    """A read is answered from before the values were written: `get` and `download` miss, `list` omits.

    `create` is never stale, and verbs that write are not touched.

    Attributes:
        keys: what is not seen; None: everything.
    """

    keys: frozenset[Key] | None = None

    def hides(self, key: Key) -> bool:
        """Whether ``key`` is not seen."""
        return self.keys is None or key in self.keys


Fault: TypeAlias = LostAnswer | Late | Stale


@dataclass(slots=True)
class _Waiting:
    """A write on its way: applied when ``due`` operations were counted."""

    due: int | None
    apply: Callable[[], None]


class LossyStore:
    """``store``, behind a network that loses things.

    Args:
        store: the store.
        schedule: operation number to `LostAnswer`, `Late` or `Stale`, or a function ``(verb, key, number)`` that
            gives one or None. Operations are counted from 0 over all verbs.
    """

    __slots__ = ("_plan", "_store", "_waiting")

    def __init__(self, store: Store, schedule: Schedule[Fault]) -> None:
        self._store = store
        self._plan = Plan(schedule)
        self._waiting: list[_Waiting] = []

    def __repr__(self) -> str:
        return f"LossyStore({self._store!r})"

    @property
    def operations(self) -> int:
        """How many operations there were so far."""
        return self._plan.count

    @property
    def late(self) -> int:
        """How many writes are still on their way."""
        return len(self._waiting)

    def flush_late(self) -> None:
        """Let every write that is on its way arrive, oldest first."""
        self._arrive(everything=True)

    def get(self, key: Key, start: int = 0) -> bytes:
        """See `Store.get`."""
        fault = self._next("get", key)
        if isinstance(fault, Stale) and fault.hides(key):
            raise KeyMissing(f"nothing is stored under {str(key)!r}: a stale answer that a test asked for.")
        return self._read(fault, lambda: self._store.get(key, start))

    def put(self, key: Key, source: Source) -> None:
        """See `Store.put`. A late one writes the bytes that the source had when it was called."""
        fault = self._next("put", key)
        data = source.read_bytes() if isinstance(source, Path) else source
        self._write(fault, lambda: self._store.put(key, data))

    def create(self, key: Key, data: bytes) -> None:
        """See `Store.create`."""
        self._write(self._next("create", key), lambda: self._store.create(key, data))

    def list(self, prefix: Key) -> Iterator[Entry]:
        """See `Store.list`. One operation, done when it is called."""
        fault = self._next("list", prefix)
        entries = self._read(fault, lambda: [*self._store.list(prefix)])
        return iter([each for each in entries if not (isinstance(fault, Stale) and fault.hides(each.key))])

    def delete(self, key: Key) -> None:
        """See `Store.delete`."""
        self._write(self._next("delete", key), lambda: self._store.delete(key))

    def download(self, key: Key, path: Path) -> None:
        """See `Store.download`."""
        fault = self._next("download", key)
        if isinstance(fault, Stale) and fault.hides(key):
            raise KeyMissing(f"nothing is stored under {str(key)!r}: a stale answer that a test asked for.")
        self._read(fault, lambda: self._store.download(key, path))

    def local_path(self, key: Key) -> Path | None:
        """See `Store.local_path`. No operation; what is done to the file itself is never lost."""
        return self._store.local_path(key)

    def _next(self, verb: Verb, key: Key) -> Fault | None:
        fault = self._plan.next(verb, key)
        self._arrive()
        return fault

    def _read(self, fault: Fault | None, operation: Callable[[], T]) -> T:
        if isinstance(fault, LostAnswer | Late):
            raise _no_answer()
        return operation()

    def _write(self, fault: Fault | None, operation: Callable[[], None]) -> None:
        if isinstance(fault, Late):
            due = None if fault.after is None else self._plan.count + fault.after
            self._waiting.append(_Waiting(due, operation))
            raise _no_answer()
        if not isinstance(fault, LostAnswer):
            operation()
            return
        _apply(operation)
        raise _no_answer()

    def _arrive(self, *, everything: bool = False) -> None:
        """Apply what is due before the operation that was just counted."""
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if everything or (each.due is not None and each.due < self._plan.count):
                _apply(each.apply)
            else:
                self._waiting.append(each)


def _apply(operation: Callable[[], None]) -> None:
    """Do it and lose the answer, also a refusal: nobody is there any more to be told."""
    with contextlib.suppress(StoreError):
        operation()


def _no_answer() -> StoreUnavailable:
    return StoreUnavailable("no answer: a loss that a test asked for.")
