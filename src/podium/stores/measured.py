"""Put or fetch a file and say what it was: size and SHA-256 of the very bytes that went.

Where the store lets it, a file is hashed as it is copied and read once, so that what is said of it is true although
somebody may still write to it. Knows bytes and keys, not what they are for.
"""

from __future__ import annotations

import hashlib
import os
import queue
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from podium.stores.contract import Source, Store
from podium.stores.keys import Key
from podium.stores.wholefile import chunks_of

__all__ = [
    "Measure",
    "Measuring",
    "TakesChunks",
    "fetch_measured",
    "is_hashed_on_the_way",
    "measure",
    "private_copy",
    "put_measured",
]

# From this size on a thread pays: hashlib lets go of the interpreter, and SHA-256 takes as long as copying.
_LARGE_BYTES = 8 << 20
_WAITING_CHUNKS = 1


@dataclass(frozen=True, slots=True)
class Measure:
    """How many bytes there are, and their SHA-256 in hex digits."""

    size_bytes: int
    sha256: str

    def __str__(self) -> str:
        return f"{self.size_bytes} bytes of SHA-256 {self.sha256}"


@runtime_checkable
class TakesChunks(Protocol):
    """A store that takes a value in pieces, as they come."""

    def put_chunks(self, key: Key, chunks: Iterable[bytes]) -> None:
        """As `Store.put`; if the pieces break off with an error nothing has changed."""
        ...


@runtime_checkable
class Measuring(Protocol):
    """A store elsewhere that hashes files as they pass."""

    def put_measured(self, key: Key, file: Path, expected: Measure | None = None) -> Measure | None:
        """As `Store.put`; None, and nothing has changed, if it is not what was expected."""
        ...

    def download_measured(self, key: Key, path: Path) -> Measure:
        """As `Store.download`; what the file is now."""
        ...


class _Measuring:
    """The pieces of an open file, measured as they pass; of a large one in a thread of their own."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._digest = hashlib.sha256()
        self._size_bytes = 0

    def __iter__(self) -> Iterator[bytes]:
        if os.fstat(self._fd).st_size >= _LARGE_BYTES:
            yield from self._measured_aside()
        # Also where the large ones end: what no thread could be had for, and what was appended meanwhile.
        for chunk in chunks_of(self._fd):
            self._digest.update(chunk)
            self._size_bytes += len(chunk)
            yield chunk

    def _measured_aside(self) -> Iterator[bytes]:
        waiting: queue.Queue[bytes] = queue.Queue(maxsize=_WAITING_CHUNKS)
        thread = threading.Thread(target=self._hash_all, args=(waiting,), name="podium-hash", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the interpreter is on its way out, or there are too many
            return
        try:
            for chunk in chunks_of(self._fd):
                waiting.put(chunk)
                self._size_bytes += len(chunk)
                yield chunk
        finally:
            waiting.put(b"")
            thread.join()

    def _hash_all(self, waiting: queue.Queue[bytes]) -> None:
        while chunk := waiting.get():
            self._digest.update(chunk)

    @property
    def so_far(self) -> Measure:
        return Measure(self._size_bytes, self._digest.hexdigest())


class _Differs(Exception):
    """These are not the bytes that were expected."""


def measure(source: Source) -> Measure:
    """Size and SHA-256 of bytes, or of a local file."""
    if isinstance(source, bytes):
        return Measure(len(source), hashlib.sha256(source).hexdigest())
    with source.open("rb") as file:
        measuring = _Measuring(file.fileno())
        for _ in measuring:
            pass
    return measuring.so_far


@contextmanager
def private_copy(file: Path) -> Iterator[Path]:
    """A copy of a local file that nobody else writes to, as long as the ``with`` lasts."""
    with tempfile.TemporaryDirectory(prefix="podium-copy-") as folder:
        copy = Path(folder, "copy")
        with file.open("rb") as source, copy.open("wb") as target:
            target.writelines(chunks_of(source.fileno()))
        yield copy


def put_measured(
    store: Store, key: Key, source: Source, *, expected: Measure | None = None
) -> Measure | None:
    """Set the value of a key, as `Store.put`.

    Args:
        store: where.
        key: where in it.
        source: bytes, or a local file.
        expected: what the bytes have to be. A store that takes pieces then keeps its old value if they are not.

    Returns:
        What the value is now; None where the source is not, or was not throughout, what is expected.

    Raises:
        StoreError: as `Store.put`.
        OSError: the local file cannot be read.
    """
    if isinstance(source, Path) and isinstance(store, TakesChunks):
        return _put_as_it_is_read(store, key, source, expected)
    if isinstance(source, Path) and isinstance(store, Measuring):
        return store.put_measured(key, source, expected)
    before = None if isinstance(source, bytes) else _stamp(source)
    found = measure(source)
    if expected is not None and found != expected:
        return None
    store.put(key, source)
    if isinstance(source, bytes) or _stamp(source) == before:
        return found
    if expected is not None:
        return None
    with private_copy(source) as copy:
        return put_measured(store, key, copy)


def is_hashed_on_the_way(store: Store) -> bool:
    """Whether `put_measured` of a local file leaves the old value where the file is not what is expected."""
    return isinstance(store, TakesChunks | Measuring)


def fetch_measured(store: Store, key: Key, path: Path) -> Measure:
    """Write a value to a local file, as `Store.download`.

    Returns:
        What came.

    Raises:
        KeyMissing, StoreError: as `Store.download`.
    """
    if isinstance(store, Measuring):
        return store.download_measured(key, path)
    store.download(key, path)
    return measure(path)


def _put_as_it_is_read(
    store: TakesChunks, key: Key, source: Path, expected: Measure | None
) -> Measure | None:
    def checked() -> Iterator[bytes]:
        yield from measuring
        if expected is not None and measuring.so_far != expected:
            raise _Differs

    with source.open("rb") as file:
        measuring = _Measuring(file.fileno())
        try:
            store.put_chunks(key, checked())
        except _Differs:
            return None
    return measuring.so_far


def _stamp(file: Path) -> tuple[int, int, int]:
    status = file.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns
