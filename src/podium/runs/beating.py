"""The writers of this process, and the one thread that looks after those whose logs are open.

A log that says nothing for long would be taken for one whose writer is dead: the thread beats. It also brings to the
disk what was logged a while ago, and has a log written anew that somebody removed. A fork waits until no log is just
being opened; in the child every writer leaves its parent's log. Decides when and for whom; must never open, write or
close a log itself.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import weakref
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from podium.errors import PodiumWarning, StoreError

if TYPE_CHECKING:
    from podium.runs.writer import Writer

__all__ = ["forget", "keep_beating", "no_fork", "note_open", "note_sealed", "open_writers"]

_BEAT_S = 60.0
_ROUND_S = 5.0

# All, those whose log is open, and the guard that no fork comes between opening a log and noting its writer. Dicts,
# which are copied in one step: a set may not grow while it is looked through, and no lock keeps a signal handler out.
_writers: dict[int, weakref.ref[Writer]] = {}
_open_writers: dict[int, weakref.ref[Writer]] = {}
_opening = threading.RLock()

_beating: threading.Thread | None = None
_beating_guard = threading.Lock()


def no_fork() -> AbstractContextManager[object]:
    """Inside no other thread forks: a log that is opened there is noted before a child could inherit it."""
    return _opening


def note_open(writer: Writer) -> None:
    """The log of this writer is open from now on."""
    _writers[id(writer)] = _open_writers[id(writer)] = weakref.ref(writer)


def note_sealed(writer: Writer) -> None:
    """The log of this writer is open no more, or not its own."""
    _open_writers.pop(id(writer), None)


def forget(writer: Writer) -> None:
    """This writer is gone."""
    _writers.pop(id(writer), None)
    _open_writers.pop(id(writer), None)


def open_writers() -> list[Writer]:
    """The writers of this process whose logs are open."""
    return [each for each in _living(_open_writers) if each.is_open]


def _living(writers: dict[int, weakref.ref[Writer]]) -> list[Writer]:
    return [writer for each in writers.copy().values() if (writer := each()) is not None]


def keep_beating() -> None:
    """One daemon thread a process, started with its first log."""
    global _beating  # noqa: PLW0603 - one a process is the point
    if _beating is not None and _beating.is_alive():
        return
    with _beating_guard:
        if _beating is None or not _beating.is_alive():
            _beating = threading.Thread(target=_beat_forever, name="podium-beat", daemon=True)
            _beating.start()


def _beat_forever() -> None:
    beaten = time.monotonic()
    while True:
        time.sleep(_ROUND_S)
        due = time.monotonic() - beaten >= _BEAT_S
        if due:
            beaten = time.monotonic()
        for each in open_writers():
            # A strict writer's next log call says it; a warning that was made an error has been counted.
            with contextlib.suppress(StoreError, PodiumWarning):
                each.mend_if_removed()
                if due:
                    each.beat()
                each.sync_if_due(time.monotonic())


def _after_fork_in_child() -> None:
    global _beating, _beating_guard, _opening
    _beating, _beating_guard, _opening = None, threading.Lock(), threading.RLock()
    for each in _living(_writers):
        each.after_fork()


if hasattr(os, "register_at_fork"):
    # Not `_opening.acquire` itself: the child replaces the lock.
    os.register_at_fork(
        before=lambda: _opening.acquire(),  # noqa: PLW0108
        after_in_parent=lambda: _opening.release(),  # noqa: PLW0108
        after_in_child=_after_fork_in_child,
    )
