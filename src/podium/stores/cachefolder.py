"""Where this user keeps what can be made or fetched again: the index of runs, models of stores elsewhere.

Anything in it may be deleted at any time. Must never know what is kept there.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

__all__ = ["cache_folder"]


def cache_folder(environ: Mapping[str, str] | None = None) -> Path:
    """The folder of this user's caches of podium; it need not be there yet.

    Args:
        environ: None: this process's.

    Raises:
        RuntimeError: this user has no home.
    """
    environ = os.environ if environ is None else environ
    named = environ.get("XDG_CACHE_HOME")
    if named and os.path.isabs(named):
        return Path(named) / "podium"
    if sys.platform == "win32":
        local = environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "podium" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "podium"
    return Path.home() / ".cache" / "podium"
