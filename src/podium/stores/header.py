"""``podium.json``: what a store says of itself, and what a podium must know to touch it.

It says which copies are of one origin and which features a reader needs. It must never say whom to trust:
whoever can hand over a store can write this file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from podium.errors import Corrupt, KeyExists, KeyMissing, StoreError, StoreUnavailable
from podium.ids import new_id
from podium.stores.contract import Store
from podium.stores.keys import Key
from podium.strictjson import canonical, loads

__all__ = ["HEADER_KEY", "StoreHeader", "ensure_header", "parse_header", "read_header"]

HEADER_KEY = Key.parse("podium.json")
_FORMAT = 1
_KNOWN_NEEDS: frozenset[str] = frozenset()
_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class StoreHeader:
    """What ``podium.json`` holds.

    Attributes:
        store_id: 32 hex digits; copies of a store share it.
        needs: features a reader must know; this podium knows all of them, or it had refused the store.
    """

    store_id: str
    needs: tuple[str, ...] = ()


def read_header(store: Store) -> StoreHeader | None:
    """What the store says of itself; None where it was never written to.

    Raises:
        StoreError: the store was written by a newer podium, or does not answer.
        Corrupt: ``podium.json`` is there and makes no sense.
    """
    try:
        data = store.get(HEADER_KEY)
    except KeyMissing:
        return None
    return parse_header(data)


def parse_header(data: bytes) -> StoreHeader:
    """The header in the bytes of a ``podium.json``; see `read_header`."""
    try:
        fields = loads(data)
        version, store_id, needs = fields["format"], fields["store_id"], fields.get("needs", [])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise _corrupt(data) from error
    if type(version) is not int or not isinstance(needs, list):
        raise _corrupt(data)
    unknown = sorted({str(each) for each in needs} - _KNOWN_NEEDS)
    if version > _FORMAT or unknown:
        what = f"format {version}" if version > _FORMAT else f"the features {', '.join(unknown)}"
        raise StoreError(
            f"this store has {what}, which this podium does not know; it was written by a newer one. "
            "Type: pip install --upgrade podium"
        )
    if version < 1 or not isinstance(store_id, str) or not _ID.fullmatch(store_id):
        raise _corrupt(data)
    return StoreHeader(store_id=store_id, needs=tuple(needs))


def ensure_header(store: Store, store_id: str | None = None) -> StoreHeader:
    """What the store says of itself, after making it say so if it was never written to.

    Args:
        store: any store.
        store_id: its id, if this call is the one that makes it; None: a new one.

    Raises:
        StoreError: the store was written by a newer podium, or does not answer.
        Corrupt: ``podium.json`` is there and makes no sense.
    """
    header = read_header(store)
    if header is not None:
        return header
    store_id = store_id or new_id()
    data = canonical({"format": _FORMAT, "needs": [], "store_id": store_id})
    try:
        store.create(HEADER_KEY, data)
    except KeyExists:
        pass  # another writer was first, or this is the echo of our own attempt: what is there tells
    except StoreUnavailable:
        raise
    except StoreError:
        # No exclusive create here, so no registry; runs need none, and of two ids any one will do.
        if read_header(store) is None:
            store.put(HEADER_KEY, data)
    header = read_header(store)
    if header is None:
        raise StoreUnavailable(
            "podium.json was created and is not seen yet: this store's disk is shared, and caches. Try again."
        )
    return header


def _corrupt(data: bytes) -> Corrupt:
    return Corrupt(
        "podium.json of this store is damaged. Take it from a backup; it looks like this: "
        '{"format": 1, "needs": [], "store_id": <32 hex digits>}.',
        key=str(HEADER_KEY),
        expected="a JSON object",
        found=repr(data[:80]),
    )
