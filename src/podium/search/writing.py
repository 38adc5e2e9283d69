"""Rows into the index and out of it again: what one run has in each table.

Knows the tables and the fold of a run; must never read a store. Everything happens inside a transaction of its caller.
A run's number is never given twice: whoever changes a run removes it and adds it under a new one, so that what another
process remembers of a number is still true of it, or the number is gone.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import TypeAlias

from podium.runs.fold import RunState
from podium.runs.folded import logs_to_text, state_to_text
from podium.search.evaluate import number_of
from podium.search.rows import document_of, facts_of_document, said_by, text_row
from podium.search.sql import bindable

__all__ = ["BUSY_S", "VERSION", "FileRow", "FoldedRun", "Rows", "connect", "key_number"]

Row: TypeAlias = "tuple[object, ...]"

VERSION = 1
BUSY_S = 600.0
_PAGE_CACHE_KIB = 65_536
_SCHEMA = """
CREATE TABLE about (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE folders (
    id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, stamp TEXT NOT NULL, seen_ms INTEGER NOT NULL,
    settled INTEGER NOT NULL, sentinel TEXT, sentinel_stamp TEXT
);
CREATE TABLE places (
    id INTEGER PRIMARY KEY, folder TEXT NOT NULL UNIQUE, name, time_ms INTEGER NOT NULL, deleted INTEGER NOT NULL,
    said TEXT NOT NULL, stamp TEXT NOT NULL
);
CREATE TABLE files (
    folder INTEGER NOT NULL, name TEXT NOT NULL, run INTEGER NOT NULL, size INTEGER NOT NULL, stamp TEXT NOT NULL,
    sealed INTEGER NOT NULL, tail INTEGER NOT NULL, PRIMARY KEY (folder, name)
) WITHOUT ROWID;
CREATE INDEX files_unsealed ON files (folder, name) WHERE NOT sealed;
CREATE TABLE runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT, place INTEGER NOT NULL, folder INTEGER NOT NULL, run_id TEXT NOT NULL,
    run_name TEXT, experiment TEXT, status TEXT, start_ms INTEGER NOT NULL, end_ms INTEGER, user_name TEXT,
    parent_run_id TEXT, note TEXT, error TEXT, deleted INTEGER NOT NULL, dropped, environment INTEGER
);
CREATE INDEX runs_by_id ON runs (run_id);
CREATE INDEX runs_by_time ON runs (start_ms DESC, run_id, place);
CREATE TABLE documents (run INTEGER PRIMARY KEY, document BLOB NOT NULL);
CREATE TABLE unsealed (run INTEGER PRIMARY KEY, logs TEXT NOT NULL, state TEXT NOT NULL);
CREATE TABLE keys (id INTEGER PRIMARY KEY, entity TEXT NOT NULL, name NOT NULL, UNIQUE (entity, name));
CREATE TABLE metrics (
    key INTEGER NOT NULL, run INTEGER NOT NULL, last REAL, min REAL, max REAL, count INTEGER, goal TEXT,
    PRIMARY KEY (key, run)
) WITHOUT ROWID;
CREATE TABLE texts (
    key INTEGER NOT NULL, run INTEGER NOT NULL, kind INTEGER, num, text TEXT, flag INTEGER, PRIMARY KEY (key, run)
) WITHOUT ROWID;
CREATE TABLE environments (id INTEGER PRIMARY KEY, document TEXT NOT NULL UNIQUE);
CREATE TABLE surroundings (
    key INTEGER NOT NULL, environment INTEGER NOT NULL, kind INTEGER, num, text TEXT, flag INTEGER,
    PRIMARY KEY (key, environment)
) WITHOUT ROWID;
CREATE TABLE datasets (
    run INTEGER NOT NULL, place INTEGER NOT NULL, name TEXT, digest TEXT, context TEXT, PRIMARY KEY (run, place)
) WITHOUT ROWID;
"""

# CAST leaves a text as it is, and makes one of bytes that are no UTF-8.
_INSERTS = {
    "runs": (
        "INSERT INTO runs VALUES (?, ?, ?, ?, CAST(? AS TEXT), CAST(? AS TEXT), ?, ?, ?, CAST(? AS TEXT), "
        "CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), ?, ?, ?)"
    ),
    "documents": "INSERT INTO documents VALUES (?, ?)",
    "unsealed": "INSERT INTO unsealed VALUES (?, ?, ?)",
    "files": "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?)",
    "metrics": "INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?, ?)",
    "texts": "INSERT INTO texts VALUES (?, ?, ?, ?, CAST(? AS TEXT), ?)",
    "datasets": "INSERT INTO datasets VALUES (?, ?, CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT))",
}
_FLUSHED_AT = 2_000
_canonical = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode


def connect(path: Path | None) -> sqlite3.Connection:
    """An index, with its tables; None: in memory.

    Raises:
        sqlite3.DatabaseError: what is there is no index, or one of another podium.
    """
    connection = sqlite3.connect(
        ":memory:" if path is None else path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
    )
    try:
        for pragma in ("temp_store = MEMORY", f"cache_size = -{_PAGE_CACHE_KIB}", "synchronous = NORMAL"):
            connection.execute(f"PRAGMA {pragma}")
        if not _has_tables(connection):
            connection.execute("BEGIN IMMEDIATE")
            if not _has_tables(connection):  # nor did another process make them meanwhile
                for statement in _SCHEMA.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def _has_tables(connection: sqlite3.Connection) -> bool:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if version == VERSION:
        return True
    if version or tables:
        raise sqlite3.DatabaseError("not an index of this podium")
    return False


@dataclass(frozen=True, slots=True)
class FileRow:
    """One file of a run's logs, as it was when it was read.

    Attributes:
        name: of the file.
        size: in bytes.
        stamp: changes when the file does.
        sealed: whether its log has ended, and all of it was read.
        tail: a checksum of the last bytes that were folded.
    """

    name: str
    size: int
    stamp: str
    sealed: bool
    tail: int = 0


@dataclass(frozen=True, slots=True)
class FoldedRun:
    """A run that was folded, and where it lies.

    Attributes:
        place: number of its experiment.
        folder: number of the folder of its logs.
        experiment: true name of its experiment.
        state: the fold.
        files: of its logs.
    """

    place: int
    folder: int
    experiment: str
    state: RunState
    files: tuple[FileRow, ...]

    @property
    def is_open(self) -> bool:
        """Whether it may still change without its folder changing."""
        return not all(each.sealed for each in self.files)


@dataclass(slots=True)
class Rows:
    """Rows on their way into the tables, a few thousand runs at a time."""

    connection: sqlite3.Connection
    _waiting: dict[str, list[Row]] = field(default_factory=lambda: {name: [] for name in _INSERTS})
    _keys: dict[tuple[str, str], int] = field(default_factory=dict)
    _environments: dict[str, int] = field(default_factory=dict)

    def add(self, number: int, run: FoldedRun) -> None:
        """Add a run under a number that was never used."""
        state, waiting = run.state, self._waiting
        run_id, said, is_open = state.run_id, said_by(state), run.is_open
        first = said.first
        waiting["runs"].append(
            (
                number,
                run.place,
                run.folder,
                run_id,
                bindable(first.run_name) if first else "",
                bindable(first.experiment if first else run.experiment),
                None if is_open else state.status(),
                said.start_ms,
                said.end_ms,
                bindable(first.user) if first else "",
                None if first is None or first.parent_run_id is None else bindable(first.parent_run_id),
                bindable(state.note),
                None if said.error is None else bindable(said.error),
                int(state.deleted),
                number_of(state.dropped),
                self._environment(said.environment),
            )
        )
        names = [each.name[len(run_id) + 1 :] for each in run.files]
        waiting["documents"].append((number, document_of(state, said, run.experiment, names)))
        if is_open:
            waiting["unsealed"].append((number, logs_to_text(state), state_to_text(state)))
        waiting["files"].extend(
            (run.folder, each.name, number, each.size, each.stamp, int(each.sealed), each.tail)
            for each in run.files
        )
        goals, key_of = said.goals, self.key
        waiting["metrics"].extend(
            (
                key_of("metrics", key),
                number,
                *_numbers(each.last, each.min, each.max),
                each.count,
                goals.get(key),
            )
            for key, each in state.metrics.items()
        )
        texts = waiting["texts"]
        texts.extend((key_of("params", key), number, *text_row(each)) for key, each in said.params.items())
        texts.extend((key_of("tags", key), number, *text_row(each)) for key, each in said.tags.items())
        waiting["datasets"].extend(
            (number, at, bindable(each.name), bindable(each.digest), bindable(each.context))
            for at, each in enumerate(said.datasets)
        )
        if len(waiting["runs"]) >= _FLUSHED_AT:
            self.flush()

    def flush(self) -> None:
        """Write what waits, each table in its own order."""
        for name, rows in self._waiting.items():
            if rows:
                if name in ("metrics", "texts"):
                    rows.sort(key=itemgetter(0, 1))
                self.connection.executemany(_INSERTS[name], rows)
                rows.clear()

    def key(self, entity: str, name: str) -> int:
        """The number of a key, given now if it has none."""
        number = self._keys.get((entity, name))
        if number is None:
            number = key_number(self.connection, entity, name)
            if number is None:
                cursor = self.connection.execute(
                    "INSERT INTO keys (entity, name) VALUES (?, ?)", (entity, bindable(name))
                )
                number = cursor.lastrowid
            assert number is not None  # noqa: S101 - an insert has a row
            self._keys[entity, name] = number
        return number

    def _environment(self, environment: Mapping[str, str]) -> int | None:
        """The number of these surroundings: most runs share them with many others."""
        if not environment:
            return None
        document = _canonical(dict(environment))
        number = self._environments.get(document)
        if number is not None:
            return number
        found = self.connection.execute(
            "SELECT id FROM environments WHERE document = ?", (document,)
        ).fetchone()
        if found is not None:
            number = int(found[0])
        else:
            cursor = self.connection.execute("INSERT INTO environments (document) VALUES (?)", (document,))
            number = cursor.lastrowid
            assert number is not None  # noqa: S101 - an insert has a row
            self.connection.executemany(
                "INSERT INTO surroundings VALUES (?, ?, ?, ?, CAST(? AS TEXT), ?)",
                [
                    (self.key("environment", key), number, *text_row(text))
                    for key, text in environment.items()
                ],
            )
        self._environments[document] = number
        return number

    def remove(self, numbers: Iterable[int]) -> None:
        """Remove runs; nothing of them may wait."""
        execute, executemany = self.connection.execute, self.connection.executemany
        for number in numbers:
            row = execute(
                "SELECT folder, run_id, document FROM runs JOIN documents ON run = id WHERE id = ?", (number,)
            ).fetchone()
            if row is None:
                continue
            folder, run_id, document = row
            facts = facts_of_document(document)
            executemany(
                "DELETE FROM metrics WHERE key = ? AND run = ?",
                [(self.key("metrics", key), number) for key in facts.metrics],
            )
            executemany(
                "DELETE FROM texts WHERE key = ? AND run = ?",
                [
                    (self.key(entity, key), number)
                    for entity, keys in (("params", facts.params), ("tags", facts.tags))
                    for key in keys
                ],
            )
            execute(
                "DELETE FROM files WHERE folder = ? AND name >= ? AND name < ?",
                (folder, f"{run_id}.", f"{run_id}/"),
            )
            for table, column in (
                ("datasets", "run"),
                ("unsealed", "run"),
                ("documents", "run"),
                ("runs", "id"),
            ):
                execute(f"DELETE FROM {table} WHERE {column} = ?", (number,))  # noqa: S608 - names of the line above


def key_number(connection: sqlite3.Connection, entity: str, name: str) -> int | None:
    """The number of a key; None where no run has it."""
    found = connection.execute(
        "SELECT id FROM keys WHERE entity = ? AND name = ?", (entity, bindable(name))
    ).fetchone()
    return None if found is None else int(found[0])


def _numbers(*values: float) -> tuple[float | None, ...]:
    return tuple([None if value != value else value for value in values])  # noqa: PLR0124 - NaN
