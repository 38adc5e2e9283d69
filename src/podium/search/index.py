"""The index of a store's runs: a SQLite file in the user's cache that answers what folding every log would.

A view: it may be deleted at any moment, and comes back the same. It is the store's at this place: its name holds where
the store really lies and the inode of that folder, and the store's id is compared each time, so that another store, or
an older copy of this one, never answers from it. One transaction brings it from one look at the store to the next, so a
reader sees all of a look or nothing of it. Whether a writer lives is never kept: each refresh asks, and the answers
lie in a table of this connection alone.

The file has a rollback journal, not a write-ahead log: homes lie on network disks. A name is never used twice, since a
journal is found by its name.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import secrets
import sqlite3
import sys
import threading
import time
import weakref
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TypeAlias, TypeVar

from podium.errors import PodiumError, StoreError, StoreUnavailable
from podium.runs.fold import RunState, Status
from podium.runs.folded import logs_from_text, state_from_text
from podium.runs.writer import flush_open_writers
from podium.search.building import Progress, build, release_shards
from podium.search.evaluate import like, matches, sort
from podium.search.expressions import Expr, OrderKey
from podium.search.folding import fetched_ahead, fold
from podium.search.refresh import Changed, Folder, OpenRun, Place, Survey, survey
from podium.search.rows import FoundRow, subject_of_row
from podium.search.sql import Unsayable, bindable, selection
from podium.search.writing import BUSY_S, VERSION, FileRow, FoldedRun, Rows, connect, key_number
from podium.stores.cachefolder import cache_folder
from podium.stores.contract import Store
from podium.stores.header import read_header
from podium.stores.keys import Key
from podium.times import milliseconds_of

__all__ = ["Found", "Index", "IndexedExperiment"]

Answer = TypeVar("Answer")
GoalOf: TypeAlias = Callable[[str], "str | None"]
Clock: TypeAlias = Callable[[], int]

_THOROUGH_MS = 3_600_000
_UNUSED_S = 30 * 86_400
_TRIES = 4
_SUFFIX = ".sqlite"


@dataclass(frozen=True, slots=True)
class IndexedExperiment:
    """An experiment; ``runs``: how many of its runs are not deleted by themselves."""

    folder: str
    name: str
    time_ms: int
    runs: int
    deleted: bool
    tags: Mapping[str, str]
    note: str


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found.

    Attributes:
        rows: the runs, in order.
        experiments: names of all there are, if some were asked for.
        unknown: names that were asked for and are not there.
    """

    rows: list[FoundRow]
    experiments: tuple[str, ...]
    unknown: tuple[str, ...]


@dataclass(slots=True)
class _Open:
    """A connection and what belongs to it."""

    connection: sqlite3.Connection
    path: Path | None
    inode: int
    pid: int
    live: dict[int, Status] | None = field(default_factory=dict)
    open_runs: dict[int, OpenRun] = field(default_factory=dict)
    closing: Callable[[], object] = lambda: None


class Index:
    """The runs of one store, searched without opening their logs.

    Every question first looks what changed. May be asked from any thread, and after a fork.

    Args:
        store: whose runs.
        clock_ms: the time by our clock, for tests.
        folder: where indexes are kept; None: in the user's cache.
    """

    def __init__(self, store: Store, *, clock_ms: Clock | None = None, folder: Path | None = None) -> None:
        self._store = store
        self._clock_ms = clock_ms or (lambda: time.time_ns() // 1_000_000)
        self._folder = folder
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._opened: _Open | None = None

    # --- questions ----------------------------------------------------------------------------------------------------

    def search(
        self,
        expr: Expr | None = None,
        order: Sequence[OrderKey] = (),
        *,
        now: datetime,
        goal_of: GoalOf = lambda key: None,
        experiments: Sequence[str] | None = None,
        deleted: bool = False,
        limit: int | None = None,
    ) -> Found:
        """The runs a query finds, in order.

        Args:
            expr: as `podium.search.parse_filter` returns it.
            order: as `podium.search.parse_order` returns it.
            now: what ``-7d`` is seven days before.
            goal_of: the goal a metric has by its name, where nobody defined one.
            experiments: true names of experiments; None: all.
            deleted: those that were deleted, instead of those that were not.
            limit: at most so many.

        Raises:
            StoreError: the store does not answer, or was written by a newer podium.
        """

        def ask(connection: sqlite3.Connection) -> Found:
            known = {} if experiments is None else _places(connection)
            wanted = dict.fromkeys(experiments or ())
            places = (
                None if experiments is None else [each for name in wanted for each in known.get(name, ())]
            )
            return Found(
                rows(connection, places), tuple(known), tuple(name for name in wanted if name not in known)
            )

        def rows(connection: sqlite3.Connection, places: list[int] | None) -> list[FoundRow]:
            try:
                query = selection(
                    expr,
                    order,
                    key_of=lambda entity, name: key_number(connection, entity, name) or 0,
                    goal_of=goal_of,
                    now_ms=milliseconds_of(now),
                    deleted=deleted,
                    gone=_gone_places(connection),
                    experiments=places,
                    limit=limit,
                )
            except Unsayable:
                return _in_memory(connection, expr, order, now, goal_of, places, deleted=deleted)[:limit]
            numbers = [number for (number,) in connection.execute(query.sql, query.values)]
            return _rows(connection, numbers)

        return self._answered(ask)

    def experiments(self) -> list[IndexedExperiment]:
        """Every experiment, by name.

        Raises:
            StoreError: as `search`.
        """
        return self._answered(
            lambda connection: [
                IndexedExperiment(folder, _unbound(name), time_ms, runs, bool(deleted), *json.loads(said))
                for folder, name, time_ms, runs, deleted, said in connection.execute(
                    "SELECT p.folder, p.name, p.time_ms, count(r.id), p.deleted, p.said FROM places p LEFT JOIN runs r "
                    "ON r.place = p.id AND NOT r.deleted GROUP BY p.id ORDER BY p.name, p.folder"
                )
            ]
        )

    def refresh(self, *, thorough: bool = False) -> None:
        """Look what changed in the store.

        Args:
            thorough: look at every file, whatever its folder says.

        Raises:
            StoreError: as `search`.
        """
        self._answered(lambda connection: None, thorough=thorough)

    def close(self) -> None:
        """Let go of the file; the next question opens it again."""
        with self._lock:
            opened, self._opened = self._opened, None
            if opened is not None and opened.pid == os.getpid():
                opened.closing()

    def _answered(self, ask: Callable[[sqlite3.Connection], Answer], *, thorough: bool = False) -> Answer:
        """The answer to a question about the store as it is now."""
        flush_open_writers(self._store)
        if self._pid != os.getpid():  # a fork: another thread of the parent may have held the lock
            self._pid, self._lock = os.getpid(), threading.RLock()
        with self._lock:
            for attempt in range(_TRIES):
                try:
                    opened = self._open()
                    return self._ask(opened, ask, thorough=thorough)
                except PodiumError:
                    raise
                except (sqlite3.DatabaseError, zlib.error, ValueError, KeyError, TypeError) as error:
                    # A file that is damaged, or was written by something else: make another.
                    if isinstance(error, sqlite3.OperationalError) and _is_busy(error):
                        raise StoreUnavailable(
                            "another process has been bringing the index of this store up to date for "
                            f"{BUSY_S:.0f} s. Look whether it hangs."
                        ) from error
                    self._discard(in_memory=attempt > 0)
            # Nothing helped: an index for this process alone.
            self._discard(in_memory=True)
            return self._ask(self._open(), ask, thorough=thorough)

    def _ask(self, opened: _Open, ask: Callable[[sqlite3.Connection], Answer], *, thorough: bool) -> Answer:
        """Look what changed, and answer, in one transaction: nobody comes between the look and the answer."""
        connection = opened.connection
        listed = self._store.local_path(Key.root()) is None
        # Of a store that is listed every file is compared each time: where all are the same, so is the store.
        store_id = None if listed else self._store_id()
        known = _Known(connection, opened.open_runs)
        with _transaction(opened, "BEGIN"):
            plan, generation, settled = self._survey(known, store_id, thorough=thorough)
            if settled:
                _set_live(opened, plan.statuses)
                return ask(connection)
        store_id = self._store_id() if store_id is None else store_id
        try:
            with _transaction(opened, "BEGIN IMMEDIATE"):
                _check_store(connection, store_id)
                if _about(connection, "generation", 0) != generation:  # another process was here meanwhile
                    plan, generation, _ = self._survey(known, store_id, thorough=thorough)
                broke_off = self._apply(connection, plan)
                _say(connection, store_id=store_id, generation=generation + 1)
                if broke_off is None:
                    if plan.thorough:
                        _say(connection, thorough_ms=self._clock_ms())
                    _set_live(opened, plan.statuses)
                    return ask(connection)
        finally:
            release_shards(connection)
        raise broke_off

    def _store_id(self) -> str:
        header = read_header(self._store)
        return "" if header is None else header.store_id

    # --- refreshing ---------------------------------------------------------------------------------------------------

    def _survey(self, known: _Known, store_id: str | None, *, thorough: bool) -> tuple[_Plan, int, bool]:
        connection, now_ms = known.connection, self._clock_ms()
        generation = _about(connection, "generation", 0)
        since_ms = now_ms - _about(connection, "thorough_ms", 0)
        # Whatever is listed is looked at thoroughly each time.
        by_folders = self._store.local_path(Key.root()) is not None
        thorough = by_folders and (thorough or not 0 <= since_ms < _THOROUGH_MS)
        if store_id is not None:
            _check_store(connection, store_id)
        found = survey(self._store, known, now_ms=now_ms, thorough=thorough)
        plan = _Plan(found, thorough=thorough)
        places = known.places()
        folders = known.folders() if found.folders else {}
        plan.folders = [each for path, each in found.folders.items() if folders.get(path) != each]
        plan.places = [each for name, each in found.places.items() if places.get(name) != each]
        plan.gone_places = [name for name in places if name not in found.places]
        settled = not (
            thorough
            or plan.folders
            or plan.places
            or plan.gone_places
            or found.gone_folders
            or found.changed
            or found.gone
        )
        return plan, generation, settled

    def _apply(self, connection: sqlite3.Connection, plan: _Plan) -> StoreError | None:
        """Bring the tables to what a look found; what kept it from being brought there whole.

        Half of what a listing found may stay: each look compares all of the next one with what is known, so the rest
        is read then, and until then nothing is answered. Half of a look at folders would look like all of it.
        """
        found = plan.found
        for place in plan.places:
            connection.execute(
                "INSERT INTO places (folder, name, time_ms, deleted, said, stamp) VALUES (?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (folder) DO UPDATE SET name = excluded.name, time_ms = excluded.time_ms, "
                "deleted = excluded.deleted, said = excluded.said, stamp = excluded.stamp",
                (
                    place.folder,
                    bindable(place.name),
                    place.time_ms,
                    int(place.deleted),
                    json.dumps([dict(place.tags), place.note]),
                    place.stamp,
                ),
            )
        for folder in plan.folders:
            connection.execute(
                "INSERT INTO folders (path, stamp, seen_ms, settled, sentinel, sentinel_stamp) "
                "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (path) DO UPDATE SET stamp = excluded.stamp, "
                "seen_ms = excluded.seen_ms, settled = excluded.settled, sentinel = excluded.sentinel, "
                "sentinel_stamp = excluded.sentinel_stamp",
                (
                    folder.path,
                    folder.stamp,
                    folder.seen_ms,
                    int(folder.settled),
                    folder.sentinel,
                    folder.sentinel_stamp,
                ),
            )
        rows = Rows(connection)
        before = {each.number: _state(connection, each.number) for each in found.changed if each.number}
        rows.remove(found.gone)
        rows.remove(each.number for each in found.changed if each.number)
        broke_off = self._fold(connection, rows, found, before)
        for path in found.gone_folders:
            connection.execute("DELETE FROM folders WHERE path = ?", (path,))
        for name in plan.gone_places:
            connection.execute("DELETE FROM places WHERE folder = ?", (name,))
        return broke_off

    def _fold(
        self,
        connection: sqlite3.Connection,
        rows: Rows,
        found: Survey,
        before: dict[int, RunState | None],
    ) -> StoreError | None:
        """Fold what changed into new rows."""
        root = self._store.local_path(Key.root())
        base = None if root is None else str(root)
        folders = dict(connection.execute("SELECT path, id FROM folders"))
        places = {
            folder: (number, found.places[folder].name)
            for folder, number in connection.execute("SELECT folder, id FROM places")
            if folder in found.places
        }
        next_number = _next_number(connection)
        waiting: Sequence[Changed] = found.changed
        progress = Progress(len(waiting), afar=base is None)
        if base is not None and not before:
            built = build(connection, base, waiting, folders, places, next_number, progress=progress)
            next_number, waiting = built.next_number, built.left
            found.statuses.update(built.statuses)
        if base is None:
            sources: Iterator[tuple[Changed, Store]] = fetched_ahead(self._store, waiting, before)
        else:
            sources = ((changed, self._store) for changed in waiting)
        broke_off = None
        try:
            for changed, source in sources:
                progress.add(1)
                state = None if changed.number is None else before.get(changed.number)
                folded = fold(source, base, changed, state, now_s=self._clock_ms() / 1000)
                if folded is None:
                    continue
                state, files, alive = folded
                place, name = places[changed.folder.split("/")[1]]
                run = FoldedRun(place, folders[changed.folder], name, state, files)
                rows.add(next_number, run)
                if run.is_open:
                    found.statuses[next_number] = state.status(alive)
                next_number += 1
        except StoreError as error:
            if base is not None:
                raise
            broke_off = error
        finally:
            progress.end()
        rows.flush()
        return broke_off

    # --- the file -----------------------------------------------------------------------------------------------------

    def _open(self) -> _Open:
        opened = self._opened
        if opened is not None:
            if opened.pid == os.getpid() and _is_there(opened):
                return opened
            self._let_go(opened)
        return self._adopted(self._found_file() or _opened(None))

    def _found_file(self) -> _Open | None:
        """The file of this store; None where none can be had: that costs time, not answers."""
        folder, prefix = self._index_folder(), self._prefix()
        if folder is None:
            return None
        try:
            path = _newest(folder, prefix)
            try:
                return _opened(path)
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError) and _is_busy(error):
                    raise
                return _opened(_new_file(folder, prefix, after=path))
        except (OSError, sqlite3.Error):
            return None

    def _adopted(self, opened: _Open) -> _Open:
        opened.closing = weakref.finalize(self, _close, opened.connection, opened.pid)
        self._opened = opened
        return opened

    def _let_go(self, opened: _Open) -> None:
        self._opened = None
        if opened.pid == os.getpid():
            opened.closing()
        else:
            _of_parents.append(opened.connection)  # SQLite forbids to touch it here, closing included

    def _discard(self, *, in_memory: bool) -> None:
        """The file is of no use: the next question makes another."""
        opened = self._opened
        if opened is None:
            return
        self._let_go(opened)
        if in_memory:
            self._adopted(_opened(None))
        elif opened.path is not None:
            with contextlib.suppress(OSError):
                _new_file(opened.path.parent, self._prefix(), after=opened.path)

    def _index_folder(self) -> Path | None:
        """Where the file lies; None: nowhere, for a store that is not there yet, or that only this process sees."""
        root = self._store.local_path(Key.root())
        if _address_of(self._store) is None if root is None else not root.is_dir():
            return None
        try:
            return self._folder or cache_folder() / "index"
        except RuntimeError:
            return None

    def _prefix(self) -> str:
        root = self._store.local_path(Key.root())
        if root is None:
            where = f"address {_address_of(self._store)}"
        else:
            real = os.path.realpath(root)
            try:
                status = os.stat(real)
                where = f"path {real} {status.st_dev:x} {status.st_ino:x}"
            except OSError:
                where = f"path {real}"
        digest = hashlib.sha256(where.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        return f"{digest}.v{VERSION}."


_of_parents: list[sqlite3.Connection] = []


@dataclass(slots=True)
class _Plan:
    """A look, and what of it is not in the index yet."""

    found: Survey
    thorough: bool
    folders: list[Folder] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    gone_places: list[str] = field(default_factory=list)

    @property
    def statuses(self) -> dict[int, Status]:
        return self.found.statuses


@dataclass(frozen=True, slots=True)
class _Known:
    """What the index knows, for a survey."""

    connection: sqlite3.Connection
    open_before: dict[int, OpenRun]

    def folders(self) -> dict[str, Folder]:
        return {
            path: Folder(path, stamp, seen_ms, bool(settled), sentinel, sentinel_stamp)
            for path, stamp, seen_ms, settled, sentinel, sentinel_stamp in self.connection.execute(
                "SELECT path, stamp, seen_ms, settled, sentinel, sentinel_stamp FROM folders"
            )
        }

    def places(self) -> dict[str, Place]:
        return {
            folder: _place(folder, _unbound(name), time_ms, bool(deleted), said, stamp)
            for folder, name, time_ms, deleted, said, stamp in self.connection.execute(
                "SELECT folder, name, time_ms, deleted, said, stamp FROM places"
            )
        }

    def open_runs(self) -> list[OpenRun]:
        # What a number stands for never changes, so it is read once: thousands of runs may have been lost.
        numbers = {number for (number,) in self.connection.execute("SELECT run FROM unsealed")}
        for number in self.open_before.keys() - numbers:
            del self.open_before[number]
        for number in numbers - self.open_before.keys():
            run_id, path, folder, logs = self.connection.execute(
                "SELECT r.run_id, f.path, r.folder, u.logs FROM unsealed u JOIN runs r ON r.id = u.run "
                "JOIN folders f ON f.id = r.folder WHERE u.run = ?",
                (number,),
            ).fetchone()
            state = logs_from_text(run_id, logs)
            self.open_before[number] = OpenRun(number, path, state, self._files_of(folder, run_id))
        return list(self.open_before.values())

    def _files_of(self, folder: int, run_id: str) -> dict[str, FileRow]:
        return {
            name: FileRow(name, size, stamp, bool(sealed), tail)
            for name, size, stamp, sealed, tail in self.connection.execute(
                "SELECT name, size, stamp, sealed, tail FROM files WHERE folder = ? AND name >= ? AND name < ?",
                (folder, f"{run_id}.", f"{run_id}/"),
            )
        }

    def sizes(self) -> dict[str, int]:
        return dict(
            self.connection.execute(
                "SELECT f.path, c.files FROM (SELECT folder, count(*) AS files FROM files GROUP BY folder) c "
                "JOIN folders f ON f.id = c.folder"
            )
        )

    def files_in(self, folder: str) -> dict[str, tuple[int, FileRow]]:
        return {
            name: (run, FileRow(name, size, stamp, bool(sealed), tail))
            for name, run, size, stamp, sealed, tail in self.connection.execute(
                "SELECT name, run, size, stamp, sealed, tail FROM files WHERE folder = "
                "(SELECT id FROM folders WHERE path = ?)",
                (folder,),
            )
        }


def _place(folder: str, name: str, time_ms: int, deleted: bool, said: str, stamp: str) -> Place:
    tags, note = json.loads(said)
    return Place(folder, name, time_ms, deleted, tags, note, stamp)


# --- answers ----------------------------------------------------------------------------------------------------------


def _places(connection: sqlite3.Connection) -> dict[str, list[int]]:
    """The experiments of each name; copies by hand may have made several."""
    places: dict[str, list[int]] = {}
    for number, name in connection.execute("SELECT id, name FROM places ORDER BY folder"):
        places.setdefault(_unbound(name), []).append(number)
    return places


def _gone_places(connection: sqlite3.Connection) -> list[int]:
    """The experiments that were deleted with all their runs."""
    return [number for (number,) in connection.execute("SELECT id FROM places WHERE deleted")]


def _rows(connection: sqlite3.Connection, numbers: Sequence[int]) -> list[FoundRow]:
    places = {
        number: (folder, _unbound(name))
        for number, folder, name in connection.execute("SELECT id, folder, name FROM places")
    }
    rows = []
    for number in numbers:
        place, run_id, status, document = connection.execute(
            "SELECT r.place, r.run_id, coalesce(l.status, r.status), d.document FROM runs r JOIN documents d ON "
            "d.run = r.id LEFT JOIN temp.live l ON l.run = r.id WHERE r.id = ?",
            (number,),
        ).fetchone()
        rows.append(FoundRow(*places[place], run_id, status, document))
    return rows


def _in_memory(
    connection: sqlite3.Connection,
    expr: Expr | None,
    order: Sequence[OrderKey],
    now: datetime,
    goal_of: GoalOf,
    places: Sequence[int] | None,
    *,
    deleted: bool,
) -> list[FoundRow]:
    """What SQL cannot say: every run looked at by the first evaluator."""
    gone = _gone_places(connection)
    numbers = [
        number
        for number, place, marked in connection.execute("SELECT id, place, deleted FROM runs ORDER BY place")
        if (places is None or place in places) and (bool(marked) or place in gone) is deleted
    ]
    kept = [row for row in _rows(connection, numbers) if matches(expr, subject_of_row(row, goal_of), now=now)]
    return sort(kept, order, lambda row: subject_of_row(row, goal_of))


def _state(connection: sqlite3.Connection, number: int) -> RunState | None:
    found = connection.execute("SELECT state FROM unsealed WHERE run = ?", (number,)).fetchone()
    return None if found is None else state_from_text(found[0])


@contextlib.contextmanager
def _transaction(opened: _Open, begin: str) -> Iterator[None]:
    connection = opened.connection
    connection.execute(begin)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        opened.live = None  # what the table holds is what it held before
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def _set_live(opened: _Open, statuses: dict[int, Status]) -> None:
    if opened.live == statuses:
        return
    opened.connection.execute("DELETE FROM temp.live")
    opened.connection.executemany("INSERT INTO temp.live VALUES (?, ?)", statuses.items())
    opened.live = dict(statuses)


def _next_number(connection: sqlite3.Connection) -> int:
    found = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'runs'").fetchone()
    return 1 if found is None else int(found[0]) + 1


def _about(connection: sqlite3.Connection, name: str, otherwise: Answer) -> Answer:
    found = connection.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
    if found is None:
        return otherwise
    if type(found[0]) is not type(otherwise):
        raise sqlite3.DatabaseError(f"{name} is {found[0]!r}")
    value: Answer = found[0]
    return value


def _check_store(connection: sqlite3.Connection, store_id: str) -> None:
    if _about(connection, "store_id", store_id) != store_id:
        raise sqlite3.DatabaseError("the index of another store")


def _say(connection: sqlite3.Connection, **facts: str | int) -> None:
    connection.executemany("INSERT OR REPLACE INTO about VALUES (?, ?)", facts.items())


def _unbound(text: str | bytes) -> str:
    return text.decode("utf-8", "surrogatepass") if isinstance(text, bytes) else text


# --- files ------------------------------------------------------------------------------------------------------------


def _opened(path: Path | None) -> _Open:
    """A connection to a file whose tables are there, or to a memory of its own."""
    connection = connect(path)
    try:
        connection.execute("CREATE TEMP TABLE live (run INTEGER PRIMARY KEY, status TEXT NOT NULL)")
        connection.create_function("podium_like", 2, _sql_like, deterministic=True)
        connection.create_function("podium_ilike", 2, _sql_ilike, deterministic=True)
        inode = 0 if path is None else os.stat(path).st_ino
    except BaseException:
        connection.close()
        raise
    return _Open(connection, path, inode, os.getpid())


def _is_there(opened: _Open) -> bool:
    """Whether its file is still the one of that name: it may be deleted at any moment."""
    if opened.path is None:
        return True
    try:
        return os.stat(opened.path).st_ino == opened.inode
    except OSError:
        return False


def _close(connection: sqlite3.Connection, pid: int) -> None:
    if pid == os.getpid():
        connection.close()


def _newest(folder: Path, prefix: str) -> Path:
    """The file to use; a new one where there is none."""
    files = _files(folder, prefix)
    return files[-1] if files else _new_file(folder, prefix, after=None)


def _files(folder: Path, prefix: str) -> list[Path]:
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    return [folder / name for name in sorted(names) if name.startswith(prefix) and name.endswith(_SUFFIX)]


def _new_file(folder: Path, prefix: str, *, after: Path | None) -> Path:
    """A file whose name was never used, unless another process made one after ``after`` meanwhile."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _one_at_a_time(folder / f"{prefix}lock"):
        files = _files(folder, prefix)
        if files and files[-1] != after:
            return files[-1]
        path = folder / f"{prefix}{time.time_ns():020d}{secrets.token_hex(4)}{_SUFFIX}"
        if after is not None and after.name.startswith(prefix) and path.name <= after.name:
            # Our clock was put back, and the highest name is the one that is used.
            path = folder / f"{after.name.removesuffix(_SUFFIX)}{secrets.token_hex(4)}{_SUFFIX}"
        connect(path).close()
        _sweep(folder, keep=path, replaced=files)
        return path


def _sweep(folder: Path, *, keep: Path, replaced: list[Path]) -> None:
    """Remove what this file replaces, and what nobody used for a month."""
    long_ago_s = time.time() - _UNUSED_S
    for path in folder.iterdir():
        with contextlib.suppress(OSError):
            if path in replaced or (path != keep and path.stat().st_mtime < long_ago_s):
                path.unlink()


@contextlib.contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    """Held by one process at a time, where the system has such locks; elsewhere two may do the same work."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    with open(path, "wb") as file:
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _is_busy(error: sqlite3.OperationalError) -> bool:
    return "locked" in str(error)


def _address_of(store: Store) -> str | None:
    """Where a store lies that is on no disk: its URL, and the server that was asked; None: in this process."""
    address = getattr(store, "address", None)
    return address if isinstance(address, str) else None


# --- what SQL asks Python ---------------------------------------------------------------------------------------------


def _sql_like(text: bytes | None, pattern: bytes) -> bool | None:
    return None if text is None else like(_decoded(text), _pattern(pattern))


def _sql_ilike(text: bytes | None, pattern: bytes) -> bool | None:
    return None if text is None else like(_decoded(text).lower(), _pattern(pattern))


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


_pattern = functools.lru_cache(maxsize=64)(_decoded)
