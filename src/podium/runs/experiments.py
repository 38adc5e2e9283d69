"""What was said about an experiment as a whole: its tags, its note, whether it is deleted.

Each change is a log of its own, an edit of three lines that is put in one piece, so that nobody appends to another's
file and any store will do. The fold is that of runs. Knows no workspace.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from podium.errors import KeyMissing
from podium.ids import new_writer_id
from podium.runs.events import Deleted, End, Note, Start, Tags, encode
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


def read_experiment(
    store: Store, experiment: FoundExperiment, edits: Iterable[Key] | None = None
) -> RunState:
    """The fold of all changes: its ``tags``, ``note`` and ``deleted``.

    Args:
        store: where.
        experiment: which.
        edits: the keys of all its changes, by whoever has listed them; None: they are listed.
    """
    state = RunState("")
    keys = (entry.key for entry in store.list(_edits(experiment))) if edits is None else edits
    for key in keys:
        if key.name.endswith(_LOG):
            try:
                state.feed(key.name.removesuffix(_LOG), store.get(key))
            except KeyMissing:
                continue  # removed while it was read
    return state


def _edits(experiment: FoundExperiment) -> Key:
    return experiment.folder / "edits"
