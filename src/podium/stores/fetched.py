"""A store of which some values were read already, many at once, for a reader that asks for one after the other.

Answers as the store it wraps would have answered when they were read; what was not read is asked there. Knows
nothing of what the values mean.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from podium.errors import KeyMissing
from podium.stores.contract import Entry, Source, Store
from podium.stores.folders import beginning, folders_in, part_lister
from podium.stores.keys import Key

__all__ = ["Fetched"]


class Fetched:
    """``store``, and what was read of it."""

    __slots__ = ("_held", "_store")

    def __init__(self, store: Store) -> None:
        self._store = store
        self._held: dict[Key, tuple[int, bytes | None]] = {}

    def __repr__(self) -> str:
        return f"Fetched({self._store!r})"

    def hold(self, key: Key, start: int, data: bytes | None) -> None:
        """What the store had from byte ``start`` on; None: nothing was stored there."""
        self._held[key] = start, data

    def held(self, key: Key) -> tuple[int, bytes] | None:
        """From which byte on a value was read, and what; None where it was not."""
        start, data = self._held.get(key, (0, None))
        return None if data is None else (start, data)

    def get(self, key: Key, start: int = 0) -> bytes:
        """See `Store.get`. That something was missing is said once: who asks again has looked again."""
        begin, data = self._held.get(key, (start + 1, b""))
        if data is None:
            del self._held[key]
            raise KeyMissing(f"nothing was stored under {str(key)!r}.")
        if begin <= start:
            return data[start - begin :] if start > begin else data
        return self._store.get(key, start)

    def put(self, key: Key, source: Source) -> None:
        """See `Store.put`."""
        self._held.pop(key, None)
        self._store.put(key, source)

    def create(self, key: Key, data: bytes) -> None:
        """See `Store.create`."""
        self._held.pop(key, None)
        self._store.create(key, data)

    def list(self, prefix: Key) -> Iterator[Entry]:
        """See `Store.list`."""
        return self._store.list(prefix)

    @property
    def _lists_in_part(self) -> bool:
        """See `PartLister`: what the wrapped store says."""
        return part_lister(self._store) is not None

    def _list_folders(self, prefix: Key) -> set[Key]:
        """See `PartLister`."""
        return folders_in(self._store, prefix)

    def _list_beginning(self, prefix: Key, begins: str) -> Iterator[Entry]:
        """See `PartLister`."""
        return beginning(self._store, prefix, begins)

    def delete(self, key: Key) -> None:
        """See `Store.delete`."""
        self._held.pop(key, None)
        self._store.delete(key)

    def download(self, key: Key, path: Path) -> None:
        """See `Store.download`."""
        self._store.download(key, path)

    def local_path(self, key: Key) -> Path | None:
        """See `Store.local_path`."""
        return self._store.local_path(key)
