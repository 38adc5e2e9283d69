"""A private place for models whose store is not on this machine: fetched once, whole or not at all.

Named by the SHA-256 of the manifest, so what is there is what was asked for, whichever store it came from. This module
must never know how a file is fetched.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from podium.errors import Corrupt, StoreUnavailable
from podium.models.manifest import FileEntry, Manifest, verify
from podium.stores.cachefolder import cache_folder
from podium.stores.together import together

__all__ = ["ModelCache", "default_cache_folder"]

Fetch = Callable[[str, Path], None]
_LOCK_TIMEOUT_S = 600.0


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
            fetch: writes the file of a path (inside the model) to a local file.
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
        aside = self._root / f"{manifest.sha256}.partial"
        aside.mkdir(mode=0o700, exist_ok=True)

        def bring(file: FileEntry) -> None:
            local = aside / file.path
            # Each file appears whole; what it holds is compared below.
            if not (local.is_file() and local.stat().st_size == file.size):
                local.parent.mkdir(parents=True, exist_ok=True)
                fetch(file.path, local)

        together(bring, manifest.files)
        try:
            verify(aside, manifest, uri=uri)
        except Corrupt:
            shutil.rmtree(aside, ignore_errors=True)  # or the next attempt would go on with it
            raise
        aside.rename(target)


def _is_whole(folder: Path, manifest: Manifest, uri: str) -> bool:
    try:
        verify(folder, manifest, uri=uri)
    except (Corrupt, OSError):
        return False
    return True
