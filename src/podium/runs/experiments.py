"""The experiments of a store: made, found, and what was said about one as a whole (tags, a note, that it is deleted).

Each change is a log of its own, an edit of three lines that is put in one piece, so that nobody appends to another's
file and any store will do. The fold is that of runs. Knows no workspace, and no run of an experiment.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from podium.errors import Invalid, KeyExists, KeyMissing, StoreError, StoreUnavailable
from podium.ids import new_writer_id
from podium.runs.codec import encode
from podium.runs.events import Deleted, End, Note, Start, Tags
from podium.runs.fold import RunState
from podium.runs.layout import EXPERIMENTS, experiment_file
from podium.stores.contract import Store
from podium.stores.folders import folders_in
from podium.stores.keys import Key, name_segment
from podium.stores.together import together
from podium.strictjson import canonical, loads

__all__ = [
    "FoundExperiment",
    "edit_experiment",
    "ensure_experiment",
    "experiment_in",
    "experiments",
    "read_experiment",
]

_LOG = ".jsonl"


@dataclass(frozen=True, slots=True)
class FoundExperiment:
    """An experiment in a store.

    Attributes:
        name: its true name.
        folder: where it lies.
        time_ms: when it was made; 0 where that is not known.
    """

    name: str
    folder: Key
    time_ms: int = 0


def ensure_experiment(store: Store, name: str, time_ms: int) -> None:
    """Make the experiment if there is none.

    Raises:
        Invalid: another name has the same folder (its true name is compared).
        StoreUnavailable: it cannot be made.
    """
    key = experiment_file(name)
    data = canonical({"format": 1, "name": name, "time": time_ms}) + b"\n"
    try:
        # A look first: the first create of a process costs a bucket many requests (see `RemoteStore`).
        found = _experiment_at(store, key.parent)
        if found is None:
            store.create(key, data)
    except KeyExists:
        found = _experiment_at(store, key.parent)
    except StoreUnavailable:
        raise
    except StoreError:
        # No exclusive create on this file system: runs need none, and every writer puts the same name.
        if _experiment_at(store, key.parent) is None:
            store.put(key, data)
    if found is not None and found.name != name:
        raise Invalid(
            f"the experiments {name!r} and {found.name!r} would share one folder. Choose another name."
        )


def experiments(store: Store) -> list[FoundExperiment]:
    """All experiments, by name; one whose file is damaged goes by the name of its folder."""
    folders = folders_in(store, EXPERIMENTS)
    if store.local_path(EXPERIMENTS) is None:
        opened = together(lambda folder: experiment_in(store, folder), folders)
    else:
        opened = [experiment_in(store, folder) for folder in folders]
    return sorted(opened, key=lambda each: (each.name, each.folder))


def experiment_in(store: Store, folder: Key) -> FoundExperiment:
    """The experiment in a folder; by the folder's name where the true name is damaged, or that of another folder."""
    found = _experiment_at(store, folder)
    if found is None or not found.name or name_segment(found.name) != folder.name:
        return FoundExperiment(folder.name, folder)
    return found


def _experiment_at(store: Store, folder: Key) -> FoundExperiment | None:
    try:
        document = loads(store.get(folder / "experiment.json"))
        return FoundExperiment(str(document["name"]), folder, int(document["time"]))
    except (KeyMissing, ValueError, KeyError, TypeError):
        return None


# --- what was said ----------------------------------------------------------------------------------------------------


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
