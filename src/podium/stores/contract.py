"""The one abstraction podium stands on: bytes under keys.

A store knows nothing of runs, models or JSON. A verb is here only because it cannot be built from the others;
what can be built is a function beside the store. Retrying, caching, faults and lost answers are stores around
stores. No verb has a default that promises less than is written here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias, runtime_checkable

from podium.errors import StoreUnavailable
from podium.stores.keys import Key

__all__ = ["DiskFull", "Entry", "Source", "Store"]

Source: TypeAlias = bytes | Path
"""What `Store.put` takes: the bytes themselves, or a local file that holds them."""


class DiskFull(StoreUnavailable):
    """There was no space for the value, and for certain nothing was written: this attempt is no commit of anybody."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One value as a listing shows it.

    Attributes:
        key: where it lies.
        size: bytes.
        stamp: opaque text that changes when the value is replaced; compare it, never read it.
    """

    key: Key
    size: int
    stamp: str


@runtime_checkable
class Store(Protocol):
    """Bytes under keys.

    Every verb may raise `StoreUnavailable` (it may pass: disk full, network down, no permission) beside the
    errors it names. All verbs may be called from any thread and any process at once.
    """

    def get(self, key: Key, start: int = 0) -> bytes:
        """The value from byte ``start`` to its end, never a mixture of two values.

        Past the end: ``b""``. May be late where a client caches (NFS: up to a minute).

        Raises:
            KeyMissing: the store says that nothing is there. A refusal is another error.
        """
        ...

    def put(self, key: Key, source: Source) -> None:
        """Set the value, whether or not there was one.

        Atomic: a reader sees the old value or the new one. Durable when it returns. Of several writers at
        once the last one wins whole.
        """
        ...

    def create(self, key: Key, data: bytes) -> None:
        """Set the value only if there is none: the one atomic verb. For small values.

        Linearizable among all processes and machines: of racing creators exactly one succeeds, and a value
        that was created is never "not there" for a later `create`. Durable when it returns. After any error
        but `KeyExists` the outcome is unknown, and the same bytes may be tried again.

        Raises:
            KeyExists: the key is taken, perhaps by an attempt of this very call whose answer was lost.
            StoreError: this store cannot promise the above, and says why.
        """
        ...

    def list(self, prefix: Key) -> Iterator[Entry]:
        """Every value in the folder ``prefix`` and the folders below it, in no order.

        A value that is there throughout the listing is listed once; one that comes or goes meanwhile may be
        or not. May be late where a client caches. A folder that is not there lists nothing.
        """
        ...

    def delete(self, key: Key) -> None:
        """Remove the value; where there is none, that is success."""
        ...

    def download(self, key: Key, path: Path) -> None:
        """Write the value to the local file ``path`` (its folder must exist), whole or not at all.

        Raises:
            KeyMissing: the store says that nothing is there.
        """
        ...

    def local_path(self, key: Key) -> Path | None:
        """Where the value lies, or would lie, on this machine's disk; None if it does not.

        Writers append there and readers map it, without a copy. The folder need not exist yet.
        """
        ...
