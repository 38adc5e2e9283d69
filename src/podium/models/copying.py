"""Copying what a user hands over into a model directory: plain files only, nothing that leads elsewhere."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from podium.errors import Invalid

__all__ = ["copy_plain"]

_LEFT_OUT = frozenset({"__pycache__"})


def copy_plain(source: Path, target: Path) -> None:
    """Copy a file or a folder to ``target``, which must not exist; ``__pycache__`` is left out.

    The source itself may be a link; nothing inside it may.

    Raises:
        FileNotFoundError: nothing is there.
        Invalid: a link or special file lies in the folder, or ``target`` does.
    """
    if not source.exists():
        raise FileNotFoundError(f"there is no file or folder {os.fspath(source)!r} to keep with the model.")
    if target.resolve().is_relative_to(source.resolve()):
        raise Invalid(
            f"the model would be written inside {os.fspath(source)!r}, which is to be copied into it: it would hold "
            "itself. Choose a path outside."
        )
    _copy(source, target)


def _copy(source: Path, target: Path) -> None:
    if source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        return
    target.mkdir(parents=True)
    with os.scandir(source) as entries:
        for entry in sorted(entries, key=lambda each: each.name):
            if entry.name in _LEFT_OUT:
                continue
            mode = entry.stat(follow_symlinks=False).st_mode
            if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
                raise Invalid(
                    f"{entry.path!r} is a link or a special file; a model holds plain files only. Copy what it "
                    "points to in its place."
                )
            _copy(Path(entry.path), target / entry.name)
