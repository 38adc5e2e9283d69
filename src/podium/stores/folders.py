"""What lies in part of a store: the folders right below a key, the values whose names begin alike.

Functions beside the store, made of its verbs. A store that is asked over a network may answer them in fewer requests
than listing all there is; one that can says so (`PartLister`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from podium.errors import StoreUnavailable
from podium.stores.contract import Entry, Store
from podium.stores.keys import Key, is_segment

__all__ = ["PartLister", "beginning", "folders_in", "part_lister"]


@runtime_checkable
class PartLister(Protocol):
    """What a store of podium's may offer beside the verbs: listings that pass over what is not asked for.

    No part of the contract, hence the names: whoever writes a store need not know of it.
    """

    @property
    def _lists_in_part(self) -> bool:
        """Whether the two below cost no more requests than what they return; else they are answered all the same."""
        ...

    def _list_folders(self, prefix: Key) -> set[Key]:
        """The folders right below ``prefix``; where the store keeps empty ones those too."""
        ...

    def _list_beginning(self, prefix: Key, begins: str) -> Iterator[Entry]:
        """Every value below ``prefix`` whose path from there begins with ``begins``, which may end in a name."""
        ...


def part_lister(store: Store) -> PartLister | None:
    """The store itself, where it lists in part for less than the whole."""
    return store if isinstance(store, PartLister) and store._lists_in_part else None


def folders_in(store: Store, prefix: Key) -> set[Key]:
    """The folders right below ``prefix``; links, and names that no key can have, are not podium's and passed over.

    Raises:
        StoreUnavailable: the folder cannot be listed.
    """
    root = store.local_path(prefix)
    if root is None:
        lister = part_lister(store)
        if lister is not None:
            return lister._list_folders(prefix)
        depth = len(prefix.segments)
        paths = (entry.key.segments for entry in store.list(prefix))
        return {prefix / path[depth] for path in paths if len(path) > depth + 1}
    try:
        with os.scandir(root) as entries:
            return {
                prefix / each.name
                for each in entries
                if is_segment(each.name) and each.is_dir(follow_symlinks=False)
            }
    except (FileNotFoundError, NotADirectoryError):
        return set()
    except OSError as error:
        raise StoreUnavailable(f"cannot list {root}: {error.strerror or error}.") from error


def beginning(store: Store, prefix: Key, begins: str) -> Iterator[Entry]:
    """Every value below ``prefix`` whose path from there begins with ``begins``."""
    lister = part_lister(store)
    if lister is not None:
        yield from lister._list_beginning(prefix, begins)
        return
    depth = len(prefix.segments)
    for entry in store.list(prefix):
        if "/".join(entry.key.segments[depth:]).startswith(begins):
            yield entry
