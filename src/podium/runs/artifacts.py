"""The files of a run: kept with size and SHA-256, and given back only if they still are what was kept.

Nothing that was acknowledged is ever overwritten: the creator of a run stores a path under its own name the first
time; any other writer, and any other content, gets a key that ends in the content's hash. Knows bytes and paths, not
what they mean.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from podium.errors import Corrupt, KeyMissing
from podium.runs.events import Artifact, Model, ModelFile
from podium.runs.layout import RunKeys
from podium.stores.contract import Store
from podium.stores.keys import Key, encoded_path, name_segment

__all__ = ["Shelf", "artifact_key", "files_below", "read_artifact", "save_artifact"]

_CHUNK_BYTES = 1 << 20


@dataclass(slots=True)
class Shelf:
    """Where one writer puts the files of a run.

    Attributes:
        store: where the run lies.
        keys: of the run.
        is_creator: whether this writer began the run, so that plain names are its own.
        known: the artifacts of the run as this writer knows them, by path.
    """

    store: Store
    keys: RunKeys
    is_creator: bool
    known: dict[str, Artifact]
    _files: set[str] = field(init=False, default_factory=set)
    _folders: set[str] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        for artifact in self.known.values():
            self._take(artifact.key)

    def keep(self, path: str, source: bytes | Path) -> Artifact:
        """Store a file.

        Args:
            path: as the user calls it, parted by "/".
            source: its bytes, or where it lies.

        Returns:
            The event that makes it count; it is not written here.

        Raises:
            StoreUnavailable: it could not be stored.
            OSError: the local file cannot be read.
        """
        before = None if isinstance(source, bytes) else _stamp(source)
        size, sha256 = _measured(source)
        kept = self.known.get(path)
        if kept is not None and (kept.size_bytes, kept.sha256) == (size, sha256):
            return kept
        key = self._key(path, sha256)
        self.store.put(artifact_key(self.keys, key), source)
        if not isinstance(source, bytes) and _stamp(source) != before:
            # Written to meanwhile, so the hash may be that of other bytes: keep it as it is at one moment.
            return self.keep(path, source.read_bytes())
        self._take(key)
        self.known[path] = artifact = Artifact(path, key, size, sha256)
        return artifact

    def keep_model(
        self, name: str, folder: Path, files: Iterable[tuple[str, int, str]], sha256: str
    ) -> Model:
        """Store a model directory: all of its files, then it counts by one event.

        Args:
            name: its folder among the artifacts.
            folder: where it lies.
            files: path, size and SHA-256 of each file in it.
            sha256: of its manifest.
        """
        listed = tuple(ModelFile(*file) for file in files)
        key = self._key(name, sha256)
        base = artifact_key(self.keys, key)
        for each in listed:
            target = base
            for segment in each.path.split("/"):
                target = target / segment
            self.store.put(target, folder / each.path)
        for each in listed:
            path = f"{name}/{each.path}"
            self._take(f"{key}/{each.path}")
            self.known[path] = Artifact(path, f"{key}/{each.path}", each.size_bytes, each.sha256)
        return Model(name, key, sha256, listed)

    def _key(self, path: str, sha256: str) -> str:
        """Where a path goes: under its own name, or under one that no other content has."""
        plain = "/".join(encoded_path(path))
        if self.is_creator and not self._is_taken(plain):
            return plain
        if self._is_below_file(plain):
            plain = name_segment(path)  # in one segment, since no folder can be where a file is
        return f"{plain}~{sha256[:16]}"

    def _is_taken(self, key: str) -> bool:
        return key.lower() in self._files or key.lower() in self._folders or self._is_below_file(key)

    def _is_below_file(self, key: str) -> bool:
        return any(folder.lower() in self._files for folder in _folders_of(key))

    def _take(self, key: str) -> None:
        # Keys are ASCII: on disks that ignore case, those that lower() makes equal are one file.
        self._files.add(key.lower())
        self._folders.update(folder.lower() for folder in _folders_of(key))


def _folders_of(key: str) -> list[str]:
    segments = key.split("/")
    return ["/".join(segments[:count]) for count in range(1, len(segments))]


def _stamp(file: Path) -> tuple[int, int, int]:
    status = file.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def artifact_key(keys: RunKeys, key: str) -> Key:
    """The key in the store of an artifact's ``key`` field."""
    found = keys.artifacts
    for segment in key.split("/"):
        found = found / segment
    return found


def _measured(source: bytes | Path) -> tuple[int, str]:
    if isinstance(source, bytes):
        return len(source), hashlib.sha256(source).hexdigest()
    size, digest = 0, hashlib.sha256()
    with open(source, "rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            size += len(chunk)
            digest.update(chunk)
    return size, digest.hexdigest()


def read_artifact(store: Store, keys: RunKeys, artifact: Artifact) -> bytes:
    """The bytes of an artifact.

    Raises:
        Corrupt: they are missing, or not those that were kept.
    """
    try:
        data = store.get(artifact_key(keys, artifact.key))
    except KeyMissing as error:
        raise _corrupt(keys, artifact, "nothing") from error
    _check(keys, artifact, *_measured(data))
    return data


def save_artifact(store: Store, keys: RunKeys, artifact: Artifact, target: Path) -> None:
    """Bring an artifact to a local file; its folder is made. The file is there whole and verified, or not at all.

    Raises:
        Corrupt: its bytes are missing, or not those that were kept.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".~{os.urandom(10).hex()}.tmp")
    try:
        store.download(artifact_key(keys, artifact.key), aside)
        _check(keys, artifact, *_measured(aside))
        os.replace(aside, target)
    except KeyMissing as error:
        raise _corrupt(keys, artifact, "nothing") from error
    finally:
        aside.unlink(missing_ok=True)


def _check(keys: RunKeys, artifact: Artifact, size: int, sha256: str) -> None:
    if (size, sha256) != (artifact.size_bytes, artifact.sha256):
        raise _corrupt(keys, artifact, f"{size} bytes of SHA-256 {sha256}")


def _corrupt(keys: RunKeys, artifact: Artifact, found: str) -> Corrupt:
    return Corrupt(
        f"the artifact {artifact.path!r} of run {keys.run_id} is not the file that was logged. "
        "Restore it from a copy of the store.",
        key=str(artifact_key(keys, artifact.key)),
        expected=f"{artifact.size_bytes} bytes of SHA-256 {artifact.sha256}",
        found=found,
    )


def files_below(artifacts: Mapping[str, Artifact], folder: str) -> Iterator[tuple[str, Artifact]]:
    """The artifacts in a folder with their paths below it; "" is all, and a file's own path is that file."""
    folder = folder.strip("/")
    for path, artifact in artifacts.items():
        if not folder:
            yield path, artifact
        elif path == folder:
            yield path.rpartition("/")[2], artifact
        elif path.startswith(f"{folder}/"):
            yield path[len(folder) + 1 :], artifact
