"""Whether the writers of open sessions live: what tells a run that is running from one that was lost.

Asked of a writer's lock on its own machine, of time elsewhere; nothing of that is ever written. Reads no log.
"""

from __future__ import annotations

import time
from pathlib import Path

from podium.runs.finding import FoundRun
from podium.runs.fold import LogState, RunState
from podium.runs.locking import is_held, machine
from podium.stores.contract import Store

__all__ = ["living_writers", "writer_lives"]


def living_writers(store: Store, run: FoundRun, state: RunState, *, now_s: float | None = None) -> list[str]:
    """The writers of open sessions that live.

    On the writer's own machine its lock tells. Elsewhere, and for stores that are not on a disk, a log that did not
    change for its lease belongs to nobody. Whoever saw it grow goes by his own clock; at a first look there is only
    the time that it bears, which another clock set.

    Args:
        store: where.
        run: the run.
        state: as `read_run` gave it.
        now_s: the time, in seconds since 1970; None: now.
    """
    now_s = time.time() if now_s is None else now_s
    return [log.writer_id for log in state.open_logs() if _lives(store, run, log, now_s)]


def _lives(store: Store, run: FoundRun, log: LogState, now_s: float) -> bool:
    path = store.local_path(run.keys.log(log.writer_id))
    changed_s = log.clock_ms / 1000
    if path is not None:
        try:
            changed_s = path.stat().st_mtime
        except OSError:
            return False
    return writer_lives(log, path, changed_s, now_s)


def writer_lives(log: LogState, path: Path | None, changed_s: float, now_s: float) -> bool:
    """Whether the writer of an open session lives.

    Args:
        log: as far as it was read.
        path: where it lies on this machine's disk; None: elsewhere.
        changed_s: when it last changed by the time that it bears, in seconds since 1970.
        now_s: the time by the reader's clock.
    """
    start = log.start
    if start is None:
        return False
    if path is not None and start.locked and start.machine and start.machine == machine():
        held = is_held(path)
        if held is not None:
            return held
    if log.grew:
        changed_s = log.heard_s
    elif log.heard_s:
        changed_s = min(changed_s, log.heard_s)  # a time that has not come is that of a clock which is wrong
    return now_s - changed_s <= start.lease_s
