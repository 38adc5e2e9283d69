"""Of racing creators one wins, or the registry says why it cannot be had here."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem

from podium import Workspace, save_model
from podium.errors import KeyExists, StoreError, StoreUnavailable
from podium.stores import Key
from podium.stores.remote import RemoteStore
from tests.remote.conftest import new_url
from tests.remote.proxy import Fate, Proxy, Request, Schedule
from tests.remote.servers import BUCKET, KEY, SECRET, Server, new_filesystem

_A = Key.parse("models/fraud/commits/00000000000000000001.json")


def _through(proxy: Proxy) -> RemoteStore:
    return RemoteStore(new_url(), key=KEY, secret=SECRET, endpoint_url=proxy.url)


def test_a_server_that_ignores_the_condition_is_found_out_by_racing(rclone_server: Server) -> None:
    store = RemoteStore(new_url(), **rclone_server.options())

    with pytest.raises(StoreError, match="accepts the condition If-None-Match and ignores it") as caught:
        store.create(_A, b"x")

    assert not isinstance(caught.value, StoreUnavailable), "asking again would not help"
    assert [*store.list(Key.root())] == []


def test_what_the_race_left_behind_is_removed(seaweedfs_server: Server) -> None:
    store = RemoteStore(new_url(), **seaweedfs_server.options(), default_block_size=5 * 2**20 + 1)

    store.create(_A, b"x")

    prefix = store.root.removeprefix("s3://")
    assert [*new_filesystem(seaweedfs_server).find(prefix)] == [f"{prefix}/{_A}"]


class LooksThenWrites(LocalFileSystem):  # type: ignore[misc]  # fsspec has no types
    """Does what fsspec's base class makes of ``mode="create"``, a look and then a write, and says it is one step.

    Nobody writes before a second one has looked: that more than one wins is no chance.
    """

    protocol = "looksthenwrites"
    exclusive_create = True
    looks: ClassVar[Counter[str]] = Counter()
    looked = threading.Condition()

    def exists(self, path: str, **options: Any) -> bool:
        found = bool(super().exists(path, **options))
        with self.looked:
            self.looks[path] += 1
            self.looked.notify_all()
            self.looked.wait_for(lambda: self.looks[path] >= 2, timeout=30)
        return found


def test_a_filesystem_that_looks_and_then_writes_is_found_out_although_it_promises(tmp_path: Path) -> None:
    fsspec.register_implementation(LooksThenWrites.protocol, LooksThenWrites, clobber=True)
    (tmp_path / "store" / str(_A)).parent.mkdir(parents=True)
    store = RemoteStore(f"{LooksThenWrites.protocol}://{tmp_path}/store")

    with pytest.raises(StoreError, match="the registry does not"):
        store.create(_A, b"x")

    assert not (tmp_path / "store" / str(_A)).exists()


def test_a_filesystem_that_does_not_promise_is_refused_without_a_race(tmp_path: Path) -> None:
    store = RemoteStore(f"local://{tmp_path}/store")

    with pytest.raises(StoreError, match="Runs work here, the registry does not") as caught:
        store.create(_A, b"x")

    assert not isinstance(caught.value, StoreUnavailable)
    assert not (tmp_path / "store" / str(_A)).exists()


def test_runs_work_where_the_registry_refuses(tmp_path: Path) -> None:
    with Workspace(f"local://{tmp_path}/store") as workspace:
        with workspace.start_run(experiment="fraud") as run:
            run.log_metric("loss", 0.5)
            run.log_text("hello", "notes.txt")
            model = save_model({"a": 1}, tmp_path / "model")
        again = workspace.get_run(run.run_id)

        assert (again.metrics["loss"], again.status) == (0.5, "FINISHED")
        assert again.download("notes.txt").read_text() == "hello"
        with pytest.raises(StoreError, match="Runs work here, the registry does not"):
            workspace.registry.register(model, "fraud")


def test_reading_races_nobody(seaweedfs_server: Server) -> None:
    written = RemoteStore(new_url(), **seaweedfs_server.options())
    written.put(_A, b"x")
    with Proxy(seaweedfs_server.port).running() as proxy:
        store = RemoteStore(written.root, key=KEY, secret=SECRET, endpoint_url=proxy.url)
        assert store.get(_A) == b"x"
        assert [each.key for each in store.list(Key.root())] == [_A]

    assert {request.method for request in proxy.requests} == {"GET"}


def test_a_conflict_decides_nothing_and_is_repeated(seaweedfs_server: Server) -> None:
    conflicts = iter([Fate.CONFLICT_409, Fate.CONFLICT_409])

    def schedule(request: Request) -> Fate:
        return (
            next(conflicts, Fate.PASS) if str(_A) in request.path and request.method == "PUT" else Fate.PASS
        )

    with Proxy(seaweedfs_server.port, schedule).running() as proxy:
        store = _through(proxy)
        store.create(_A, b"x")

        assert store.get(_A) == b"x"
    assert next(conflicts, None) is None


def test_conflicts_without_end_are_no_decision(seaweedfs_server: Server) -> None:
    def schedule(request: Request) -> Fate:
        return Fate.CONFLICT_409 if str(_A) in request.path and request.method == "PUT" else Fate.PASS

    with Proxy(seaweedfs_server.port, schedule).running() as proxy, pytest.raises(StoreUnavailable):
        _through(proxy).create(_A, b"x")


def _fails_first(fate: Fate) -> Schedule:
    fates = iter([fate])
    return lambda request: (
        next(fates, Fate.PASS) if str(_A) in request.path and request.method == "PUT" else Fate.PASS
    )


def test_an_answer_that_became_an_error_is_not_asked_for_again_below_podium(seaweedfs_server: Server) -> None:
    with Proxy(seaweedfs_server.port, _fails_first(Fate.TURNED_500)).running() as proxy:
        store = _through(proxy)
        with pytest.raises(StoreUnavailable):
            store.create(_A, b"mine")
        attempts = [each for each in proxy.requests if str(_A) in each.path]

        assert len(attempts) == 1
        assert store.get(_A) == b"mine"


def test_the_echo_of_an_answer_that_was_lost_is_key_exists(seaweedfs_server: Server) -> None:
    """aiohttp repeats a PUT whose connection was closed: the second is told that the first has won."""
    with Proxy(seaweedfs_server.port, _fails_first(Fate.LOST_ANSWER)).running() as proxy:
        store = _through(proxy)
        with pytest.raises((KeyExists, StoreUnavailable)):
            store.create(_A, b"mine")
        attempts = [each for each in proxy.requests if str(_A) in each.path]

        assert all(each.condition for each in attempts), "a repeated create must carry the condition"
        assert store.get(_A) == b"mine"


class _Carrier(Exception):
    def __init__(self, **fields: object) -> None:
        super().__init__("as the server said")
        self.__dict__.update(fields)


@pytest.mark.parametrize(
    "carrier",
    [
        _Carrier(status=412),
        _Carrier(status_code=412),
        _Carrier(code="412"),
        _Carrier(response={"ResponseMetadata": {"HTTPStatusCode": 412}}),
        FileExistsError("gcsfs and adlfs"),
    ],
    ids=["aiohttp", "azure", "gcsfs", "botocore", "exists"],
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_412_says_exists_whatever_carries_it(
    seaweedfs_server: Server, monkeypatch: pytest.MonkeyPatch, carrier: Exception, wrapped: bool
) -> None:
    store = RemoteStore(new_url(), **seaweedfs_server.options())
    store.create(Key.parse("first"), b"so that the races are over")

    def refuse(*args: object, **options: object) -> None:
        if wrapped:
            raise OSError(22, "Invalid argument") from carrier
        raise carrier

    monkeypatch.setattr(store._filesystem, "pipe_file", refuse)

    with pytest.raises(KeyExists):
        store.create(Key.parse("a"), b"x")


def test_a_race_whose_answers_are_lost_is_no_verdict(seaweedfs_server: Server) -> None:
    with Proxy(seaweedfs_server.port, lambda request: Fate.ERROR_500).running() as proxy:
        with pytest.raises(StoreUnavailable, match="could not find out whether"):
            _through(proxy).create(_A, b"x")

        proxy.schedule = lambda request: Fate.PASS
        _through(proxy).create(_A, b"x")


def test_the_bucket_of_these_tests_is_one_that_decides(seaweedfs_server: Server) -> None:
    RemoteStore(f"s3://{BUCKET}/{_A.name}", **seaweedfs_server.options()).create(_A, b"x")
