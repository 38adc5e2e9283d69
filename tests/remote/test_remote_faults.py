"""Refusals, dead servers, secrets, forks: what a bucket says when it does not say yes."""

from __future__ import annotations

import asyncio
import atexit
import gc
import os
import pickle
import sys
import threading
import time
from collections.abc import Callable
from email.message import Message
from pathlib import Path
from urllib.error import HTTPError

import pytest

from podium import Workspace
from podium.errors import Invalid, KeyExists, KeyMissing, MissingExtra, StoreError, StoreUnavailable
from podium.stores import Key, Retrying, remote
from podium.stores.opening import open_store
from podium.stores.remote import RemoteStore, open_remote
from tests.remote.conftest import new_url
from tests.remote.proxy import Fate, Proxy
from tests.remote.servers import KEY, SECRET, Server, free_port, new_filesystem

_A = Key.parse("f/a")


def _at(endpoint: str, url: str | None = None, **options: object) -> RemoteStore:
    return RemoteStore(
        url or new_url(), **{"key": KEY, "secret": SECRET, "endpoint_url": endpoint, **options}
    )


VERBS: dict[str, Callable[[RemoteStore, Path], object]] = {
    "get": lambda store, path: store.get(_A),
    "put": lambda store, path: store.put(_A, b"x"),
    "create": lambda store, path: store.create(_A, b"x"),
    "list": lambda store, path: [*store.list(Key.root())],
    "delete": lambda store, path: store.delete(_A),
    "download": lambda store, path: store.download(_A, path / "target"),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_bucket_that_is_not_there_is_no_absent_value(
    seaweedfs_server: Server, tmp_path: Path, verb: str
) -> None:
    store = _at(seaweedfs_server.url, "s3://no-such-bucket/team")

    with pytest.raises(StoreError) as caught:
        VERBS[verb](store, tmp_path)

    assert not isinstance(caught.value, KeyMissing)


@pytest.mark.parametrize("verb", VERBS)
def test_wrong_credentials_are_a_refusal_and_are_not_shown(
    seaweedfs_server: Server, tmp_path: Path, verb: str
) -> None:
    store = _at(seaweedfs_server.url, secret="a-wrong-secret")

    with pytest.raises(StoreError, match="wrong key or profile, or one with no such right") as caught:
        VERBS[verb](store, tmp_path)

    assert not isinstance(caught.value, KeyMissing | StoreUnavailable)
    assert "a-wrong-secret" not in f"{caught.value}{caught.value.__cause__}"
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("verb", VERBS)
def test_who_has_no_credentials_is_told_so_at_once_and_how_to_mend_it(
    seaweedfs_server: Server, tmp_path: Path, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "no-such-file"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    store = _at(seaweedfs_server.url, key=None, secret=None)

    with pytest.raises(StoreError, match=r"environment, a profile, or the role") as caught:
        VERBS[verb](store, tmp_path)

    assert not isinstance(caught.value, KeyMissing | StoreUnavailable), (
        "it would be asked again, as an outage"
    )


@pytest.mark.parametrize("verb", VERBS)
def test_a_server_that_is_not_there_fails_and_does_not_hang(tmp_path: Path, verb: str) -> None:
    store = _at(f"http://127.0.0.1:{free_port()}")
    done = threading.Event()

    def ask() -> None:
        with pytest.raises(StoreUnavailable):
            VERBS[verb](store, tmp_path)
        done.set()

    threading.Thread(target=ask, daemon=True).start()

    assert done.wait(30), "botocore asks a dead server for a minute unless it is told not to"


@pytest.mark.parametrize(
    "handled",
    [
        FileExistsError("a folder of the caller's"),
        FileNotFoundError("a file of the caller's"),
        HTTPError("http://another-service", 403, "Forbidden", Message(), None),
        HTTPError("http://another-service", 412, "Precondition Failed", Message(), None),
        HTTPError("http://another-service", 416, "Range Not Satisfiable", Message(), None),
    ],
    ids=str,
)
@pytest.mark.parametrize("verb", [*VERBS, "get on"])
def test_what_the_caller_is_just_handling_is_no_answer_of_the_store(
    tmp_path: Path, verb: str, handled: Exception
) -> None:
    """Python puts it under each exception that is raised meanwhile."""
    store = _at(f"http://127.0.0.1:{free_port()}")
    remote._decides[store._identity] = True
    verbs: dict[str, Callable[[RemoteStore, Path], object]] = {
        **VERBS,
        "get on": lambda store, path: store.get(_A, 5),
    }

    try:
        raise handled
    except type(handled):
        with pytest.raises(StoreUnavailable):
            verbs[verb](store, tmp_path)


def test_a_key_that_is_free_is_not_taken_because_another_was(seaweedfs_server: Server) -> None:
    store, dead = _at(seaweedfs_server.url), _at(f"http://127.0.0.1:{free_port()}")
    remote._decides[dead._identity] = True
    store.create(_A, b"x")

    try:
        store.create(_A, b"y")
    except KeyExists:
        with pytest.raises(StoreUnavailable):
            dead.create(Key.parse("f/b"), b"y")
        with pytest.raises(KeyExists):
            store.create(_A, b"z")
        store.create(Key.parse("f/b"), b"z")

    assert store.get(Key.parse("f/b")) == b"z"


def test_a_server_that_takes_the_connection_and_says_nothing_is_given_up(
    seaweedfs_server: Server,
) -> None:
    with Proxy(seaweedfs_server.port, lambda request: Fate.HANGS).running() as proxy:
        store = _at(proxy.url, config_kwargs={"read_timeout": 1})

        with pytest.raises(StoreUnavailable):
            store.get(_A)

        assert len(proxy.requests) == 1, "one request a call: repeating is podium's, and visible there"


def test_a_store_opened_by_its_url_asks_again(bucket: str, use: Callable[[Server], str]) -> None:
    store = open_store(bucket)

    assert isinstance(store, Retrying)
    store.put(_A, b"x")
    assert store.get(_A) == b"x"


def test_a_value_another_client_wrote_is_seen_at_once(seaweedfs_server: Server) -> None:
    store = _at(seaweedfs_server.url)
    assert [*store.list(Key.root())] == []

    new_filesystem(seaweedfs_server).pipe_file(f"{store.root.removeprefix('s3://')}/f/a", b"x")

    assert [each.key for each in store.list(Key.root())] == [_A]
    new_filesystem(seaweedfs_server).rm_file(f"{store.root.removeprefix('s3://')}/f/a")
    assert [*store.list(Key.root())] == []


def test_objects_no_key_names_are_passed_over(seaweedfs_server: Server) -> None:
    store = _at(seaweedfs_server.url)
    raw, root = new_filesystem(seaweedfs_server), store.root.removeprefix("s3://")
    for name in ("f/a", "f/na\u00efve", "f/.~0123.tmp", "f/con"):
        raw.pipe_file(f"{root}/{name}", b"x")

    assert [each.key for each in store.list(Key.root())] == [_A]


def test_no_value_lies_in_a_neighbour_whose_name_begins_alike(seaweedfs_server: Server) -> None:
    store = _at(seaweedfs_server.url)
    neighbour = _at(seaweedfs_server.url, f"{store.root}-2")
    neighbour.put(_A, b"x")

    assert [*store.list(Key.root())] == []


# --- secrets --------------------------------------------------------------------------------------------------------


def test_a_store_shows_neither_its_options_nor_what_its_url_hides(seaweedfs_server: Server) -> None:
    store = _at(seaweedfs_server.url)

    assert SECRET not in repr(store)
    assert KEY not in repr(store)
    assert store.root == repr(store).split("'")[1]


def test_a_signed_url_in_an_error_is_not_shown(
    seaweedfs_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = _at(seaweedfs_server.url)

    def refuse(*args: object, **options: object) -> None:
        raise OSError("GET https://ada:pass@host/a?X-Amz-Signature=abcdef&b=1 was refused")

    monkeypatch.setattr(store._filesystem, "cat_file", refuse)

    with pytest.raises(StoreUnavailable) as caught:
        store.get(_A)
    assert "abcdef" not in str(caught.value)
    assert "pass" not in str(caught.value)


def test_no_credential_reaches_the_store(
    bucket: str, seaweedfs_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["train.py", "--store", f"s3://{KEY}:{SECRET}@host/prefix"])
    with Workspace(bucket) as workspace, workspace.start_run() as run:
        run.log_param("lr", 0.1)

    store = RemoteStore(bucket)
    everything = b"".join(store.get(each.key) for each in store.list(Key.root()))
    assert b'"lr"' in everything
    assert SECRET.encode() not in everything


# --- opening --------------------------------------------------------------------------------------------------------


def test_a_url_without_a_bucket_is_refused() -> None:
    with pytest.raises(Invalid, match="names no bucket"):
        RemoteStore("s3://")


def test_a_chain_of_filesystems_is_refused() -> None:
    with pytest.raises(Invalid, match="no URL of one filesystem"):
        RemoteStore("simplecache::s3://bucket/prefix")


def test_an_unknown_scheme_names_those_there_are() -> None:
    with pytest.raises(Invalid, match=r"no store goes by the scheme 'nosuch'.*s3:"):
        open_store("nosuch://host/path")


def test_a_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec

    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "s3", raising=False)
    assert "s3" in fsspec.available_protocols()

    with pytest.raises(MissingExtra) as caught:
        open_remote("s3://bucket/prefix")
    assert caught.value.install == 'pip install "podium[s3]"'


def test_a_store_pickles_to_its_url_and_options(seaweedfs_server: Server) -> None:
    store = _at(seaweedfs_server.url)
    store.put(_A, b"x")

    assert pickle.loads(pickle.dumps(store)).get(_A) == b"x"


# --- forks ----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_has_connections_of_its_own(seaweedfs_server: Server) -> None:
    store = _at(seaweedfs_server.url)
    store.put(_A, b"from the parent")
    reading, writing = os.pipe()

    child = os.fork()
    if child == 0:
        try:
            store.put(Key.parse("f/b"), b"from the child")
            os.write(writing, store.get(_A))
            _end_as_a_script_does()
        finally:
            os._exit(0)
    os.close(writing)
    await_end(child)

    assert os.read(reading, 100) == b"from the parent"
    os.close(reading)
    assert store.get(Key.parse("f/b")) == b"from the child"


def _end_as_a_script_does() -> None:
    """What an interpreter runs before it goes: exit hooks, finalizers, destructors."""
    atexit._run_exitfuncs()
    gc.collect()


def await_end(child: int) -> None:
    deadline = time.monotonic() + 60
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(child, 9)
        time.sleep(0.01)


def test_a_store_that_is_forgotten_while_another_loop_runs_closes_in_its_own(
    seaweedfs_server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """s3fs closes its connections in the loop of whichever thread drops it: that of a web server, for instance."""

    async def serve() -> None:
        store = await asyncio.to_thread(_used)
        del store
        gc.collect()
        await asyncio.sleep(0)

    def _used() -> RemoteStore:
        store = _at(seaweedfs_server.url)
        store.put(_A, b"x")
        return store

    gc.collect()  # what other tests made with s3fs alone goes here, and not in the loop below
    caplog.clear()
    asyncio.run(serve())
    gc.collect()

    assert [record.getMessage() for record in caplog.records if "different loop" in record.getMessage()] == []
    assert "Task exception was never retrieved" not in caplog.text
