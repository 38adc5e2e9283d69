"""Deciding when a served model gives way to another: look, load aside, test, swap; or keep the old one and say why.

No thread and no clock of its own, so that every situation can be told as a test. It knows no alias: ``resolve`` says
which version is meant now, ``load`` loads it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from podium.errors import StoreError
from podium.models.model import Model, self_test
from podium.table import Shown

__all__ = ["Followed", "Follower", "LiveStatus"]

_log = logging.getLogger("podium.live")

Clock: TypeAlias = Callable[[], float]
_FIRST_BACK_OFF_S = 30.0
_LONGEST_BACK_OFF_S = 600.0


@dataclass(frozen=True, slots=True)
class Followed:
    """What is followed.

    Attributes:
        uri: as the user wrote it, with an alias or /latest.
        resolve: the pinned URI it means now.
        load: loads a pinned URI.
        age_s: how old what ``resolve`` said last is, in seconds: a store that does not answer leaves what was known.
        resolve_soon: as ``resolve``, for the looks after the first: it gives up soon, since a model serves and is to
            say what is wrong. None: ``resolve``.
    """

    uri: str
    resolve: Callable[[], str]
    load: Callable[[str], Model[Any]]
    age_s: Callable[[], float] = lambda: 0.0
    resolve_soon: Callable[[], str] | None = None


@dataclass(frozen=True, slots=True)
class LiveStatus(Shown):
    """How a live model is doing.

    Attributes:
        uri: pinned URI of the version that serves.
        version: that version; 0 where it has no number.
        checked_s: seconds since the alias was last read.
        swaps: versions that took over since it was made.
        last_error: why the last look failed, or None. The version before keeps serving.
        refused_version: one that was resolved and did not load or failed its test, or None.
    """

    uri: str
    version: int
    checked_s: float
    swaps: int
    last_error: str | None
    refused_version: int | None


@dataclass(frozen=True, slots=True)
class _Refusal:
    """A version that would not serve, why, and when to try it again."""

    uri: str
    why: str
    times: int
    again_at: float


class Follower:
    """Keeps one loaded model and replaces it by what ``resolve`` says, if that works.

    Args:
        followed: what to follow.
        check: called with a new model before it serves; raising, or returning False, refuses it.
        on_swap: called with the old and the new model after a swap.
        on_failure: called with the error of each look that failed.
        clock: seconds, monotonic.

    Raises:
        Exception: whatever the first resolve, load, self-test or check raises.
    """

    def __init__(
        self,
        followed: Followed,
        *,
        clock: Clock,
        check: Callable[[Model[Any]], object] | None = None,
        on_swap: Callable[[Model[Any], Model[Any]], object] | None = None,
        on_failure: Callable[[Exception], object] | None = None,
    ) -> None:
        self._followed = followed
        self._clock = clock
        self._check = check
        self._on_swap = on_swap
        self._on_failure = on_failure
        self._looking = threading.RLock()
        self._swaps = 0
        self._last_error: str | None = None
        self._refusal: _Refusal | None = None
        pinned = followed.resolve()
        self._checked_at = clock() - followed.age_s()
        self._uri = pinned
        self.current: Model[Any] = self._proved(pinned)
        """Replaced in one assignment: whoever takes it once has a model and a version that belong together."""

    def look(self, *, insist: bool = False) -> bool:
        """Ask which version is meant, and swap if it is another one.

        Args:
            insist: also try a version that was refused a moment ago.

        Returns:
            True if another version serves now.

        Never raises: what goes wrong is told in `status` and to ``on_failure``, and the version before serves on.
        """
        with self._looking:
            try:
                pinned = (self._followed.resolve_soon or self._followed.resolve)()
            except Exception as error:  # noqa: BLE001 - the boundary of promise "a dead store keeps the old one serving"
                self._failed(error)
                return False
            self._checked_at = self._clock() - self._followed.age_s()
            if self._refusal is not None and self._refusal.uri != pinned:
                self._refusal = None
            if pinned == self._uri:
                self._last_error = None
                return False
            if self._refusal is not None and not insist and self._clock() < self._refusal.again_at:
                self._last_error = self._refusal.why  # the store, which may have failed since, has answered
                return False
            return self._swap_to(pinned)

    def status(self) -> LiveStatus:
        """How it is doing."""
        current = self.current
        refusal = self._refusal
        return LiveStatus(
            uri=current.uri,
            version=current.version or 0,
            checked_s=max(0.0, self._clock() - self._checked_at),
            swaps=self._swaps,
            last_error=self._last_error,
            refused_version=None if refusal is None else _version_in(refusal.uri),
        )

    def after_fork(self) -> None:
        """In a child process: a look that was under way in the parent holds nothing here."""
        self._looking = threading.RLock()

    def _swap_to(self, pinned: str) -> bool:
        try:
            new = self._proved(pinned)
        except StoreError as error:  # the store, not the version: look again at the next poll
            self._failed(error)
            return False
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the boundary of "a bad version keeps the old one serving"
            self._refuse(pinned, error)
            self._failed(error)
            return False
        old, self.current = self.current, new
        self._uri = pinned
        self._swaps += 1
        self._refusal = self._last_error = None
        _log.info("%s: %s serves in place of %s", self._followed.uri, new.uri, old.uri)
        if self._on_swap is not None:
            self._tell(self._on_swap, old, new)
        return True

    def _proved(self, pinned: str) -> Model[Any]:
        """Load a version and try it before anything sees it."""
        model = self._followed.load(pinned)
        self_test(model)
        if self._check is not None and self._check(model) is False:
            raise ValueError(f"check returned False for {pinned}")
        return model

    def _refuse(self, pinned: str, error: BaseException) -> None:
        times = 1 if self._refusal is None else self._refusal.times + 1
        wait_s = min(_FIRST_BACK_OFF_S * 2 ** min(times - 1, 10), _LONGEST_BACK_OFF_S)
        self._refusal = _Refusal(pinned, _said(error), times, self._clock() + wait_s)

    def _failed(self, error: BaseException) -> None:
        text = _said(error)
        if text != self._last_error:  # a store that is down for an hour is one line, not one a poll
            _log.warning("%s: %s keeps serving: %s", self._followed.uri, self.current.uri, text)
        self._last_error = text
        if self._on_failure is not None:
            self._tell(self._on_failure, error)

    def _tell(self, callback: Callable[..., object], *told: object) -> None:
        try:
            callback(*told)
        except (Exception, SystemExit):  # noqa: BLE001 - a callback of the user never breaks serving; it is logged
            _log.exception("%s: a callback of live() raised; it serves on", self._followed.uri)


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _version_in(uri: str) -> int | None:
    last = uri.rpartition("/")[2]
    return int(last) if last.isascii() and last.isdigit() else None
