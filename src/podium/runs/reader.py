"""Find runs in a store and read them: their logs into a state, their metrics into columns.

Reads only. Whether a writer lives is asked of its lock on this machine and of time elsewhere; nothing of that is ever
written. On a local disk folders are listed directly; any other store is asked for its listing.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import compress
from pathlib import Path

from podium.errors import (
    Corrupt,
    Invalid,
    KeyExists,
    KeyMissing,
    RunNotFound,
    StoreError,
    StoreUnavailable,
    near_names,
)
from podium.runs.events import (
    BAD_LINE,
    EMPTY_LINE,
    MetricColumns,
    Metrics,
    decode,
    metric_columns,
    metric_row,
    parse_lines,
    whole_lines,
)
from podium.runs.fold import LogState, RunState, Stamp, Status
from podium.runs.layout import (
    EXPERIMENTS,
    LogName,
    RunKeys,
    check_run_id,
    experiment_file,
    experiment_folder,
    run_folder_name,
)
from podium.runs.locking import is_held, machine
from podium.runs.writer import flush_open_writers
from podium.stores.contract import Store
from podium.stores.fetched import Fetched
from podium.stores.folders import beginning, folders_in
from podium.stores.keys import Key, name_segment
from podium.stores.together import ahead, together
from podium.strictjson import canonical, loads

__all__ = [
    "Columns",
    "FoundExperiment",
    "FoundRun",
    "ensure_experiment",
    "experiment_in",
    "experiments",
    "find_again",
    "find_run",
    "living_writers",
    "log_bytes",
    "logs_ahead",
    "read_columns",
    "read_run",
    "reads_of",
    "refresh",
    "runs_of",
    "writer_lives",
]

_SHORTEST_PREFIX = 8
_ULID_LENGTH = 26
_UPPER_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{7,25}")
_CHUNK_BYTES = 1 << 16
_LOOKS = 5
_FETCHED_AT_ONCE_BYTES = 64 << 20
_ASKED_AT_ONCE = 32
# What a log is taken for whose name does not tell how long it is.
_UNTOLD_BYTES = 1 << 20


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


# --- experiments ----------------------------------------------------------------------------------------------------


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


def _names_in(path: Path, begins: str = "") -> list[str]:
    """What lies in a folder under names that begin so; links are passed over, as in every listing of a store."""
    try:
        with os.scandir(path) as entries:
            return [each.name for each in entries if each.name.startswith(begins) and not each.is_symlink()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise StoreUnavailable(f"cannot list {path}: {error.strerror or error}.") from error


# --- runs -----------------------------------------------------------------------------------------------------------


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
        # Of a day's runs those that are meant, and nothing else: a day may have thousands.
        names: Iterable[tuple[str, str]] = (
            (entry.key.segments[-2], entry.key.name)
            for entry in beginning(store, folder, begins if day is not None else "")
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
    if experiment is None and store.local_path(EXPERIMENTS) is None:
        return _found_afar(store, run_id)
    where = (
        experiments(store)
        if experiment is None
        else [FoundExperiment(experiment, experiment_folder(experiment))]
    )
    for each in where:
        names = _log_names(store, each, run_folder_name(run_id), f"{run_id}.")
        for run in _grouped(each, names):
            return run
    return _by_prefix(
        run_id, [run for each in where for run in _grouped(each, _log_names(store, each, None))]
    )


def _found_afar(store: Store, run_id: str) -> FoundRun:
    """The run of an id where each question is a request: all experiments are asked at once, one tells its name."""
    folders = sorted(folders_in(store, EXPERIMENTS))
    days = _days_of(run_id)

    def runs_in(folder: Key, day: str | None, begins: str) -> list[FoundRun]:
        experiment = FoundExperiment(folder.name, folder)
        return [*_grouped(experiment, _log_names(store, experiment, day, begins))]

    places = [(folder, day, run_id) for folder in folders for day in days]
    found = [
        run for runs in together(lambda each: runs_in(*each), places, at_once=_ASKED_AT_ONCE) for run in runs
    ]
    meant = [run for run in found if run.run_id == run_id]
    if not meant and found and len(run_id) >= _SHORTEST_PREFIX:
        meant = [_by_prefix(run_id, found)]
    if meant:
        homes = [experiment_in(store, run.keys.logs.parent.parent) for run in meant]
        home, run = min(zip(homes, meant, strict=True), key=lambda each: (each[0].name, each[0].folder))
        return FoundRun(RunKeys.within(home.folder, home.name, run.run_id), run.logs)
    everywhere = together(lambda folder: runs_in(folder, None, ""), folders, at_once=_ASKED_AT_ONCE)
    return _by_prefix(run_id, [run for runs in everywhere for run in runs])


def _days_of(beginning: str) -> set[str]:
    """The folders in which a run can lie whose id begins so."""
    whole = run_folder_name(beginning)
    if len(beginning) == _ULID_LENGTH or len(beginning) < _SHORTEST_PREFIX:
        return {whole}
    # The first eight characters of a ULID are its time, to a second.
    return {whole, *(run_folder_name(beginning.ljust(_ULID_LENGTH, last)) for last in "0z")}


def _by_prefix(run_id: str, runs: list[FoundRun]) -> FoundRun:
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
    return _found_again(store, run)


def _found_again(store: Store, run: FoundRun) -> FoundRun:
    experiment = FoundExperiment(run.keys.experiment, run.keys.logs.parent.parent)
    names = _log_names(store, experiment, run.keys.logs.name, f"{run.run_id}.")
    for found in _grouped(experiment, names):
        return found
    raise RunNotFound(f"run {run.run_id} was deleted while it was read.", name=run.run_id)


# --- logs into a state ----------------------------------------------------------------------------------------------


def read_run(store: Store, run: FoundRun) -> RunState:
    """The run as its logs say it is now.

    Raises:
        RunNotFound: it was deleted meanwhile.
        Corrupt: its parts change faster than they can be read.
    """
    return refresh(store, run, RunState(run.run_id))


def refresh(store: Store, run: FoundRun, state: RunState) -> RunState:
    """A state with what its logs say since it was read; the same object, unless a rewind makes it be read anew."""
    for _ in range(_LOOKS):
        try:
            for writer_id, names in run.logs.items():
                _read_log(store, run, writer_id, names, state)
        except KeyMissing:
            run = _found_again(store, run)  # parts were put together meanwhile
            continue
        if state.needs_reread:
            state = state.reread()
            continue
        return state
    raise _changes_too_fast(run)


def _changes_too_fast(run: FoundRun) -> Corrupt:
    return Corrupt(
        f"the logs of run {run.run_id} change faster than they can be read. Try again.",
        key=str(run.keys.logs),
    )


def _read_log(store: Store, run: FoundRun, writer_id: str, names: list[LogName], state: RunState) -> None:
    log = state.logs.get(writer_id)
    offset = 0 if log is None else log.offset
    for data in _bytes_from(store, run, names, offset):
        state.feed(writer_id, data)
    log = state.logs.get(writer_id)
    if log is not None and log.offset > offset:
        log.heard(time.time())


def log_bytes(store: Store, run: FoundRun, writer_id: str) -> bytes:
    """All there is of one log, whatever files it lies in."""
    return b"".join(_bytes_from(store, run, run.logs[writer_id], 0))


def _bytes_from(store: Store, run: FoundRun, names: list[LogName], offset: int) -> Iterator[bytes]:
    """What a log holds from ``offset`` on; each piece but the last is whole lines, wherever parts were cut."""
    for name in names:
        if name.end is None:
            yield store.get(run.keys.logs / str(name), offset)
            return
    parts = [(name.start, name.end or 0) for name in names]
    fetched = _fetched(store, run, names[0].writer_id, parts, offset)
    torn = b""
    while True:
        covering = [(start, end) for start, end in parts if start <= offset < end]
        if not covering:
            return  # what follows a hole comes when the hole is filled
        start, end = part = max(covering, key=lambda part: part[1])
        name = LogName(run.run_id, names[0].writer_id, start, end)
        data = fetched.pop(part, None) or store.get(run.keys.logs / str(name), offset - start)
        data = data[: end - offset]
        offset += len(data)
        if offset < end:
            parts.remove(part)  # shorter than its name says: a copy of it is under way
        data = torn + data
        whole = whole_lines(data)
        yield data[:whole]
        torn = data[whole:]


def _fetched(
    store: Store, run: FoundRun, writer_id: str, parts: list[tuple[int, int]], offset: int
) -> dict[tuple[int, int], bytes]:
    """The parts that will be read, each from where it is read on, at once: what a network holds up waits together."""
    chain = _chain(parts, offset)
    if len(chain) < 2 or max(end for _, end in chain) - offset > _FETCHED_AT_ONCE_BYTES:
        return {}

    def fetch(part: tuple[int, int]) -> bytes:
        return store.get(run.keys.logs / str(LogName(run.run_id, writer_id, *part)), chain[part] - part[0])

    return dict(zip(chain, together(fetch, chain), strict=True))


def _chain(parts: Iterable[tuple[int, int]], offset: int) -> dict[tuple[int, int], int]:
    """The parts that are read from ``offset`` on, each with the byte of the log from which it is."""
    chain: dict[tuple[int, int], int] = {}
    parts = list(parts)
    while covering := [(start, end) for start, end in parts if start <= offset < end]:
        part = max(covering, key=lambda part: part[1])
        chain[part], offset = offset, part[1]
    return chain


def reads_of(run: FoundRun, state: RunState) -> list[tuple[Key, int]]:
    """What `refresh` will read of a run's logs if all of it is there: keys, and the byte of each from which on."""
    reads = []
    for writer_id, names in run.logs.items():
        log = state.logs.get(writer_id)
        offset = 0 if log is None else log.offset
        whole = next((name for name in names if name.end is None), None)
        if whole is not None:
            reads.append((run.keys.logs / str(whole), offset))
            continue
        for (start, end), begin in _chain(((each.start, each.end or 0) for each in names), offset).items():
            reads.append((run.keys.logs / str(LogName(run.run_id, writer_id, start, end)), begin - start))
    return reads


def logs_ahead(runs: Iterable[tuple[Store, FoundRun]]) -> Iterator[Store]:
    """For each run a store in which its logs were read from their beginning, those of many runs at once.

    A run on this machine's disk has its own store: nothing is gained by reading ahead there.

    Raises:
        StoreError: a log could not be read, when its run is next.
    """
    several = [
        (store, [] if store.local_path(run.keys.logs) is not None else reads_of(run, RunState(run.run_id)))
        for store, run in runs
    ]
    data = ahead(
        lambda read: _read_or_missing(*read),
        [(store, key) for store, reads in several for key, _ in reads],
        size_of=lambda read: _size_told_by(read[1].name),
        most_bytes=_FETCHED_AT_ONCE_BYTES,
        at_once=_ASKED_AT_ONCE,
    )
    with contextlib.closing(data):
        for store, reads in several:
            fetched = Fetched(store)
            for key, _ in reads:
                fetched.hold(key, 0, next(data))
            yield fetched if reads else store


def _read_or_missing(store: Store, key: Key) -> bytes | None:
    try:
        return store.get(key)
    except KeyMissing:
        return None


def _size_told_by(name: str) -> int:
    parsed = LogName.parse(name)
    return _UNTOLD_BYTES if parsed is None or parsed.end is None else parsed.end - parsed.start


# --- who lives ------------------------------------------------------------------------------------------------------


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


def status_of(store: Store, run: FoundRun, state: RunState) -> Status:
    """The status of a run, with its writers asked; the state then holds what they wrote last."""
    living = living_writers(store, run, state)
    if len(living) < len(state.open_logs()):
        # A lock is free now, and its writer may have ended the log since it was read: only what it holds tells.
        # One that lived when it was first asked counts, for what it did since was not read.
        state = refresh(store, run, state)
        living += living_writers(store, run, state)
    return state.status(living)


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


# --- metrics into columns -------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Columns:
    """All points of one metric of one run, by step, then stamp.

    Attributes:
        steps: array of ``q``.
        times_ms: array of ``q``.
        values: array of ``d``.
    """

    steps: array[int] = field(default_factory=lambda: array("q"))
    times_ms: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))

    def extend(self, more: Columns) -> None:
        """Add points at the end."""
        self.steps.extend(more.steps)
        self.times_ms.extend(more.times_ms)
        self.values.extend(more.values)


def read_columns(
    store: Store, run: FoundRun, state: RunState, keys: Iterable[str] = ()
) -> dict[str, Columns]:
    """Every point of some metrics, in columns.

    Args:
        store: where.
        run: the run.
        state: as `read_run` gave it; its rewinds hide points.
        keys: which metrics; none: all.

    Returns:
        Columns by key, in the order the keys were asked for, else by key. A key without points has empty ones.
    """
    wanted = tuple(dict.fromkeys(keys))
    for _ in range(_LOOKS):
        try:
            return _columns_of(store, run, state, wanted)
        except KeyMissing:
            run = _found_again(store, run)  # parts were put together meanwhile
    raise _changes_too_fast(run)


def _columns_of(store: Store, run: FoundRun, state: RunState, wanted: tuple[str, ...]) -> dict[str, Columns]:
    gathered: dict[str, list[tuple[Stamp, Columns]]] = {}
    for writer_id, names in run.logs.items():
        log = state.logs.get(writer_id)
        if log is None:
            continue
        for key, columns in _log_columns(store, run, names, log, state, frozenset(wanted)).items():
            gathered.setdefault(key, []).append((log.begun, columns))
    order = wanted or tuple(sorted(gathered))
    return {key: _merged(gathered.get(key, [])) for key in order}


def _log_columns(
    store: Store, run: FoundRun, names: list[LogName], log: LogState, state: RunState, wanted: frozenset[str]
) -> dict[str, Columns]:
    found: dict[str, Columns] = {}
    for data in _bytes_from(store, run, names, 0):
        whole = whole_lines(data)
        at = 0
        while at < whole:
            cut = data.rfind(b"\n", at, at + _CHUNK_BYTES) + 1 or data.find(b"\n", at) + 1
            rows = parse_lines(data[at:cut])
            columns = None if state.rewinds else metric_columns(rows)
            if columns is not None:
                _add_columns(found, columns, wanted)
            else:
                _add_each(found, rows, wanted, log, state)
            at = cut
    return found


def _add_columns(found: dict[str, Columns], columns: MetricColumns, wanted: frozenset[str]) -> None:
    """Take a chunk whose lines are all alike."""
    for key, mine in columns.by_key().items():
        if not wanted or key in wanted:
            target = found.setdefault(key, Columns())
            target.steps.extend(columns.steps if mine is None else compress(columns.steps, mine))
            target.times_ms.extend(columns.times_ms if mine is None else compress(columns.times_ms, mine))
            target.values.extend(columns.values if mine is None else compress(columns.values, mine))


def _add_each(
    found: dict[str, Columns], rows: list[object], wanted: frozenset[str], log: LogState, state: RunState
) -> None:
    """Take a chunk line by line; what is no metric, and bad lines, are passed over."""
    for row in rows:
        if row is BAD_LINE or row is EMPTY_LINE:
            continue
        try:
            if type(row) is list:
                if not row or row[0] != "metric":
                    continue
                time_ms, step, pairs = metric_row(row)
            else:
                time_ms, event = decode(row)
                if not isinstance(event, Metrics):
                    continue
                step, pairs = event.step, list(event.values.items())
                time_ms = time_ms if event.at is None else event.at
        except ValueError:
            continue
        if state.rewinds and state.hides(log, step):
            continue
        for key, value in pairs:
            if not wanted or key in wanted:
                columns = found.get(key) or found.setdefault(key, Columns())
                columns.steps.append(step)
                columns.times_ms.append(time_ms)
                columns.values.append(value)


def _merged(pieces: list[tuple[Stamp, Columns]]) -> Columns:
    """The points of all logs by step, those of one step as they were logged."""
    if not pieces:
        return Columns()
    (_, whole), *more = sorted(pieces, key=lambda piece: piece[0])
    for _, columns in more:
        whole.extend(columns)
    steps = whole.steps.tolist()
    if steps == sorted(steps):
        return whole
    order = sorted(range(len(steps)), key=steps.__getitem__)
    return Columns(
        array("q", map(steps.__getitem__, order)),
        array("q", map(whole.times_ms.__getitem__, order)),
        array("d", map(whole.values.__getitem__, order)),
    )
