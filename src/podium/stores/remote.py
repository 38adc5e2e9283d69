"""A store in a bucket, or on whatever else fsspec reaches.

Bytes go through a filesystem of fsspec; what this module adds is the contract: one request is one value, an answer is
told from a refusal, exclusive create is asked for only where a closed table says that the filesystem passes the
condition on, and believed only after this process has seen it decide a race (`probing.py`). Credentials are the
ecosystem's own and stay there: none is shown, kept or put in a message. Knows nothing of what its values mean.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import random
import re
import sys
import time
import weakref
from collections.abc import Callable, Generator, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from podium.errors import Invalid, KeyExists, KeyMissing, MissingExtra, StoreError, StoreUnavailable
from podium.ids import new_id
from podium.stores.contract import Entry, Source
from podium.stores.dialects import Dialect, dialect_of, extra_of
from podium.stores.fileserver import FileServer
from podium.stores.ioloop import io_loop
from podium.stores.keys import Key, is_segment
from podium.stores.measured import Measure, measure, private_copy
from podium.stores.parts import Fetching, NoParts, Replaced, Transport, send
from podium.stores.probing import decides_races
from podium.stores.progress import moving_value
from podium.stores.retrying import Retrying
from podium.stores.s3parts import S3Parts, is_s3
from podium.stores.wholefile import new_temporary, replace, sync_folder, write_new

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

__all__ = ["RemoteStore", "open_remote"]

T = TypeVar("T")

_CONFLICT, _PRECONDITION_FAILED, _OUT_OF_RANGE = 409, 412, 416
_NOT_DONE = frozenset({405, 501})
_CONFLICTS_ENDURED = 10
_LONGEST_CONFLICT_WAIT_S = 1.0
_REPLACEMENTS_ENDURED = 3
_MAY_PASS = frozenset({408, 429})
_NO_BUCKET = frozenset({"NoSuchBucket", "InvalidBucketName", "ContainerNotFound", "ContainerBeingDeleted"})
# Of Azure's 409s one says that the object is there; its clients raise "exists" for each. Others give no such word.
_EXISTS = frozenset({None, "BlobAlreadyExists", "PreconditionFailed"})
_WEB = frozenset({"http", "https"})
_USER_INFO = re.compile(r"(?<=://)[^/@\s]+@")
_QUERY = re.compile(r"\?[^\s'\"]*")
_jitter = random.SystemRandom()

# What this process has learnt of a place: whether its create decides races. Never written anywhere.
_decides: dict[tuple[object, ...], bool] = {}
_buckets_seen: set[tuple[object, ...]] = set()
_alive: weakref.WeakSet[RemoteStore] = weakref.WeakSet()


class RemoteStore:
    """Values are objects below ``url``.

    Any scheme of fsspec works for runs. The registry needs a `create` that decides between two writers: that of
    S3, GCS and Azure, and of a filesystem class that says of itself ``exclusive_create = True``. The first `create`
    of a process lets eight creators race three times and is refused where more than one of them wins.

    Args:
        url: for instance ``s3://bucket/team``.
        storage_options: what the filesystem takes (``profile``, ``endpoint_url`` ...), beside what fsspec's own
            configuration and the environment say.

    Raises:
        MissingExtra: the package that speaks this protocol is not installed.
        Invalid: no store can be at this URL.
    """

    def __init__(self, url: str, **storage_options: object) -> None:
        self._url = url
        self._options = storage_options
        self._filesystem, self._root = _opened(url, storage_options)
        self._dialect = dialect_of(self._filesystem)
        behind = self._filesystem.behind if isinstance(self._filesystem, FileServer) else self._filesystem
        self._server = _redacted(self._dialect.whose(behind))
        self._pid = os.getpid()
        _alive.add(self)
        if self._dialect.takes_loop:
            weakref.finalize(self, _let_go, self._filesystem, self._pid).atexit = False
        # A bucket decides or does not, wherever in it a store lies; one name may lead to several servers.
        bucket = self._root.partition("/")[0]
        place = (self._dialect.scheme, self._server, bucket)
        self._identity = (*place, *sorted((name, repr(value)) for name, value in storage_options.items()))

    @property
    def root(self) -> str:
        """The URL, without anything secret."""
        if "://" in self._root:
            return _redacted(self._root)
        # Where a filesystem is a server's, its paths begin at that server's root and do not name it.
        server = self._url.partition("://")[2].partition("/")[0] if self._root.startswith("/") else ""
        return f"{self._dialect.scheme}://{server.rpartition('@')[2]}{self._root}"

    @property
    def identity(self) -> object:
        """Equal for stores of this process that ask with the same settings. In memory only: it holds what they hold."""
        return self._identity

    @property
    def address(self) -> str:
        """What tells this place from another of the same URL: the server and account it is asked of."""
        return f"{self.root} {self._server}"

    def __reduce__(self) -> tuple[object, ...]:
        return (_reopened, (self._url, self._options))

    def __repr__(self) -> str:
        return f"RemoteStore({self.root!r})"

    # --- the verbs --------------------------------------------------------------------------------------------------

    def get(self, key: Key, start: int = 0) -> bytes:
        """See `Store.get`. One request, so that two values are never mixed."""
        path, before = self._path(key), _handled()
        options: dict[str, Any] = dict(self._dialect.read_options)
        if start:
            options["start"] = start
        try:
            return bytes(self._fs.cat_file(path, **options))
        except Exception as error:
            if start and _status_of(error, before) == _OUT_OF_RANGE:
                return b""
            raise self._meaning(error, "read", key, before) from error

    def put(self, key: Key, source: Source) -> None:
        """See `Store.put`. A local file that cannot be opened is told as it is: the store has no part in that."""
        path, before = self._path(key), _handled()
        if not isinstance(source, Path):
            try:
                self._fs.pipe_file(path, bytes(source))
            except Exception as error:
                raise self._meaning(error, "write", key, before) from error
            return
        if self._transport() is not None:
            self.put_measured(key, source)
            return
        with source.open("rb"):
            pass
        self._put_file(key, path, source)

    def put_measured(self, key: Key, file: Path, expected: Measure | None = None) -> Measure | None:
        """Put a local file, in parts and hashed as it is read where the filesystem takes parts.

        Returns:
            What was put; None, and the value is left as it was, if that is not what was expected.
        """
        path, before = self._path(key), _handled()
        transport = self._transport()
        if transport is None:
            return self._put_copy(key, path, file, expected)
        with file.open("rb") as source, moving_value(f"sending {key.name}") as value:
            try:
                found = send(transport, path, source, expected=expected, moved=value.add)
            except Exception as error:
                raise self._meaning(error, "write", key, before) from error
            if found is None:
                value.take_back()
        return found

    def _put_copy(self, key: Key, path: str, file: Path, expected: Measure | None) -> Measure | None:
        # The filesystem's own code cannot be stopped when the file turns out to be another.
        with private_copy(file) as copy:
            found = measure(copy)
            if expected is not None and found != expected:
                return None
            self._put_file(key, path, copy)
        return found

    def _put_file(self, key: Key, path: str, file: Path) -> None:
        before = _handled()
        with moving_value(f"sending {key.name}") as value:
            telling = value.callback()
            try:
                self._fs.put_file(str(file), path, callback=telling)
            except Exception as error:
                raise self._meaning(error, "write", key, before) from error

    def create(self, key: Key, data: bytes) -> None:
        """See `Store.create`.

        Raises:
            KeyExists: the key is taken, perhaps by this very call: layers below may ask twice.
            StoreError: this filesystem passes no condition on, or the server behind it ignores it.
        """
        path = self._path(key)
        self._check_exclusive(key)
        self._create(key, path, data)

    def _create(self, key: Key, path: str, data: bytes) -> None:
        before = _handled()
        for conflicts in range(_CONFLICTS_ENDURED):
            try:
                self._fs.pipe_file(path, bytes(data), mode="create")
            except Exception as error:
                status = _status_of(error, before)
                if status == _PRECONDITION_FAILED or (
                    _any(error, FileExistsError, before) and _code_of(error, before) in _EXISTS
                ):
                    raise KeyExists(
                        f"cannot create {str(key)!r} in {self.root}: it exists already."
                    ) from error
                if status != _CONFLICT:
                    raise self._meaning(error, "create", key, before) from error
                # S3: another conditional request is under way; nothing was decided yet.
                last = error
                time.sleep(_jitter.uniform(0.5, 1) * min(_LONGEST_CONFLICT_WAIT_S, 0.02 * 2**conflicts))
            else:
                return
        raise self._meaning(last, "create", key, before) from last

    def list(self, prefix: Key) -> Iterator[Entry]:
        """See `Store.list`. Objects whose name no key has are passed over."""
        if prefix.segments and self._dialect.asks_again:
            return self._list_beginning(prefix, "")
        return self._found(prefix, f"{self._root}/{prefix}" if prefix.segments else self._root, "")

    @property
    def _lists_in_part(self) -> bool:
        """See `PartLister`."""
        return self._dialect.finds_prefixes

    def _list_folders(self, prefix: Key) -> set[Key]:
        """See `PartLister`. One request for each thousand of them."""
        folder = f"{self._root}/{prefix}" if prefix.segments else self._root
        found: Any = self._listed(prefix, lambda: self._fs.ls(folder, detail=True)) or []
        paths = (
            str(self._fs._strip_protocol(about["name"])).rstrip("/")
            for about in found
            if about.get("type") == "directory"
        )
        names = (path.rpartition("/")[2] for path in paths if path.startswith(f"{folder}/"))
        return {prefix / name for name in names if is_segment(name)}

    def _list_beginning(self, prefix: Key, begins: str) -> Iterator[Entry]:
        """See `PartLister`. One request for each thousand of them."""
        return self._found(prefix, self._root, "/".join((*prefix.segments, begins)))

    def _found(self, prefix: Key, folder: str, begins: str) -> Iterator[Entry]:
        """The values below ``folder`` whose path from there begins so."""
        options = {"prefix": begins} if begins else {}
        found = self._listed(prefix, lambda: self._fs.find(folder, detail=True, **options))
        begin = f"{self._root}/"
        inside = f"{folder}/{begins}"
        # adlfs gives a list, without details, where nothing is found or a value lies in place of the folder.
        details: Mapping[str, Mapping[str, Any]] = found if isinstance(found, Mapping) else {}
        if not details and not self._has_bucket():
            raise self._no_bucket("list", prefix)
        for name, about in details.items():
            path = str(self._fs._strip_protocol(name))
            if not path.startswith(inside) or about.get("type") == "directory":
                continue
            try:
                key = Key.parse(path.removeprefix(begin))
            except Invalid:
                continue
            yield Entry(key, int(about.get("size") or 0), _stamp(about))

    def _listed(self, prefix: Key, ask: Callable[[], object]) -> object:
        """What a filesystem found; None where it says that there is no such folder."""
        before = _handled()
        try:
            return ask()
        except FileNotFoundError as error:
            if self._is_bucket_gone(error, before):
                raise self._meaning(error, "list", prefix, before) from error
            return None
        except Exception as error:
            raise self._meaning(error, "list", prefix, before) from error

    def delete(self, key: Key) -> None:
        """See `Store.delete`."""
        path, before = self._path(key), _handled()
        try:
            self._fs.rm_file(path)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            if self._is_bucket_gone(error, before):
                raise self._meaning(error, "delete", key, before) from error
        except Exception as error:
            raise self._meaning(error, "delete", key, before) from error

    def download(self, key: Key, path: Path) -> None:
        """See `Store.download`. What goes wrong with the local file is raised as it is."""
        self.download_measured(key, path)

    def download_measured(self, key: Key, path: Path) -> Measure:
        """As `download`, in parts and hashed as they come where the filesystem gives parts; what came."""
        aside = new_temporary(str(path.parent))
        try:
            found = self._fetch(key, self._path(key), aside)
            replace(aside, str(path))
            sync_folder(str(path.parent))
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(aside)
        return found

    def _fetch(self, key: Key, remote: str, aside: str) -> Measure:
        before = _handled()
        transport = self._transport()
        if transport is not None:
            with contextlib.suppress(NoParts):
                return self._fetch_parts(transport, key, remote, aside)
        with open(aside, "xb"):
            pass
        with moving_value(f"fetching {key.name}") as value:
            telling, options = value.callback(), self._dialect.read_options
            try:
                self._fs.get_file(remote, aside, callback=telling, **options)
            except Exception as error:
                raise self._meaning(error, "read", key, before) from error
        _sync(aside)
        return measure(Path(aside))

    def _fetch_parts(self, transport: Transport, key: Key, remote: str, aside: str) -> Measure:
        for _ in range(_REPLACEMENTS_ENDURED):
            with contextlib.suppress(Replaced), moving_value(f"fetching {key.name}") as value:
                fetching = Fetching(transport, remote, moved=value.add, sized=value.sized)
                with contextlib.closing(self._told(fetching, key)) as pieces:
                    write_new(aside, pieces)
                return fetching.so_far
        raise StoreUnavailable(
            f"cannot read {str(key)!r} in {self.root}: it is replaced again and again while it is read."
        )

    def _told(self, fetching: Fetching, key: Key) -> Generator[bytes, None, None]:
        """What comes; what goes wrong elsewhere in the words of the contract, and nothing of what goes wrong here."""
        before = _handled()
        try:
            yield from fetching
        except (Replaced, NoParts):
            raise
        except Exception as error:
            raise self._meaning(error, "read", key, before) from error

    def local_path(self, key: Key) -> Path | None:
        """None: an object lies on no disk of this machine."""
        del key
        return None

    # --- exclusive create -------------------------------------------------------------------------------------------

    def _check_exclusive(self, key: Key) -> None:
        """Let this process's first create be preceded by races whose outcome shows whether create decides.

        Raises:
            StoreError: it does not.
            StoreUnavailable: that could not be learnt.
        """
        if not self._dialect.exclusive:
            raise StoreError(
                f"cannot create {str(key)!r} in {self.root}: the filesystem behind {self._dialect.scheme}:// cannot "
                "create a value only if there is none, so two writers could both be told that they were first. Runs "
                "work here, the registry does not: keep it on S3, GCS, Azure or a local disk."
            )
        if self._identity not in _decides:
            # Beside what is to be created, in the folder below the root: whoever may create there may do this.
            folder = "/".join((self._root, *key.segments[:-1][:1]))
            _decides[self._identity] = decides_races(
                create=lambda name, data: self._create(key, f"{folder}/{name}", data),
                read=lambda name: bytes(self._fs.cat_file(f"{folder}/{name}", **self._dialect.read_options)),
                remove=lambda name: self._fs.rm_file(f"{folder}/{name}"),
                where=self.root,
            )
        if not _decides[self._identity]:
            raise StoreError(
                f"cannot create {str(key)!r} in {self.root}: of several writers that created one object at the same "
                "moment more than one was told that it was first. The server accepts the condition If-None-Match and "
                "ignores it. Runs work here, the registry does not: use a server that honours it (S3, GCS, Azure, "
                "MinIO, Ceph, SeaweedFS), or a local disk."
            )

    # --- the filesystem ---------------------------------------------------------------------------------------------

    @property
    def _fs(self) -> AbstractFileSystem:
        if self._pid != os.getpid():
            # A forked child has none of the threads of its parent, and must not touch its connections.
            self._filesystem, self._root = _opened(self._url, self._options)
            self._pid = os.getpid()
        return self._filesystem

    def _transport(self) -> Transport | None:
        """How values go in parts; None where only the filesystem's own code can tell."""
        filesystem = self._fs
        return Transport(S3Parts(filesystem), filesystem.loop, _is_answer) if is_s3(filesystem) else None

    def _path(self, key: Key) -> str:
        if not key.segments:
            raise Invalid("the root of a store is a folder and holds no value.")
        return f"{self._root}/{key}"

    def _is_bucket_gone(self, error: Exception, before: BaseException | None) -> bool:
        """Whether what was raised means that there is no bucket."""
        return _code_of(error, before) in _NO_BUCKET or (
            isinstance(error, FileNotFoundError) and not self._has_bucket()
        )

    def _has_bucket(self) -> bool:
        """Whether the bucket is there, where exceptions do not tell: one request a process and bucket that is."""
        if self._identity in _buckets_seen:
            return True
        try:
            if not self._dialect.has_bucket(self._fs, self._root.partition("/")[0]):
                return False
        except Exception:  # noqa: BLE001 - not found out: whoever finds nothing next asks again
            return True
        _buckets_seen.add(self._identity)
        return True

    def _no_bucket(self, verb: str, key: Key) -> StoreError:
        return StoreError(
            f"cannot {verb} {str(key)!r} in {self.root}: there is no such bucket. Make it, or mend the URL."
        )

    def _meaning(self, error: Exception, verb: str, key: Key, before: BaseException | None) -> StoreError:
        """What a filesystem's exception is in the words of the contract; of ``before`` see `_handled`."""
        if isinstance(error, StoreError):
            return error
        status = _status_of(error, before)
        if self._is_bucket_gone(error, before):
            return self._no_bucket(verb, key)
        if isinstance(error, FileNotFoundError | IsADirectoryError | NotADirectoryError):
            return KeyMissing(f"nothing is stored under {str(key)!r} in {self.root}.")
        if isinstance(error, NotImplementedError) or status in _NOT_DONE:
            return StoreError(
                f"cannot {verb} {str(key)!r} in {self.root}: the filesystem behind {self._dialect.scheme}:// "
                "cannot do that. Use another store."
            )
        if any(self._dialect.is_unnamed(each) for each in _chain(error, before)):
            return StoreError(
                f"cannot {verb} {str(key)!r} in {self.root}: {_shown(error)}. Nothing was asked: this process has no "
                "credentials. Give them as to your other tools: by the environment, a profile, or the role of the "
                "machine."
            )
        if isinstance(error, PermissionError) or status in {401, 403} or self._dialect.refused(error):
            # Not "it may pass": whoever asks again for half a minute hides what is to be mended.
            return StoreError(
                f"cannot {verb} {str(key)!r} in {self.root}: {_shown(error)}. It is the wrong key or profile, or one "
                "with no such right (a reader needs the right to list as well: without it a bucket refuses to say that "
                "something is absent)."
            )
        return StoreUnavailable(f"cannot {verb} {str(key)!r} in {self.root}: {_shown(error)}.")


class _Patient(Retrying):
    """A `RemoteStore` that is asked again."""

    __slots__ = ("_remote",)

    def __init__(self, remote: RemoteStore) -> None:
        super().__init__(remote, attempts=4, first_wait_s=0.1, longest_wait_s=1.0, give_up_s=8.0)
        self._remote = remote

    def put_measured(self, key: Key, file: Path, expected: Measure | None = None) -> Measure | None:
        """See `RemoteStore.put_measured`."""
        return self._again(lambda: self._remote.put_measured(key, file, expected))

    def download_measured(self, key: Key, path: Path) -> Measure:
        """See `RemoteStore.download_measured`."""
        return self._again(lambda: self._remote.download_measured(key, path))


def open_remote(url: str) -> Retrying:
    """The store at a URL of fsspec; a request that fails is repeated for a few seconds."""
    return _Patient(RemoteStore(url))


def _reopened(url: str, options: Mapping[str, object]) -> RemoteStore:
    return RemoteStore(url, **options)


def _opened(url: str, options: Mapping[str, object]) -> tuple[AbstractFileSystem, str]:
    from fsspec.archive import AbstractArchiveFileSystem
    from fsspec.core import get_filesystem_class, split_protocol
    from fsspec.implementations.chained import ChainedFileSystem

    scheme, rest = split_protocol(url)
    if not scheme or "::" in url:
        raise _not_one(url)
    scheme = scheme.lower()
    url = f"{scheme}://{rest}"
    if scheme in _WEB:
        raise Invalid(
            f"{_redacted(url)!r} cannot be a store: over {scheme} nothing is written or listed, and a server that "
            "fails cannot be told from an empty one. Give the URL of a bucket, for instance s3://bucket/prefix; the "
            "address of a server that speaks S3 belongs in AWS_ENDPOINT_URL_S3."
        )
    try:
        kind = get_filesystem_class(scheme)
    except ImportError as error:
        raise _missing(scheme, error) from error
    except ValueError as error:
        raise Invalid(
            f"fsspec knows no filesystem for {scheme}://. Give another URL, or a folder."
        ) from error
    if issubclass(kind, AbstractArchiveFileSystem | ChainedFileSystem):
        raise _not_one(url)
    dialect = Dialect.of_class(kind)
    kind = dialect.kind(kind)
    if dialect.exclusive and ":" in rest.partition("/")[0].rpartition("@")[0]:
        raise Invalid(
            f"{_redacted(url)!r} holds credentials, which no store is told in its URL: they would be shown wherever it "
            "is named. Give them as your other tools get them: by the environment or a profile."
        )
    try:
        given = {**dict(kind._get_kwargs_from_urls(url)), **options}
        if dialect.takes_loop:
            given["loop"] = io_loop()
        make = functools.partial(_made, kind, dialect, dialect.settings(scheme, given))
        filesystem = make() if dialect.is_bucket else FileServer(make, dialect.rename, dialect.shut)
        root = str(kind._strip_protocol(url)).rstrip("/")
    except ImportError as error:
        raise _missing(scheme, error) from error
    except TypeError as error:
        raise Invalid(
            f"the filesystem behind {scheme}:// cannot be made for {_redacted(url)!r}: {_shown(error)}. What it needs "
            f"beside a URL stands in fsspec's configuration, or is given: RemoteStore({_redacted(url)!r}, name=value)."
        ) from error
    except Exception as error:  # some filesystems connect when they are made
        raise StoreUnavailable(f"cannot open the store at {_redacted(url)}: {_shown(error)}.") from error
    if not root and dialect.exclusive:
        raise Invalid(f"{_redacted(url)!r} names no bucket. Write for instance {scheme}://bucket/prefix.")
    return filesystem, root


def _made(
    kind: type[AbstractFileSystem], dialect: Dialect, settings: Mapping[str, Any]
) -> AbstractFileSystem:
    # An instance of its own: these settings would reach the user's, and its caches this one.
    filesystem = kind(skip_instance_cache=True, **settings)
    dialect.tune(filesystem)
    return filesystem


def _let_go(filesystem: AbstractFileSystem, pid: int) -> None:
    """Close a filesystem's connections in its own loop: it would do so in any that runs where it is collected."""
    if pid != os.getpid():
        return  # a parent's: see `_after_fork_in_child`
    _detach_finalizers({id(filesystem): filesystem})

    async def close() -> None:
        with contextlib.suppress(Exception):  # nobody needs them any more
            await Dialect.of_class(type(filesystem)).close(filesystem)

    asyncio.run_coroutine_threadsafe(close(), io_loop())


def _detach_finalizers(filesystems: Mapping[int, AbstractFileSystem]) -> None:
    """Take back what filesystems asked to be called when they go: it closes connections, some without an end."""
    for finalizer in list(getattr(weakref.finalize, "_registry", ())):
        owned = finalizer.peek()
        if owned is not None and id(owned[0]) in filesystems:
            finalizer.detach()


def _not_one(url: str) -> Invalid:
    return Invalid(f"{_redacted(url)!r} is no URL of one filesystem. Write for instance s3://bucket/prefix.")


def _missing(scheme: str, error: ImportError) -> MissingExtra:
    extra = extra_of(scheme)
    if extra is None:
        said = _shown(error)
        return MissingExtra(
            f"stores at {scheme}:// need a package that is not installed: {said}.", install=said
        )
    what = f'pip install "podium[{extra}]"'
    return MissingExtra(
        f"stores at {scheme}:// need a package that is not installed. Type: {what}", install=what
    )


def _sync(path: str) -> None:
    fd = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _stamp(about: Mapping[str, Any]) -> str:
    """What changes when an object is replaced, of what a filesystem says about it."""
    named = (
        "ETag",
        "etag",
        "generation",
        "content_md5",
        "LastModified",
        "last_modified",
        "mtime",
        "modified",
        "modify",
        "updated",
        "created",
        "ino",
    )
    parts = (about.get(name) for name in named)
    texts = [
        each.isoformat() if isinstance(each, datetime) else str(each) for each in parts if each is not None
    ]
    if not texts:
        texts = [new_id()]  # one that says nothing but the size: nobody can tell, so it is new at each look
    return "|".join((*texts, str(about.get("size"))))


# --- reading exceptions ---------------------------------------------------------------------------------------------


def _handled() -> BaseException | None:
    """What the caller is just handling. Python puts it under whatever is raised meanwhile: it is no answer to us."""
    return sys.exc_info()[1]


def _chain(error: BaseException, before: BaseException | None) -> Iterator[BaseException]:
    """An exception and what lies under it, down to what was being handled before: filesystems wrap what the server
    said, some more than once.
    """
    under: BaseException | None = error
    seen: set[int] = set()
    while under is not None and id(under) not in seen:
        seen.add(id(under))
        yield under
        under = under.__cause__ or under.__context__
        if under is before:
            return


def _any(error: BaseException, kind: type[BaseException], before: BaseException | None) -> bool:
    return any(isinstance(each, kind) for each in _chain(error, before))


def _status_of(error: BaseException, before: BaseException | None) -> int | None:
    """The HTTP status a server answered with, whatever exception carries it."""
    for each in _chain(error, before):
        response = getattr(each, "response", None)
        if isinstance(response, Mapping):  # botocore
            status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            if isinstance(status, int):
                return status
        for name in ("status_code", "status", "code"):  # azure, aiohttp, gcsfs
            status = getattr(each, name, None)
            if isinstance(status, str) and status.isdigit():
                status = int(status)
            if isinstance(status, int) and 100 <= status < 600:
                return status
    return None


def _is_answer(error: BaseException) -> bool:
    """Whether a server said no, and would say so again."""
    status = _status_of(error, None)  # in the loop's thread, where nothing else is handled
    return status is not None and 400 <= status < 500 and status not in _MAY_PASS


def _code_of(error: BaseException, before: BaseException | None) -> str | None:
    """The word a server gave beside the status."""
    for each in _chain(error, before):
        response = getattr(each, "response", None)
        if isinstance(response, Mapping):
            code = response.get("Error", {}).get("Code")
            if isinstance(code, str):
                return code
        code = getattr(each, "error_code", None)
        if isinstance(code, str):
            return code
    return None


def _shown(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return _redacted(text)[:300].rstrip(".")


def _redacted(text: str) -> str:
    """Text without user information and query values of the URLs in it: signed URLs carry secrets there."""
    return _QUERY.sub("?***", _USER_INFO.sub("***@", text))


# --- fork -----------------------------------------------------------------------------------------------------------


def _after_fork_in_child() -> None:
    """Leave the parent's connections alone: to close one here would take it out of the poll set both share."""
    inherited = {id(store._filesystem): store._filesystem for store in list(_alive)}
    if not inherited:
        return
    import ctypes

    _detach_finalizers(inherited)
    for filesystem in inherited.values():
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(filesystem))  # for ever: its destructor closes them too


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
