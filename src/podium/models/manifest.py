"""What a model directory consists of, byte by byte, and the proof that it still does.

A manifest is a value: the sorted files of a directory with their sizes and SHA-256. The hash of its canonical bytes
names the model everywhere else. This module must never know what the files mean.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from podium.errors import Corrupt, Invalid
from podium.stores.keys import portable_path, twins
from podium.strictjson import canonical, loads

__all__ = ["FileEntry", "Manifest", "check_portable", "file_entry", "manifest_of", "verify"]

_CHUNK_BYTES = 1 << 20
_HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True, order=True)
class FileEntry:
    """One file of a model.

    Attributes:
        path: inside the directory, "/" between folders.
        size: bytes.
        sha256: 64 hex digits.
    """

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """Every file of one model directory.

    Attributes:
        files: sorted by path.
    """

    files: tuple[FileEntry, ...]

    def to_bytes(self) -> bytes:
        """The canonical bytes; their SHA-256 names the model."""
        return canonical([{"path": f.path, "size": f.size, "sha256": f.sha256} for f in self.files])

    @classmethod
    def from_bytes(cls, data: bytes, *, key: str) -> Manifest:
        """Read a stored manifest.

        Args:
            data: the bytes.
            key: where they lie, for the message.

        Raises:
            Corrupt: not a manifest, or not in its canonical form.
        """
        try:
            manifest = cls(tuple(_entry(each) for each in loads(data)))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise Corrupt(f"{key} is no manifest of a model: {error}.", key=key) from error
        if manifest.to_bytes() != data or sorted({f.path for f in manifest.files}) != [*manifest.paths()]:
            raise Corrupt(f"{key} is not in the canonical form of a manifest: it was changed.", key=key)
        return manifest

    @property
    def sha256(self) -> str:
        """64 hex digits: the model's name among all models."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    @property
    def digest(self) -> str:
        """The first 32 hex digits of `sha256`; names the object in a store."""
        return self.sha256[:32]

    @property
    def size_bytes(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)

    def paths(self) -> tuple[str, ...]:
        """The paths of all files, sorted."""
        return tuple(file.path for file in self.files)


def _entry(value: dict[str, object]) -> FileEntry:
    path, size, sha256 = value["path"], value["size"], value["sha256"]
    if not isinstance(path, str) or not _stays_inside(path):
        raise ValueError(f"{path!r} is no path inside a model")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise ValueError(f"the size of {path!r} is no number of bytes")
    if not isinstance(sha256, str) or len(sha256) != 64 or not set(sha256) <= _HEX:
        raise ValueError(f"the SHA-256 of {path!r} is not 64 hex digits")
    return FileEntry(path, size, sha256)


def _stays_inside(path: str) -> bool:
    if "\\" in path or "\0" in path or ":" in path:
        return False
    return all(segment not in {"", ".", ".."} for segment in path.split("/"))


def manifest_of(folder: Path) -> Manifest:
    """Read every file of a directory once and list it.

    Raises:
        Corrupt: a link or special file lies in it.
        OSError: it cannot be read.
    """
    return Manifest(tuple(sorted(file_entry(folder, path) for path in _files(folder))))


def check_portable(manifest: Manifest) -> None:
    """Refuse names that do not mean the same on every file system.

    Raises:
        Invalid: a name is not portable, or two differ only by case or Unicode form.
    """
    for path in manifest.paths():
        portable_path(path)
    pair = twins(manifest.paths())
    if pair is not None:
        raise Invalid(
            f"the files {pair[0]!r} and {pair[1]!r} of a model would be one file where case is ignored. Rename one."
        )


def verify(folder: Path, expected: Manifest, *, uri: str) -> None:
    """Compare every file of ``folder`` with ``expected``.

    Args:
        folder: the directory.
        expected: what it has to hold.
        uri: the model, for the message.

    Raises:
        Corrupt: a file is missing, one too many, or not the one that was saved; names the first.
    """
    known = {file.path: file for file in expected.files}
    found = set(_files(folder)) if folder.is_dir() else set()
    for path in sorted(known.keys() - found):
        raise _corrupt(uri, path, "is missing", expected="there", found="missing")
    for path in sorted(found - known.keys()):
        raise _corrupt(uri, path, "does not belong to it", expected="absent", found="there")
    for path in sorted(found):
        _verify_file(folder, known[path], uri)


def _verify_file(folder: Path, expected: FileEntry, uri: str) -> None:
    check_entry(file_entry(folder, expected.path), expected, uri=uri)


def check_entry(found: FileEntry, expected: FileEntry, *, uri: str) -> None:
    """Compare what a file is with what it has to be.

    Raises:
        Corrupt: it has another size or other bytes.
    """
    if found.size != expected.size:
        what = f"has {found.size} bytes, not the {expected.size} that were saved"
        raise _corrupt(uri, expected.path, what, expected=str(expected.size), found=str(found.size))
    if found.sha256 != expected.sha256:
        what = "is not the file that was saved: its SHA-256 differs"
        raise _corrupt(uri, expected.path, what, expected=expected.sha256, found=found.sha256)


def _corrupt(uri: str, path: str, what: str, *, expected: str, found: str) -> Corrupt:
    return Corrupt(
        f"the file {path!r} of model {uri} {what}. Do not load it; restore the store from a copy, or point the alias "
        "at a version that is whole.",
        key=path,
        expected=expected,
        found=found,
    )


def file_entry(folder: Path, path: str) -> FileEntry:
    """Hash one file of a directory."""
    digest = hashlib.sha256()
    size = 0
    with open(folder / path, "rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
    return FileEntry(path, size, digest.hexdigest())


def _files(folder: Path) -> Iterator[str]:
    """Paths of all files below ``folder``; nothing that is a link is followed."""
    pending = [""]
    while pending:
        inside = pending.pop()
        with os.scandir(folder / inside) as entries:
            for entry in entries:
                path = f"{inside}/{entry.name}" if inside else entry.name
                mode = entry.stat(follow_symlinks=False).st_mode
                if stat.S_ISDIR(mode):
                    pending.append(path)
                elif stat.S_ISREG(mode):
                    yield path
                else:
                    raise Corrupt(
                        f"{path!r} in {folder.name!r} is a link or a special file; a model holds plain files only.",
                        key=path,
                        expected="a file",
                        found="a link or special file",
                    )
