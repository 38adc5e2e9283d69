"""From the text a user writes to the store it names.

Which stores there are is not known here: each URL scheme is an entry point of the group ``podium.stores``, a
callable that takes the URL. A scheme that only fsspec knows is a store for runs. A text without a scheme is a folder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import cast

from podium.errors import Invalid
from podium.stores.contract import Store
from podium.stores.local import LocalStore

__all__ = ["open_store", "scheme_of"]

_GROUP = "podium.stores"
# Two letters at least: "C:\data" is a folder.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")


def scheme_of(text: str) -> str | None:
    """The URL scheme in lower case, or None where ``text`` is a path."""
    found = _SCHEME.match(text)
    return found[1].lower() if found else None


def open_store(url_or_path: str | os.PathLike[str]) -> Store:
    """The store at a URL or in a folder; nothing is read or written yet.

    Raises:
        Invalid: no store goes by this scheme, or the text is empty.
    """
    text = os.fspath(url_or_path)
    if not text:
        raise Invalid("a store cannot be named by an empty text. Give a folder, or a URL such as 'memory:'.")
    scheme = scheme_of(text) if isinstance(url_or_path, str) else None
    if scheme is None:
        return LocalStore(os.path.expanduser(text))
    return _opener(scheme)(text)


def _opener(scheme: str) -> Callable[[str], Store]:
    from importlib.metadata import entry_points

    known = {each.name: each for each in entry_points(group=_GROUP)}
    if scheme in known:
        return cast("Callable[[str], Store]", known[scheme].load())
    if _fsspec_knows(scheme):
        from podium.stores.remote import open_remote

        return open_remote
    schemes = ", ".join(f"{name}:" for name in sorted(known))
    raise Invalid(
        f"no store goes by the scheme {scheme!r}. There are: a path, {schemes}. "
        "If a folder has this name, write it with ./ before it."
    )


def _fsspec_knows(scheme: str) -> bool:
    from fsspec import available_protocols

    return scheme in available_protocols()
