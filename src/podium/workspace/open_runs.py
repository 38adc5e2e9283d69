"""Which runs are open in this process, and which of them is current where.

State and no policy: what happens where no run is current, or one is open already, is decided elsewhere. A run is
current in a *context* (PEP 567), so that threads and asyncio tasks do not mix; a task inherits the run of the one
that made it, but does not own it. This and the default workspace (`podium.current`) are all the global state there is.
"""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from podium.workspace.active import ActiveRun
    from podium.workspace.endings import Ending

__all__ = [
    "Frame",
    "Owner",
    "Seat",
    "current",
    "frame_of_context",
    "here",
    "last",
    "note_last",
    "open_seats",
    "pop",
    "push",
    "reset",
    "set_aside",
    "take_seat",
]

Owner: TypeAlias = tuple[int, object]
"""A thread, and a task in it: a weak reference, since the next task may have the number of one that is gone."""


class Seat:
    """The place of one open run in this process.

    Attributes:
        run: whose it is.
        end: ends the run as something has decided; again: nothing.
        owner: who opened it, or entered its ``with``.
        is_open: until the run is ended.
        implicit: it was started because something was logged and no run was current.
        bare: it was made current without a ``with``.
        entered: a ``with`` holds it, and will end it.
        inherited: it was opened by the parent of this forked process, and is not for this one to end.
        confined: it is current only where it was made so, never because it is the only one open.
    """

    __slots__ = ("bare", "confined", "end", "entered", "implicit", "inherited", "is_open", "owner", "run")

    def __init__(self, run: ActiveRun, end: Callable[[Ending], None]) -> None:
        self.run: ActiveRun = run
        self.end: Callable[[Ending], None] = end
        self.owner: Owner = here()
        self.is_open: bool = True
        self.implicit: bool = False
        self.bare: bool = False
        self.entered: bool = False
        self.inherited: bool = False
        self.confined: bool = False

    def leave(self) -> None:
        """The run has ended."""
        self.is_open = False
        _seats.pop(id(self), None)


class Frame:
    """One run made current in a context, and what was current there before it."""

    __slots__ = ("previous", "seat")

    def __init__(self, seat: Seat, previous: Frame | None) -> None:
        self.seat: Seat = seat
        self.previous: Frame | None = previous


frame_of_context: ContextVar[Frame | None] = ContextVar("podium_current_run", default=None)
_last: ContextVar[ActiveRun | None] = ContextVar("podium_last_run", default=None)
# In the order of opening. Strong references: a run that nobody holds any more is ended at exit, too.
_seats: dict[int, Seat] = {}


def here() -> Owner:
    """Who is asking: this thread and, where one runs, this asyncio task."""
    asyncio = sys.modules.get("asyncio")
    task = None
    if asyncio is not None:
        try:
            task = asyncio.current_task()
        except RuntimeError:  # no event loop runs in this thread
            task = None
    return threading.get_ident(), None if task is None else weakref.ref(task)


def take_seat(run: ActiveRun, end: Callable[[Ending], None]) -> Seat:
    """The run is open in this process from now on."""
    seat = Seat(run, end)
    _seats[id(seat)] = seat
    return seat


def current() -> Seat | None:
    """The innermost run of this context that is still open."""
    frame = frame_of_context.get()
    while frame is not None and not frame.seat.is_open:
        frame = frame.previous
    return None if frame is None else frame.seat


def push(seat: Seat) -> None:
    """Make the run current in this context."""
    frame_of_context.set(Frame(seat, frame_of_context.get()))


def pop(seat: Seat) -> None:
    """Make current what was so before the run, if it is current here; runs that have ended go with it."""
    frame = frame_of_context.get()
    while frame is not None and frame.seat is not seat and not frame.seat.is_open:
        frame = frame.previous
    if frame is not None and frame.seat is seat:
        frame_of_context.set(frame.previous)


def open_seats() -> list[Seat]:
    """The runs open in this process, in the order they were opened."""
    return [seat for seat in list(_seats.values()) if seat.is_open]


def note_last(run: ActiveRun) -> None:
    """The run is the one that ended last in this context."""
    _last.set(run)


def last() -> ActiveRun | None:
    """The run that ended last in this context."""
    return _last.get()


def reset() -> None:
    """Forget everything here; runs that are open stay open and are nobody's."""
    _seats.clear()
    frame_of_context.set(None)
    _last.set(None)


@contextmanager
def set_aside() -> Iterator[None]:
    """Inside nothing is open and nothing current; after it all is as it was, and what was opened is forgotten."""
    seats, frame, ended = dict(_seats), frame_of_context.get(), _last.get()
    reset()
    try:
        yield
    finally:
        reset()
        _seats.update((number, seat) for number, seat in seats.items() if seat.is_open)
        frame_of_context.set(frame)
        _last.set(ended)


def _mark_inherited() -> None:
    # The child may log to its parent's runs, with a log of its own; how they end is not for it to say.
    for seat in _seats.values():
        seat.inherited = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_mark_inherited)
