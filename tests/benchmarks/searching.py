"""The rows about searching: a first look, later looks, and a query, each against the least that could be done."""

from __future__ import annotations

import json
import os
import random
import resource
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from podium import Workspace
from podium.search import parse_filter, parse_order
from podium.search.goals import known_goal
from podium.search.index import Index
from podium.search.sql import selection
from podium.search.writing import key_number
from podium.stores import LocalStore
from tests.benchmarks.floor import Row, in_turns, row
from tests.benchmarks.many_runs import EXPERIMENT, log_files, make_store, write_run

__all__ = ["ROWS"]

FILTER = "metrics.accuracy > 0.5 and params.optimizer = 'adam' and tags.team = 'fraud'"
ORDER = "metrics.loss DESC"
LIMIT = 20

# A bare reader: every log read, every line parsed, nothing kept; one process a core.
BARE = """
import json, sys
for line in sys.stdin:
    with open(line[:-1], "rb") as file:
        for each in file.read().splitlines():
            json.loads(each)
"""
COLD = """
import sys
from podium import Workspace
runs = Workspace(sys.argv[1]).search_runs(sys.argv[2], order_by=sys.argv[3], limit=20)
print(len(runs), runs[0].metrics["loss"])
"""
COLD_BARE = """
import sqlite3, sys, json
connection = sqlite3.connect(sys.argv[1])
sql, values = json.loads(sys.argv[2])
connection.execute("CREATE TEMP TABLE live (run INTEGER PRIMARY KEY, status TEXT)")
numbers = [number for number, in connection.execute(sql, values)]
documents = [connection.execute("SELECT document FROM documents WHERE run = ?", (each,)).fetchone() for each in numbers]
print(len(documents))
"""


def index(folder: Path, scale: float) -> Iterator[Row]:
    """A store of 10,000 runs, or as many as ``PODIUM_BENCHMARK_RUNS`` says."""
    runs = max(int(int(os.environ.get("PODIUM_BENCHMARK_RUNS", "10000")) * scale), 100)
    root = folder / "store"
    store = make_store(root, runs)
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    yield from _first_look(store, folder, runs)
    clock_ms = [time.time_ns() // 1_000_000]
    searched = Index(store, clock_ms=lambda: clock_ms[0])
    _settle(searched, clock_ms)
    yield from _later_looks(store, searched, runs)
    _settle(searched, clock_ms)
    yield from _queries(store, searched, folder, runs)
    searched.close()


def _settle(searched: Index, clock_ms: list[int]) -> None:
    """Folders are known to tell once they were seen at rest for two seconds."""
    searched.refresh()
    clock_ms[0] += 3_000
    searched.refresh()


def _first_look(store: LocalStore, folder: Path, runs: int) -> Iterator[Row]:
    logs = [str(path) for path in log_files(store.root)]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    turn = iter(range(1_000))

    def podium() -> None:
        built = Index(store, folder=folder / f"built{next(turn)}")
        built.refresh()
        built.close()

    def floor() -> None:
        readers = [
            subprocess.Popen([sys.executable, "-c", BARE], stdin=subprocess.PIPE, text=True)
            for _ in range(cores)
        ]
        for at, reader in enumerate(readers):
            assert reader.stdin is not None
            reader.stdin.write("".join(f"{path}\n" for path in logs[at::cores]))
            reader.stdin.close()
        for reader in readers:
            reader.wait()

    timed = in_turns(podium, floor, rounds=3)
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    memory = f"{cores} cores; at most {own:.0f} MB here, {child:.0f} MB a child"
    yield row(f"first look at {runs:,} runs", timed, "<= 2x; < 300 MB", per=runs, extra=memory)


def _later_looks(store: LocalStore, searched: Index, runs: int) -> Iterator[Row]:
    def scan() -> None:
        for experiment in os.scandir(store.root / "experiments"):
            for day in os.scandir(f"{experiment.path}/runs"):
                for log in os.scandir(day.path):
                    log.stat()

    timed = in_turns(searched.refresh, scan)
    yield row(f"nothing new in {runs:,} runs", timed, "< 0.01x scandir + stat")

    start = json.loads(log_files(store.root)[0].read_bytes().splitlines()[0])
    numbers, at = random.Random(2), iter(range(runs, runs + 1_000))

    def one_more() -> None:
        write_run(store.root, start, next(at), numbers)
        searched.refresh()

    def one_more_bare() -> None:
        path = write_run(store.root, start, next(at), numbers)
        for line in path.read_bytes().splitlines():
            json.loads(line)

    timed = in_turns(one_more, one_more_bare)
    yield row(
        f"one new run beside {runs:,}", timed, "beside writing and parsing it", extra="a commit to disk each"
    )

    with Workspace(store) as workspace:
        live = [workspace.start_run(f"live {each}", experiment=EXPERIMENT) for each in range(5)]
        for run in live:
            run.log_metric("loss", 0.1)
        searched.refresh()
        paths = [
            path for path in log_files(store.root) if path.name.split(".")[0] in {run.run_id for run in live}
        ]
        sizes = {path: path.stat().st_size for path in paths}

        def five() -> None:
            for run in live:
                run.log_metric("loss", 0.2)
            searched.refresh()

        def five_bare() -> None:
            for run in live:
                run.log_metric("loss", 0.2)
            for path in paths:
                with path.open("rb") as file:
                    file.seek(sizes[path])
                    for line in file.read().splitlines():
                        json.loads(line)
                sizes[path] = path.stat().st_size

        timed = in_turns(five, five_bare)
        yield row(
            f"5 live runs beside {runs:,}", timed, "beside parsing what is new", extra="a commit to disk each"
        )


def _queries(store: LocalStore, searched: Index, folder: Path, runs: int) -> Iterator[Row]:
    opened = searched._opened
    assert opened is not None
    assert opened.path is not None
    bare = sqlite3.connect(opened.path, isolation_level=None)
    bare.execute("PRAGMA cache_size = -65536")
    bare.execute("CREATE TEMP TABLE live (run INTEGER PRIMARY KEY, status TEXT)")
    with Workspace(store) as workspace:
        for name, text, order in (
            ("filter, order, limit", FILTER, ORDER),
            ("the newest 20", "", ""),
            ("the best 20", "", "metrics.accuracy DESC"),
            ("a text pattern", "run_name LIKE 'run 77%'", ""),
        ):
            query = selection(
                parse_filter(text),
                parse_order(order or ()),
                key_of=lambda entity, key: key_number(bare, entity, key) or 0,
                goal_of=known_goal,
                now_ms=datetime.now(UTC).timestamp() * 1000,
                deleted=False,
                limit=LIMIT,
            )
            if "podium_like" in query.sql:
                bare.create_function("podium_like", 2, _begins_with, deterministic=True)

            def podium(text: str = text, order: str = order) -> None:
                workspace.search_runs(text, order_by=order or (), limit=LIMIT)

            def floor(sql: str = query.sql, values: tuple[object, ...] = query.values) -> None:
                for (number,) in bare.execute(sql, values).fetchall():
                    bare.execute("SELECT document FROM documents WHERE run = ?", (number,)).fetchone()

            timed = in_turns(podium, floor)
            extra = f"+{(timed[0] - timed[1]) * 1e3:.2f} ms"
            yield row(f"{name}, {runs:,} runs", timed, "<= 2x or +1 ms", extra=extra)
            if text == FILTER:
                yield from _cold(store, opened.path, (query.sql, query.values), runs, folder)
    bare.close()


def _begins_with(value: bytes, pattern: bytes) -> bool:
    return value.startswith(pattern[:-1])


def _cold(store: LocalStore, file: Path, query: object, runs: int, folder: Path) -> Iterator[Row]:
    def child(code: str, *arguments: str) -> Callable[[], object]:
        return lambda: subprocess.run(
            [sys.executable, "-c", code, *arguments], check=True, cwd=folder, stdout=subprocess.DEVNULL
        )

    podium = child(COLD, str(store.root), FILTER, ORDER)
    floor = child(COLD_BARE, str(file), json.dumps(query))
    timed = in_turns(podium, floor, rounds=5)
    bare_import = child("import podium; podium.Workspace")
    imported, _ = in_turns(bare_import, lambda: None, rounds=5)
    more_ms, import_ms = (timed[0] - timed[1]) * 1e3, imported * 1e3
    extra = f"+{more_ms:.0f} ms; a new process that imports podium takes {import_ms:.0f} ms"
    yield row(f"the same, cold process, {runs:,} runs", timed, "+ the import", extra=extra)


ROWS: dict[str, Callable[[Path, float], Iterator[Row]]] = {"index": index}
