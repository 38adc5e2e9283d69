"""Find runs in a store by the names of their logs.

Reads names and no log. On a local disk folders are listed directly; any other store is asked for its listing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from podium.errors import RunNotFound, StoreUnavailable, near_names
from podium.runs.experiments import FoundExperiment, experiments
from podium.runs.layout import LogName, RunKeys, check_run_id, experiment_folder, run_folder_name
from podium.runs.writer import flush_open_writers
from podium.stores.contract import Store

__all__ = ["FoundRun", "find_again", "find_run", "find_still", "runs_of"]

_SHORTEST_PREFIX = 8
_UPPER_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{7,25}")


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A run in a store, and the files its logs lie in.

    Attributes:
        keys: of the run.
        logs: by writer id the names of the files: a whole log, or parts that cover it.
    """

    keys: RunKeys
    logs: dict[str, list[LogName]] = field(default_factory=dict)

    @property
    def run_id(self) -> str:
        """Of the run."""
        return self.keys.run_id


def runs_of(store: Store, experiment: FoundExperiment) -> Iterator[FoundRun]:
    """Every run of an experiment, in no order."""
    flush_open_writers(store)
    return _grouped(experiment, _log_names(store, experiment, None))


def _log_names(
    store: Store, experiment: FoundExperiment, day: str | None, begins: str = ""
) -> Iterator[LogName]:
    folder = experiment.folder / "runs"
    if day is not None:
        folder = folder / day
    root = store.local_path(folder)
    if root is None:
        names: Iterable[tuple[str, str]] = (
            (entry.key.segments[-2], entry.key.name) for entry in store.list(folder)
        )
    elif day is not None:
        names = ((day, name) for name in _names_in(root, begins))
    else:
        names = ((each, name) for each in _names_in(root) for name in _names_in(root / each, begins))
    for of_day, name in names:
        found = LogName.parse(name) if name.startswith(begins) else None
        # A log in another day's folder is nobody's: its run is looked for in its own.
        if found is not None and run_folder_name(found.run_id) == of_day:
            yield found


def _names_in(path: Path, begins: str = "") -> list[str]:
    """What lies in a folder under names that begin so; links are passed over, as in every listing of a store."""
    try:
        with os.scandir(path) as entries:
            return [each.name for each in entries if each.name.startswith(begins) and not each.is_symlink()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise StoreUnavailable(f"cannot list {path}: {error.strerror or error}.") from error


def _grouped(experiment: FoundExperiment, names: Iterable[LogName]) -> Iterator[FoundRun]:
    runs: dict[str, FoundRun] = {}
    for name in names:
        run = runs.get(name.run_id)
        if run is None:
            keys = RunKeys.within(experiment.folder, experiment.name, name.run_id)
            run = runs[name.run_id] = FoundRun(keys)
        run.logs.setdefault(name.writer_id, []).append(name)
    return iter(runs.values())


def find_run(store: Store, run_id: str, experiment: str | None = None) -> FoundRun:
    """The run of an id, or of the first 8 or more characters of one.

    Args:
        store: where.
        run_id: the id, or its beginning; a ULID also in upper case, as other programs write them.
        experiment: where it lies, if that is known.

    Raises:
        RunNotFound: none, or several, have it.
        Invalid: no run can have it.
    """
    if _UPPER_ULID.fullmatch(run_id):
        run_id = run_id.lower()
    check_run_id(run_id)
    flush_open_writers(store)
    where = (
        experiments(store)
        if experiment is None
        else [FoundExperiment(experiment, experiment_folder(experiment))]
    )
    for each in where:
        names = _log_names(store, each, run_folder_name(run_id), f"{run_id}.")
        for run in _grouped(each, names):
            return run
    return _by_prefix(store, run_id, where)


def _by_prefix(store: Store, run_id: str, where: list[FoundExperiment]) -> FoundRun:
    runs = [run for each in where for run in _grouped(each, _log_names(store, each, None))]
    meant = [run for run in runs if run.run_id.startswith(run_id)] if len(run_id) >= _SHORTEST_PREFIX else []
    if len(meant) == 1:
        return meant[0]
    if meant:
        raise RunNotFound(
            f"{len(meant)} runs begin with {run_id!r}: give more characters.",
            name=run_id,
            near=sorted(run.run_id for run in meant)[:5],
        )
    raise RunNotFound(
        f"there is no run {run_id!r} in this store.",
        name=run_id,
        near=near_names(run_id, (run.run_id for run in runs)),
    )


def find_again(store: Store, run: FoundRun) -> FoundRun:
    """A run that was found before, with the logs it has now.

    Raises:
        RunNotFound: it was deleted meanwhile.
    """
    flush_open_writers(store)
    return find_still(store, run)


def find_still(store: Store, run: FoundRun) -> FoundRun:
    """As `find_again`, of what is in the store already: for whoever has just looked, and reads on."""
    experiment = FoundExperiment(run.keys.experiment, run.keys.logs.parent.parent)
    names = _log_names(store, experiment, run.keys.logs.name, f"{run.run_id}.")
    for found in _grouped(experiment, names):
        return found
    raise RunNotFound(f"run {run.run_id} was deleted while it was read.", name=run.run_id)
