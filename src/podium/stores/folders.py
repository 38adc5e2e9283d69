"""The folders right below a key: what lies in a store, by name. A function beside the store, made of its verbs."""

from __future__ import annotations

import os

from podium.errors import StoreUnavailable
from podium.stores.contract import Store
from podium.stores.keys import Key, is_segment

__all__ = ["folders_in"]


def folders_in(store: Store, prefix: Key) -> set[Key]:
    """The folders right below ``prefix``; links, and names that no key can have, are not podium's and passed over.

    Raises:
        StoreUnavailable: the folder cannot be listed.
    """
    root = store.local_path(prefix)
    if root is None:
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
