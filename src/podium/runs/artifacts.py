"""The files of a run: kept with size and SHA-256, and given back only if they still are what was kept.

Nothing that was acknowledged is ever overwritten: the creator of a run stores a path under its own name the first
time; any other writer, and any other content, gets a key that ends in the content's hash. Knows bytes and paths, not
what they mean.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from podium.errors import ArtifactNotFound, Corrupt, Invalid, KeyMissing
from podium.runs.events import Artifact, Model, ModelFile
from podium.runs.layout import RunKeys
from podium.stores.contract import Store
from podium.stores.keys import Key, encoded_path, name_segment
from podium.stores.measured import Measure, fetch_measured, measure, private_copy, put_measured

__all__ = ["Shelf", "artifact_key", "files_below", "not_there_yet", "read_artifact", "save_artifact"]

# Of two threads only one gets a name. Held while a name is chosen, never while bytes are put.
_choosing = threading.RLock()


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
        key = self._plain_key(path)
        if key is not None:
            found = put_measured(self.store, artifact_key(self.keys, key), source)
        else:
            expected = measure(source)
            kept = self.known.get(path)
            if kept is not None and Measure(kept.size_bytes, kept.sha256) == expected:
                return kept
            key = self._key_beside(path, expected.sha256)
            found = put_measured(self.store, artifact_key(self.keys, key), source, expected=expected)
        if found is None:
            # Written to meanwhile, and the key ends in the hash of other bytes: keep it as it is at one moment.
            assert isinstance(source, Path)  # noqa: S101 - bytes do not change
            with private_copy(source) as copy:
                return self.keep(path, copy)
        artifact = self.known[path] = Artifact(path, key, found.size_bytes, found.sha256)
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
        inside = [each.path for each in listed]
        key = self._plain_key(name, inside) or self._key_beside(name, sha256, inside)
        base = artifact_key(self.keys, key)
        for each in listed:
            self.store.put(base.below(each.path), folder / each.path)
        for each in listed:
            path = f"{name}/{each.path}"
            self.known[path] = Artifact(path, f"{key}/{each.path}", each.size_bytes, each.sha256)
        return Model(name, key, sha256, listed)

    def _plain_key(self, path: str, inside: Iterable[str] | None = None) -> str | None:
        """The path's own name, taken from now on; None where this writer cannot have it.

        It stays taken also if nothing comes of it: a request that is late could still put the bytes there.

        Args:
            path: as the user calls it.
            inside: of a folder the files in it; None: it is a file.
        """
        plain = "/".join(encoded_path(path))
        with _choosing:
            if not self.is_creator or self._is_taken(plain):
                return None
            self._take(plain, inside)
        return plain

    def _key_beside(self, path: str, sha256: str, inside: Iterable[str] | None = None) -> str:
        """A name that no other content has."""
        plain = "/".join(encoded_path(path))
        with _choosing:
            if self._is_below_file(plain):
                plain = name_segment(path)  # in one segment, since no folder can be where a file is
            key = f"{plain}~{sha256[:16]}"
            self._take(key, inside)
        return key

    def _is_taken(self, key: str) -> bool:
        return key.lower() in self._files or key.lower() in self._folders or self._is_below_file(key)

    def _is_below_file(self, key: str) -> bool:
        return any(folder.lower() in self._files for folder in _folders_of(key))

    def _take(self, key: str, inside: Iterable[str] | None = None) -> None:
        # Keys are ASCII: on disks that ignore case, those that lower() makes equal are one file.
        for file in [key] if inside is None else [f"{key}/{each}" for each in inside]:
            self._files.add(file.lower())
            self._folders.update(folder.lower() for folder in _folders_of(file))


def _after_fork_in_child() -> None:
    global _choosing  # noqa: PLW0603 - whoever held it does not exist here
    _choosing = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


def _folders_of(key: str) -> list[str]:
    segments = key.split("/")
    return ["/".join(segments[:count]) for count in range(1, len(segments))]


def artifact_key(keys: RunKeys, key: str) -> Key:
    """The key in the store of an artifact's ``key`` field."""
    return keys.artifacts.below(key)


def read_artifact(store: Store, keys: RunKeys, artifact: Artifact) -> bytes:
    """The bytes of an artifact.

    Raises:
        Corrupt: they are missing, or not those that were kept.
    """
    key = _checked_key(keys, artifact)
    try:
        data = store.get(key)
    except KeyMissing as error:
        raise _corrupt(keys, artifact, "nothing") from error
    _check(keys, artifact, measure(data))
    return data


def save_artifact(
    store: Store, keys: RunKeys, artifact: Artifact, target: Path, *, may_come: bool = False
) -> None:
    """Bring an artifact to a local file; its folder is made. The file is there whole and verified, or not at all.

    Args:
        store: where the run lies.
        keys: of the run.
        artifact: as the run lists it.
        target: the file.
        may_come: its bytes may still be on their way: see `not_there_yet`.

    Raises:
        ArtifactNotFound: they are.
        Corrupt: its bytes are missing, or not those that were kept.
    """
    key = _checked_key(keys, artifact)
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".~{os.urandom(10).hex()}.tmp")
    try:
        _check(keys, artifact, fetch_measured(store, key, aside))
        os.replace(aside, target)
    except KeyMissing as error:
        if may_come:
            raise not_there_yet(keys.run_id, artifact.path) from error
        raise _corrupt(keys, artifact, "nothing") from error
    finally:
        aside.unlink(missing_ok=True)


def not_there_yet(run_id: str, path: str) -> ArtifactNotFound:
    """What a run lists and the store does not hold, while a process that logs to the run has not sent its end.

    Events go first, so that others see a run live; the files they name follow, and the end of the log after those.
    """
    return ArtifactNotFound(
        f"the bytes of {path!r} of run {run_id} have not arrived in the store: they are on their way from the process "
        "that logs it. Try again when the run has ended. If that process was killed, what it had not sent waits on its "
        "machine: call Workspace.sync() there.",
        name=path,
    )


def _checked_key(keys: RunKeys, artifact: Artifact) -> Key:
    """Where an artifact lies; the log may come from a stranger, and say anything."""
    try:
        return artifact_key(keys, artifact.key)
    except Invalid as error:
        raise _corrupt(keys, artifact, f"the key {artifact.key!r}, which leads nowhere") from error


def _check(keys: RunKeys, artifact: Artifact, found: Measure) -> None:
    if found != Measure(artifact.size_bytes, artifact.sha256):
        raise _corrupt(keys, artifact, str(found))


def _corrupt(keys: RunKeys, artifact: Artifact, found: str) -> Corrupt:
    return Corrupt(
        f"the artifact {artifact.path!r} of run {keys.run_id} is not the file that was logged. "
        "Restore it from a copy of the store.",
        key=f"{keys.artifacts}/{artifact.key}",
        expected=str(Measure(artifact.size_bytes, artifact.sha256)),
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
