"""Real object stores on free loopback ports, each a process that is stopped by its own id."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BUCKET = "bucket-of-a-team"
KEY, SECRET = "podium-tests", "podium-tests-secret"
_PATIENCE_S = 60.0


@dataclass(slots=True)
class Server:
    """One server, which can be stopped and started again on the same port with the same data."""

    name: str
    command: list[str]
    port: int
    log: Path
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

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

    def start(self) -> None:
        """Return once it takes requests and the bucket is there."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, cwd=self.log.parent)
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                make_bucket(self, BUCKET)
            except OSError as error:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(
                        f"{self.name} does not start: {self.log.read_text()[-2000:]}"
                    ) from error
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """Kill it: a server that dies says no goodbye."""
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.wait(_PATIENCE_S)

    @contextlib.contextmanager
    def running(self) -> Iterator[Server]:
        self.start()
        try:
            yield self
        finally:
            self.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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


def azurite(folder: Path) -> subprocess.Popen[bytes] | None:
    """Azurite, Microsoft's own; its port is written to ``port`` in the folder. From npm, so it may not be there."""
    binary = _binary("azurite-blob")
    if binary is None:
        return None
    port = free_port()
    (folder / "port").write_text(str(port))
    command = [binary, "--silent", "--skipApiVersionCheck", "--disableTelemetry"]
    command += ["--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", str(folder)]
    return _listening(command, port, folder)


def gcs_emulator(folder: Path) -> subprocess.Popen[bytes] | None:
    """gcp-storage-emulator, if it is installed; its port is written to ``port`` in the folder."""
    if importlib.util.find_spec("gcp_storage_emulator") is None:
        return None
    port = free_port()
    (folder / "port").write_text(str(port))
    command = [sys.executable, "-m", "gcp_storage_emulator", "start", "--host=127.0.0.1", f"--port={port}"]
    return _listening([*command, "--in-memory", f"--default-bucket={BUCKET}"], port, folder)


def _listening(command: list[str], port: int, folder: Path) -> subprocess.Popen[bytes]:
    """Start a server and return once it takes connections."""
    with open(folder / "log", "ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                raise RuntimeError(
                    f"{command[0]} does not start: {(folder / 'log').read_text()[-2000:]}"
                ) from error
            time.sleep(0.05)
        else:
            return process


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
