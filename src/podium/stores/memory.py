"""A store that lives as long as its object: for tests and notebooks, with every promise of the contract.

One lock makes each verb one step. Knows no files, but for those a caller hands it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

from podium.errors import Invalid, KeyExists, KeyMissing
from podium.stores.contract import Entry, Source
from podium.stores.keys import Key
from podium.stores.wholefile import write_whole

__all__ = ["MemoryStore", "open_memory"]


class MemoryStore:
    """Values in a dict."""

    __slots__ = ("_lock", "_values", "_writes")

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._values: dict[Key, tuple[bytes, int]] = {}
        self._writes = 0

    def __repr__(self) -> str:
        return f"<MemoryStore of {len(self._values)} values>"

    def get(self, key: Key, start: int = 0) -> bytes:
        """See `Store.get`."""
        try:
            value, _ = self._values[key]
        except KeyError:
            raise KeyMissing(f"nothing is stored under {str(key)!r} in this memory store.") from None
        return value[start:] if start else value

    def put(self, key: Key, source: Source) -> None:
        """See `Store.put`. Lasts as long as the store does."""
        data = source.read_bytes() if isinstance(source, Path) else bytes(source)
        with self._lock:
            self._set(key, data)

    def create(self, key: Key, data: bytes) -> None:
        """See `Store.create`."""
        with self._lock:
            if key in self._values:
                raise KeyExists(f"cannot create {str(key)!r}: it exists already.")
            self._set(key, bytes(data))

    def _set(self, key: Key, data: bytes) -> None:
        if not key.segments:
            raise Invalid("the root of a store is a folder and cannot hold a value.")
        self._writes += 1
        self._values[key] = (data, self._writes)

    def list(self, prefix: Key) -> Iterator[Entry]:
        """See `Store.list`: what was there at one moment."""
        depth = len(prefix.segments)
        with self._lock:
            values = list(self._values.items())
        for key, (data, written) in values:
            if len(key.segments) > depth and key.segments[:depth] == prefix.segments:
                yield Entry(key, len(data), str(written))

    def delete(self, key: Key) -> None:
        """See `Store.delete`."""
        with self._lock:
            self._values.pop(key, None)

    def download(self, key: Key, path: Path) -> None:
        """See `Store.download`."""
        write_whole(path, (self.get(key),))

    def local_path(self, key: Key) -> Path | None:
        """None: nothing lies on a disk."""
        return None


def open_memory(url: str) -> MemoryStore:
    """A new store for ``memory:``, empty each time.

    Raises:
        Invalid: something follows the colon.
    """
    if url != "memory:":
        raise Invalid(f"{url!r}: a memory store has no address, it is new each time. Write 'memory:'.")
    return MemoryStore()
