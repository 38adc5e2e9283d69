"""A store that fails, or whose process dies, at operations of your choice.

The first question to any code that writes: what is left if it stops right here? Knows nothing of the store it
wraps.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, TypeAlias, TypeVar

from podium.errors import StoreError, StoreUnavailable
from podium.stores.contract import Entry, Source, Store
from podium.stores.keys import Key
from podium.testing.schedule import Plan, Schedule, Verb

__all__ = ["Fail", "FaultyStore", "Kill"]

T = TypeVar("T")


def _unavailable() -> Exception:
    return StoreUnavailable("the store does not answer: a fault that a test asked for.")


@dataclass(frozen=True, slots=True)
class Fail:
    """The operation raises.

    Attributes:
        error: makes the exception; by default a `StoreUnavailable`.
        applied: whether the operation takes effect first.
    """

    error: Callable[[], Exception] = field(default=_unavailable)
    applied: bool = False


@dataclass(frozen=True, slots=True)
class Kill:
    """The process is killed (SIGKILL; on Windows it ends at once), so that nothing of it can clean up.

    Attributes:
        applied: whether the operation takes effect first.
    """

    applied: bool = False


Fault: TypeAlias = Fail | Kill


class FaultyStore:
    """``store``, with faults.

    Args:
        store: the store.
        schedule: operation number to `Fail` or `Kill`, or a function ``(verb, key, number)`` that gives one or
            None. Operations are counted from 0 over all verbs.

    ``FaultyStore(store, {2: Fail(applied=True)})``: the third operation is done, and its answer is an error.
    """

    __slots__ = ("_plan", "_store")

    def __init__(self, store: Store, schedule: Schedule[Fault]) -> None:
        self._store = store
        self._plan = Plan(schedule)

    def __repr__(self) -> str:
        return f"FaultyStore({self._store!r})"

    @property
    def operations(self) -> int:
        """How many operations there were so far."""
        return self._plan.count

    def get(self, key: Key, start: int = 0) -> bytes:
        """See `Store.get`."""
        return self._do("get", key, lambda: self._store.get(key, start))

    def put(self, key: Key, source: Source) -> None:
        """See `Store.put`."""
        self._do("put", key, lambda: self._store.put(key, source))

    def create(self, key: Key, data: bytes) -> None:
        """See `Store.create`."""
        self._do("create", key, lambda: self._store.create(key, data))

    def list(self, prefix: Key) -> Iterator[Entry]:
        """See `Store.list`. One operation, done when it is called."""
        return iter(self._do("list", prefix, lambda: [*self._store.list(prefix)]))

    def delete(self, key: Key) -> None:
        """See `Store.delete`."""
        self._do("delete", key, lambda: self._store.delete(key))

    def download(self, key: Key, path: Path) -> None:
        """See `Store.download`."""
        self._do("download", key, lambda: self._store.download(key, path))

    def local_path(self, key: Key) -> Path | None:
        """See `Store.local_path`. No operation, never at fault."""
        return self._store.local_path(key)

    def _do(self, verb: Verb, key: Key, operation: Callable[[], T]) -> T:
        fault = self._plan.next(verb, key)
        if fault is None:
            return operation()
        if fault.applied:
            with contextlib.suppress(StoreError):  # what it would have said, nobody hears
                operation()
        if isinstance(fault, Kill):
            _die()
        raise fault.error()


def _die() -> NoReturn:
    """End this process as a power cut would: no handler, no finally, no atexit."""
    if hasattr(signal, "SIGKILL"):
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(137)
