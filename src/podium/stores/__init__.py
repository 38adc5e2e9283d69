"""Bytes under keys: the contract every store keeps, the stores podium brings, and wrappers around them.

Opening a store by its URL is `podium.stores.opening`; which store is meant when nobody named one,
and whether its models may run code, is `podium.stores.places`. Nothing here knows runs, models or
the registry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from podium.stores.contract import Entry, Source, Store
from podium.stores.keys import Key
from podium.stores.local import LocalStore
from podium.stores.memory import MemoryStore
from podium.stores.retrying import Retrying

if TYPE_CHECKING:
    from podium.stores.remote import RemoteStore

__all__ = ["Entry", "Key", "LocalStore", "MemoryStore", "RemoteStore", "Retrying", "Source", "Store"]


def __getattr__(name: str) -> object:
    if name != "RemoteStore":
        raise AttributeError(f"module 'podium.stores' has no attribute {name!r}")
    from podium.stores.remote import RemoteStore  # which brings asyncio, and whoever has no bucket needs none

    return RemoteStore
