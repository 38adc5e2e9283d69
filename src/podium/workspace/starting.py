"""Whether a run may start here, and whose child it is: the rules for a run that is open already.

Decides and ends what has to be ended first; writes nothing. The run of another thread or task does not matter, also
where this task inherited it.
"""

from __future__ import annotations

import sys

from podium.errors import RunActive
from podium.workspace import open_runs
from podium.workspace.endings import FINISHED
from podium.workspace.open_runs import Seat
from podium.workspace.two_lines import say

__all__ = ["in_notebook", "make_room"]


def make_room(*, nested: bool, parent_run_id: str | None) -> str | None:
    """The id of the parent of a run that is about to start here, or None.

    Args:
        nested: a child of the current run, if there is one.
        parent_run_id: a child of this one.

    Raises:
        RunActive: a run of this context is open, and neither argument says what the new one is to it.
    """
    current = open_runs.current()
    if parent_run_id is not None:
        return parent_run_id
    if nested:
        return None if current is None else current.run.run_id
    own = current if current is not None and _is_own(current) else _left_open_in_notebook()
    if own is None:
        return None
    if own.implicit:
        own.end(FINISHED)
        return None
    if in_notebook() and not own.entered:
        own.end(FINISHED)
        say(f"run {own.run.run_name!r} ({own.run.run_id}) was still open and is ended: a new one starts")
        return None
    run = own.run
    raise RunActive(
        f"run {run.run_name!r} ({run.run_id}) is open here. End it first (track.end_run(), or leave its `with`), "
        "or pass nested=True to start a child of it.",
        run=run,
    )


def _is_own(seat: Seat) -> bool:
    return seat.owner == open_runs.here() and not seat.inherited and not seat.amends


def _left_open_in_notebook() -> Seat | None:
    """In a notebook each cell may be a task of its own; a run left open by an earlier one is still the user's."""
    if not in_notebook():
        return None
    thread, _ = open_runs.here()
    left = [
        seat
        for seat in open_runs.open_seats()
        if seat.bare and not seat.entered and not seat.inherited and seat.owner[0] == thread
    ]
    return left[-1] if left else None


def in_notebook() -> bool:
    """Whether an IPython session runs here: its cells fail and the session goes on."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and ipython.get_ipython() is not None
