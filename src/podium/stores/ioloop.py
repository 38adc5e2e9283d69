"""The event loop that requests of podium's own filesystems run on.

Not fsspec's: that one, like every loop, looks up host names in a pool that takes no work once the interpreter is on
its way out, and this is when the last of a run is sent. The threads of this one stand ready from the beginning. And
what podium sets on it reaches no other user of fsspec. One a process; a forked child begins another.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import ParamSpec, TypeVar

__all__ = ["io_loop"]

P = ParamSpec("P")
R = TypeVar("R")

_STANDING = 4


class _StandingExecutor(ThreadPoolExecutor):
    """Daemon threads that are there before they are needed; asyncio insists on this base class."""

    def __init__(self) -> None:
        super().__init__(
            max_workers=1
        )  # which starts none until its own `submit` is called, and that never is
        self._jobs: SimpleQueue[Callable[[], None]] = SimpleQueue()
        for _ in range(_STANDING):
            threading.Thread(target=self._work, name="podium-lookup", daemon=True).start()

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        future: Future[R] = Future()

        def job() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(fn(*args, **kwargs))
                except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits for the result
                    future.set_exception(error)

        self._jobs.put(job)
        return future

    def _work(self) -> None:
        while True:
            self._jobs.get()()


_loops: dict[int, asyncio.AbstractEventLoop] = {}
_guard = threading.Lock()


def io_loop() -> asyncio.AbstractEventLoop:
    """The running loop of this process."""
    with _guard:
        loop = _loops.get(os.getpid())
        if loop is None:
            loop = _loops[os.getpid()] = asyncio.new_event_loop()
            loop.set_default_executor(_StandingExecutor())
            threading.Thread(target=loop.run_forever, name="podium-io", daemon=True).start()
        return loop


def _after_fork_in_child() -> None:
    global _guard  # noqa: PLW0603 - whoever held it does not exist here
    _guard = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
