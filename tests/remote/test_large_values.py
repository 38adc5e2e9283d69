"""Values of many megabytes: in parts, several at once, and only what failed goes again."""

from __future__ import annotations

import hashlib
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from podium import Workspace, save_model
from podium.errors import StoreUnavailable
from podium.models.manifest import manifest_of
from podium.stores import Key
from podium.stores.measured import Measure
from podium.stores.remote import RemoteStore, open_remote
from tests.remote import workers
from tests.remote.proxy import Fate, Gate, Proxy, Request
from tests.remote.servers import BUCKET, Server, new_filesystem
from tests.remote.test_killed_shipping import Started

pytestmark = pytest.mark.soak

KEY = Key.parse("f/large.bin")
MIB = 1 << 20
SIZE = 50 * MIB + 12_345  # seven parts


@pytest.fixture
def proxy(seaweedfs_server: Server, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    with Proxy(seaweedfs_server.port).running() as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.url)
        yield proxy


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "large.bin"
    path.write_bytes(os.urandom(SIZE))
    return path


def of(path: Path) -> Measure:
    with path.open("rb") as file:
        return Measure(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())


def is_part(request: Request) -> bool:
    return request.method == "PUT" and "partNumber" in request.path


def is_range(request: Request) -> bool:
    return request.method == "GET" and request.path.endswith("large.bin")


def number_of(request: Request) -> str:
    return request.path.partition("partNumber=")[2].partition("&")[0]


def uploads_left(server: Server) -> int:
    filesystem = new_filesystem(server)
    return len(filesystem.call_s3("list_multipart_uploads", Bucket=BUCKET).get("Uploads") or [])


def waiting_for_each_other(which: Callable[[Request], bool], count: int, proxy: Proxy) -> None:
    """Let none of some requests pass before so many of them have come: who sends one after the other never ends."""
    came: set[tuple[str, str]] = set()  # not how often: what nobody answers is asked for again

    def schedule(request: Request) -> Fate:
        if not which(request):
            return Fate.PASS
        came.add((request.path, request.range))
        if len(came) == count:
            proxy.release()
        return Fate.HANGS

    proxy.schedule = schedule


def test_the_parts_of_one_file_go_at_once_and_it_is_hashed_as_it_goes(
    proxy: Proxy, bucket: str, file: Path
) -> None:
    waiting_for_each_other(is_part, 7, proxy)

    assert RemoteStore(bucket).put_measured(KEY, file) == of(file)

    assert sorted(number_of(each) for each in proxy.requests if is_part(each)) == [*"1234567"]
    assert RemoteStore(bucket).get(KEY) == file.read_bytes()


def test_the_ranges_of_one_value_come_at_once_and_it_is_hashed_as_it_comes(
    proxy: Proxy, bucket: str, file: Path, tmp_path: Path
) -> None:
    store = RemoteStore(bucket)
    store.put(KEY, file)
    first = True

    def is_later_range(request: Request) -> bool:
        nonlocal first
        first, was_first = first and not is_range(request), first
        return is_range(request) and not was_first

    waiting_for_each_other(is_later_range, 6, proxy)

    assert store.download_measured(KEY, tmp_path / "copy") == of(file)
    assert (tmp_path / "copy").read_bytes() == file.read_bytes()
    assert [each.name for each in tmp_path.glob(".~*")] == []


def test_a_part_that_gets_no_answer_goes_again_alone_either_way(
    proxy: Proxy, bucket: str, file: Path, tmp_path: Path
) -> None:
    seen: Counter[str] = Counter()

    def fail_once(request: Request) -> Fate:
        name = number_of(request) if is_part(request) else "range" if is_range(request) else ""
        seen[name] += 1
        fails = (name in {"3", "6"} and seen[name] == 1) or (name == "range" and seen[name] == 4)
        return Fate.ERROR_500 if fails else Fate.PASS

    proxy.schedule = fail_once
    store = open_remote(bucket)

    store.put(KEY, file)
    assert Counter(number_of(each) for each in proxy.requests if is_part(each)) == {
        **dict.fromkeys("12457", 1),
        **dict.fromkeys("36", 2),
    }
    store.download(KEY, tmp_path / "copy")
    assert sum(map(is_range, proxy.requests)) == 7 + 1
    assert of(tmp_path / "copy") == of(file)


def test_a_file_that_is_another_than_was_promised_leaves_the_old_value_and_no_parts(
    proxy: Proxy, bucket: str, file: Path, seaweedfs_server: Server
) -> None:
    store = open_remote(bucket)
    store.put(KEY, b"old")
    other = Measure(SIZE, "0" * 64)
    before = uploads_left(seaweedfs_server)

    assert RemoteStore(bucket).put_measured(KEY, file, other) is None

    assert store.get(KEY) == b"old"
    assert uploads_left(seaweedfs_server) == before


def test_a_bucket_that_goes_away_amid_a_file_leaves_the_old_value(
    proxy: Proxy, bucket: str, file: Path, tmp_path: Path
) -> None:
    store = open_remote(bucket)
    store.put(KEY, b"old")
    proxy.schedule = lambda each: Fate.REFUSED if is_part(each) and number_of(each) > "3" else Fate.PASS

    with pytest.raises(StoreUnavailable, match=r"large\.bin"):
        store.put(KEY, file)

    assert store.get(KEY) == b"old"


def test_a_value_that_is_replaced_while_it_is_fetched_is_never_mixed(
    proxy: Proxy, bucket: str, file: Path, tmp_path: Path, seaweedfs_server: Server
) -> None:
    store = RemoteStore(bucket)
    store.put(KEY, file)
    other = os.urandom(SIZE)
    ranges = 0

    def replace(request: Request) -> Fate:
        nonlocal ranges
        ranges += is_range(request)
        if ranges == 3:
            ranges += 100
            new_filesystem(seaweedfs_server).pipe_file(f"{bucket.removeprefix('s3://')}/{KEY}", other)
        return Fate.PASS

    proxy.schedule = replace

    found = store.download_measured(KEY, tmp_path / "copy")
    assert ranges > 100
    assert (tmp_path / "copy").read_bytes() == other
    assert found == of(tmp_path / "copy")


def test_a_killed_process_leaves_the_old_value_and_the_next_one_sends_the_file(
    proxy: Proxy, bucket: str, file: Path
) -> None:
    store = open_remote(bucket)
    store.put(KEY, b"old")
    gate = Gate(is_part, passing=2, held=5)
    proxy.schedule = gate
    killed = Started(workers.put_file, bucket, str(KEY), file)
    gate.wait_until_full()
    killed.kill()
    proxy.schedule = Proxy.schedule

    assert killed.process.exitcode == -signal.SIGKILL
    assert store.get(KEY) == b"old"
    store.put(KEY, file)
    assert store.get(KEY) == file.read_bytes()


def test_processes_that_load_one_large_model_at_once_fetch_each_part_once(
    proxy: Proxy, bucket: str, file: Path, tmp_path: Path
) -> None:
    save_model({"value": 1}, tmp_path / "model", files={"weights": file})
    with Workspace(bucket) as workspace:
        workspace.registry.register(tmp_path / "model", "fraud")
    proxy.requests.clear()
    manifests = 0

    def hold_back_until_both_have_come(request: Request) -> Fate:
        nonlocal manifests
        manifests += request.path.endswith(".0.json")
        if manifests == 2:
            proxy.release()
        return Fate.HANGS if is_range(request) else Fate.PASS

    proxy.schedule = hold_back_until_both_have_come
    loading = [Started(workers.load, bucket, "models:/fraud/1") for _ in range(2)]

    assert [each.heard.recv() for each in loading] == [{"value": 1}] * 2
    for each in loading:
        each.process.join()
    assert sum(map(is_range, proxy.requests)) == 7
    assert (
        Workspace(bucket).load_model("models:/fraud/1").info.sha256 == manifest_of(tmp_path / "model").sha256
    )
