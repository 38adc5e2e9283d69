"""A second version that sees what the first one is asked, and whose answers nobody waits for.

A bounded queue and one daemon thread: where the shadow is slow, requests are passed over, never delayed; where it
fails, the failure is counted.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from podium.models.following import Follower

__all__ = ["Shadow", "ShadowCounts", "agree"]

_log = logging.getLogger("podium.live")
_LONGEST_QUEUE = 64
_IDLE_S = 5.0


@dataclass(frozen=True, slots=True)
class ShadowCounts:
    """What a shadow has seen.

    Attributes:
        compared: predictions made by both.
        disagreed: of these, how many differ.
        failed: predictions the shadow could not make.
        passed_over: requests that came while the queue was full.
    """

    compared: int = 0
    disagreed: int = 0
    failed: int = 0
    passed_over: int = 0


@dataclass(frozen=True, slots=True)
class _Request:
    data: Any
    params: Mapping[str, Any] | None
    answer: Any
    uri: str


class Shadow:
    """Compares a followed model's predictions with those of the one that serves."""

    def __init__(self, follower: Follower) -> None:
        self.follower = follower
        self._counting = threading.Lock()
        self._counts = ShadowCounts()
        self._requests: queue.Queue[_Request | None] = queue.Queue(_LONGEST_QUEUE)
        self._closed = False
        self._thread: threading.Thread | None = None

    @property
    def counts(self) -> ShadowCounts:
        """What it has seen so far."""
        return self._counts

    def offer(self, data: Any, params: Mapping[str, Any] | None, answer: Any, uri: str) -> None:
        """Hand over a request that was answered by ``uri``; returns at once, whatever happens. After `close`: nothing.

        Data that the caller changes afterwards is compared as changed.
        """
        if self._closed:
            return
        try:
            self._requests.put_nowait(_Request(data, params, answer, uri))
        except queue.Full:
            self._count(passed_over=1)
        if self._thread is None:
            self._start()

    def close(self) -> None:
        """Stop after the requests that wait."""
        self._closed = True
        with contextlib.suppress(queue.Full):  # then the thread sees that it is closed once it has caught up
            self._requests.put_nowait(None)

    def forget(self) -> None:
        """As `close`, for a garbage collector: takes no lock, so the thread notices only when it is idle."""
        self._closed = True

    def drain(self) -> None:
        """Wait until every request that was handed over has been looked at."""
        self._requests.join()

    def after_fork(self) -> None:
        """In a child process: its own queue, and a thread once there is something to do."""
        self._counting = threading.Lock()
        self._requests = queue.Queue(_LONGEST_QUEUE)
        self._thread = None
        self.follower.after_fork()

    def _start(self) -> None:
        with self._counting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="podium-shadow", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while True:
            try:
                request = self._requests.get(timeout=_IDLE_S)
            except queue.Empty:
                if self._closed:
                    return
                continue
            try:
                if request is None:
                    return
                self._compare(request)
            finally:
                self._requests.task_done()

    def _compare(self, request: _Request) -> None:
        model = self.follower.current
        try:
            same = agree(request.answer, model.predict(request.data, request.params))
        except Exception as error:  # noqa: BLE001 - a shadow never breaks what it follows
            self._count(failed=1)
            _log.warning("shadow %s failed: %s: %s", model.uri, type(error).__name__, error)
            return
        self._count(compared=1, disagreed=0 if same else 1)
        if not same:
            _log.info("shadow %s disagrees with %s", model.uri, request.uri)

    def _count(self, *, compared: int = 0, disagreed: int = 0, failed: int = 0, passed_over: int = 0) -> None:
        with self._counting:
            now = self._counts
            self._counts = ShadowCounts(
                now.compared + compared,
                now.disagreed + disagreed,
                now.failed + failed,
                now.passed_over + passed_over,
            )


def agree(left: Any, right: Any) -> bool:
    """Whether two predictions say the same; floats may differ in the last bits, NaN equals NaN."""
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(agree(left[key], right[key]) for key in left)
    if not (hasattr(left, "__array__") or isinstance(left, list | tuple | float)):
        return bool(left == right)
    try:
        import numpy
    except ModuleNotFoundError:
        return bool(left == right)
    one, other = numpy.asarray(left), numpy.asarray(right)
    if one.shape != other.shape:
        return False
    if one.dtype.kind in "fc" or other.dtype.kind in "fc":
        return bool(numpy.allclose(one, other, rtol=1e-6, atol=1e-9, equal_nan=True))
    return bool((one == other).all())
