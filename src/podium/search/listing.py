"""What describes the experiments of a store and its runs, where only a listing tells: few requests, and those at once.

Artifacts lie beside the logs and may be a hundred times as many, so a bucket is asked for the parts of each experiment
that matter: what its name and edits begin with, and its logs. Where an experiment is known to have more logs than a few
pages its days are listed side by side, several days in one listing where they are known to be small. A store that
cannot list in part is listed whole. Reads no value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from podium.runs.layout import EXPERIMENTS, LogName, run_folder_name
from podium.stores.contract import Entry, Store
from podium.stores.folders import PartLister, part_lister
from podium.stores.keys import Key
from podium.stores.together import together

__all__ = ["Listing", "beginnings", "list_experiments", "requests_at_once"]

_AT_ONCE = 32

# Pages of a listing come one after the other, a thousand keys each: so many keys are listed in one go.
_LISTED_IN_ONE_GO = 4_000
# Into how many listings an experiment of unknown size is cut at most.
_CUTS = 16
# "edits/..." and "experiment.json", and neither "artifacts/" nor "runs/".
_DESCRIPTION = "e"
_RUNS = "runs"


@dataclass(slots=True)
class Listing:
    """What was listed.

    Attributes:
        stamps: of each experiment what changes when one of the files that describe it does, by folder.
        edits: the keys of its edits.
        days: files of logs by path of their folder and by name, each with size and stamp.
    """

    stamps: dict[str, str] = field(default_factory=dict)
    edits: dict[str, list[Key]] = field(default_factory=dict)
    days: dict[str, dict[str, tuple[int, str]]] = field(default_factory=dict)

    @property
    def experiments(self) -> set[str]:
        """Folders of all experiments there are."""
        return {*self.stamps, *(day.split("/")[1] for day in self.days)}


def requests_at_once(store: Store) -> int:
    """How many requests are worth making at once: where a store has an address, answers are waited for."""
    return 1 if getattr(store, "address", None) is None else _AT_ONCE


def list_experiments(store: Store, sizes: Mapping[str, int]) -> Listing:
    """All there is of experiments and logs.

    Args:
        store: where.
        sizes: how many files were last seen in folders of days, by path.

    Raises:
        StoreError: it cannot be listed.
    """
    lister = part_lister(store)
    if lister is None:
        return _gathered([_sorted_out(store.list(EXPERIMENTS))])
    folders = sorted(lister._list_folders(EXPERIMENTS))
    wanted = together(lambda folder: _listings_of(lister, folder, sizes), folders, at_once=_AT_ONCE)
    return _gathered(
        together(
            lambda each: _sorted_out(lister._list_beginning(*each)),
            [each for several in wanted for each in several],
            at_once=_AT_ONCE,
        )
    )


def _listings_of(lister: PartLister, folder: Key, sizes: Mapping[str, int]) -> list[tuple[Key, str]]:
    """What to list of an experiment: folders, and what is meant below them begins with."""
    runs = folder / _RUNS
    known = {path.rpartition("/")[2]: size for path, size in sizes.items() if path.startswith(f"{runs}/")}
    if known and sum(known.values()) <= _LISTED_IN_ONE_GO:
        return [(folder, _DESCRIPTION), (runs, "")]
    # Which days there are now is asked, so that no day is missed, however it is cut.
    days = [each.name for each in lister._list_folders(runs)]
    guess = 0 if known else _CUTS * _LISTED_IN_ONE_GO // max(len(days), 1)
    weights = {day: known.get(day, guess) for day in days}
    return [(folder, _DESCRIPTION), *((runs, begins) for begins in beginnings(weights, _LISTED_IN_ONE_GO))]


def beginnings(sizes: Mapping[str, int], most: int) -> list[str]:
    """Beginnings of paths that are those of all these folders together, none of more than ``most`` if it can be cut.

    The fewest that come of cutting where names differ first: years, months, tens of days, days.
    """
    if not sizes:
        return []
    names = sorted(sizes)
    if len(names) == 1:
        return [f"{names[0]}/"]
    pairs = enumerate(zip(names[0], names[-1], strict=False))
    differ = next((at for at, (one, other) in pairs if one != other), len(names[0]))
    begins = names[0][:differ]
    if sum(sizes.values()) <= most:
        return [begins]
    cut = len(begins) + 1
    parts: dict[str, dict[str, int]] = {}
    for name in names:
        parts.setdefault(name[:cut], {})[name] = sizes[name]
    return [each for part in parts.values() for each in beginnings(part, most)]


@dataclass(slots=True)
class _SortedOut:
    """What one listing found."""

    files: dict[str, list[str]] = field(default_factory=dict)
    edits: dict[str, list[Key]] = field(default_factory=dict)
    days: dict[str, dict[str, tuple[int, str]]] = field(default_factory=dict)


def _sorted_out(entries: Iterator[Entry]) -> _SortedOut:
    found = _SortedOut()
    for entry in entries:
        match entry.key.segments:
            case (_, experiment, "experiment.json"):
                found.files.setdefault(experiment, []).append(f"{entry.key.name} {entry.stamp}")
            case (_, experiment, "edits", name):
                found.files.setdefault(experiment, []).append(f"{name} {entry.stamp}")
                found.edits.setdefault(experiment, []).append(entry.key)
            case (_, experiment, "runs", day, name):
                parsed = LogName.parse(name)
                if parsed is not None and run_folder_name(parsed.run_id) == day:
                    folder = f"{EXPERIMENTS}/{experiment}/runs/{day}"
                    found.days.setdefault(folder, {})[name] = (entry.size, entry.stamp)
            case _:
                pass
    return found


def _gathered(several: Iterable[_SortedOut]) -> Listing:
    listing = Listing()
    files: dict[str, list[str]] = {}
    for found in several:
        for experiment, stamps in found.files.items():
            files.setdefault(experiment, []).extend(stamps)
        for experiment, keys in found.edits.items():
            listing.edits.setdefault(experiment, []).extend(keys)
        for day, names in found.days.items():
            listing.days.setdefault(day, {}).update(names)
    listing.stamps = {experiment: "|".join(sorted(stamps)) for experiment, stamps in files.items()}
    return listing
