"""Hand a local file to a store so that only the bytes that were promised can arrive.

A source may be written to while it is copied, and an object is shared by every version of its bytes: so what is
hashed and what is put are the same bytes. A store that hashes on the way drops them when they turn out to be others;
for any other they are held where nobody else writes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from podium.commits.protocol import LocalFile
from podium.errors import Corrupt
from podium.stores.contract import Source, Store
from podium.stores.keys import Key
from podium.stores.measured import Measure, is_hashed_on_the_way, measure, put_measured

__all__ = ["hand_over", "verified_source"]

_IN_MEMORY_BYTES = 32 << 20
_CHUNK_BYTES = 1 << 20


def hand_over(store: Store, key: Key, file: LocalFile) -> None:
    """Put a file.

    Raises:
        Corrupt: it does not hold what it has to, or is gone; the key is left as it is.
        StoreError: as `Store.put`.
    """
    if not is_hashed_on_the_way(store):
        with verified_source(file) as source:
            store.put(key, source)
        return
    try:
        if put_measured(store, key, file.path, expected=Measure(file.size, file.sha256)) is None:
            raise _changed(file, measure(file.path).sha256)
    except FileNotFoundError as error:
        raise _changed(file, "nothing") from error


@contextlib.contextmanager
def verified_source(file: LocalFile) -> Iterator[Source]:
    """The bytes of a file as `Store.put` takes them: small ones in memory, large ones in a private copy.

    Raises:
        Corrupt: the file does not hold what it has to, or is gone.
    """
    if file.size <= _IN_MEMORY_BYTES:
        try:
            # One byte more than it may have tells a file that grew without reading all of it.
            with open(file.path, "rb") as opened:
                data = opened.read(file.size + 1)
        except FileNotFoundError as error:
            raise _changed(file, "nothing") from error
        _check(file, hashlib.sha256(data).hexdigest())
        yield data
        return
    with tempfile.TemporaryDirectory(prefix="podium-") as folder:
        private = Path(folder) / "file"
        _check(file, _copied(file, private))
        yield private


def _copied(file: LocalFile, target: Path) -> str:
    digest = hashlib.sha256()
    try:
        source = open(file.path, "rb")  # noqa: SIM115 - closed below; only opening may miss it
    except FileNotFoundError as error:
        raise _changed(file, "nothing") from error
    with source, open(target, "wb") as copy:
        os.chmod(target, 0o600)
        while chunk := source.read(_CHUNK_BYTES):
            digest.update(chunk)
            copy.write(chunk)
    return digest.hexdigest()


def _check(file: LocalFile, found: str) -> None:
    if found != file.sha256:
        raise _changed(file, found)


def _changed(file: LocalFile, found: str) -> Corrupt:
    return Corrupt(
        f"the file {file.path.name!r} is not the one this model consists of: it was changed or removed while it was "
        "registered. Nothing was registered; save the model again.",
        key=file.path.name,
        expected=file.sha256,
        found=found,
    )
