"""The file of a log that is being written: made, held, and made again where somebody removed it.

Knows paths and descriptors; never what the bytes say, nor whose run they are of.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from podium.runs.locking import hold
from podium.stores.wholefile import chunks_of

__all__ = ["contents", "is_removed", "make", "remake"]

_TRIES = 100
_FLAGS = (
    os.O_CREAT
    | os.O_EXCL
    | os.O_APPEND
    | os.O_RDWR
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)


def make(path: Path) -> int:
    """A new file to append to, and its folder where there is none; its descriptor.

    Raises:
        OSError: it cannot be made, or is there already.
    """
    for _ in range(_TRIES):
        try:
            return os.open(path, _FLAGS, 0o666)
        except FileNotFoundError:
            # Somebody may remove it, or a folder above it, just now: shippers of a spool remove those that are empty.
            with contextlib.suppress(FileNotFoundError, FileExistsError):
                path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, _FLAGS, 0o666)


def is_removed(fd: int) -> bool:
    """Whether an open file has no name any more."""
    try:
        return os.fstat(fd).st_nlink == 0
    except OSError:  # the next write says what is wrong with it
        return False


def contents(fd: int) -> Iterator[bytes]:
    """What a file holds, also one that has no name any more, in pieces."""
    os.lseek(fd, 0, os.SEEK_SET)  # appending goes to the end all the same
    yield from chunks_of(fd)


def remake(path: str, fd: int, *, locked: bool) -> None:
    """The bytes of a file that was removed in the same place again, and from now on behind the same descriptor.

    Args:
        path: where it was.
        fd: its descriptor.
        locked: whether it was held, and has to be.

    Raises:
        OSError: it cannot be made; then there is nothing at ``path``.
    """
    os.makedirs(os.path.dirname(path), exist_ok=True)
    new = os.open(path, _FLAGS, 0o666)
    try:
        if locked and not hold(new):
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
        for chunk in contents(fd):
            if os.write(new, chunk) != len(chunk):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(new)
        os.dup2(new, fd, inheritable=False)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(path)
        raise
    finally:
        os.close(new)
