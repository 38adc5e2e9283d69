"""What was said about an experiment as a whole: its tags, its note, whether it is deleted.

Each change is a log of its own, an edit of three lines that is put in one piece, so that nobody appends to another's
file and any store will do. The fold is that of runs. Knows no workspace.
"""

from __future__ import annotations

import time

from podium.errors import KeyMissing
from podium.ids import new_writer_id
from podium.runs.codec import encode
from podium.runs.events import Deleted, End, Note, Start, Tags
from podium.runs.fold import RunState
from podium.runs.reader import FoundExperiment
from podium.stores.contract import Store
from podium.stores.keys import Key

__all__ = ["edit_experiment", "read_experiment"]

_LOG = ".jsonl"


def edit_experiment(
    store: Store, experiment: FoundExperiment, change: Tags | Note | Deleted, *, user: str, host: str
) -> None:
    """Record one change; it is in the store when this returns, and later than every change that was seen.

    Raises:
        StoreUnavailable: it could not be kept.
    """
    seen = read_experiment(store, experiment)
    after = seen.clock_ms + 1 if seen.logs else 0
    now_ms = max(time.time_ns() // 1_000_000, after)
    start = Start("edit", experiment.name, user=user, host=host, after=after)
    log = b"".join(encode(event, now_ms) for event in (start, change, End("FINISHED")))
    store.put(_edits(experiment) / f"{new_writer_id()}{_LOG}", log)


def read_experiment(store: Store, experiment: FoundExperiment) -> RunState:
    """The fold of all changes: its ``tags``, ``note`` and ``deleted``."""
    state = RunState("")
    for entry in store.list(_edits(experiment)):
        if entry.key.name.endswith(_LOG):
            try:
                state.feed(entry.key.name.removesuffix(_LOG), store.get(entry.key))
            except KeyMissing:
                continue  # removed while it was read
    return state


def _edits(experiment: FoundExperiment) -> Key:
    return experiment.folder / "edits"
