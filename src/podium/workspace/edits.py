"""Edits of what is there already: runs and experiments that are deleted or restored, what is said of an experiment.

Each is recorded as a line more, and can be taken back by another: nothing is ever removed. Whether the workspace may
change its store was asked before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from podium.errors import ExperimentNotFound, near_names
from podium.identity import host_name, user_name
from podium.runs.events import Deleted, Note, Start, Tags
from podium.runs.experiments import FoundExperiment, edit_experiment, experiments, read_experiment
from podium.runs.finding import find_run
from podium.runs.locking import machine
from podium.runs.reader import read_run
from podium.runs.writer import Writer
from podium.workspace.experiments import checked_experiment

if TYPE_CHECKING:
    from podium.stores.contract import Store

__all__ = ["change_experiment", "edit_of", "experiment_named", "mark_run"]


def edit_of(experiment: str) -> Start:
    """How the log of an edit begins, for a run of this experiment."""
    return Start("edit", experiment, user=user_name(), host=host_name(), machine=machine())


def mark_run(store: Store, run_id: str, *, deleted: bool) -> None:
    """Mark a run as deleted, or as deleted no longer; where it is so already: nothing.

    Raises:
        RunNotFound: there is none.
        StoreError: it could not be recorded.
    """
    found = find_run(store, run_id)
    state = read_run(store, found)
    if state.deleted is deleted:
        return
    writer = Writer(store, found.keys, edit_of(found.keys.experiment), joined=state, strict=True)
    try:
        writer.append(Deleted(deleted))
    finally:
        writer.end()


def experiment_named(store: Store, name: str) -> FoundExperiment:
    """The experiment of this name.

    Raises:
        ExperimentNotFound: there is none.
        TypeError, Invalid: none can be called that.
    """
    checked_experiment(name)
    there = {each.name: each for each in experiments(store)}
    found = there.get(name)
    if found is None:
        raise ExperimentNotFound(f"there is no experiment {name!r}.", name=name, near=near_names(name, there))
    return found


def change_experiment(store: Store, experiment: FoundExperiment, change: Tags | Note | Deleted) -> None:
    """Record a change of an experiment; one that is deleted, or not, already: nothing.

    Raises:
        StoreError: it could not be recorded.
    """
    if isinstance(change, Deleted) and read_experiment(store, experiment).deleted is change.deleted:
        return
    edit_experiment(store, experiment, change, user=user_name(), host=host_name())
