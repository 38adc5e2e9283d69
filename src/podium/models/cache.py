"""A private place for models whose store is not on this machine: fetched once, whole or not at all.

Named by the SHA-256 of the manifest, so what is there is what was asked for, whichever store it came from. This module
must never know how a file is fetched.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from podium.errors import Corrupt, StoreUnavailable
from podium.models.manifest import FileEntry, Manifest, check_entry, file_entry, verify
from podium.stores.cachefolder import cache_folder
from podium.stores.measured import Measure
from podium.stores.progress import moving
from podium.stores.together import together

__all__ = ["ModelCache", "default_cache_folder"]

Fetch = Callable[[str, Path], Measure]
_LOCK_TIMEOUT_S = 600.0
_LEFTOVER_S = 86_400.0
_PARTIAL = ".partial"


def default_cache_folder(environ: Mapping[str, str] | None = None) -> Path:
    """This user's folder for models that can be fetched again."""
    return cache_folder(environ) / "models"


class ModelCache:
    """Model directories by digest, private to this user."""

    def __init__(self, root: Path | None = None) -> None:
        self._root = default_cache_folder() if root is None else root

    def folder(self, manifest: Manifest, fetch: Fetch, *, uri: str) -> Path:
        """The directory with exactly the files of ``manifest``, fetched if it is not there.

        Two processes that ask at once fetch it once. A copy that is no longer whole is thrown away and fetched again.

        Args:
            manifest: what it holds.
            fetch: writes the file of a path (inside the model) to a local file, and says what came.
            uri: the model, for messages.

        Raises:
            Corrupt: what was fetched is not what the manifest says.
            StoreUnavailable: another process has been fetching it for ten minutes.
        """
        from filelock import FileLock, Timeout

        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        target = self._root / manifest.sha256
        try:
            with FileLock(self._root / f"{manifest.sha256}.lock", timeout=_LOCK_TIMEOUT_S):
                if not _is_whole(target, manifest, uri):
                    shutil.rmtree(target, ignore_errors=True)
                    self._fetch(manifest, fetch, target, uri)
        except Timeout as error:
            raise StoreUnavailable(
                f"another process has been fetching {uri} into {self._root} for ten minutes. Look whether it hangs."
            ) from error
        return target

    def kept(self, sha256: str) -> Path | None:
        """The directory of a manifest of this SHA-256, if it was fetched before; what is in it is to be verified."""
        target = self._root / sha256
        return target if target.is_dir() else None

    def _fetch(self, manifest: Manifest, fetch: Fetch, target: Path, uri: str) -> None:
        """Fetch the files that are not there yet: an attempt that was broken off is gone on with."""
        self._clear_leftovers()
        aside = self._root / f"{manifest.sha256}{_PARTIAL}"
        aside.mkdir(mode=0o700, exist_ok=True)
        _remove_strangers(aside, manifest)
        try:
            with moving(f"fetching {uri}", manifest.size_bytes) as meter:

                def bring(file: FileEntry) -> None:
                    local = aside / file.path
                    if local.is_file() and file_entry(aside, file.path) == file:
                        meter.add(file.size)
                        return
                    local.parent.mkdir(parents=True, exist_ok=True)
                    came = fetch(file.path, local)
                    check_entry(FileEntry(file.path, came.size_bytes, came.sha256), file, uri=uri)

                together(bring, manifest.files)
        except Corrupt:
            shutil.rmtree(aside, ignore_errors=True)  # or the next attempt would go on with it
            raise
        aside.rename(target)

    def _clear_leftovers(self) -> None:
        """Remove what was begun and never finished, a day ago or more; whoever fetches it now holds its lock."""
        from filelock import FileLock, Timeout

        for aside in self._root.glob(f"*{_PARTIAL}"):
            lock = FileLock(self._root / f"{aside.name.removesuffix(_PARTIAL)}.lock", timeout=0)
            with contextlib.suppress(OSError, Timeout):
                if time.time() - aside.stat().st_mtime > _LEFTOVER_S:
                    with lock:
                        shutil.rmtree(aside, ignore_errors=True)


def _remove_strangers(aside: Path, manifest: Manifest) -> None:
    """Remove what is no file of the model: a killed process leaves what it was writing."""
    known = set(manifest.paths())
    for folder, _, names in os.walk(aside):
        for name in names:
            path = Path(folder) / name
            if path.is_symlink() or path.relative_to(aside).as_posix() not in known:
                path.unlink()


def _is_whole(folder: Path, manifest: Manifest, uri: str) -> bool:
    try:
        verify(folder, manifest, uri=uri)
    except (Corrupt, OSError):
        return False
    return True
