"""A bar for what takes long to send or fetch: on a terminal, after a second, if tqdm is installed.

Knows sizes, nothing of what is moved.
"""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager
from typing import Any

__all__ = ["progress_of"]

_SILENT_S = 1.0


def progress_of(what: str) -> AbstractContextManager[Any]:
    """A callback of fsspec that shows how far one file is, or shows nothing; a context that ends it."""
    from fsspec.callbacks import TqdmCallback

    if os.environ.get("PODIUM_QUIET") or not sys.stderr.isatty():
        return _silent()
    try:
        import tqdm  # noqa: F401
    except ImportError:
        return _silent()
    bar: AbstractContextManager[Any] = TqdmCallback(
        tqdm_kwargs={"desc": what, "unit": "B", "unit_scale": True, "delay": _SILENT_S, "leave": False}
    )
    return bar


def _silent() -> AbstractContextManager[Any]:
    from fsspec.callbacks import NoOpCallback

    silent: AbstractContextManager[Any] = NoOpCallback()
    return silent
