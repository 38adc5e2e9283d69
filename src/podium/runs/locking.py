"""Who is writing a log: the lock its writer holds while it lives.

``flock(2)``, not ``fcntl.lockf``: a POSIX lock goes with the first descriptor its process closes, and is asked by
process id, which means nothing in another pid namespace. Knows descriptors only.
"""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from pathlib import Path

__all__ = ["hold", "is_held", "is_lockable", "machine"]


def is_lockable() -> bool:
    """Whether this system has ``flock``."""
    return sys.platform != "win32"


def hold(fd: int) -> bool:
    """Take the lock of a file just made; False where the file system has none.

    Never waits: nobody asks for the lock of a log before its first line says that there is one.
    """
    if sys.platform == "win32":
        return False
    import fcntl

    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def is_held(path: Path) -> bool | None:
    """Whether a living process holds the lock of a log; None where that cannot be asked."""
    if sys.platform == "win32":
        return None
    import fcntl

    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        # Shared: two readers that ask at once do not see each other.
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    else:
        return False
    finally:
        os.close(fd)


@lru_cache(maxsize=1)
def machine() -> str:
    """Text that is equal for all processes under one running kernel; "" where that cannot be known."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except (OSError, ValueError):
        return ""
