"""Run the commit protocol against a store: the shell around the pure protocol.

Here are the clock, the waiting and the randomness that `protocol.py` must not know.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar, assert_never

from podium.commits.handing_over import hand_over
from podium.commits.protocol import (
    Answer,
    Create,
    Failed,
    Get,
    LocalFile,
    Operation,
    Pause,
    Put,
    PutAll,
    Says,
    Sizes,
    Steps,
)
from podium.errors import KeyExists, KeyMissing, StoreUnavailable
from podium.stores.contract import DiskFull, Store
from podium.stores.keys import Key
from podium.stores.progress import moving
from podium.stores.together import together

__all__ = ["perform", "run"]

Result = TypeVar("Result")

_FIRST_WAIT_S = 0.002
_LONGEST_WAIT_S = 0.5
_FILES_AT_ONCE = 8
_jitter = random.SystemRandom()  # not `random`: training scripts seed it, and their numbers are theirs


def run(
    steps: Steps[Result],
    store: Store,
    *,
    patience_s: float = 30.0,
    sleep: Callable[[float], object] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Result:
    """Run a protocol to its end.

    Args:
        steps: the protocol.
        store: what it runs against.
        patience_s: how long it may wait, all pauses and unanswered operations together; an operation under way is
            not cut off.
        sleep: for tests.
        clock: for tests.

    Returns:
        What the protocol returns; what it raises goes through.
    """
    waited_s = 0.0  # work that gets on is not waiting: a model of gigabytes takes what it takes
    pauses = 0
    try:
        operation = next(steps)
        while True:
            began_s = clock()
            if isinstance(operation, Pause):
                answer: Answer = Says.EXPIRED
                if waited_s < patience_s:
                    wait = min(_FIRST_WAIT_S * 2**pauses, _LONGEST_WAIT_S)
                    sleep(wait * (0.5 + _jitter.random() / 2))
                    pauses, answer = pauses + 1, Says.DONE
                    waited_s += clock() - began_s
            else:
                try:
                    answer = perform(store, operation)
                except OSError as error:
                    operation = steps.throw(error)  # the protocol knows whether it may pass over it
                    continue
                if isinstance(answer, Failed):
                    waited_s += clock() - began_s
            operation = steps.send(answer)
    except StopIteration as stop:
        result: Result = stop.value
        return result


def perform(store: Store, operation: Operation) -> Answer:
    """One operation, as the protocol's vocabulary has it.

    Raises:
        StoreError: the store can never do this (no hard links, no conditional put), and says why.
        Corrupt: a local file is not what it has to be.
    """
    try:
        match operation:
            case Get(key):
                return store.get(key)
            case Create(key, data):
                store.create(key, data)
            case Put(key, bytes(data)):
                store.put(key, data)
            case Put(key, LocalFile() as file):
                hand_over(store, key, file)
            case PutAll(puts):
                return _put_all(store, puts)
            case Sizes(folder):
                start = len(folder.segments)
                return {"/".join(entry.key.segments[start:]): entry.size for entry in store.list(folder)}
            case Pause():
                return Says.EXPIRED
            case Put():
                raise TypeError(f"{operation.source!r} cannot be put")
            case _:
                assert_never(operation)
    except KeyMissing:
        return Says.ABSENT
    except KeyExists:
        return Says.EXISTS
    except StoreUnavailable as error:
        return Failed(error, nothing_done=isinstance(error, DiskFull))
    return Says.DONE


def _put_all(store: Store, puts: tuple[Put, ...]) -> Answer:
    """Values that go over a network go at once; a disk is kept busy by one."""
    at_once = 1 if store.local_path(Key.root()) is not None else _FILES_AT_ONCE
    total_bytes = sum(
        each.source.size if isinstance(each.source, LocalFile) else len(each.source) for each in puts
    )

    def put(each: Put) -> None:
        answer = perform(store, each)
        if isinstance(answer, Failed):
            raise _NotPut(answer)

    try:
        with moving(f"registering {puts[0].key.segments[1]}", total_bytes):
            together(put, puts, at_once=at_once)
    except _NotPut as failed:
        return failed.answer
    return Says.DONE


class _NotPut(Exception):
    """One of several values could not be put: what had not begun is left."""

    def __init__(self, answer: Failed) -> None:
        super().__init__(answer)
        self.answer = answer
