"""What is not a bucket: runs work on it or it says why not, and the registry says what to do instead.

Real servers of three protocols, none of which can create a file only if there is none. All else that a store promises
they keep, so they pass the rest of the conformance suite.
"""

from __future__ import annotations

import contextlib
import itertools
import socketserver
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.registry import known_implementations

from podium import Workspace, save_model
from podium.errors import Invalid, KeyExists, KeyMissing, MissingExtra, StoreError, StoreUnavailable
from podium.stores import Entry, Key, Store
from podium.stores.contract import Source
from podium.stores.opening import open_store
from podium.stores.remote import RemoteStore
from podium.testing import StoreTests
from tests.remote.servers import KEY, SECRET, Listener, ftp

_A = Key.parse("f/a")
_numbers = itertools.count()


@dataclass(frozen=True)
class _Elsewhere:
    """A new place on a server: how it is named, and the folder where its bytes lie."""

    url: str
    options: dict[str, Any]
    folder: Path

    def open(self) -> RemoteStore:
        return RemoteStore(self.url, **self.options)


def _on_ftp(server: Listener) -> _Elsewhere:
    name = f"team-{next(_numbers)}"
    url = f"ftp://{KEY}:{SECRET}@127.0.0.1:{server.port}/{name}"
    return _Elsewhere(url, {}, server.log.parent / "data" / name)


def _on_sftp(server: Listener) -> _Elsewhere:
    name = f"team-{next(_numbers)}"
    url = f"sftp://{KEY}:{SECRET}@127.0.0.1:{server.port}/{name}"
    return _Elsewhere(url, {}, server.log.parent / "data" / name)


def _on_webdav(server: Listener) -> _Elsewhere:
    name = f"team-{next(_numbers)}"
    options = {"base_url": server.url, "auth": (KEY, SECRET)}
    return _Elsewhere(f"webdav://{name}", options, server.log.parent / "data" / name)


class _WithoutTheRace:
    """A store whose `create` looks and then writes, which is all these servers can do: the other verbs are tried."""

    def __init__(self, store: RemoteStore) -> None:
        self._store = store

    def create(self, key: Key, data: bytes) -> None:
        try:
            self._store.get(key)
        except KeyMissing:
            self._store.put(key, data)
        else:
            raise KeyExists(f"{key} exists already.")

    def get(self, key: Key, start: int = 0) -> bytes:
        return self._store.get(key, start)

    def put(self, key: Key, source: Source) -> None:
        self._store.put(key, source)

    def list(self, prefix: Key) -> Iterator[Entry]:
        return self._store.list(prefix)

    def delete(self, key: Key) -> None:
        self._store.delete(key)

    def download(self, key: Key, path: Path) -> None:
        self._store.download(key, path)

    def local_path(self, key: Key) -> Path | None:
        return self._store.local_path(key)


class _OnAServer(StoreTests):
    place: _Elsewhere

    def raw(self, store: Store, key: Key) -> bytes | None:
        path = self.place.folder / str(key)
        return path.read_bytes() if path.is_file() else None

    @pytest.mark.skip(reason="none of these servers decides between two creators: see the registry's refusal")
    def test_of_racing_creators_exactly_one_wins_and_its_bytes_are_there(self, store: Store) -> None: ...


class _BySeconds(_OnAServer):
    """What these servers tell of a file is its size and a time without parts of a second."""

    def test_stamp_changes_with_the_value_and_only_with_it(self, store: Store) -> None:
        def stamps() -> dict[str, str]:
            return {str(each.key): each.stamp for each in store.list(Key.root())}

        store.put(_A, b"old")
        store.put(Key.parse("f/b"), b"old")
        before = stamps()
        store.put(_A, b"newer")

        assert stamps()["f/a"] != before["f/a"]
        assert stamps()["f/b"] == before["f/b"]


class TestOnFtp(_BySeconds):
    @pytest.fixture
    def store(self, ftp_server: Listener) -> Store:
        self.place = _on_ftp(ftp_server)
        return _WithoutTheRace(self.place.open())


class TestOnSftp(_BySeconds):
    @pytest.fixture
    def store(self, sftp_server: Listener) -> Store:
        self.place = _on_sftp(sftp_server)
        return _WithoutTheRace(self.place.open())

    @pytest.mark.soak
    def test_values_of_64_mib_come_back(self, store: Store, tmp_path: Path) -> None:
        """Two minutes: server and client encrypt in Python."""
        super().test_values_of_64_mib_come_back(store, tmp_path)

    @pytest.mark.soak
    def test_readers_during_puts_see_the_old_value_or_the_new(self, store: Store, tmp_path: Path) -> None:
        """As above."""
        super().test_readers_during_puts_see_the_old_value_or_the_new(store, tmp_path)


class TestOnWebdav(_OnAServer):
    @pytest.fixture
    def store(self, webdav_server: Listener) -> Store:
        self.place = _on_webdav(webdav_server)
        return _WithoutTheRace(self.place.open())


@pytest.fixture(params=["ftp", "sftp", "webdav"])
def place(request: pytest.FixtureRequest) -> _Elsewhere:
    made = {"ftp": _on_ftp, "sftp": _on_sftp, "webdav": _on_webdav}[request.param]
    return made(request.getfixturevalue(f"{request.param}_server"))


def test_runs_work_and_the_registry_says_why_not_and_what_to_do(place: _Elsewhere, tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(bytes(range(256)) * 4_000)
    with Workspace(place.open()) as workspace:
        with workspace.start_run(experiment="fraud") as run:
            for step in range(20):
                run.log_metric("f1", 0.9 + step / 1000, step)
            for number in range(10):
                run.log_text(f"note {number}", f"notes/{number}.txt")
            run.log_artifact(tmp_path / "weights")
            run.log_model({"threshold": 0.5})
        assert run.flush()

    with Workspace(place.open()) as workspace:
        (found,) = workspace.search_runs("metrics.f1 > 0.91")
        assert (found.status, found.metrics["f1"]) == ("FINISHED", 0.919)
        assert found.download("weights").read_bytes() == (tmp_path / "weights").read_bytes()
        assert {each.path for each in found.artifacts("notes")} == {f"notes/{n}.txt" for n in range(10)}
        assert workspace.load_model(found.model_uri(), trust=True).native == {"threshold": 0.5}
        with pytest.raises(
            StoreError, match=r"two writers.*Runs work here.*keep it on S3, GCS, Azure"
        ) as caught:
            workspace.registry.register(found.model_uri(), "fraud")
        assert not isinstance(caught.value, StoreUnavailable), "asking again would not help"
        assert [*workspace.registry.models()] == []


def test_what_was_sent_is_one_log_also_where_the_url_is_all_that_is_known(
    ftp_server: Listener, tmp_path: Path
) -> None:
    place = _on_ftp(ftp_server)
    with Workspace(place.url) as laptop:
        with laptop.start_run(experiment="fraud") as run:
            run.log_metric("loss", 0.5)
        assert run.flush()

    with Workspace(tmp_path / "copy") as disk:
        assert Workspace(place.url).copy_to(disk).copied
        assert disk.get_run(run.run_id).metrics["loss"] == 0.5


def test_a_connection_that_the_server_closed_is_made_anew(tmp_path: Path) -> None:
    server = ftp(tmp_path)
    if server is None:
        pytest.skip("pyftpdlib is not installed")
    with server.running():
        store = _on_ftp(server).open()
        store.put(_A, b"x")
        server.stop()
        with pytest.raises(StoreUnavailable):
            store.get(_A)
        server.start()

        assert store.get(_A) == b"x"


# --- secrets --------------------------------------------------------------------------------------------------------


def test_the_password_of_a_url_is_shown_and_kept_nowhere(
    ftp_server: Listener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    place = _on_ftp(ftp_server)
    monkeypatch.setenv("PODIUM_STORE", place.url)

    with Workspace() as workspace:
        with workspace.start_run(experiment="fraud") as run:
            run.log_metric("loss", 0.5)
        assert run.flush()
        workspace.search_runs("metrics.loss < 1")
        with pytest.raises(StoreError) as caught:
            workspace.registry.register(save_model({"a": 1}, tmp_path / "model"), "fraud")
        shown = f"{workspace.url} {workspace!r} {caught.value} {run!r} {capsys.readouterr()}"
    assert f"127.0.0.1:{ftp_server.port}" in workspace.url

    assert SECRET not in shown
    assert _files_with(SECRET, tmp_path, place.folder) == []


def _files_with(secret: str, *folders: Path) -> list[Path]:
    every = [path for folder in folders for path in folder.rglob("*")]
    assert any(path.is_file() for path in every)
    return [
        path
        for path in every
        if secret in str(path) or (path.is_file() and secret.encode() in path.read_bytes())
    ]


@pytest.mark.parametrize(
    "url",
    [
        "s3://AKIAEXAMPLE:hunter2@bucket/team",
        "gs://ada:hunter2@bucket/team",
        "az://ada:hunter2@bucket/team",
        "simplecache::ftp://ada:hunter2@127.0.0.1:9/team",
        "ftp://ada:hunter2@127.0.0.1:9/team",
        "sftp://ada:hunter2@127.0.0.1:9/team",
        "webdav://ada:hunter2@127.0.0.1:9/team",
        "http://ada:hunter2@127.0.0.1:9/team",
        "http://127.0.0.1:9/team?signature=hunter2",
        "hdfs://ada:hunter2@127.0.0.1:9/team",
        "nosuch://ada:hunter2@127.0.0.1:9/team",
    ],
)
def test_no_refusal_shows_what_a_url_hides(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "nobody")
    monkeypatch.setenv("AZURE_STORAGE_ANON", "true")
    with pytest.raises((StoreError, Invalid, MissingExtra)) as caught:
        open_store(url).get(_A)

    assert "hunter2" not in f"{caught.value}{caught.value!r}"


# --- what cannot be a store -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "zip://runs::file:///somewhere/a.zip",
        "simplecache::s3://bucket/team",
        "zip:///somewhere/a.zip",
        "dir://somewhere",
        "blockcache://somewhere",
    ],
)
def test_what_lies_over_another_filesystem_is_refused(url: str) -> None:
    with pytest.raises(Invalid, match=r"no URL of one filesystem.*for instance s3://bucket/prefix"):
        open_store(url)


def test_a_memory_with_an_address_is_refused_and_says_how_to_write_it() -> None:
    with pytest.raises(Invalid, match="Write 'memory:'"):
        open_store("memory://team/fraud")


def test_a_file_url_is_a_local_disk_registry_and_all(tmp_path: Path) -> None:
    with Workspace(f"file://{tmp_path}/store") as workspace:
        version = workspace.registry.register(save_model({"a": 1}, tmp_path / "model"), "fraud")

        assert version.version == 1
        assert (tmp_path / "store" / "podium.json").is_file()


def test_what_needs_more_than_a_url_says_where_to_give_it() -> None:
    pytest.importorskip("webdav4")

    with pytest.raises(
        Invalid, match=r"base_url.*fsspec's configuration.*RemoteStore\('webdav://team', name=value\)"
    ):
        open_store("webdav://team")


def test_a_package_that_is_missing_is_named_by_fsspec(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"class": "nosuchpackage.core.Nosuch", "err": "Install nosuchpackage to access nosuch files"}
    monkeypatch.setitem(known_implementations, "nosuchfs", known)

    with pytest.raises(MissingExtra, match="Install nosuchpackage"):
        open_store("nosuchfs://host/team")


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/team", "HTTPS://models.example/team"])
def test_the_web_is_no_store_and_is_never_taken_for_an_empty_one(url: str) -> None:
    with pytest.raises(Invalid, match=r"cannot be a store: over https? .*s3://bucket.*AWS_ENDPOINT_URL_S3"):
        Workspace(url)


@contextlib.contextmanager
def _answering(status: int) -> Iterator[str]:
    """The URL of a web server that answers all that it is asked with one status."""

    class Handler(BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline()
            if self.raw_requestline and self.parse_request():
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.send_header("Connection", "close")
                self.end_headers()
            self.close_connection = True

        def log_message(self, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


_ASKING: dict[str, Callable[[RemoteStore], object]] = {
    "get": lambda store: store.get(_A),
    "list": lambda store: [*store.list(Key.root())],
    "delete": lambda store: store.delete(_A),
    "put": lambda store: store.put(_A, b"x"),
}


@pytest.mark.parametrize("verb", _ASKING)
@pytest.mark.parametrize("status", [403, 500, 501])
def test_a_server_that_fails_or_refuses_is_not_one_where_nothing_lies(status: int, verb: str) -> None:
    pytest.importorskip("webdav4")
    with _answering(status) as url:
        store = RemoteStore("webdav://team", base_url=url)
        with pytest.raises(StoreError) as caught:
            _ASKING[verb](store)

    assert not isinstance(caught.value, KeyMissing)
    assert isinstance(caught.value, StoreUnavailable) == (status == 500), "the others would say so again"


class _Busy(socketserver.StreamRequestHandler):
    """An FTP server that lets everybody in and then has no time."""

    def handle(self) -> None:
        self._say("220 here")
        for line in self.rfile:
            match line.split()[0].upper():
                case b"USER" | b"PASS" | b"TYPE" | b"CWD" | b"MKD" | b"RMD":
                    self._say("230 go on")
                case _:
                    self._say("421 too many are here")

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@pytest.mark.parametrize("verb", _ASKING)
def test_an_ftp_server_that_has_no_time_is_not_one_where_nothing_lies(verb: str) -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Busy) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            store = RemoteStore(f"ftp://127.0.0.1:{server.server_address[1]}/team")
            with pytest.raises(StoreUnavailable):
                _ASKING[verb](store)
        finally:
            server.shutdown()


class OneFolderClosed(LocalFileSystem):  # type: ignore[misc]  # untyped
    """A disk with a folder that is not listed."""

    protocol = "one-folder-closed"
    closed = "/g"
    error: OSError

    def ls(self, path: str, detail: bool = False, **options: Any) -> Any:
        if path.endswith(self.closed):
            raise self.error
        return super().ls(path, detail=detail, **options)


@pytest.mark.parametrize(
    ("error", "told"),
    [(PermissionError("no"), StoreError), (ConnectionResetError("gone"), StoreUnavailable)],
    ids=["refused", "lost"],
)
def test_a_folder_that_the_server_does_not_list_is_not_left_out_of_a_listing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, told: type[StoreError]
) -> None:
    monkeypatch.setitem(known_implementations, "one-folder-closed", {"class": f"{__name__}.OneFolderClosed"})
    monkeypatch.setattr(OneFolderClosed, "error", error, raising=False)
    store = RemoteStore(f"one-folder-closed://{tmp_path}")
    for name in ("f/a", "g/b"):
        store.put(Key.parse(name), b"x")

    with pytest.raises(told):
        [*store.list(Key.root())]

    monkeypatch.setattr(OneFolderClosed, "closed", "/no such folder")
    assert [str(each.key) for each in store.list(Key.root())] == ["f/a", "g/b"]
