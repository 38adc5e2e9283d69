"""What the racers and writers of `StoreTests` do, each in a process of its own.

Apart from the suite so that a child process imports a store and nothing else.
"""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from podium.errors import KeyExists, KeyMissing
from podium.stores.contract import Store
from podium.stores.keys import Key

__all__ = [
    "Outcome",
    "race_in_processes",
    "race_in_threads",
    "racer_value",
    "write_for_ever",
    "written_value",
]

_PATIENCE_S = 120.0
_WRITTEN_BYTES = 2 << 20


class _Barrier(Protocol):
    """What `threading` and `multiprocessing` both have."""

    def wait(self, timeout: float | None = None) -> int: ...

    def abort(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one racer fared with one key.

    Attributes:
        racer: its number.
        key: the key.
        won: whether `create` succeeded.
        seen: the value it read right after, or None where nothing was seen yet.
    """

    racer: int
    key: Key
    won: bool
    seen: bytes | None


def racer_value(racer: int) -> bytes:
    """What a racer creates; no two are the same, nor of the same length."""
    return b"racer %d " % racer * (500 + racer)


def race_in_processes(opener: Callable[[], Store], keys: Sequence[Key], racers: int) -> list[Outcome]:
    """Let so many processes create each key at the same moment.

    Args:
        opener: opens the store; must pickle.
        keys: one race each.
        racers: how many processes.
    """
    # A fresh interpreter each: forking a process that has threads is not safe, and Windows cannot.
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(racers)
    with context.Pool(racers, initializer=_take_barrier, initargs=(barrier,)) as pool:
        jobs = [pool.apply_async(_race_in_child, (opener, keys, racer)) for racer in range(racers)]
        return [outcome for job in jobs for outcome in job.get(timeout=_PATIENCE_S)]


_barrier_of_this_child: _Barrier | None = None


def _take_barrier(barrier: _Barrier) -> None:
    global _barrier_of_this_child  # noqa: PLW0603 - a barrier can be inherited, and not be sent
    _barrier_of_this_child = barrier


def _race_in_child(opener: Callable[[], Store], keys: Sequence[Key], racer: int) -> list[Outcome]:
    assert _barrier_of_this_child is not None  # noqa: S101 - set by the initializer of every child
    return _race(opener(), keys, racer, _barrier_of_this_child)


def race_in_threads(store: Store, keys: Sequence[Key], racers: int) -> list[Outcome]:
    """Let so many threads create each key at the same moment."""
    barrier = threading.Barrier(racers)
    outcomes: list[Outcome] = []
    threads = [
        threading.Thread(target=lambda racer=racer: outcomes.extend(_race(store, keys, racer, barrier)))
        for racer in range(racers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_PATIENCE_S)
    return outcomes


def _race(store: Store, keys: Sequence[Key], racer: int, barrier: _Barrier) -> list[Outcome]:
    try:
        return [_race_once(store, key, racer, barrier) for key in keys]
    except BaseException:
        barrier.abort()  # or the others would wait for this racer
        raise


def _race_once(store: Store, key: Key, racer: int, barrier: _Barrier) -> Outcome:
    barrier.wait(_PATIENCE_S)
    won = True
    try:
        store.create(key, racer_value(racer))
    except KeyExists:
        won = False
    seen: bytes | None = None
    with suppress(KeyMissing):
        seen = store.get(key)
    return Outcome(racer, key, won, seen)


def written_value(count: int) -> bytes:
    """The value of the n-th write of `write_for_ever`: one byte repeated, now shorter, now longer."""
    return bytes([count % 251]) * (_WRITTEN_BYTES + count % 7 * 4096)


def write_for_ever(opener: Callable[[], Store], key: Key) -> None:
    """Replace one value again and again, until killed."""
    store = opener()
    count = 0
    while True:
        store.put(key, written_value(count))
        count += 1
