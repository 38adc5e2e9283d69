"""A store in a folder of a local or shared disk.

Does not go through fsspec, whose exclusive create is a look followed by a write. Exclusive is
``link(2)``, which fails where the name is taken, on every POSIX file system and on NFS. No symbolic
link inside the root is followed: a store that came from elsewhere cannot make podium read or write
outside of it. (That holds against a store that arrived with links in it, not against someone who
may write to it while podium does.) Knows nothing of what its values mean.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from podium.errors import Invalid, KeyExists, KeyMissing, StoreError, StoreUnavailable
from podium.stores.contract import DiskFull, Entry, Source
from podium.stores.keys import Key
from podium.stores.wholefile import (
    chunks_of,
    is_temporary,
    new_temporary,
    replace,
    sync_folder,
    write_new,
    write_whole,
)

__all__ = ["LocalStore", "clear_leftovers", "clear_leftovers_if_due", "open_file"]

# O_NONBLOCK: opening a pipe that somebody left in the store must not wait for ever; files do not notice it.
_READ = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR})
_FULL = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})
# EACCES too: the temporary file was just made in the same folder, so it is the link that is refused.
_NO_LINKS = frozenset(
    {errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}
)
_FOLDERS_REMEMBERED = 4096
# How often a folder that changes is listed at most, and how long its times may stay the same although it does.
_DAY_S = 86_400.0
_CLEARED = ".~cleared"
_LOOKS = 10
_TICK_NS = 20_000_000


class LocalStore:
    """Values are plain files under ``path``, which is made at the first write.

    Args:
        path: the folder; it may be a symbolic link, what lies in it may not.
    """

    __slots__ = ("_folders", "_root", "root")

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._root = os.path.abspath(path)
        self.root: Path = Path(self._root)
        self._folders: dict[tuple[str, ...], str] = {}

    def __reduce__(self) -> tuple[object, ...]:
        return (LocalStore, (self._root,))

    def __repr__(self) -> str:
        return f"LocalStore({self._root!r})"

    def get(self, key: Key, start: int = 0) -> bytes:
        """See `Store.get`. As fast as a bare read: the folders were looked at once, and not again."""
        fd, size = self._open(key)
        try:
            return _read(fd, start, size)
        except OSError as error:
            raise self._unavailable("read", key, error) from error
        finally:
            os.close(fd)

    def put(self, key: Key, source: Source) -> None:
        """See `Store.put`. A local file that cannot be opened is told as it is: the store has no part in that."""
        if isinstance(source, Path):
            with source.open("rb") as file:
                self.put_chunks(key, chunks_of(file.fileno()))
        else:
            self.put_chunks(key, (source,))

    def put_chunks(self, key: Key, chunks: Iterable[bytes]) -> None:
        """As `put`, of a value that comes in pieces; if they break off with an error nothing has changed."""
        folder, target = self._place_for(key)
        try:
            temporary = new_temporary(folder)
            write_new(temporary, chunks)
            try:
                replace(temporary, target)
            except BaseException:
                _remove_quietly(temporary)
                raise
            sync_folder(folder)
        except OSError as error:
            raise self._unwritable(key, error) from error

    def create(self, key: Key, data: bytes) -> None:
        """See `Store.create`.

        Raises:
            KeyExists: the key is taken, by another: an echo of this very call is seen by its link count.
            StoreError: this file system refuses ``link(2)``, or a value lies where a folder is needed.
        """
        folder, target = self._place_for(key)
        temporary = new_temporary(folder)
        try:
            write_new(temporary, (data,))
        except OSError as error:
            raise self._unwritable(key, error) from error
        try:
            try:
                self._name_if_free(temporary, target, key)
            finally:
                _remove_quietly(temporary)
            sync_folder(folder)
        except StoreError:
            raise
        except OSError as error:
            if error.errno in _FULL:  # not for certain: it may have its name already
                raise self._unavailable("write", key, error) from error
            raise self._unwritable(key, error) from error

    def _name_if_free(self, temporary: str, target: str, key: Key) -> None:
        try:
            if sys.platform == "win32":
                # Here, and only here, rename refuses a name that is taken.
                os.rename(temporary, target)
            else:
                os.link(temporary, target)
        except FileExistsError as error:
            if _was_linked(temporary):
                return
            raise KeyExists(f"cannot create {str(key)!r} in {self._root}: it exists already.") from error
        except OSError as error:
            if _was_linked(temporary):
                return
            if error.errno in _NO_LINKS and sys.platform != "win32":
                raise self._no_links(key, error) from error
            raise

    def list(self, prefix: Key) -> Iterator[Entry]:
        """See `Store.list`. Temporary files, links, and files whose name no key has are passed over."""
        try:
            folder = self._folder(prefix.segments)
        except KeyMissing:
            return
        waiting = [(prefix, folder)]
        while waiting:
            key, folder = waiting.pop()
            for below, entry in self._entries_in(folder, key).items():
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                except OSError as error:
                    raise self._unavailable("list", below, error) from error
                if _is_link(status):
                    continue
                if stat.S_ISDIR(status.st_mode):
                    waiting.append((below, entry.path))
                elif stat.S_ISREG(status.st_mode):
                    yield Entry(below, status.st_size, _stamp(status))

    def _entries_in(self, folder: str, key: Key) -> dict[Key, os.DirEntry[str]]:
        # By name: where a value is replaced meanwhile, some file systems show it twice, and others (tmpfs) not at all,
        # so a folder that changes is looked through again, until twice nothing comes up that was not seen before.
        seen: dict[str, os.DirEntry[str]] = {}
        nothing_new = 0
        try:
            for _ in range(_LOOKS):
                before, known = _times(folder), len(seen)
                with os.scandir(folder) as entries:
                    seen.update((entry.name, entry) for entry in entries if not is_temporary(entry.name))
                nothing_new = nothing_new + 1 if len(seen) == known else 0
                is_quiet = _times(folder) == before and time.time_ns() - max(before) > _TICK_NS
                if is_quiet or nothing_new == 2:
                    break
        except OSError as error:
            if error.errno not in _ABSENT:
                raise self._unavailable("list", key, error) from error
        found = {}
        for name, entry in seen.items():
            with contextlib.suppress(Invalid):  # a name no key has is not podium's
                found[key / name] = entry
        return found

    def delete(self, key: Key) -> None:
        """See `Store.delete`. Folders stay."""
        try:
            path = self._path(key)
        except KeyMissing:
            return
        try:
            os.unlink(path)
        except OSError as error:
            if error.errno in _ABSENT or os.path.isdir(path):
                return
            raise self._unavailable("delete", key, error) from error

    def download(self, key: Key, path: Path) -> None:
        """See `Store.download`. What goes wrong with the local file is raised as it is."""
        fd, _ = self._open(key)
        try:
            write_whole(path, self._readable(fd, key))
        finally:
            os.close(fd)

    def _readable(self, fd: int, key: Key) -> Iterator[bytes]:
        try:
            yield from chunks_of(fd)
        except OSError as error:
            raise self._unavailable("read", key, error) from error

    def local_path(self, key: Key) -> Path | None:
        """See `Store.local_path`.

        Raises:
            StoreError: the value or one of its folders is a symbolic link.
        """
        folders, path = key.segments[:-1], self._root
        try:
            if folders:
                path = self._folder(folders)
            if key.segments:
                path = os.path.join(path, key.segments[-1])
                if _is_link(os.lstat(path)):
                    raise self._linked(path)
        except KeyMissing:
            return Path(self._root, *key.segments)
        except StoreError:
            raise
        except OSError as error:
            if error.errno not in _ABSENT:
                raise self._unavailable("find", key, error) from error
        return Path(path)

    def _open(self, key: Key) -> tuple[int, int]:
        """An open file and its size."""
        path = self._path(key)
        try:
            fd = os.open(path, _READ)
        except OSError as error:
            raise self._unreadable(key, path, error) from error
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise self._no_value(key, status)
        except BaseException:
            os.close(fd)
            raise
        return fd, status.st_size

    def _path(self, key: Key) -> str:
        if not key.segments:
            raise self._missing(key)
        if sys.platform == "win32":  # where O_NOFOLLOW is unknown
            path = os.path.join(self._folder(key.segments[:-1]), key.segments[-1])
            with contextlib.suppress(FileNotFoundError):
                if _is_link(os.lstat(path)):
                    raise self._linked(path)
        else:
            path = f"{self._folder(key.segments[:-1])}/{key.segments[-1]}"
        return path

    def _folder(self, segments: tuple[str, ...]) -> str:
        """The path of a folder, of which no part is a link.

        Asked once a folder: resolving an alias in a warm process opens two files, and that is all it does.

        Raises:
            KeyMissing: no such folder.
        """
        known = self._folders.get(segments)
        if known is not None:
            return known
        path = self._root
        for segment in segments:
            path = os.path.join(path, segment)
            try:
                status = os.lstat(path)
            except OSError as error:
                if error.errno in _ABSENT:
                    raise self._missing(Key(segments)) from error
                raise self._unavailable("read", Key(segments), error) from error
            if _is_link(status):
                raise self._linked(path)
        if len(self._folders) >= _FOLDERS_REMEMBERED:
            self._folders.clear()
        self._folders[segments] = path
        return path

    def _place_for(self, key: Key) -> tuple[str, str]:
        """Folder and path for a value that is about to be written; the folders are made, none is a link."""
        if not key.segments:
            raise Invalid("the root of a store is a folder and cannot hold a value.")
        try:
            folder = self._make_folders(key.segments[:-1])
        except OSError as error:
            if isinstance(error, StoreError):
                raise
            raise self._unwritable(key, error) from error
        return folder, os.path.join(folder, key.segments[-1])

    def _make_folders(self, segments: tuple[str, ...]) -> str:
        path = self._root
        if not os.path.isdir(path):
            _make_durably(path)
        for segment in segments:
            parent, path = path, os.path.join(path, segment)
            try:
                status = os.lstat(path)
            except FileNotFoundError:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(path)
                sync_folder(parent)
                status = os.lstat(path)
            if _is_link(status):
                raise self._linked(path)
        return path

    def _missing(self, key: Key) -> KeyMissing:
        return KeyMissing(f"nothing is stored under {str(key)!r} in {self._root}.")

    def _unreadable(self, key: Key, path: str, error: OSError) -> StoreError:
        if error.errno in _ABSENT:
            return self._missing(key)
        if error.errno == errno.ELOOP:
            return self._linked(path)
        if sys.platform == "win32" and os.path.isdir(path):
            return self._missing(key)
        return self._unavailable("read", key, error)

    def _no_value(self, key: Key, status: os.stat_result) -> StoreError:
        if stat.S_ISDIR(status.st_mode):
            return self._missing(key)
        return StoreError(
            f"{str(key)!r} in {self._root} is a device or a pipe, not a file, and is not read. "
            "Something other than podium put it there: remove it."
        )

    def _linked(self, path: str) -> StoreError:
        return StoreError(
            f"{path} is a symbolic link, and podium follows no link inside a store (its root may be one). "
            "Replace it by the folder or file it points to."
        )

    def _unwritable(self, key: Key, error: OSError) -> StoreError:
        if error.errno in {errno.ENOTDIR, errno.EISDIR, errno.ENOTEMPTY}:
            return StoreError(
                f"cannot write {str(key)!r} in {self._root}: a value lies where it needs a folder, "
                "or a folder where it would lie."
            )
        if error.errno == errno.ENAMETOOLONG:
            return StoreError(
                f"cannot write {str(key)!r} in {self._root}: the path is too long for this file system. "
                "Move the store nearer to the root of the disk."
            )
        unavailable = self._unavailable("write", key, error)
        return DiskFull(*unavailable.args) if error.errno in _FULL else unavailable

    def _unavailable(self, verb: str, key: Key, error: OSError) -> StoreUnavailable:
        return StoreUnavailable(
            f"cannot {verb} {str(key)!r} in {self._root}: {error.strerror or error}{_remedy(error)}."
        )

    def _no_links(self, key: Key, error: OSError) -> StoreError:
        return StoreError(
            f"cannot create {str(key)!r} in {self._root}: this file system refuses hard links "
            f"({error.strerror}), and podium needs them so that of two writers only one wins. "
            "Runs work here, the registry does not: put the store on another file system "
            "(ext4, xfs, APFS, NTFS, NFS)."
        )


def _read(fd: int, start: int, size: int) -> bytes:
    wanted = size - start
    if wanted <= 0:
        return b""
    if start:
        os.lseek(fd, start, os.SEEK_SET)
    data = os.read(fd, wanted)
    if len(data) == wanted:
        return data
    # Linux reads at most 2 GiB at once; a log that was cut short meanwhile simply ends.
    return b"".join((data, *chunks_of(fd)))


def _times(folder: str) -> tuple[int, int]:
    status = os.stat(folder)
    return status.st_mtime_ns, status.st_ctime_ns


def _stamp(status: os.stat_result) -> str:
    return f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"


def _is_link(status: os.stat_result) -> bool:
    """Whether this leads elsewhere: a symbolic link, or a junction of Windows."""
    if sys.platform == "win32":
        return status.st_reparse_tag in {stat.IO_REPARSE_TAG_SYMLINK, stat.IO_REPARSE_TAG_MOUNT_POINT}
    else:  # noqa: RET505 - without it mypy calls the next line unreachable on Windows
        return stat.S_ISLNK(status.st_mode)


def _was_linked(temporary: str) -> bool:
    """Whether an attempt that was answered by an error took the name all the same (NFS asks twice)."""
    try:
        return os.stat(temporary).st_nlink == 2
    except OSError:
        return False


def _remove_quietly(path: str) -> None:
    """Remove a temporary file; one that stays is invisible and goes with `clear_leftovers`."""
    with contextlib.suppress(OSError):
        os.unlink(path)


def _make_durably(path: str) -> None:
    parent = os.path.dirname(path)
    if not os.path.isdir(parent):
        _make_durably(parent)
    with contextlib.suppress(FileExistsError):
        os.mkdir(path)
    sync_folder(parent)


def _remedy(error: OSError) -> str:
    if error.errno in _FULL:
        return "; free some space, then try again"
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return "; ask who owns the folder for permission, or use another store"
    return ""


def clear_leftovers(store: LocalStore, *, older_than_s: float = _DAY_S, now_s: float | None = None) -> int:
    """Remove temporary files that killed processes left behind, and say how many.

    No listing shows them; this frees their space. A day is more than any write takes.

    Args:
        store: where.
        older_than_s: younger ones may belong to a living writer.
        now_s: the time, in seconds since 1970; None: now.
    """
    now_s = time.time() if now_s is None else now_s
    removed = 0
    for folder, _, names in os.walk(store.root):
        for name in filter(is_temporary, names):
            path = os.path.join(folder, name)
            try:
                if now_s - os.lstat(path).st_mtime > older_than_s:
                    os.unlink(path)
                    removed += 1
            except FileNotFoundError:
                continue  # its writer was alive after all
    return removed


def clear_leftovers_if_due(
    store: LocalStore, header: Key, *, now_s: float | None = None
) -> threading.Thread | None:
    """Clear them aside, if that is a day ago or more; the thread that does, or None where it is not due.

    When it was last done is the time of a file that is no key; where there is none, that of the store itself, so that
    a young store is never looked through.

    Args:
        store: where.
        header: what is as old as the store.
        now_s: the time, in seconds since 1970; None: now.
    """
    now_s = time.time() if now_s is None else now_s
    mark = os.path.join(store.root, _CLEARED)
    try:
        if now_s - _age_mark(mark, os.path.join(store.root, *header.segments)) <= _DAY_S:
            return None
        with open(mark, "ab"):
            os.utime(mark, (now_s, now_s))  # before: one process is enough
    except OSError:  # whoever may not write here leaves nothing behind either
        return None
    thread = threading.Thread(
        target=_clear_quietly, args=(store, now_s), name="podium-leftovers", daemon=True
    )
    thread.start()
    return thread


def _age_mark(mark: str, store_made: str) -> float:
    try:
        return os.stat(mark).st_mtime
    except FileNotFoundError:
        return os.stat(store_made).st_mtime


def _clear_quietly(store: LocalStore, now_s: float) -> None:
    with contextlib.suppress(OSError):  # somebody else's folder: what is left is invisible all the same
        clear_leftovers(store, now_s=now_s)


def open_file(url: str) -> LocalStore:
    """The store of a ``file:`` URL.

    Raises:
        Invalid: the URL names another machine, or no path.
    """
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(url)
    if parts.netloc not in {"", "localhost"} or not parts.path:
        raise Invalid(
            f"{url!r} names no folder of this machine. Write file:///path/to/store, or the path alone."
        )
    path = unquote(parts.path)
    if sys.platform == "win32":
        from urllib.request import url2pathname

        path = url2pathname(parts.path)
    return LocalStore(path)
