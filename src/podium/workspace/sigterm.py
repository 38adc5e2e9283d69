"""SIGTERM: hears it, also in the workers of a pool.

A handler written in Python runs between two instructions of the main thread. Where the signal comes just before that
thread waits in C for a lock or a pipe, nothing runs until the wait is over. Pools end their workers in that very
moment, when they have handed in the last result and go to wait for work; and then wait for them. Hence a forked
child begins without the handler it inherited (it ends no run of its parent's), and in a worker that has runs of its
own a thread repeats the signal (`_Reminder`). Knows no run and no store.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

__all__ = ["listen"]

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0


class _Listener:
    """What is listened with in this process."""

    def __init__(self) -> None:
        self.told: Callable[[], None] | None = None
        self.is_ending = False
        self.reminder: _Reminder | None = None


_listener = _Listener()


def listen(told: Callable[[], None]) -> None:
    """Call this once the process is told to end; it then dies of the signal, so that whoever waits for it sees which.

    Asked at each run: the first may have been started in a thread, where no handler can be set. Whoever has set a
    handler of his own decides.
    """
    _listener.told = told
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return
    signal.signal(signal.SIGTERM, _on_sigterm)
    process = sys.modules.get("multiprocessing.process")
    if process is not None and process.parent_process() is not None:
        _listener.reminder = _Reminder.made()


def _on_sigterm(number: int, frame: FrameType | None) -> None:
    if _listener.is_ending:  # told again, perhaps by the reminder
        return
    _listener.is_ending = True
    if _listener.told is not None:
        _listener.told()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


class _Reminder:
    """Hears of a signal where the interpreter does, and sends SIGTERM again until the main thread has run its handler.

    The interpreter writes the number of each signal to one file descriptor (`signal.set_wakeup_fd`), whatever the
    main thread does.
    """

    def __init__(self, reading: int, writing: int) -> None:
        self._reading = reading
        self._writing = writing

    @classmethod
    def made(cls) -> _Reminder | None:
        """One that watches from now on. None where another listens already: an event loop wakes its thread itself."""
        if not hasattr(signal, "pthread_kill"):
            return None
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        other = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        made = cls(reading, writing)
        if other != -1:
            signal.set_wakeup_fd(other, warn_on_full_buffer=False)
            made.close()
            return None
        threading.Thread(target=made._watch, name="podium-sigterm", daemon=True).start()
        return made

    def close(self) -> None:
        for each in (self._reading, self._writing):
            with contextlib.suppress(OSError):
                os.close(each)

    def _watch(self) -> None:
        while heard := os.read(self._reading, 64):
            if signal.SIGTERM in heard:
                self._remind()

    def _remind(self) -> None:
        main = threading.main_thread().ident
        pause_s = _FIRST_PAUSE_S
        while main is not None:
            time.sleep(pause_s)
            # Someone else's handler is not for podium to call.
            if _listener.is_ending or signal.getsignal(signal.SIGTERM) is not _on_sigterm:
                return
            signal.pthread_kill(main, signal.SIGTERM)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def _after_fork_in_child() -> None:
    _listener.is_ending = False
    if signal.getsignal(signal.SIGTERM) is _on_sigterm:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    reminder, _listener.reminder = _listener.reminder, None
    if reminder is None:
        return
    # Its thread is not here, and what is written to the pipe would reach the parent's.
    other = signal.set_wakeup_fd(-1)
    if other not in (-1, reminder._writing):
        signal.set_wakeup_fd(other, warn_on_full_buffer=False)
    reminder.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
