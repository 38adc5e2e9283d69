"""What changed in a store since the index last looked.

On a local disk a folder is not listed while its inode, mtime and ctime are what they were, once they are known to tell:
a folder that changed within the same tick of the clock as the last look could have changed after it. They tell when
they are more than two seconds older than something the store's own clock stamped before that look, or when they were
seen unchanged for two seconds by ours; nobody's clock is compared with another's. A log that has not ended is looked at
each time, whatever its folder says. Any other store is listed.

What a folder cannot tell is a sealed log that was overwritten in place. One file of each folder is looked at for that,
since a copy over a store overwrites them all, and once an hour all are. Knows no tables: what is known is handed in.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from podium.errors import StoreUnavailable
from podium.runs.ahead import read_or_missing
from podium.runs.experiments import experiment_in, read_experiment
from podium.runs.fold import RunState, Status
from podium.runs.layout import EXPERIMENTS, LogName, run_folder_name
from podium.runs.living import writer_lives
from podium.search.listing import Listing, list_experiments, requests_at_once
from podium.search.writing import FileRow
from podium.stores.contract import Store
from podium.stores.fetched import Fetched
from podium.stores.keys import Key, is_segment
from podium.stores.together import together

__all__ = [
    "Changed",
    "Folder",
    "Known",
    "OpenRun",
    "Place",
    "Survey",
    "stamp_of",
    "survey",
]

_SETTLED_NS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder as it was when it was last listed.

    Attributes:
        path: below the store's root, parted by "/".
        stamp: inode, mtime and ctime.
        seen_ms: when this stamp was first seen, by our clock.
        settled: whether the stamp tells of every change since.
        sentinel: one file in it, and its stamp.
        sentinel_stamp: of that.
    """

    path: str
    stamp: str
    seen_ms: int
    settled: bool
    sentinel: str | None = None
    sentinel_stamp: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """An experiment.

    Attributes:
        folder: below ``experiments/``.
        name: its true name.
        time_ms: when it was made; 0 where that is not known.
        deleted: whether it was deleted, and all its runs with it.
        tags: of it.
        note: of it.
        stamp: of the files that say so, where the store has such.
    """

    folder: str
    name: str
    time_ms: int = 0
    deleted: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    stamp: str = ""


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run with a log that is not sealed.

    Attributes:
        number: of its row.
        folder: path of the folder of its logs.
        state: its logs, nothing else.
        files: all of them, by name.
    """

    number: int
    folder: str
    state: RunState
    files: Mapping[str, FileRow]


class Known(Protocol):
    """What the index knows."""

    def folders(self) -> dict[str, Folder]:
        """By path."""

    def places(self) -> dict[str, Place]:
        """By folder."""

    def open_runs(self) -> list[OpenRun]:
        """Every run with a log that is not sealed."""

    def files_in(self, folder: str) -> dict[str, tuple[int, FileRow]]:
        """Files of a folder by name, each with the number of its run."""

    def sizes(self) -> dict[str, int]:
        """How many files there are of each folder that has any, by path."""


@dataclass(frozen=True, slots=True)
class Changed:
    """A run that has to be folded.

    Attributes:
        folder: path of the folder of its logs.
        run_id: the run.
        files: of its logs as they were seen: name, size and stamp.
        number: of its row, where it has one.
        known: the files that row was made from.
    """

    folder: str
    run_id: str
    files: Mapping[str, tuple[int, str]]
    number: int | None = None
    known: Mapping[str, FileRow] = field(default_factory=dict)


@dataclass(slots=True)
class Survey:
    """What a look found.

    Attributes:
        places: all experiments there are, by folder.
        folders: those that were listed, or whose stamp changed.
        gone_folders: those that are no longer there.
        changed: runs to be folded.
        gone: numbers of runs without a file.
        statuses: of the runs that are open and did not change, by number.
    """

    places: dict[str, Place] = field(default_factory=dict)
    folders: dict[str, Folder] = field(default_factory=dict)
    gone_folders: list[str] = field(default_factory=list)
    changed: list[Changed] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)
    statuses: dict[int, Status] = field(default_factory=dict)


def stamp_of(status: os.stat_result) -> str:
    """Changes when a file or folder does."""
    return f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_ctime_ns:x}"


def survey(store: Store, known: Known, *, now_ms: int, thorough: bool = False) -> Survey:
    """Look at a store.

    Args:
        store: where.
        known: what was seen before.
        now_ms: the time by our clock.
        thorough: look at every file, whatever its folder says.

    Raises:
        StoreUnavailable: it does not answer.
    """
    root = store.local_path(Key.root())
    looker = _Listed(store, known, now_ms) if root is None else _Local(store, root, known, now_ms, thorough)
    return looker.look()


# --- stores that are listed -------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Listed:
    """A store without folders that could be asked: what matters below ``experiments/`` is listed at each look.

    A file is what it was as long as the listing gives it the size and the stamp it had: nothing else is believed, so
    that another store at the same place, or one in which anything was overwritten, is seen for what it is.
    """

    store: Store
    known: Known
    now_ms: int

    def look(self) -> Survey:
        found = Survey()
        open_runs = self.known.open_runs()
        listing = list_experiments(self.store, self.known.sizes())
        known_places = self.known.places()
        self._places(listing, known_places, found)
        renamed = _renamed(found, known_places)
        known_folders = self.known.folders()
        for folder, names in listing.days.items():
            if folder not in known_folders:
                found.folders[folder] = Folder(folder, "", self.now_ms, settled=False)
            _compare(found, folder, names, self.known.files_in(folder), renamed=renamed)
        for folder in known_folders:
            if folder not in listing.days:
                found.gone_folders.append(folder)
                found.gone.extend({number for number, _ in self.known.files_in(folder).values()})
        changed = {each.number for each in found.changed} | set(found.gone)
        for run in open_runs:
            if run.number not in changed:
                alive = [
                    log.writer_id
                    for log in run.state.open_logs()
                    if writer_lives(log, None, log.clock_ms / 1000, self.now_ms / 1000)
                ]
                found.statuses[run.number] = run.state.status(alive)
        return found

    def _places(self, listing: Listing, known: Mapping[str, Place], found: Survey) -> None:
        """Note all experiments; those whose files changed are read, together."""
        changed = []
        for experiment in listing.experiments:
            place = known.get(experiment)
            if place is None or place.stamp != listing.stamps.get(experiment, ""):
                changed.append(experiment)
            else:
                found.places[experiment] = place
        keys = [
            key
            for experiment in changed
            for key in (
                EXPERIMENTS / experiment / "experiment.json",
                *listing.edits.get(experiment, ()),
            )
        ]
        fetched = Fetched(self.store)
        for key, data in zip(
            keys, together(self._read, keys, at_once=requests_at_once(self.store)), strict=True
        ):
            fetched.hold(key, 0, data)
        for experiment in changed:
            stamp, edits = listing.stamps.get(experiment, ""), listing.edits.get(experiment, ())
            found.places[experiment] = _read_place(fetched, experiment, stamp, edits)

    def _read(self, key: Key) -> bytes | None:
        return read_or_missing(self.store, key)


def _read_place(store: Store, folder: str, stamp: str = "", edits: Iterable[Key] | None = None) -> Place:
    """An experiment as its files describe it."""
    found = experiment_in(store, EXPERIMENTS / folder)
    said = read_experiment(store, found, edits)
    return Place(folder, found.name, _in_range(found.time_ms), said.deleted, said.tags, said.note, stamp)


def _in_range(number: int) -> int:
    return min(max(number, -(2**63)), 2**63 - 1)


def _renamed(found: Survey, known: Mapping[str, Place]) -> frozenset[str]:
    return frozenset(
        folder
        for folder, place in found.places.items()
        if folder in known and known[folder].name != place.name
    )


def _compare(
    found: Survey,
    folder: str,
    names: Mapping[str, tuple[int, str]],
    known: Mapping[str, tuple[int, FileRow]],
    *,
    renamed: frozenset[str] = frozenset(),
) -> None:
    """Note the runs of a folder whose files are not what they were."""
    now: dict[str, dict[str, tuple[int, str]]] = {}
    for name, seen in names.items():
        now.setdefault(name.partition(".")[0], {})[name] = seen
    before: dict[str, dict[str, FileRow]] = {}
    numbers: dict[str, int] = {}
    for name, (number, row) in known.items():
        run_id = name.partition(".")[0]
        before.setdefault(run_id, {})[name] = row
        numbers[run_id] = number
    anew = folder.split("/")[1] in renamed
    for run_id, files in now.items():
        was = before.get(run_id, {})
        same = len(was) == len(files) and all(
            name in was and (was[name].size, was[name].stamp) == seen for name, seen in files.items()
        )
        if not same or anew:
            found.changed.append(Changed(folder, run_id, files, numbers.get(run_id), {} if anew else was))
    found.gone.extend(number for run_id, number in numbers.items() if run_id not in now)


# --- stores on this machine's disk ------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Local:
    """A store whose folders can be asked whether they changed."""

    store: Store
    root: Path
    known: Known
    now_ms: int
    thorough: bool
    found: Survey = field(default_factory=Survey)
    folders: dict[str, Folder] = field(default_factory=dict)
    children: dict[str, list[str]] = field(default_factory=dict)
    clock_ns: int = 0
    clock_was_read: bool = False
    base: str = ""

    def look(self) -> Survey:
        self.base = str(self.root)
        self.folders = self.known.folders()
        for path in self.folders:
            self.children.setdefault(path.rpartition("/")[0], []).append(path)
        known_places = self.known.places()
        # Who lives is asked before the files are looked at: of a lock that was free then, all it wrote is there.
        open_runs = self.known.open_runs()
        alive = {run.number: self._held(run) for run in open_runs}
        touched = {run.number: self._touched(run) for run in open_runs}
        listed: set[str] = set()
        seen: set[str] = set()
        suspect = {run.folder for run in open_runs if touched[run.number] is None}
        for experiment in self._children(str(EXPERIMENTS), seen):
            self._experiment(experiment, known_places, listed, seen, suspect)
        for folder in self.folders:
            if folder not in seen:
                self.found.gone_folders.append(folder)
                self.found.gone.extend({number for number, _ in self.known.files_in(folder).values()})
        self._open_runs(open_runs, alive, touched, listed)
        return self.found

    # --- open runs

    def _held(self, run: OpenRun) -> list[str]:
        alive = []
        for log in run.state.open_logs():
            path = Path(self.base, run.folder, str(LogName(run.state.run_id, log.writer_id)))
            try:
                changed_s = os.lstat(path).st_mtime
            except OSError:
                continue
            if writer_lives(log, path, changed_s, self.now_ms / 1000):
                alive.append(log.writer_id)
        return alive

    def _touched(self, run: OpenRun) -> dict[str, tuple[int, str]] | None:
        """The files of an open run as they are now; None where one is no longer there."""
        files = {}
        for name, row in run.files.items():
            if row.sealed:
                files[name] = (row.size, row.stamp)
                continue
            try:
                status = os.lstat(f"{self.base}/{run.folder}/{name}")
            except OSError:
                return None
            self.clock_ns = max(self.clock_ns, status.st_ctime_ns)
            files[name] = (status.st_size, stamp_of(status))
        return files

    def _open_runs(
        self,
        runs: Iterable[OpenRun],
        alive: Mapping[int, list[str]],
        touched: Mapping[int, dict[str, tuple[int, str]] | None],
        listed: set[str],
    ) -> None:
        decided = {each.number for each in self.found.changed} | set(self.found.gone)
        for run in runs:
            if run.number in decided:
                continue
            files = touched[run.number] or {}  # none: its folder was listed, and the file was there again
            if run.folder not in listed and any(
                (run.files[name].size, run.files[name].stamp) != now for name, now in files.items()
            ):
                self.found.changed.append(Changed(run.folder, run.state.run_id, files, run.number, run.files))
                continue
            self.found.statuses[run.number] = run.state.status(alive[run.number])

    # --- folders

    def _clock(self) -> int:
        """What the store's own clock has shown at least: the latest ctime of anything that was looked at."""
        clock_ns = self.clock_ns
        for path in self.folders or self._walked():
            status = self._folder_status(path)
            if status is not None:
                clock_ns = max(clock_ns, status.st_ctime_ns)
        return clock_ns

    def _walked(self) -> Iterator[str]:
        for experiment in _names_in(f"{self.base}/{EXPERIMENTS}"):
            runs = f"{EXPERIMENTS}/{experiment}/runs"
            yield from (f"{runs}/{day}" for day in _names_in(f"{self.base}/{runs}"))

    def _folder_status(self, path: str) -> os.stat_result | None:
        """None where there is no folder; a link is none."""
        try:
            status = os.lstat(f"{self.base}/{path}")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StoreUnavailable(f"cannot look into {self.base}/{path}: {error.strerror}.") from error
        return status if stat.S_ISDIR(status.st_mode) else None

    def _unchanged(self, path: str, seen: set[str]) -> bool | None:
        """Whether a folder is what it was, and its stamp tells; None where it is not there. Notes it."""
        status = self._folder_status(path)
        if status is None:
            return None
        seen.add(path)
        stamp, was = stamp_of(status), self.folders.get(path)
        same = was is not None and was.stamp == stamp
        if same and was is not None and was.settled and not self._sentinel_changed(was):
            return True
        if not self.clock_was_read:
            # What the clock showed has to come before the stamp it judges.
            self.clock_was_read, self.clock_ns = True, self._clock()
            return self._unchanged(path, seen)
        since_ms = min(was.seen_ms, self.now_ms) if same and was is not None else self.now_ms
        settled = (
            max(status.st_mtime_ns, status.st_ctime_ns) + _SETTLED_NS < self.clock_ns
            or (self.now_ms - since_ms) * 1_000_000 > _SETTLED_NS
        )
        self.found.folders[path] = Folder(path, stamp, since_ms, settled)
        return False

    def _sentinel_changed(self, folder: Folder) -> bool:
        if folder.sentinel is None:
            return False
        try:
            return stamp_of(os.lstat(f"{self.base}/{folder.path}/{folder.sentinel}")) != folder.sentinel_stamp
        except OSError:
            return True

    def _children(self, path: str, seen: set[str]) -> list[str]:
        unchanged = self._unchanged(path, seen)
        if unchanged is None:
            return []
        if unchanged and not self.thorough:
            return self.children.get(path, [])
        return [f"{path}/{name}" for name in _names_in(f"{self.base}/{path}") if is_segment(name)]

    def _experiment(
        self,
        path: str,
        known_places: Mapping[str, Place],
        listed: set[str],
        seen: set[str],
        suspect: set[str],
    ) -> None:
        unchanged = self._unchanged(path, seen)
        if unchanged is None:
            return
        name = path.rpartition("/")[2]
        edited = self._unchanged(f"{path}/edits", seen) is False
        place = known_places.get(name)
        if place is None or not unchanged or edited or self.thorough:
            place = _read_place(self.store, name)
        self.found.places[name] = place
        renamed = _renamed(self.found, known_places)
        for day in self._children(f"{path}/runs", seen):
            unchanged = self._unchanged(day, seen)
            if unchanged is None or (
                unchanged and not self.thorough and day not in suspect and name not in renamed
            ):
                continue
            listed.add(day)
            names = self._names(day)
            folder = self.found.folders.get(day) or self.folders[day]
            sentinel = min(names, default=None)
            self.found.folders[day] = replace(
                folder,
                sentinel=sentinel,
                sentinel_stamp=None if sentinel is None else names[sentinel][1],
            )
            _compare(self.found, day, names, self.known.files_in(day), renamed=renamed)

    def _names(self, day: str) -> dict[str, tuple[int, str]]:
        """The logs in a folder, each with its size and stamp; links, and what belongs elsewhere, are passed over."""
        names: dict[str, tuple[int, str]] = {}
        days: dict[str, bool] = {}
        folder_name = day.rpartition("/")[2]
        try:
            with os.scandir(f"{self.base}/{day}") as entries:
                for entry in entries:
                    name = entry.name
                    parsed = LogName.parse(name)
                    if parsed is None:
                        continue
                    # Ten characters are the time of a ULID; of a name of one's own the whole counts.
                    prefix = parsed.run_id[:10] if len(parsed.run_id) == 26 else parsed.run_id
                    if folder_name == "named" or prefix not in days:
                        days[prefix] = run_folder_name(parsed.run_id) == folder_name
                    if not days[prefix]:
                        continue
                    try:
                        status = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue
                    if stat.S_ISREG(status.st_mode):
                        names[name] = (status.st_size, stamp_of(status))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise StoreUnavailable(f"cannot list {self.base}/{day}: {error.strerror}.") from error
        return names


def _names_in(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise StoreUnavailable(f"cannot list {path}: {error.strerror}.") from error
