"""What this machine last knew of the models of a store that is elsewhere, for the time when that does not answer.

A view like ``index.json``, and in its form: it names versions by the SHA-256 of their manifests, so that what is loaded
by it is held against the bytes as ever. It can be old, which is for the caller to say. May be deleted at any time.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from podium.commits.fold import ModelState
from podium.commits.index import decode_index, encode_index
from podium.stores.keys import name_segment
from podium.stores.wholefile import write_whole

__all__ = ["LastKnown"]


class LastKnown:
    """Models as they were when this machine last read them.

    Args:
        folder: where that is kept; made when there is something to keep.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def note(self, state: ModelState) -> None:
        """Keep what was read a moment ago; a disk that does not take it is no reason not to serve."""
        path = self._path(state.name)
        data = encode_index(state)
        with contextlib.suppress(OSError):
            if path.is_file() and path.read_bytes() == data:
                os.utime(path)
                return
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(path, (data,), mode=0o600)

    def recall(self, name: str) -> tuple[ModelState, float] | None:
        """A model as it was, and how many seconds ago; None where nothing is known."""
        path = self._path(name)
        try:
            seen_s, data = path.stat().st_mtime, path.read_bytes()
        except OSError:
            return None
        state = decode_index(data, name=name)
        return None if state is None else (state, max(0.0, time.time() - seen_s))

    def _path(self, name: str) -> Path:
        return self._folder / f"{name_segment(name)}.json"
