"""A filesystem of folders, made to answer as a bucket does.

What fsspec has for servers of files (ftp, sftp, webdav ...) differs from a bucket in what podium rests on: a file is
seen while it grows, a folder can be deleted where a value was meant, what is absent is told in each one's own words.
Most hold one connection and are made for one thread: the answers of two calls at once get mixed up, and a connection
that the server closed stays closed. Here a value gets its name when it is whole, only files are values, one thread
asks at a time, and who failed is made anew. Cannot give what is missing most: a create that decides between two.
"""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from podium.stores.wholefile import new_temporary

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

__all__ = ["FileServer"]

# What a filesystem says when it was reached and had an answer.
_ANSWERS = (FileNotFoundError, FileExistsError, IsADirectoryError, NotImplementedError, PermissionError)
_LISTINGS_TRIED = 5


class FileServer:
    """Stands for the filesystem that ``make`` gives, with the methods a bucket's has and podium calls.

    Args:
        make: connects to the server.
        rename: gives a file the name of another, which it replaces.
        shut: closes what a filesystem leaves open when it goes.
    """

    def __init__(
        self,
        make: Callable[[], AbstractFileSystem],
        rename: Callable[[AbstractFileSystem, str, str], object],
        shut: Callable[[AbstractFileSystem], object],
    ) -> None:
        self._make = make
        self._rename = rename
        self._shut = shut
        self._filesystem = self._made()
        self._is_lost = False
        self._turn = threading.RLock()

    @property
    def behind(self) -> AbstractFileSystem:
        """The filesystem."""
        return self._filesystem

    def _strip_protocol(self, path: str) -> str:
        return str(self._filesystem._strip_protocol(path))

    def cat_file(self, path: str, start: int | None = None) -> bytes:
        """A file's bytes; FileNotFoundError where there is none, also for a folder."""
        with self._asked() as filesystem:
            try:
                return bytes(filesystem.cat_file(path, **({"start": start} if start else {})))
            except Exception:
                size = _size_of_file(filesystem, path)
                if start and start >= size:
                    return b""
                raise

    def get_file(self, path: str, target: str, callback: Any) -> None:
        """A file into a local one."""
        with self._asked() as filesystem:
            _size_of_file(filesystem, path)
            filesystem.get_file(path, target, callback=callback)

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite") -> None:
        """Write a value. ``mode="create"`` is the filesystem's own, for whoever says that it can."""
        if mode == "create":
            # Out of turn: one at a time no race would show whether it decides.
            self._filesystem.pipe_file(path, value, mode=mode)
            return
        with self._asked() as filesystem:
            self._write(filesystem, path, lambda to: filesystem.pipe_file(to, value))

    def put_file(self, source: str, path: str, callback: Any) -> None:
        """Write a local file."""
        with self._asked() as filesystem:
            self._write(filesystem, path, lambda to: filesystem.put_file(source, to, callback=callback))

    def find(self, path: str, detail: bool = True) -> Mapping[str, Mapping[str, Any]]:
        """All files below a folder; none where it is a file or not there."""
        del detail  # asked of buckets, which can do without
        with self._asked() as filesystem:
            for tried in range(_LISTINGS_TRIED):
                try:
                    if filesystem.info(path)["type"] != "directory":
                        return {}
                except FileNotFoundError:
                    return {}
                try:
                    return _files_below(filesystem, path)
                except FileNotFoundError:  # something below went while it was walked through
                    if tried == _LISTINGS_TRIED - 1:
                        raise
            return {}

    def rm_file(self, path: str) -> None:
        """Delete a file; FileNotFoundError where there is none. A folder stays."""
        with self._asked() as filesystem:
            _size_of_file(filesystem, path)
            filesystem.rm_file(path)

    def _write(self, filesystem: AbstractFileSystem, path: str, write: Callable[[str], object]) -> None:
        folder = path.rpartition("/")[0]
        filesystem.makedirs(folder, exist_ok=True)
        temporary = new_temporary(folder).replace(os.sep, "/")
        try:
            write(temporary)
            self._rename(filesystem, temporary, path)
        except BaseException:
            with contextlib.suppress(Exception):
                filesystem.rm_file(temporary)
            raise

    def _made(self) -> AbstractFileSystem:
        filesystem = self._make()
        self._let_go = weakref.finalize(self, _shut_own, self._shut, filesystem, os.getpid())
        self._let_go.atexit = False
        return filesystem

    @contextlib.contextmanager
    def _asked(self) -> Iterator[AbstractFileSystem]:
        with self._turn:
            if self._is_lost:
                self._let_go()
                self._filesystem = self._made()
                self._is_lost = False
            try:
                yield self._filesystem
            except _ANSWERS:
                raise
            except Exception:
                self._is_lost = True
                raise


def _shut_own(shut: Callable[[AbstractFileSystem], object], filesystem: AbstractFileSystem, pid: int) -> None:
    if pid == os.getpid():  # a forked child leaves its parent's connections alone
        with contextlib.suppress(Exception):
            shut(filesystem)


def _files_below(filesystem: AbstractFileSystem, folder: str) -> dict[str, Mapping[str, Any]]:
    """All files below a folder. fsspec's own walk passes over each folder that the server does not list."""
    from fsspec import AbstractFileSystem

    if getattr(filesystem.find, "__func__", None) is not AbstractFileSystem.find:
        return dict(filesystem.find(folder, detail=True))
    found: dict[str, Mapping[str, Any]] = {}
    folders = [folder]
    while folders:
        looked_at = folders.pop()
        for about in filesystem.ls(looked_at, detail=True):
            name = str(about["name"]).rstrip("/")
            if about["type"] != "directory":
                found[name] = about
            elif name != looked_at:
                folders.append(name)
    return dict(sorted(found.items()))


def _size_of_file(filesystem: AbstractFileSystem, path: str) -> int:
    about = filesystem.info(path)
    if about["type"] == "directory":
        raise FileNotFoundError(path)
    return int(about.get("size") or 0)
