"""A model that follows its alias while it serves.

One daemon thread asks within every ``poll_s``; deciding is `following`'s. Predictions take no lock: they read one
attribute, and a swap is one assignment. The thread holds no reference to the model: one that is forgotten goes, and
its thread with it.
"""

from __future__ import annotations

import logging
import os
import random
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from podium.errors import Invalid
from podium.models.following import Followed, Follower, LiveStatus
from podium.models.info import ModelInfo
from podium.models.model import Model
from podium.models.shadowing import Shadow, ShadowCounts

__all__ = ["Followed", "LiveModel", "LiveStatus", "look_patience_s"]

_log = logging.getLogger("podium.live")
_JOIN_S = 2.0

# From the system's own source: training scripts seed `random`. A hundred servers started together do not ask together.
_jitter = random.SystemRandom()

_alive: weakref.WeakSet[LiveModel] = weakref.WeakSet()


def look_patience_s(poll_s: float) -> float:
    """How long a look at the alias waits for a store that does not answer: ``poll_s``, and from 1 to 5 s."""
    return min(max(poll_s, 1.0), 5.0)


class LiveModel:
    """A `Model` that swaps to whatever its alias points at; thread-, asyncio- and fork-safe.

    A new version is loaded and tried aside (its stored example, then ``check``) and takes over between two predictions.
    A bad version or a dead store keeps the old one serving: see `status`. A look at a store that fails gives up after
    ``poll_s``, at least 1 s and at most 5 s, and says so (an answer under way is not cut off; the load of a new
    version may take longer). A version that was refused is tried
    again after 30 s, then ever less often, or when the alias moves, or by `refresh`.

    Args:
        followed: what to follow, and how to resolve and load it.
        poll_s: longest time between two looks at the alias; > 0.
        check: called with a new model before it serves; raising, or returning False, refuses it.
        on_swap: called with the old and the new model after a swap.
        on_failure: called with the error of each look that failed.
        shadow: a second model that predicts the same requests aside and is compared.
        clock: seconds, monotonic.

    Raises:
        Exception: whatever the first resolve, load, self-test or ``check`` raises.
        Invalid: ``poll_s`` is not positive.
    """

    def __init__(
        self,
        followed: Followed,
        *,
        poll_s: float = 5.0,
        check: Callable[[Model[Any]], object] | None = None,
        on_swap: Callable[[Model[Any], Model[Any]], object] | None = None,
        on_failure: Callable[[Exception], object] | None = None,
        shadow: Followed | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not poll_s > 0:
            raise Invalid(f"poll_s is {poll_s!r}; it has to be a positive number of seconds.")
        self._poll_s = float(poll_s)
        self._follower = Follower(followed, clock=clock, check=check, on_swap=on_swap, on_failure=on_failure)
        self._shadow = None if shadow is None else Shadow(Follower(shadow, clock=clock))
        self._asked = followed.uri
        self._closed = False
        self._starting = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        _alive.add(self)
        self._start()

    @property
    def current(self) -> Model[Any]:
        """The version that serves now. Take it once a request: its predict and version then belong together."""
        self._start()
        return self._follower.current

    @property
    def native(self) -> Any:
        """Of the version that serves now."""
        return self.current.native

    @property
    def uri(self) -> str:
        """Pinned, of the version that serves now."""
        return self.current.uri

    @property
    def version(self) -> int | None:
        """The version that serves now."""
        return self.current.version

    @property
    def info(self) -> ModelInfo:
        """Of the version that serves now."""
        return self.current.info

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Predict with the version that serves now.

        Raises:
            SchemaError: the data does not fit the signature.
            Invalid: the model cannot predict.
        """
        model = self.current
        answer = model.predict(data, params)
        if self._shadow is not None:
            self._shadow.offer(data, params, answer, model.uri)
        return answer

    def status(self) -> LiveStatus:
        """How it is doing; reads nothing."""
        self._start()
        return self._follower.status()

    def _shadow_counts(self) -> ShadowCounts | None:
        """What the shadow has seen, or None without one."""
        return None if self._shadow is None else self._shadow.counts

    def refresh(self) -> bool:
        """Look now, also at a version that was refused before.

        Returns:
            True if another version serves now. Never raises: see `status`. A store that does not answer is waited for
            as long as by a poll.
        """
        swapped = self._follower.look(insist=True)
        if self._shadow is not None:
            self._shadow.follower.look(insist=True)
        return swapped

    def close(self) -> None:
        """Stop following. The version that serves goes on serving. Again: nothing."""
        self._closed = True
        self._stop.set()
        if self._shadow is not None:
            self._shadow.close()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(_JOIN_S)  # a daemon: one that waits for a dead store ends when that answers

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"polled every {self._poll_s:g} s"
        return f"<LiveModel {self._asked} -> {self._follower.current.uri}, {state}>"

    def _poll(self) -> None:
        self._follower.look()
        if self._shadow is not None:
            self._shadow.follower.look()

    def _start(self) -> None:
        """Start the thread, if it is not there: at first, and at the first use in a forked child."""
        if not self._lacks_thread():
            return
        with self._starting:
            if self._lacks_thread():
                self._thread = threading.Thread(
                    target=_keep_polling,
                    args=(weakref.ref(self), self._stop, self._poll_s),
                    name="podium-live",
                    daemon=True,
                )
                self._thread.start()

    def _lacks_thread(self) -> bool:
        return self._thread is None and not self._closed

    def _after_fork(self) -> None:
        """In a child process: threads and held locks stayed behind; the first use starts a thread of its own."""
        self._starting = threading.Lock()
        self._stop = threading.Event()
        self._thread = None
        self._follower.after_fork()
        if self._shadow is not None:
            self._shadow.after_fork()

    def __del__(self) -> None:
        stop = getattr(self, "_stop", None)  # absent where the first load raised
        if stop is not None:
            stop.set()
            if self._shadow is not None:
                self._shadow.forget()


def _keep_polling(reference: weakref.ref[LiveModel], stop: threading.Event, poll_s: float) -> None:
    while not stop.wait(poll_s * _jitter.uniform(0.8, 1.0)):
        live = reference()
        if live is None:
            return
        live._poll()
        del live  # or this frame would keep it for another poll_s


def _after_fork_in_child() -> None:
    for live in list(_alive):
        live._after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
