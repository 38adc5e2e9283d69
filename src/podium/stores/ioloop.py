"""The event loop of fsspec, made to last until the interpreter has ended.

Like every loop it looks up host names in a pool of threads, and that takes no work once the interpreter is on its way
out, which is when the last of a run is sent. Threads that stand ready from the beginning take what the pool refuses. It
is fsspec's own loop all the same, since its filesystems close their connections in whichever loop collects them.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import ParamSpec, TypeVar

__all__ = ["io_loop"]

P = ParamSpec("P")
R = TypeVar("R")

_STANDING = 2
_lasting: weakref.WeakSet[asyncio.AbstractEventLoop] = weakref.WeakSet()


class _LastingExecutor(ThreadPoolExecutor):
    """A pool as asyncio makes one, with daemon threads for the time when it takes no work any more."""

    def __init__(self) -> None:
        super().__init__(thread_name_prefix="asyncio")
        self._jobs: SimpleQueue[Callable[[], None]] = SimpleQueue()
        for _ in range(_STANDING):
            threading.Thread(target=_work, args=(self._jobs,), name="podium-lookup", daemon=True).start()

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        try:
            return super().submit(fn, *args, **kwargs)
        except RuntimeError:  # the interpreter ends
            future: Future[R] = Future()

            def job() -> None:
                if future.set_running_or_notify_cancel():
                    try:
                        future.set_result(fn(*args, **kwargs))
                    except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits for the result
                        future.set_exception(error)

            self._jobs.put(job)
            return future


def _work(jobs: SimpleQueue[Callable[[], None]]) -> None:
    while True:
        jobs.get()()


def io_loop() -> asyncio.AbstractEventLoop:
    """The running loop of fsspec in this process; a forked child has another."""
    from fsspec.asyn import get_loop

    loop: asyncio.AbstractEventLoop = get_loop()
    if loop not in _lasting:
        _lasting.add(loop)
        loop.set_default_executor(_LastingExecutor())
    return loop
