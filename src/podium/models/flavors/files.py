"""Flavor files: a folder as it is. Loading gives its path and runs no code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from podium.models.copying import copy_plain
from podium.models.flavors.contract import Loaded, Saved, Stored
from podium.models.mlmodel import MLmodel

__all__ = ["FilesFlavor"]

_FOLDER = "files"


class FilesFlavor:
    """A model of a framework that podium has no flavor for, as the files it wrote."""

    name = "files"
    takes = "a pathlib.Path to a file or folder"

    def accepts(self, model: object) -> bool:
        """A path (a str is a value: flavor json)."""
        return isinstance(model, Path)

    def save(self, model: object, folder: Path, *, files: Mapping[str, str], example: object) -> Saved:
        """Copy the file or folder.

        Raises:
            TypeError: it is no path.
            FileNotFoundError: nothing is there.
            Invalid: a link or a name that not every file system can keep lies in it.
        """
        if not isinstance(model, Path | str):
            raise TypeError(f"flavor 'files' saves a path, not a {type(model).__name__}.")
        source = Path(model)
        target = folder / _FOLDER
        if source.is_file():
            target.mkdir()
            target /= source.name
        copy_plain(source, target)
        return Saved({"podium": {"flavor": self.name, "data": _FOLDER}}, frozenset())

    def claims(self, mlmodel: MLmodel) -> bool:
        """Podium's own key says so, and nothing else can load it."""
        return mlmodel.flavor("podium").get("flavor") == self.name

    def runs_code(self, stored: Stored) -> str | None:
        """Never."""
        return None

    def load(self, stored: Stored) -> Loaded:
        """Give the folder's path."""
        return Loaded((stored.folder / _FOLDER).absolute(), None)
