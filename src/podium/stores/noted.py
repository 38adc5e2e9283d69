"""The stores this user made or trusted, noted in the user's own configuration.

This is the one place that widens trust, and it lies outside of every store. A note is a real path
together with a store's id: a store that is deleted and replaced by a foreign one at the same path
is not trusted, nor is a copy at another path. Knows paths and ids only; never opens a store.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from podium.stores.wholefile import write_whole
from podium.strictjson import loads

__all__ = ["home_folder", "is_noted", "note", "notes_file"]

_LOCK_PATIENCE_S = 10.0
# Tests and throw-away folders make stores by the thousand; below this number nothing is ever forgotten, for the
# disk of a store may only not be mounted.
_MANY = 1000


def home_folder(environ: Mapping[str, str]) -> Path | None:
    """The user's home; None where the system knows none."""
    named = environ.get("USERPROFILE" if sys.platform == "win32" else "HOME")
    if named:
        return Path(named)
    try:
        return Path.home()
    except RuntimeError:
        return None


def notes_file(environ: Mapping[str, str]) -> Path:
    """``podium/stores.json`` in the user's configuration folder.

    Raises:
        OSError: the user has neither a configuration folder nor a home.
    """
    named = environ.get("APPDATA" if sys.platform == "win32" else "XDG_CONFIG_HOME", "")
    if os.path.isabs(named):  # a relative one is to be ignored (XDG Base Directory Specification)
        return Path(named, "podium", "stores.json")
    home = home_folder(environ)
    if home is None:
        raise OSError("this user has no home folder")
    return Path(home, ".config", "podium", "stores.json")


def is_noted(root: Path, store_id: str, environ: Mapping[str, str]) -> bool:
    """Whether this user made or trusted the store with this id at this place.

    Notes that cannot be read grant nothing.
    """
    try:
        document = _read(notes_file(environ))
    except (OSError, ValueError):
        return False
    return _entry(root, store_id) in [_essence(each) for each in document["stores"]]


def note(root: Path, store_id: str, environ: Mapping[str, str]) -> None:
    """Remember that this user made or trusts the store with this id at this place.

    Raises:
        OSError: the configuration folder cannot be written.
        ValueError: the file there is not podium's; it is left as it is.
    """
    path = notes_file(environ)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(path):
        document = _read(path)
        entry = _entry(root, store_id)
        if entry in [_essence(each) for each in document["stores"]]:
            return
        if len(document["stores"]) >= _MANY:
            document["stores"] = [each for each in document["stores"] if not _is_gone(each)]
        document["stores"].append(entry)
        # Escaped to ASCII: a path that is no UTF-8 holds lone surrogates.
        write_whole(path, (json.dumps(document, indent=1).encode(),), mode=0o600)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    from filelock import FileLock

    lock = FileLock(f"{path}.lock", timeout=_LOCK_PATIENCE_S)
    try:
        lock.acquire()
    except NotImplementedError as error:  # how filelock says that this file system has no locks
        raise OSError(f"the file system of {path.parent} has no file locks") from error
    try:
        yield
    finally:
        lock.release()


def _entry(root: Path, store_id: str) -> dict[str, str]:
    return {"path": os.path.normcase(os.path.realpath(root)), "store_id": store_id}


def _essence(entry: object) -> dict[str, object]:
    """An entry without what a newer podium may have added."""
    if not isinstance(entry, dict):
        return {}
    return {"path": entry.get("path"), "store_id": entry.get("store_id")}


def _is_gone(entry: object) -> bool:
    path = _essence(entry).get("path")
    return isinstance(path, str) and not os.path.lexists(path)


def _read(path: Path) -> dict[str, Any]:
    """The document, with fields of a newer podium as they are.

    Raises:
        ValueError: it is not podium's.
    """
    try:
        document = loads(path.read_bytes())
    except FileNotFoundError:
        return {"format": 1, "stores": []}
    if not isinstance(document, dict) or not isinstance(document.get("stores"), list):
        raise ValueError(f"{path} does not hold podium's notes; move it away")
    return document
