"""Where the bytes of a version lie, and whether they are those that were registered."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from podium.commits.fold import VersionState
from podium.commits.histories import Histories, model_folder
from podium.commits.protocol import manifest_key, object_folder
from podium.commits.views import version_uri
from podium.errors import Corrupt, StoreError
from podium.stores.contract import Store
from podium.stores.keys import Key

if TYPE_CHECKING:
    from podium.models.manifest import Manifest

__all__ = ["FetchFiles", "Located", "locate", "verified_folder"]


@dataclass(frozen=True, slots=True)
class Located:
    """Where the bytes of one version lie.

    Attributes:
        name: the model.
        version: its number.
        folder: the key of its files.
        manifest: what has to be there; its own digest was checked.
        trust: "data" or "code", as it was registered; the loader judges the bytes anew.
        run_id: the run that made it.
    """

    name: str
    version: int
    folder: Key
    manifest: Manifest
    trust: str
    run_id: str | None

    @property
    def uri(self) -> str:
        """``models:/<name>/<version>``."""
        return version_uri(self.name, self.version)


FetchFiles: TypeAlias = Callable[[Located], Path]
"""Brings the files of a version to a local directory, verified."""


def locate(histories: Histories, name: str, version: VersionState) -> Located:
    """Where a version lies.

    Raises:
        Corrupt: its manifest is missing, or not the one that was registered.
    """
    from podium.models.manifest import Manifest

    folder = model_folder(name)
    key = manifest_key(folder, version.object_key)
    uri = version_uri(name, version.version)
    data = histories.fetch(key)
    if data is None:
        raise Corrupt(
            f"the manifest of {uri} is missing: {key}. Restore it from a copy of the store.",
            key=str(key),
            expected=version.sha256,
            found="nothing",
        )
    found = hashlib.sha256(data).hexdigest()
    if found != version.sha256:
        raise Corrupt(
            f"the manifest of {uri} is not the one that was registered: {key}. Do not load it; restore it from a "
            "copy of the store, or point the alias at a version that is whole.",
            key=str(key),
            expected=version.sha256,
            found=found,
        )
    return Located(
        name=name,
        version=version.version,
        folder=object_folder(folder, version.object_key),
        manifest=Manifest.from_bytes(data, key=str(key)),
        trust=version.trust,
        run_id=version.run_id,
    )


def verified_folder(located: Located, store: Store, fetch: FetchFiles | None) -> Path:
    """A local directory with the files of a version, each held against its SHA-256.

    Raises:
        Corrupt: a file is not what was registered.
        StoreError: they are far away and there is no way to fetch them.
    """
    from podium.models.manifest import verify

    folder = store.local_path(located.folder)
    if folder is None:
        if fetch is None:
            raise StoreError(
                f"the files of {located.uri} do not lie on this machine's disk, and this registry has no way to "
                "fetch them. Use the registry of a Workspace."
            )
        return fetch(located)
    verify(folder, located.manifest, uri=located.uri)
    return folder
