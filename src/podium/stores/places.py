"""Which store is meant when nobody says so, and whether its models may run code.

A store that the caller named, or that this user made at this place, may run code. One that was
merely found, say in a repository that was cloned an hour ago, gives runs and models that are data.
What decides lies in the user's own configuration (`podium.stores.noted`): nothing inside a store is
asked. Never reads runs or models.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from podium.errors import Invalid, NotFound, PodiumWarning, Refused, StoreError
from podium.ids import new_id
from podium.stores.contract import Store
from podium.stores.header import HEADER_KEY, StoreHeader, ensure_header, read_header
from podium.stores.keys import Key
from podium.stores.local import LocalStore, clear_leftovers_if_due
from podium.stores.noted import home_folder, is_noted, note
from podium.stores.opening import open_store, scheme_of
from podium.stores.wholefile import is_temporary

__all__ = ["Origin", "Place", "claim", "find_place", "may_run_code", "trust"]

Origin: TypeAlias = Literal["named", "made", "found", "absent"]

_FOLDER = ".podium"
# Where the user's configuration cannot be written, the process that made a store still knows that it did.
_made_by_this_process: set[tuple[Path, str]] = set()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a store is, and how podium came to it.

    Attributes:
        url: a URL, or the absolute path of a folder.
        origin: "named" by the caller or ``PODIUM_STORE``; found, and "made" or trusted here by this user;
            merely "found"; or "absent": nothing is there yet, the first write will make it.
    """

    url: str
    origin: Origin

    def open(self) -> Store:
        """The store; nothing is read or written yet."""
        return open_store(self.url)


def find_place(
    named: str | os.PathLike[str] | None = None,
    *,
    cwd: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Place:
    """The store to use: the one that is named, or the one this folder belongs to.

    Without ``named`` it is what ``PODIUM_STORE`` names, else the nearest ``.podium`` upwards, else ``./.podium``,
    which need not be there yet. The search goes up from ``cwd`` as far as the home folder and never leaves the
    disk it began on.

    Args:
        named: a URL or path; a relative path counts from ``cwd``.
        cwd: where the search begins; None: the current folder.
        environ: None: this process's.

    Raises:
        Refused: the nearest ``.podium`` belongs to another user.
        Invalid: the nearest ``.podium`` is no folder.
        StoreError: the nearest ``.podium`` was written by a newer podium.
        Corrupt: the nearest ``.podium`` has a damaged ``podium.json``.
    """
    environ = os.environ if environ is None else environ
    named = named if named is not None else environ.get("PODIUM_STORE") or None
    if isinstance(named, str) and (not named or scheme_of(named)):
        return Place(named, "named")
    here = Path.cwd() if cwd is None else Path(cwd).resolve()
    if named is not None:
        return Place(str(here / os.path.expanduser(named)), "named")
    folder = _nearest(here, environ)
    if folder is None:
        return Place(str(here / _FOLDER), "absent")
    return _examined(folder, environ)


def _nearest(here: Path, environ: Mapping[str, str]) -> Path | None:
    home = home_folder(environ)
    last = home.resolve() if home else None
    device = here.stat().st_dev
    for folder in (here, *here.parents):
        if folder.stat().st_dev != device:
            return None
        if os.path.lexists(folder / _FOLDER):
            return folder / _FOLDER
        if folder == last:
            return None
    return None


def _examined(folder: Path, environ: Mapping[str, str]) -> Place:
    """The place of a ``.podium`` that was found. A link to a folder is followed: the place is where it leads."""
    if not folder.is_dir():
        raise Invalid(
            f"{folder} is where podium keeps runs and models, and it is no folder (or a link that leads "
            "nowhere). Move it away, or name another store: PODIUM_STORE=PATH."
        )
    real = folder.resolve()
    if _is_noted(real, environ):
        return Place(str(real), "made")
    _refuse_foreign(folder)
    return Place(str(real), "absent" if _is_empty(real) else "found")


def _is_noted(root: Path, environ: Mapping[str, str]) -> bool:
    header = read_header(LocalStore(root))
    if header is None:
        return False
    return (root, header.store_id) in _made_by_this_process or is_noted(root, header.store_id, environ)


def _refuse_foreign(folder: Path) -> None:
    if sys.platform != "win32":
        me = os.geteuid()
        owners = {os.lstat(folder).st_uid, os.stat(folder).st_uid} - {me}
        if owners:
            raise Refused(
                f"{folder} belongs to another user (number {owners.pop()}; you are {me}), so it is not "
                f'used until you name it. Set PODIUM_STORE="{folder}", or type: '
                f'podium trust "{folder}"'
            )


def may_run_code(place: Place, *, environ: Mapping[str, str] | None = None) -> bool:
    """Whether models of the store at this place may run code when they are loaded.

    Asked anew each time, so that a store made or trusted meanwhile counts, and one replaced meanwhile does not.

    Raises:
        StoreError: the store was written by a newer podium, or does not answer.
        Corrupt: the store's ``podium.json`` is damaged.
    """
    if place.origin == "named":
        return True
    return _is_noted(Path(place.url), os.environ if environ is None else environ)


def claim(store: Store, *, environ: Mapping[str, str] | None = None) -> StoreHeader:
    """Make the store if there is none, before the first write to it, and say which it is.

    A store on this machine's disk that is made in a folder that was empty or absent is noted as made by this
    user; a folder that held something is not, for it may hold anybody's models. Where the note cannot be
    written, a `PodiumWarning` says so: training goes on, and the store counts as found next time. Once a day what killed
    writers left in it is cleared, aside.

    Raises:
        StoreError: the store was written by a newer podium, or does not answer.
        Corrupt: ``podium.json`` is there and makes no sense.
    """
    header = read_header(store)
    if header is not None:
        if isinstance(store, LocalStore):
            clear_leftovers_if_due(store, HEADER_KEY)
        return header
    store_id = new_id()
    root = store.local_path(Key.root())
    if root is not None and _is_empty(root):
        # Before the store is made: another process of this user that sees the store sees the note too.
        _made_by_this_process.add((root.resolve(), store_id))
        _note_or_warn(root, store_id, os.environ if environ is None else environ)
    return ensure_header(store, store_id)


def _is_empty(root: Path) -> bool:
    """Whether there is nothing in the folder, or no folder; what a racing maker has begun to write does not count."""
    try:
        return all(is_temporary(name) for name in os.listdir(root))
    except FileNotFoundError:
        return True
    except OSError:
        return False  # what cannot be seen into is not vouched for; the write that follows says what is wrong


def _note_or_warn(root: Path, store_id: str, environ: Mapping[str, str]) -> None:
    """The boundary at which podium's promise not to stop training is kept for the user's configuration."""
    try:
        note(root, store_id, environ)
    except (OSError, ValueError) as error:
        warnings.warn(
            f"could not note in your configuration that you made the store {root} ({error}). This process "
            f'may load its models; later ones must name it: PODIUM_STORE="{root}".',
            PodiumWarning,
            stacklevel=3,
        )


def trust(path: str | os.PathLike[str], *, environ: Mapping[str, str] | None = None) -> Place:
    """Let the models of a store run code: note it as this user's own, at this place.

    Args:
        path: the store, or the folder that holds it as ``.podium``.
        environ: None: this process's.

    Raises:
        NotFound: there is no store.
        Invalid: a URL; to name it is to trust it.
        StoreError: the configuration folder cannot be written, or the store was written by a newer podium.
        Corrupt: the store's ``podium.json`` is damaged.
    """
    if isinstance(path, str) and scheme_of(path):
        raise Invalid(f"{scheme_of(path)}: is a URL, and a store named by URL is trusted. Give a folder.")
    given = Path(path).expanduser().resolve()
    for root in (given, (given / _FOLDER).resolve()):
        header = read_header(LocalStore(root))
        if header is None:
            continue
        try:
            note(root, header.store_id, os.environ if environ is None else environ)
        except (OSError, ValueError) as error:
            raise StoreError(
                f"cannot note in your configuration that {root} is trusted: {error}. "
                f'Name the store instead: PODIUM_STORE="{root}".'
            ) from error
        return Place(str(root), "made")
    raise NotFound(
        f"there is no store in {given}: neither it nor its folder {_FOLDER} holds a {HEADER_KEY}.",
        name=str(path),
    )
