"""How runs end that nobody ended: with the script, by an exception, by a signal.

What left the process decides: an uncaught exception or ``sys.exit`` with a code, FAILED; Ctrl-C and SIGTERM,
KILLED; else FINISHED. Nothing can be heard of SIGKILL and ``os._exit``: such a run is LOST, which its readers see.
Every hook calls the one it found. Knows no store.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import signal
import sys
import threading
import traceback
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Any, NoReturn

from podium.runs.spool import leave
from podium.workspace import open_runs, sigterm, two_lines
from podium.workspace.facts import EndStatus
from podium.workspace.redaction import redacted_text, without_folders

__all__ = ["FINISHED", "Ending", "ending_of", "install"]

_LONGEST_ERROR = 1_000
_LONGEST_TRACEBACK = 20_000


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended.

    Attributes:
        status: FINISHED, FAILED or KILLED.
        error: one line: the type and text of what ended it.
        traceback: its lines.
    """

    status: EndStatus = "FINISHED"
    error: str | None = None
    traceback: str | None = None


FINISHED = Ending()


def ending_of(error: BaseException | None) -> Ending:
    """What becomes of a run that this leaves.

    A generator that is closed has FINISHED: who took enough from it has broken nothing. A cancelled asyncio task is
    KILLED: that is how Ctrl-C reaches a run under ``asyncio.run``.
    """
    if error is None or isinstance(error, GeneratorExit):
        return FINISHED
    if isinstance(error, SystemExit) and not error.code:
        return FINISHED
    asyncio = sys.modules.get("asyncio")
    killed = isinstance(error, KeyboardInterrupt) or (
        asyncio is not None and isinstance(error, asyncio.CancelledError)
    )
    return Ending("KILLED" if killed else "FAILED", _one_line(error), _traceback_text(error))


def _one_line(error: BaseException) -> str:
    text = "".join(traceback.format_exception_only(error))
    return _told(" ".join(text[:_LONGEST_TRACEBACK].split()))[:_LONGEST_ERROR]


def _traceback_text(error: BaseException) -> str:
    text = "".join(traceback.format_exception(error))
    # Cut twice: a secret that begins before the second cut is still known for one.
    text = _told(text[-2 * _LONGEST_TRACEBACK :])
    return text if len(text) <= _LONGEST_TRACEBACK else "..." + text[-_LONGEST_TRACEBACK:]


def _told(text: str) -> str:
    """What may be recorded of an error: no secret, and no absolute path."""
    try:
        here = os.getcwd()
    except OSError:  # it was removed
        here = ""
    return redacted_text(without_folders(text, here))


class _Script:
    """What is known of how the script ends, until it has."""

    def __init__(self) -> None:
        self.installed = False
        self.ending = FINISHED
        self.worker_pid: int | None = None
        self.frame: FrameType | None = None
        self.stream: Any = None


_script = _Script()


def install() -> None:
    """Listen for the end of the process, from its first run on."""
    _hook_worker_exit()
    sigterm.listen(_killed_by_signal)
    if _script.installed:
        return
    _script.installed = True
    atexit.register(_end_all)
    _hook_exceptions()
    _hook_thread_exceptions()
    _hook_exit()
    _hook_last_flush()


def _end_all() -> None:
    _unhook_last_flush()
    _end_runs(_script.ending)
    two_lines.say_what_became(leave())


def _end_runs(ending: Ending) -> None:
    # Children before their parents.
    for seat in reversed(open_runs.open_seats()):
        if not seat.inherited:
            seat.end(ending)


def _hook_worker_exit() -> None:
    """Processes of multiprocessing leave by ``os._exit``: without exit hooks, but not without finalizers."""
    util = sys.modules.get("multiprocessing.util")
    process = sys.modules.get("multiprocessing.process")
    if (
        util is None
        or process is None
        or process.parent_process() is None
        or _script.worker_pid == os.getpid()
    ):
        return
    _script.worker_pid = os.getpid()
    util.Finalize(None, _end_worker, exitpriority=100)


def _end_worker() -> None:
    # It is called while the exception that ends the worker, if one does, is on its way out.
    _end_runs(ending_of(sys.exc_info()[1]))
    leave()


def _hook_exceptions() -> None:
    before = sys.excepthook

    def podium_excepthook(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        # At a prompt the session goes on after the error, and so do its runs.
        if not hasattr(sys, "ps1"):
            _script.ending = ending_of(error)
        before(kind, error, trace)

    sys.excepthook = podium_excepthook


def _hook_thread_exceptions() -> None:
    before = threading.excepthook

    def podium_thread_excepthook(args: Any) -> None:
        if args.exc_value is not None and args.thread is not None:
            for seat in open_runs.open_seats():
                if seat.owner[0] == args.thread.ident and not seat.inherited and not seat.entered:
                    seat.end(ending_of(args.exc_value))
        before(args)

    threading.excepthook = podium_thread_excepthook


class _WatchedExit(SystemExit):
    """What ``sys.exit`` raises once it is watched: it tells when it has left the script.

    The interpreter drops the exception that leaves the script just before it runs the exit hooks, and no Python
    frame is left then. One that was caught dies while some frame runs.
    """

    def __del__(self) -> None:
        try:
            sys._getframe(1)
        except ValueError:
            if threading.current_thread() is threading.main_thread():
                _script.ending = ending_of(self)


# In tracebacks and in the run's error it is what the user raised.
_WatchedExit.__name__ = _WatchedExit.__qualname__ = "SystemExit"
_WatchedExit.__module__ = "builtins"


def _hook_exit() -> None:
    # Python has no hook for SystemExit.
    def podium_exit(status: Any = None, /) -> NoReturn:
        raise _WatchedExit(status)

    podium_exit.__doc__ = sys.exit.__doc__
    sys.exit = podium_exit


def _hook_last_flush() -> None:
    """See ``raise SystemExit(1)`` leave a script: the interpreter flushes stderr while it still holds the exception.

    A program run with ``-c`` or ``-m`` is not flushed then: there ``raise SystemExit(1)`` is seen only by a ``with``.
    """
    stream: Any = sys.stderr
    _script.frame = _outermost_frame()
    flush = getattr(stream, "flush", None)
    if flush is None or _script.frame is None:
        return

    def podium_flush() -> None:
        try:
            sys._getframe(1)
        except ValueError:  # no Python code asks for it
            _look_for_exit()
        flush()

    with contextlib.suppress(AttributeError):  # a stream that takes no attributes keeps its secret
        stream.flush = podium_flush
        _script.stream = stream


def _unhook_last_flush() -> None:
    # What the interpreter flushes from now on it flushes while modules are taken apart.
    stream, _script.stream = _script.stream, None
    if stream is not None:
        with contextlib.suppress(AttributeError):
            del stream.flush


def _outermost_frame() -> FrameType | None:
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    while frame is not None and frame.f_back is not None:
        frame = frame.f_back
    return frame


def _look_for_exit() -> None:
    frame = _script.frame
    if frame is None or _has_returned(frame):
        return
    for found in reversed(gc.get_objects()):
        # What `sys.exit` raised tells by itself; anything else than SystemExit goes to the excepthook.
        if isinstance(found, SystemExit) and not isinstance(found, _WatchedExit):
            _script.ending = ending_of(found)
            return


def _has_returned(frame: FrameType) -> bool:
    import opcode

    last = opcode.opname[frame.f_code.co_code[frame.f_lasti]] if frame.f_lasti >= 0 else ""
    return last.startswith("RETURN_")


def _killed_by_signal() -> None:
    _script.ending = Ending("KILLED", f"{signal.SIGTERM.name}: the process was told to end.")
    _end_all()
