"""A local file that appears whole or not at all.

Bytes go to a file of another name in the same folder first, and reach the disk before the name changes. Knows
files only: no store, no key.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

__all__ = [
    "CHUNK_BYTES",
    "chunks_of",
    "is_temporary",
    "new_temporary",
    "replace",
    "sync_folder",
    "write_new",
    "write_whole",
]

# As large as the processor's own cache takes: pieces of 1 MiB and more were measured to cost the system twice the time.
CHUNK_BYTES = 1 << 18
_WRITEBACK_BYTES = 16 << 20
_REPLACE_PATIENCE_S = 2.0
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def new_temporary(folder: str) -> str:
    """A path in ``folder`` for bytes that are not whole yet. No key has such a name."""
    return os.path.join(folder, f".~{os.urandom(10).hex()}.tmp")


def is_temporary(name: str) -> bool:
    """Whether a file of this name was made by `new_temporary`."""
    return name.startswith(".~") and name.endswith(".tmp")


def chunks_of(fd: int) -> Iterator[bytes]:
    """What is left to read from an open file, in pieces of 256 KiB."""
    while chunk := os.read(fd, CHUNK_BYTES):
        yield chunk


def write_new(path: str, chunks: Iterable[bytes], *, mode: int = 0o666) -> None:
    """Write a file that must not exist yet, down to the disk; no file is left behind when that fails.

    Args:
        path: where.
        chunks: the bytes.
        mode: permissions before the umask: a team that shares a disk reads what the umask lets it read.
    """
    fd = os.open(path, _NEW_FILE, mode)
    try:
        try:
            _write_chunks(fd, chunks)
            os.fsync(fd)
        finally:
            os.close(fd)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(path)
        raise


def _write_chunks(fd: int, chunks: Iterable[bytes]) -> None:
    written = begun = 0
    for chunk in chunks:
        _write_all(fd, chunk)
        written += len(chunk)
        if written - begun >= _WRITEBACK_BYTES:
            _begin_writeback(fd, begun, written - begun)
            begun = written


def _begin_writeback(fd: int, start: int, size: int) -> None:
    """Let the disk begin while the rest is still read and hashed: `fsync` then has less to wait for."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # a hint; some file systems know none
            os.posix_fadvise(fd, start, size, os.POSIX_FADV_DONTNEED)


def _write_all(fd: int, data: bytes) -> None:
    written = os.write(fd, data)
    while written < len(data):
        written += os.write(fd, memoryview(data)[written:])


def replace(source: str, target: str) -> None:
    """Give ``source`` the name ``target``, whatever had it; on Windows wait for readers for up to 2 s."""
    if sys.platform == "win32":
        deadline = time.monotonic() + _REPLACE_PATIENCE_S
        while time.monotonic() < deadline and not os.path.isdir(target):
            try:
                os.replace(source, target)
            except PermissionError:
                # Whoever reads the file holds its name: Python opens without FILE_SHARE_DELETE.
                time.sleep(0.01)
            else:
                return
    os.replace(source, target)


def sync_folder(folder: str) -> None:
    """Make the names in a folder durable. Windows and some network file systems have nothing to ask for."""
    if sys.platform != "win32":
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        except OSError as error:
            if error.errno not in {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF}:
                raise
        finally:
            os.close(fd)


def write_whole(path: Path, chunks: Iterable[bytes], *, mode: int = 0o666) -> None:
    """Write or replace the file ``path``, whole and durable, or leave it as it was."""
    folder = str(path.parent)
    temporary = new_temporary(folder)
    write_new(temporary, chunks, mode=mode)
    try:
        replace(temporary, str(path))
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    sync_folder(folder)
