"""What lies in a folder that a user hands over, link or not, without ever going round in circles."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["files_of"]


def files_of(folder: Path) -> Iterator[tuple[str, Path]]:
    """Everything below a folder that is no folder, sorted: its path below, parted by "/", and where it lies.

    Links are followed, as a copy of the folder would; one that leads to a folder it lies in is given itself, as if it
    were broken.
    """
    yield from _below(folder, "", frozenset({os.path.realpath(folder)}))


def _below(folder: Path, prefix: str, above: frozenset[str]) -> Iterator[tuple[str, Path]]:
    for each in sorted(folder.iterdir()):
        path = f"{prefix}{each.name}"
        real = os.path.realpath(each)
        if each.is_dir() and real not in above:
            yield from _below(each, f"{path}/", above | {real})
        else:
            yield path, each
