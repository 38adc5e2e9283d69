"""Transfers that SIGKILL breaks off, at moments requests tell, are gone on with: nothing goes twice, all is right."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from podium import Workspace, save_model
from podium.models.cache import default_cache_folder
from podium.models.manifest import manifest_of
from podium.stores import Key, Store
from podium.stores.cachefolder import cache_folder
from podium.stores.local import LocalStore
from podium.stores.remote import RemoteStore
from tests.remote import workers
from tests.remote.proxy import Gate, Proxy, Request
from tests.remote.servers import Server
from tests.remote.test_killed_shipping import Started

pytestmark = pytest.mark.soak

FILES = 30


@pytest.fixture
def proxy(seaweedfs_server: Server, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    with Proxy(seaweedfs_server.port).running() as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.url)
        yield proxy


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model of many files."""
    return new_model(tmp_path, 1)


def new_model(folder: Path, value: int) -> Path:
    parts: dict[str, str | os.PathLike[str]] = {}
    for number in range(FILES):
        parts[f"part{number}"] = folder / f"{value}-{number}.bin"
        (folder / f"{value}-{number}.bin").write_bytes(os.urandom(5_000))
    save_model({"value": value}, folder / f"model-{value}", files=parts)
    return folder / f"model-{value}"


def is_file_of_object(request: Request) -> bool:
    return ".0/" in request.path


def is_artifact(request: Request) -> bool:
    return "/artifacts/" in request.path and "list-type" not in request.path and ".0/" not in request.path


def name_of(request: Request) -> str:
    return request.path.partition("?")[0]


def killed_at(gate: Gate, proxy: Proxy, killed: Started) -> None:
    """Kill a process once so many of its requests are held, and let everything pass from then on."""
    gate.wait_until_full()
    killed.kill()
    assert killed.acknowledged() == [], "it had ended before"
    proxy.schedule = Proxy.schedule
    proxy.requests.clear()


def sent(proxy: Proxy, method: str) -> Counter[str]:
    """What was asked for since, and how often."""
    return Counter(name_of(each) for each in proxy.requests if each.method == method)


# --- registering ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("passing", [7, 0, 1, 20])
def test_a_registration_that_was_killed_sends_only_the_files_that_are_missing(
    proxy: Proxy, bucket: str, model: Path, passing: int
) -> None:
    gate = Gate(lambda each: each.method == "PUT" and is_file_of_object(each), passing=passing, held=8)
    proxy.schedule = gate

    killed_at(gate, proxy, Started(workers.register_folder, bucket, model, "fraud"))
    with Workspace(bucket) as workspace:
        assert [*workspace.registry.models()] == []
        version = workspace.registry.register(model, "fraud", alias="champion")

    assert version.version == 1
    files = Counter({name: count for name, count in sent(proxy, "PUT").items() if ".0/" in name})
    before = {name_of(each) for each in gate.passed}
    assert len(before) == passing
    assert not before & files.keys()
    assert set(files.values()) == {1}
    assert len(files) + passing == len(manifest_of(model).files)
    assert Workspace(bucket).load_model("models:/fraud@champion").info.sha256 == manifest_of(model).sha256


# --- loading --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("passing", [1, 0, 12])
def test_a_fetch_that_was_killed_leaves_nothing_half_and_the_next_fetches_the_rest(
    proxy: Proxy, bucket: str, model: Path, passing: int
) -> None:
    with Workspace(bucket) as workspace:
        workspace.registry.register(model, "fraud")
    gate = Gate(lambda each: each.method == "GET" and is_file_of_object(each), passing=passing, held=16)
    proxy.schedule = gate

    killed_at(gate, proxy, Started(workers.load, bucket, "models:/fraud/1"))
    assert [each.name for each in default_cache_folder().iterdir() if each.is_dir()] == [
        f"{manifest_of(model).sha256}.partial"
    ]
    torn = list(default_cache_folder().rglob(".~*"))
    assert torn, "the process was killed while it wrote files"
    folder = default_cache_folder() / manifest_of(model).sha256

    assert Workspace(bucket).load_model("models:/fraud/1").native == {"value": 1}
    fetched = Counter({name: count for name, count in sent(proxy, "GET").items() if ".0/" in name})
    assert not {name_of(each) for each in gate.passed} & fetched.keys()
    assert set(fetched.values()) == {1}
    assert len(fetched) + passing == len(manifest_of(model).files)
    assert manifest_of(folder) == manifest_of(model)
    assert [each for each in default_cache_folder().iterdir() if each.is_dir()] == [folder]
    assert [*default_cache_folder().rglob(".~*")] == []


def test_what_a_killed_fetch_left_is_cleared_a_day_later_by_whoever_fetches_something_else(
    proxy: Proxy, bucket: str, tmp_path: Path
) -> None:
    models = [new_model(tmp_path, value) for value in range(3)]
    with Workspace(bucket) as workspace:
        for each in models:
            workspace.registry.register(each, "fraud")
    left = []
    for number in (1, 2):
        gate = Gate(lambda each: each.method == "GET" and is_file_of_object(each), passing=3, held=16)
        proxy.schedule = gate
        killed_at(gate, proxy, Started(workers.load, bucket, f"models:/fraud/{number}"))
        left.append(default_cache_folder() / f"{manifest_of(models[number - 1]).sha256}.partial")
    two_days_ago = time.time() - 2 * 86_400
    os.utime(left[0], (two_days_ago, two_days_ago))

    Workspace(bucket).load_model("models:/fraud/3")

    assert [each.exists() for each in left] == [False, True]


# --- copying --------------------------------------------------------------------------------------------------------


def filled(url: str, folder: Path) -> str:
    """A run with many files, and two versions of a model of many."""
    workspace = Workspace(url)
    with workspace.start_run(experiment="fraud") as run:
        for step in range(100):
            run.log_metric("loss", step / 100, step)
        for number in range(FILES):
            run.log_text(f"file {number}", f"notes/{number}.txt")
    for value in (1, 2):
        workspace.registry.register(new_model(folder, value), "fraud", alias="champion")
    assert run.flush()
    return run.run_id


def values_of(url: str) -> dict[str, bytes]:
    """All that lies in a store, but for names of its own and the log, which a bucket holds as a part."""
    store: Store = RemoteStore(url) if url.startswith("s3:") else LocalStore(url)
    return {
        str(each.key).partition(".jsonl")[0]: store.get(each.key)
        for each in store.list(Key.root())
        if each.key.segments != ("podium.json",)
    }


MOMENTS = {
    "before the first artifact": (is_artifact, 0, 8),
    "among the artifacts": (is_artifact, 13, 8),
    "before the first file of a model": (is_file_of_object, 0, 8),
    "among the files of a model": (is_file_of_object, 40, 8),
    "between files and commits": (lambda each: "/commits/" in each.path, 1, 1),
}
DISK_TO_BUCKET, BUCKET_TO_DISK = "disk to bucket", "bucket to disk"


@pytest.mark.parametrize(
    ("direction", "moment"),
    [
        (DISK_TO_BUCKET, "among the files of a model"),
        (BUCKET_TO_DISK, "among the artifacts"),
        *((DISK_TO_BUCKET, each) for each in MOMENTS if each != "among the files of a model"),
        # The other way commits are read before anything is copied.
        (BUCKET_TO_DISK, "before the first artifact"),
        (BUCKET_TO_DISK, "before the first file of a model"),
        (BUCKET_TO_DISK, "among the files of a model"),
    ],
)
def test_a_copy_that_was_killed_is_gone_on_with(
    proxy: Proxy, bucket: str, tmp_path: Path, direction: str, moment: str
) -> None:
    places, method = [str(tmp_path / "store"), bucket], "PUT"
    if direction == BUCKET_TO_DISK:
        places, method = places[::-1], "GET"
    source, target = places
    run_id = filled(source, tmp_path)
    which, passing, held = MOMENTS[moment]
    proxy.requests.clear()
    gate = Gate(lambda each: each.method == method and which(each), passing=passing, held=held)
    proxy.schedule = gate

    killed = Started(workers.copy, source, target)
    gate.wait_until_full()
    before = Counter(
        name_of(each)
        for each in proxy.requests
        if each.method == method and (is_artifact(each) or is_file_of_object(each)) and each not in gate.held
    )
    killed_at(gate, proxy, killed)
    report = Workspace(source).copy_to(target)

    assert report.problems == ()
    again = Counter(
        {name: count for name, count in sent(proxy, method).items() if "/artifacts/" in name or ".0/" in name}
    )
    assert not before.keys() & again.keys(), "what had arrived went again"
    assert set((before + again).values()) == {1}
    there, here = values_of(target), values_of(source)
    assert there == here
    copied = Workspace(target)
    assert [point.step for point in copied.get_run(run_id).history("loss")] == [*range(100)]
    assert copied.load_model("models:/fraud@champion").native == {"value": 2}
    assert Workspace(source).copy_to(target).copied == 0


def test_what_a_killed_copy_left_on_its_way_is_cleared_a_day_later(
    proxy: Proxy, bucket: str, tmp_path: Path
) -> None:
    filled(bucket, tmp_path)
    gate = Gate(lambda each: each.method == "GET" and is_artifact(each), passing=3, held=8)
    proxy.schedule = gate
    killed_at(gate, proxy, Started(workers.copy, bucket, str(tmp_path / "target")))
    left = [*(cache_folder() / "passing").iterdir()]
    assert left
    for each in left:
        os.utime(each, (1_700_000_000, 1_700_000_000))

    Workspace(bucket).copy_to(tmp_path / "target")

    assert [*(cache_folder() / "passing").iterdir()] == []
