"""The default workspace of this process, and the run that is meant when none is named.

Policy over `podium.workspace.open_runs`: which workspace, which run, and what happens where there is none. Must never
read a store itself.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from podium.errors import NoCurrentRun
from podium.workspace import open_runs, two_lines
from podium.workspace.switches import is_on

if TYPE_CHECKING:
    from podium.stores.contract import Store
    from podium.workspace.active import ActiveRun
    from podium.workspace.run import Run
    from podium.workspace.workspace import Workspace

__all__ = [
    "active_run",
    "current_run",
    "default_workspace",
    "last_run",
    "reset",
    "set_aside",
    "set_store",
]


class _Default:
    """The default workspace: the one that was set, else the one that was found, and by what."""

    chosen: Workspace | None = None
    found: Workspace | None = None
    found_by: tuple[str | None, bool] | None = None


_default = _Default()
_lock = threading.RLock()


def set_store(store: str | os.PathLike[str] | Store | Workspace) -> Workspace:
    """Make a store the default of this process, and of the processes it starts.

    A URL or path is exported as ``PODIUM_STORE`` (a path made absolute), so children follow; an object is not. Runs
    that are open go on where they are. Where ``PODIUM_DISABLED`` is set the default stays a throw-away memory store.

    Args:
        store: a URL, a folder, a store, or a workspace.

    Returns:
        The workspace that is the default now.

    Raises:
        Invalid: no store goes by this URL.
        StoreError: the store was written by a newer podium, or does not answer.
    """
    if is_on("PODIUM_DISABLED"):
        return default_workspace()
    from podium.workspace.workspace import Workspace

    workspace = store if isinstance(store, Workspace) else Workspace(store)
    named = workspace._named_as
    if named is not None:
        os.environ["PODIUM_STORE"] = named
    elif isinstance(store, str):
        # In memory. Children have one of their own, and do not go on with the store that was set before.
        os.environ["PODIUM_STORE"] = store
    _default.chosen = workspace
    return workspace


def default_workspace() -> Workspace:
    """The workspace that everything without one uses.

    Set by `set_store`; else the store that ``PODIUM_STORE`` names; else the nearest ``.podium`` in this folder or one
    above; else ``./.podium``, which the first write makes. Found once a process, and anew when the variable changes.

    Raises:
        Invalid: no store goes by the URL in ``PODIUM_STORE``.
        Refused: the nearest ``.podium`` belongs to another user.
        StoreError: the store was written by a newer podium.
    """
    disabled = is_on("PODIUM_DISABLED")
    if _default.chosen is not None and not disabled:
        return _default.chosen
    found_by = (os.environ.get("PODIUM_STORE"), disabled)
    with _lock:
        if _default.found is None or _default.found_by != found_by:
            from podium.workspace.workspace import Workspace  # not before: it brings all the layers below

            _default.found = Workspace()
            _default.found_by = found_by
        return _default.found


def active_run() -> ActiveRun | None:
    """The current run: this context's, else the only run open in this process; None where there is none."""
    seat = open_runs.current()
    if seat is not None:
        return seat.run
    seats = [each for each in open_runs.open_seats() if not each.confined]
    return seats[0].run if len(seats) == 1 else None


def current_run() -> ActiveRun:
    """The run that is meant: as `active_run`; where none is open and this is the main thread one is started.

    Raises:
        NoCurrentRun: several are open and none is current here, or none is and this is no main thread.
    """
    run = active_run()
    if run is not None:
        return run
    open_ids = [seat.run.run_id for seat in open_runs.open_seats() if not seat.confined]
    if not open_ids and threading.current_thread() is threading.main_thread():
        return default_workspace()._start_implicit_run()
    if open_ids:
        raise NoCurrentRun(
            f"{len(open_ids)} runs are open in this process and none of them is current in this thread or task: "
            f"{', '.join(open_ids[:5])}. Log to the run you mean (run.log_metric(...)), or start one here: "
            "`with track.start_run():`.",
            open=open_ids,
        )
    raise NoCurrentRun(
        "no run is open, and one is started by itself only in the main thread. Start one in this thread: "
        "`with track.start_run():`."
    )


def last_run() -> Run | None:
    """The run that ended last in this context, autolog's included."""
    return open_runs.last()


def reset() -> None:
    """Forget the default workspace and the current run, as a new process would; for tests."""
    _default.chosen = _default.found = _default.found_by = None
    open_runs.reset()


@contextmanager
def set_aside() -> Iterator[None]:
    """Inside no default workspace is known and no run is open; after it both are what they were."""
    before = (_default.chosen, _default.found, _default.found_by)
    with open_runs.set_aside(), two_lines.set_aside():
        _default.chosen = _default.found = _default.found_by = None
        try:
            yield
        finally:
            _default.chosen, _default.found, _default.found_by = before
