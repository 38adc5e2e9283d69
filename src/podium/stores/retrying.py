"""A store that asks again when another store does not answer.

Only `StoreUnavailable` is asked again: every other error is an answer. Waits grow and are drawn at
random, so that many clients do not come back at the same instant, and from the operating system, so
that the random numbers of a training script stay as they are. Knows nothing of the store it wraps.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from podium.errors import StoreUnavailable
from podium.stores.contract import Entry, Source, Store
from podium.stores.folders import beginning, folders_in, part_lister
from podium.stores.keys import Key

__all__ = ["Retrying"]

T = TypeVar("T")


def _draw_from_the_system() -> float:
    return int.from_bytes(os.urandom(4)) / 2**32


class Retrying:
    """``store``, asked up to ``attempts`` times.

    A `create` whose answer was lost may come back as `KeyExists`: the contract allows it, callers expect it.

    Args:
        store: the store.
        attempts: how often a verb is tried at most; at least 1.
        first_wait_s: the longest wait after the first failure; it doubles with each one more.
        longest_wait_s: no wait is longer.
        give_up_s: no attempt begins later than this after the first.
        sleep: waits so many seconds.
        clock: seconds that only grow.
        draw: a number from 0 up to 1, the part of the longest wait that is taken.
    """

    __slots__ = (
        "_attempts",
        "_clock",
        "_draw",
        "_first_wait_s",
        "_give_up_s",
        "_longest_wait_s",
        "_sleep",
        "_store",
    )

    def __init__(
        self,
        store: Store,
        *,
        attempts: int = 5,
        first_wait_s: float = 0.1,
        longest_wait_s: float = 5.0,
        give_up_s: float = 30.0,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] | None = None,
    ) -> None:
        self._store = store
        self._attempts = max(1, attempts)
        self._first_wait_s = first_wait_s
        self._longest_wait_s = longest_wait_s
        self._give_up_s = give_up_s
        self._sleep = sleep
        self._clock = clock
        self._draw = draw or _draw_from_the_system

    def __repr__(self) -> str:
        return f"Retrying({self._store!r})"

    @property
    def root(self) -> object:
        """Where the store lies, as it says itself; None where it has no address."""
        return getattr(self._store, "root", None)

    @property
    def identity(self) -> object:
        """What stores that ask with the same settings have in common; None where nothing is known of that."""
        return getattr(self._store, "identity", None)

    @property
    def address(self) -> object:
        """What tells the store's place from another of the same name; None where it has none."""
        return getattr(self._store, "address", None)

    def get(self, key: Key, start: int = 0) -> bytes:
        """See `Store.get`."""
        return self._again(lambda: self._store.get(key, start))

    def put(self, key: Key, source: Source) -> None:
        """See `Store.put`."""
        self._again(lambda: self._store.put(key, source))

    def create(self, key: Key, data: bytes) -> None:
        """See `Store.create`."""
        self._again(lambda: self._store.create(key, data))

    def list(self, prefix: Key) -> Iterator[Entry]:
        """See `Store.list`. Read to its end at once: half of one and then another would name values twice."""
        return iter(self._again(lambda: [*self._store.list(prefix)]))

    @property
    def _lists_in_part(self) -> bool:
        """See `PartLister`: what the wrapped store says."""
        return part_lister(self._store) is not None

    def _list_folders(self, prefix: Key) -> set[Key]:
        """See `PartLister`."""
        return self._again(lambda: folders_in(self._store, prefix))

    def _list_beginning(self, prefix: Key, begins: str) -> Iterator[Entry]:
        """See `PartLister`. Read to its end at once, as `list` is."""
        return iter(self._again(lambda: [*beginning(self._store, prefix, begins)]))

    def delete(self, key: Key) -> None:
        """See `Store.delete`."""
        self._again(lambda: self._store.delete(key))

    def download(self, key: Key, path: Path) -> None:
        """See `Store.download`."""
        self._again(lambda: self._store.download(key, path))

    def local_path(self, key: Key) -> Path | None:
        """See `Store.local_path`."""
        return self._again(lambda: self._store.local_path(key))

    def _again(self, verb: Callable[[], T]) -> T:
        began = self._clock()
        for failed in range(self._attempts - 1):
            try:
                return verb()
            except StoreUnavailable:
                wait_s = self._draw() * min(self._longest_wait_s, self._first_wait_s * 2**failed)
                if self._clock() + wait_s - began > self._give_up_s:
                    raise
                self._sleep(wait_s)
        return verb()
