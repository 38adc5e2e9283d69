"""The first look at a store of many runs, on all the cores there are.

Each worker is a process of its own that folds runs into an index of its own, and the index takes those over, table by
table. A plain child process, not `multiprocessing`: that would import the user's script again. Where no child can be
started, or one dies, nothing was lost but time: the runs are folded here.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from podium.runs.fold import Status
from podium.search.folding import fold
from podium.search.refresh import Changed
from podium.search.writing import FoldedRun, Rows, connect
from podium.stores.local import LocalStore

__all__ = ["Built", "Progress", "build", "release_shards", "work"]

_FEWEST_RUNS = 2_000  # fewer are folded sooner than two interpreters have started
_BATCH_RUNS = 250
# SQLite attaches at most ten files.
_MOST_WORKERS = 10
_CHILD = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]); from podium.search.building import work; work()"
)
_SHOWN_AFTER_S, _SHOWN_EVERY_S = 1.0, 0.1


@dataclass(frozen=True, slots=True)
class Built:
    """What workers folded.

    Attributes:
        next_number: the first that no run was given.
        left: the runs nobody folded.
        statuses: of the runs that are open, by number.
    """

    next_number: int
    left: Sequence[Changed]
    statuses: Mapping[int, Status] = field(default_factory=dict)


class Progress:
    """One line on a terminal, for what takes longer than a second; elsewhere nothing."""

    def __init__(self, total: int, *, afar: bool = False) -> None:
        self._total = total
        self._done = 0
        self._begun_s = self._shown_s = time.monotonic()
        # Few runs on a disk take no second; in a bucket each may.
        is_long = afar or total >= _FEWEST_RUNS
        self._shows = is_long and sys.stderr is not None and sys.stderr.isatty() and not _is_quiet()
        self._shown = False
        self._lock = threading.Lock()

    def add(self, runs: int) -> None:
        """So many more are done."""
        with self._lock:
            self._done += runs
            now_s = time.monotonic()
            if (
                self._shows
                and now_s - self._begun_s > _SHOWN_AFTER_S
                and now_s - self._shown_s > _SHOWN_EVERY_S
            ):
                self._shown, self._shown_s = True, now_s
                print(
                    f"\rpodium: indexing {self._done:,} of {self._total:,} runs",
                    end="",
                    file=sys.stderr,
                    flush=True,
                )

    def end(self) -> None:
        """Clear the line."""
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _is_quiet() -> bool:
    return os.environ.get("PODIUM_QUIET", "").lower() not in ("", "0", "false", "no")


def build(
    connection: sqlite3.Connection,
    root: str,
    waiting: Sequence[Changed],
    folders: Mapping[str, int],
    places: Mapping[str, tuple[int, str]],
    next_number: int,
    *,
    progress: Progress,
    workers: int | None = None,
) -> Built:
    """Fold runs on all cores into an index, inside its transaction.

    Args:
        connection: to the index.
        root: of the store.
        waiting: runs to fold, none of them in the index.
        folders: their numbers by path.
        places: number and true name of experiments by folder.
        next_number: the first that no run was given.
        progress: is told.
        workers: how many; None: as many as there are cores.
    """
    workers = min(_cores() if workers is None else workers, _MOST_WORKERS)
    if workers < 2 or len(waiting) < _FEWEST_RUNS or not sys.executable:
        return Built(next_number, waiting)
    jobs = _jobs(waiting, folders, places, next_number)
    try:
        with tempfile.TemporaryDirectory(prefix="podium-index-") as aside:
            crew = [_Worker(root, Path(aside, f"{at}.sqlite")) for at in range(workers)]
            try:
                _hand_out(crew, jobs, progress)
            finally:
                for each in crew:
                    each.stop()
            if not all(each.succeeded for each in crew):
                return Built(next_number, waiting)
            connection.execute("SAVEPOINT building")
            try:
                for at, each in enumerate(crew):
                    _take_over(connection, each.shard, f"shard{at}")
            except sqlite3.Error:
                connection.execute("ROLLBACK TO building")
                return Built(next_number, waiting)
            finally:
                connection.execute("RELEASE building")
    except OSError:  # no process can be started, no room to work in
        return Built(next_number, waiting)
    statuses = {number: status for each in crew for number, status in each.statuses.items()}
    return Built(next_number + len(waiting), (), statuses)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _jobs(
    waiting: Sequence[Changed],
    folders: Mapping[str, int],
    places: Mapping[str, tuple[int, str]],
    next_number: int,
) -> Iterator[list[Any]]:
    batch: list[Any] = []
    for number, each in enumerate(waiting, next_number):
        place, name = places[each.folder.split("/")[1]]
        batch.append([number, each.folder, folders[each.folder], place, name, each.run_id, dict(each.files)])
        if len(batch) == _BATCH_RUNS:
            yield batch
            batch = []
    if batch:
        yield batch


class _Worker:
    """A child process, and what it reported."""

    def __init__(self, root: str, shard: Path) -> None:
        self.shard = shard
        self.statuses: dict[int, Status] = {}
        self.succeeded = False
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter, and arguments of our own
            [
                sys.executable,
                "-I",
                "-c",
                _CHILD,
                json.dumps([each for each in sys.path if each]),
                root,
                str(shard),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def work(self, jobs: Iterator[list[Any]], taking: threading.Lock, progress: Progress) -> None:
        """Give it one batch after the other, as long as there are any."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None  # noqa: S101 - both are pipes
        assert stdout is not None  # noqa: S101
        with contextlib.suppress(OSError, ValueError):
            while True:
                with taking:
                    batch = next(jobs, None)
                stdin.write(json.dumps(batch).encode() + b"\n")
                stdin.flush()
                statuses = json.loads(stdout.readline())
                if batch is None:
                    self.succeeded = statuses == "all is written"
                    return
                self.statuses.update(statuses)
                progress.add(len(batch))

    def stop(self) -> None:
        """End it, however far it is."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        if not self.succeeded:
            self._process.kill()
        self._process.wait()


def _hand_out(crew: Sequence[_Worker], jobs: Iterator[list[Any]], progress: Progress) -> None:
    taking = threading.Lock()
    threads = [
        threading.Thread(target=each.work, args=(jobs, taking, progress), daemon=True) for each in crew
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def work() -> None:
    """What a worker does: a line of runs in, a line with the statuses of those that are open out."""
    _, _, root, shard = sys.argv
    _fold_lines(root, Path(shard), sys.stdin.buffer, sys.stdout.buffer)


def _fold_lines(root: str, shard: Path, lines: IO[bytes], answers: IO[bytes]) -> None:
    gc.disable()  # folding makes many objects and no cycle
    store = LocalStore(root)
    connection = connect(shard)
    for pragma in ("journal_mode = OFF", "synchronous = OFF"):  # nobody reads it if this process dies
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("BEGIN")
    rows = Rows(connection)
    for line in lines:
        batch = json.loads(line)
        if batch is None:
            rows.flush()
            connection.execute("COMMIT")
            connection.close()
        answer = "all is written" if batch is None else _fold_batch(store, root, rows, batch)
        answers.write(json.dumps(answer).encode() + b"\n")
        answers.flush()


def _fold_batch(store: LocalStore, root: str, rows: Rows, batch: list[Any]) -> list[tuple[int, Status]]:
    statuses = []
    for number, folder_path, folder, place, experiment, run_id, files in batch:
        seen = {name: (size, stamp) for name, (size, stamp) in files.items()}
        folded = fold(store, root, Changed(folder_path, run_id, seen), None, now_s=time.time())
        if folded is None:
            continue
        state, file_rows, alive = folded
        run = FoldedRun(place, folder, experiment, state, file_rows)
        rows.add(number, run)
        if run.is_open:
            statuses.append((number, state.status(alive)))
    return statuses


# What a shard calls keys and environments by numbers of its own becomes the index's numbers; runs have theirs already.
_TAKEN_OVER = """
INSERT OR IGNORE INTO main.keys (entity, name) SELECT entity, name FROM {shard}.keys ORDER BY id;
CREATE TEMP TABLE {shard}_keys (old INTEGER PRIMARY KEY, new INTEGER NOT NULL);
INSERT INTO {shard}_keys SELECT o.id, n.id FROM {shard}.keys o JOIN main.keys n ON
    n.entity = o.entity AND n.name = o.name;
INSERT OR IGNORE INTO main.environments (document) SELECT document FROM {shard}.environments ORDER BY id;
CREATE TEMP TABLE {shard}_environments (old INTEGER PRIMARY KEY, new INTEGER NOT NULL);
INSERT INTO {shard}_environments SELECT o.id, n.id FROM {shard}.environments o JOIN main.environments n ON
    n.document = o.document;
INSERT INTO main.runs SELECT r.id, r.place, r.folder, r.run_id, r.run_name, r.experiment, r.status, r.start_ms,
    r.end_ms, r.user_name, r.parent_run_id, r.note, r.error, r.deleted, r.dropped, e.new
    FROM {shard}.runs r LEFT JOIN {shard}_environments e ON e.old = r.environment ORDER BY r.id;
INSERT INTO main.documents SELECT run, document FROM {shard}.documents ORDER BY run;
INSERT INTO main.unsealed SELECT run, logs, state FROM {shard}.unsealed ORDER BY run;
INSERT INTO main.files SELECT * FROM {shard}.files ORDER BY folder, name;
INSERT INTO main.datasets SELECT * FROM {shard}.datasets ORDER BY run, place;
INSERT INTO main.metrics SELECT k.new, m.run, m.last, m.min, m.max, m.count, m.goal
    FROM (SELECT old, new FROM {shard}_keys ORDER BY new) k CROSS JOIN {shard}.metrics m ON m.key = k.old;
INSERT INTO main.texts SELECT k.new, t.run, t.kind, t.num, t.text, t.flag
    FROM (SELECT old, new FROM {shard}_keys ORDER BY new) k CROSS JOIN {shard}.texts t ON t.key = k.old;
INSERT OR IGNORE INTO main.surroundings SELECT k.new, e.new, s.kind, s.num, s.text, s.flag
    FROM {shard}.surroundings s JOIN {shard}_keys k ON k.old = s.key
    JOIN {shard}_environments e ON e.old = s.environment;
DROP TABLE {shard}_keys;
DROP TABLE {shard}_environments
"""


def _take_over(connection: sqlite3.Connection, path: Path, shard: str) -> None:
    connection.execute(f"ATTACH ? AS {shard}", (str(path),))
    for statement in _TAKEN_OVER.format(shard=shard).split(";"):
        connection.execute(statement)


def release_shards(connection: sqlite3.Connection) -> None:
    """Let go of the files of workers, which SQLite does only after the transaction they were read in."""
    for _, name, _ in connection.execute("PRAGMA database_list").fetchall():
        if name.startswith("shard"):
            connection.execute(f"DETACH {name}")
