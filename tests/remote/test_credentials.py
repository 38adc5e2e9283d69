"""Credentials of every kind the clouds know, and not one byte of them where podium writes or speaks.

Each kind is tried by a process of its own with a home of its own, which does all that podium does with a store: runs,
a registry, search, serving; then the same against a server that is not there, so that all it can do is complain. What
it said and every file it left, in its home and in the bucket, is then searched for the secret.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from podium import Workspace
from podium.errors import StoreError
from podium.stores import Key
from podium.stores.remote import RemoteStore
from tests.remote.conftest import new_url
from tests.remote.servers import (
    AZURITE_ACCOUNT,
    AZURITE_KEY,
    BUCKET,
    KEY,
    SECRET,
    Azurite,
    Gcs,
    Server,
    free_port,
)
from tests.remote.test_remote_faults import VERBS

pytestmark = pytest.mark.soak

_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class _Kind:
    """How one process is told who it is: environment, files in its home, options of the filesystem."""

    url: str
    secrets: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)


def _process(kind: _Kind, home: Path, *, dead: bool = False) -> str:
    """Everything with a store, done by a process; what it said."""
    for name, text in kind.files.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PYTHONPATH": str(_ROOT),
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_GCE_CHECK": "true",
        **{name: text.replace("HOME", str(home)) for name, text in kind.environment.items()},
    }
    asked = json.dumps({"url": kind.url, "options": kind.options, "dead": dead})
    done = subprocess.run(
        [
            sys.executable,
            str(Path(__file__)),
            asked if kind.options else kind.url,
            "dead" if dead else "alive",
        ],
        env=environment,
        cwd=home,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "what came of it" in said
    return said


def _assert_hidden(kind: _Kind, home: Path, said: str) -> None:
    given = {home / name for name in kind.files}
    left = [path for path in home.rglob("*") if path not in given]
    assert any("spool" in str(path) and path.suffix == ".jsonl" for path in left), (
        "nothing waits: it proves nothing"
    )
    for secret in kind.secrets:
        assert secret not in said
        assert [path for path in left if secret in str(path)] == []
        assert [path for path in left if path.is_file() and secret.encode() in path.read_bytes()] == []


def _assert_not_in(store: RemoteStore, secrets: tuple[str, ...]) -> None:
    everything = {str(each.key): store.get(each.key) for each in store.list(Key.root())}
    assert any("/commits/" in name for name in everything)
    for secret in secrets:
        assert [name for name, value in everything.items() if secret.encode() in value] == []


# --- S3 -------------------------------------------------------------------------------------------------------------


def _s3_environment(url: str, endpoint: str) -> _Kind:
    told = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_ENDPOINT_URL_S3": endpoint}
    return _Kind(url, (SECRET,), told)


def _s3_profile(url: str, endpoint: str) -> _Kind:
    return _Kind(
        url,
        (SECRET,),
        {"AWS_PROFILE": "team"},
        {
            ".aws/credentials": f"[team]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n",
            ".aws/config": f"[profile team]\nendpoint_url = {endpoint}\n",
        },
    )


def _s3_fsspec_file(url: str, endpoint: str) -> _Kind:
    document = {"s3": {"key": KEY, "secret": SECRET, "endpoint_url": endpoint}}
    return _Kind(url, (SECRET,), {}, {".config/fsspec/conf.json": json.dumps(document)})


def _s3_fsspec_environment(url: str, endpoint: str) -> _Kind:
    told = {"FSSPEC_S3_KEY": KEY, "FSSPEC_S3_SECRET": SECRET, "FSSPEC_S3_ENDPOINT_URL": endpoint}
    return _Kind(url, (SECRET,), told)


def _s3_options(url: str, endpoint: str) -> _Kind:
    return _Kind(url, (SECRET,), options={"key": KEY, "secret": SECRET, "endpoint_url": endpoint})


_S3: list[Any] = [
    _s3_environment,
    _s3_options,
    pytest.param(_s3_profile, marks=pytest.mark.soak),
    pytest.param(_s3_fsspec_file, marks=pytest.mark.soak),
    pytest.param(_s3_fsspec_environment, marks=pytest.mark.soak),
]


@pytest.mark.parametrize("told", _S3, ids=lambda told: told.__name__.removeprefix("_s3_"))
def test_keys_of_s3_are_used_and_neither_shown_nor_kept(
    seaweedfs_server: Server, told: Callable[[str, str], _Kind], tmp_path: Path
) -> None:
    url = new_url()
    kind = told(url, seaweedfs_server.url)

    said = _process(kind, tmp_path)
    said += _process(told(url, f"http://127.0.0.1:{free_port()}"), tmp_path, dead=True)

    _assert_hidden(kind, tmp_path, said)
    _assert_not_in(RemoteStore(url, **seaweedfs_server.options()), kind.secrets)


def test_what_stands_in_an_endpoint_is_not_shown(seaweedfs_server: Server, tmp_path: Path) -> None:
    """botocore takes no credentials there, and says so: not which."""
    endpoint = seaweedfs_server.url.replace("://", "://ada:hunter2@")
    store = RemoteStore(new_url(), key=KEY, secret=SECRET, endpoint_url=endpoint)

    for ask in VERBS.values():
        with pytest.raises(StoreError) as caught:
            ask(store, tmp_path)
        assert "hunter2" not in f"{caught.value!r} {caught.value} {store!r} {store.root} {store.address}"


# --- Azure ----------------------------------------------------------------------------------------------------------


def _azure_environment(url: str, server: Azurite, port: int | None) -> _Kind:
    return _Kind(url, (AZURITE_KEY,), server.environment(port))


def _azure_options(url: str, server: Azurite, port: int | None) -> _Kind:
    return _Kind(url, (AZURITE_KEY,), options=server.options(port))


def _azure_signature(url: str, server: Azurite, port: int | None) -> _Kind:
    from azure.storage.blob import ContainerSasPermissions

    every = ContainerSasPermissions(read=True, write=True, delete=True, list=True, add=True, create=True)
    signed = server.signed(every)
    signature = signed.partition("sig=")[2].partition("&")[0]
    endpoint = f"http://127.0.0.1:{port or server.port}/{AZURITE_ACCOUNT}"
    told = {"AZURE_STORAGE_CONNECTION_STRING": f"BlobEndpoint={endpoint};SharedAccessSignature={signed}"}
    return _Kind(url, (signature, quote(signature, safe="")), told)


_AZURE: list[Any] = [
    _azure_environment,
    _azure_signature,
    pytest.param(_azure_options, marks=pytest.mark.soak),
]


@pytest.mark.parametrize("told", _AZURE, ids=lambda told: told.__name__.removeprefix("_azure_"))
def test_keys_and_signatures_of_azure_are_used_and_neither_shown_nor_kept(
    azurite_server: Azurite, told: Callable[[str, Azurite, int | None], _Kind], tmp_path: Path
) -> None:
    url = f"az://{BUCKET}/{tmp_path.name}"
    kind = told(url, azurite_server, None)

    said = _process(kind, tmp_path)
    said += _process(told(url, azurite_server, free_port()), tmp_path, dead=True)

    _assert_hidden(kind, tmp_path, said)
    _assert_not_in(RemoteStore(url, **azurite_server.options()), kind.secrets)


# --- Google ---------------------------------------------------------------------------------------------------------

_ACCESS_TOKEN = "ya29.a-token-that-opens-the-bucket"


@contextlib.contextmanager
def _token_server() -> Iterator[str]:
    """Gives an access token to whoever asks, as Google's does to who proves to have a private key."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            body = json.dumps({"access_token": _ACCESS_TOKEN, "expires_in": 3600, "token_type": "Bearer"})
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/token"
        server.shutdown()


def _service_account(token_uri: str) -> dict[str, str]:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        "type": "service_account",
        "project_id": "team",
        "private_key_id": "0123456789abcdef-of-the-key",
        "private_key": key.decode(),
        "client_email": "trainer@team.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": token_uri,
    }


@pytest.mark.parametrize("way", ["environment", "options"])
def test_a_service_account_of_google_is_used_and_neither_shown_nor_kept(
    gcs_server: Gcs, way: str, tmp_path: Path
) -> None:
    url = f"gs://{BUCKET}/{tmp_path.name}"
    with _token_server() as token_uri:
        account = _service_account(token_uri)

        def told(endpoint: str) -> _Kind:
            secrets = (account["private_key"].splitlines()[3], account["private_key_id"], _ACCESS_TOKEN)
            if way == "options":
                return _Kind(url, secrets, options={"token": account, "endpoint_url": endpoint})
            return _Kind(
                url,
                secrets,
                {"GOOGLE_APPLICATION_CREDENTIALS": "HOME/account.json", "STORAGE_EMULATOR_HOST": endpoint},
                {"account.json": json.dumps(account)},
            )

        kind = told(gcs_server.url)
        said = _process(kind, tmp_path)
        said += _process(told(f"http://127.0.0.1:{free_port()}"), tmp_path, dead=True)

    _assert_hidden(kind, tmp_path, said)
    _assert_not_in(RemoteStore(url, **gcs_server.options()), kind.secrets)


# --- the process ----------------------------------------------------------------------------------------------------


def _do_everything(workspace: Workspace) -> None:
    with workspace.start_run(experiment="fraud") as run:
        run.log_params({"lr": 0.1})
        run.log_metric("f1", 0.9)
        run.log_text("hello", "notes.txt")
        run.log_model({"value": 1})
        print(repr(run), workspace.url, repr(workspace))
    assert run.flush()
    version = workspace.registry.register(run.model_uri(), "fraud", alias="champion", gate="metrics.f1 > 0.5")
    print(version, repr(version), workspace.registry.history("fraud"), workspace.registry.get_model("fraud"))
    print(workspace.search_runs("metrics.f1 > 0.5"), workspace.get_run(run.run_id))
    assert workspace.load_model("models:/fraud@champion", trust=True).native == {"value": 1}
    with workspace.live("models:/fraud@champion", trust=True) as served:
        print(served, served.status())


def _complain(workspace: Workspace) -> None:
    tried: list[Callable[[], object]] = [
        lambda: workspace.start_run(experiment="fraud"),
        workspace.search_runs,
        lambda: workspace.sync(timeout_s=1),
    ]
    for each in tried:
        try:
            print(each())
        except Exception as error:  # noqa: BLE001 - whatever it is, it is to be read
            print(type(error).__name__, error, repr(error))


if __name__ == "__main__":
    warnings.simplefilter("always")
    named = sys.argv.pop(1)
    asked = json.loads(named) if named.startswith("{") else None
    store = RemoteStore(asked["url"], **asked["options"]) if asked else None
    if store is None:
        os.environ["PODIUM_STORE"] = named
    else:
        print(store, repr(store), store.root, store.address)
    with Workspace(store) as here:
        (_complain if sys.argv[1] == "dead" else _do_everything)(here)
        if sys.argv[1] != "dead":
            left = here.start_run(experiment="fraud")
            left.log_metric("f1", 0.5)
        print("what came of it was read", flush=True)
        os._exit(0)  # as if killed: what was not sent stays in the spool
