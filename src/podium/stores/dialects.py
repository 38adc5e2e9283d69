"""What has to be known of one filesystem of fsspec or another, in one closed table.

Which of them pass the condition "only if there is none" on to the server, how one read stays one request, how their
own retries and timeouts are set so that a dead server is told of in seconds. Opens nothing.
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from podium.stores.fileserver import FileServer

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

__all__ = ["Dialect", "dialect_of", "extra_of"]

# A server that answers after 30 s is slow and not dead; one that does not take the connection is.
_CONNECT_TIMEOUT_S = 4
_READ_TIMEOUT_S = 45
_CONNECTIONS = 32

# What an FTP server says of a listing that cannot be, because there is nothing to list.
_NO_SUCH_FOLDER = frozenset({"450", "550"})

_EXTRAS = {
    "s3": "s3",
    "s3a": "s3",
    "gs": "gcs",
    "gcs": "gcs",
    "az": "azure",
    "abfs": "azure",
    "abfss": "azure",
}


def extra_of(scheme: str) -> str | None:
    """The extra of podium that brings this scheme, or None."""
    return _EXTRAS.get(scheme)


def _as_they_are(scheme: str, options: Mapping[str, object]) -> dict[str, Any]:
    del scheme
    return dict(options)


def _uncache(filesystem: AbstractFileSystem) -> None:
    # Not by an option: what a class does not know it may hand on to whatever connects for it.
    cache = getattr(filesystem, "dircache", None)
    if cache is not None:
        cache.use_listings_cache = False


async def _nothing_to_close(filesystem: AbstractFileSystem) -> None:
    del filesystem


def _anybodys(filesystem: AbstractFileSystem) -> str:
    server = (getattr(filesystem, "host", None), getattr(filesystem, "port", None))
    return ":".join(str(each) for each in server if each)


def _leave(filesystem: AbstractFileSystem) -> None:
    del filesystem


def _move(filesystem: AbstractFileSystem, old: str, new: str) -> None:
    filesystem.mv(old, new)


def _itself(kind: type[AbstractFileSystem]) -> type[AbstractFileSystem]:
    return kind


def _said_by_its_status(error: BaseException) -> bool:
    del error
    return False


def _told_by_its_exceptions(filesystem: AbstractFileSystem, bucket: str) -> bool:
    del filesystem, bucket
    return True


@dataclass(frozen=True, slots=True)
class Dialect:
    """How podium speaks to one filesystem.

    Attributes:
        scheme: of its URLs.
        exclusive: whether ``pipe_file(mode="create")`` is decided by the server.
        takes_loop: whether it is made with an event loop.
        is_bucket: whether values are objects: seen when all of them was sent, and no folders. See `FileServer`.
        finds_prefixes: whether ``find`` takes a ``prefix``, and the server then looks at nothing else.
        asks_again: whether ``find`` in a folder where nothing lies asks twice more, if it is no prefix.
        read_options: of ``cat_file`` and ``get_file``, so that one read is one request.
        settings: what it is made with, from the scheme and what the user gave.
        rename: gives one file the name of another, which it replaces; for what is no bucket.
        shut: closes what it leaves open when it goes; for what is no bucket.
        kind: the class to make, from the one that fsspec has for the scheme.
        tune: what can be set only afterwards.
        close: closes its connections; runs in its loop.
        whose: the server or account behind it, as far as its settings say; nothing secret.
        refused: whether an exception without a status is the server's "you may not".
        is_unnamed: whether an exception says that no credentials were found here: nothing was asked of the server.
        has_bucket: whether it is there, by a request, where a bucket that is not there is told like an absent object.
    """

    scheme: str
    exclusive: bool = False
    takes_loop: bool = False
    is_bucket: bool = False
    finds_prefixes: bool = False
    asks_again: bool = False
    read_options: Mapping[str, Any] = field(default_factory=dict)
    settings: Callable[[str, Mapping[str, object]], dict[str, Any]] = _as_they_are
    rename: Callable[[AbstractFileSystem, str, str], object] = _move
    shut: Callable[[AbstractFileSystem], None] = _leave
    kind: Callable[[type[AbstractFileSystem]], type[AbstractFileSystem]] = _itself
    tune: Callable[[AbstractFileSystem], None] = _uncache
    close: Callable[[AbstractFileSystem], Coroutine[object, object, None]] = _nothing_to_close
    whose: Callable[[AbstractFileSystem], str] = _anybodys
    refused: Callable[[BaseException], bool] = _said_by_its_status
    is_unnamed: Callable[[BaseException], bool] = _said_by_its_status
    has_bucket: Callable[[AbstractFileSystem, str], bool] = _told_by_its_exceptions

    @staticmethod
    def of_class(kind: type[AbstractFileSystem]) -> Dialect:
        """The dialect of a class of filesystems; subclasses speak that of their base."""
        for base in kind.__mro__:
            module = base.__module__
            known = _TABLE.get(module.partition(".")[0]) or _TABLE.get(module)
            if known is not None:
                return known
        protocol = kind.protocol if isinstance(kind.protocol, str) else kind.protocol[0]
        # Not inherited: fsspec's base class looks, then writes, whatever its subclasses say of themselves.
        return Dialect(str(protocol), exclusive=bool(vars(kind).get("exclusive_create", False)))


def dialect_of(filesystem: AbstractFileSystem | FileServer) -> Dialect:
    """The dialect of a filesystem."""
    return Dialect.of_class(type(filesystem.behind if isinstance(filesystem, FileServer) else filesystem))


def _s3_settings(scheme: str, options: Mapping[str, object]) -> dict[str, Any]:
    from fsspec.config import conf

    configured = conf.get(scheme, {}).get("config_kwargs", {})
    given = options.get("config_kwargs") or {}
    ours = {
        "connect_timeout": _CONNECT_TIMEOUT_S,
        "read_timeout": _READ_TIMEOUT_S,
        # One try: of two tries of a create the second is told "exists", and podium repeats what it may.
        "retries": {"total_max_attempts": 1, "mode": "standard"},
        "max_pool_connections": _CONNECTIONS,
    }
    return {
        "use_listings_cache": False,
        **options,
        "config_kwargs": {**ours, **configured, **(given if isinstance(given, Mapping) else {})},
    }


def _s3_tune(filesystem: AbstractFileSystem) -> None:
    filesystem.retries = 1  # attempts, s3fs's own around botocore's


async def _s3_close(filesystem: AbstractFileSystem) -> None:
    creator = getattr(filesystem, "_s3creator", None)
    if creator is not None:
        await creator.__aexit__(None, None, None)


async def _gcs_close(filesystem: AbstractFileSystem) -> None:
    session = getattr(filesystem, "_session", None)
    if session is not None:
        await session.close()


async def _azure_close(filesystem: AbstractFileSystem) -> None:
    client = getattr(filesystem, "service_client", None)
    if client is not None:
        await client.close()


def _s3_whose(filesystem: AbstractFileSystem) -> str:
    named = getattr(filesystem, "endpoint_url", None) or (
        getattr(filesystem, "client_kwargs", None) or {}
    ).get("endpoint_url")
    environment = (
        os.environ.get(name) for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_PROFILE")
    )
    return str(named or next(filter(None, environment), ""))


def _s3_is_unnamed(error: BaseException) -> bool:
    from botocore.exceptions import NoCredentialsError, PartialCredentialsError, ProfileNotFound, SSOError

    return isinstance(error, NoCredentialsError | PartialCredentialsError | ProfileNotFound | SSOError)


def _gcs_settings(scheme: str, options: Mapping[str, object]) -> dict[str, Any]:
    del scheme
    from aiohttp import ClientTimeout

    # What gcsfs calls ``timeout`` ends no request: without this one a server that says nothing is waited for for ever.
    patience = ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT_S, sock_read=_READ_TIMEOUT_S)
    return {"use_listings_cache": False, "requests_timeout": patience, **options}


def _gcs_kind(kind: type[AbstractFileSystem]) -> type[AbstractFileSystem]:
    """The client of the JSON API alone, each of whose calls is one request.

    What fsspec has for gs:// asks another service by gRPC what kind of bucket it is, before each call as long as it is
    not told (a reader who may not ask, an emulator), and the threads of gRPC do not survive a fork.
    """
    if not kind.__module__.startswith("gcsfs."):
        return kind  # somebody's own
    plain: type[AbstractFileSystem] = _of_one_try(
        next(each for each in kind.__mro__ if each.__module__ == "gcsfs.core")
    )
    return plain


@functools.cache
def _of_one_try(kind: Any) -> Any:
    # gcsfs binds its six tries, up to half a minute apart, where it defines these: no instance can be told otherwise.
    once = {name: inspect.unwrap(vars(kind)[name]) for name in ("_request", "_get_file_request")}
    return type(kind)("OfOneTry", (kind,), {**once, "__module__": __name__})


def _gcs_whose(filesystem: AbstractFileSystem) -> str:
    return str(getattr(filesystem, "_endpoint", None) or os.environ.get("STORAGE_EMULATOR_HOST", ""))


def _gcs_refused(error: BaseException) -> bool:
    return isinstance(error, OSError) and str(error).startswith("Forbidden:")  # how gcsfs says 403


def _gcs_has_bucket(filesystem: AbstractFileSystem, bucket: str) -> bool:
    # By a listing: to look at a bucket itself takes a right that readers of objects do not have.
    try:
        filesystem.call("GET", "b/{}/o", bucket, maxResults=1, json_out=True)
    except FileNotFoundError:
        return False
    return True


def _azure_settings(scheme: str, options: Mapping[str, object]) -> dict[str, Any]:
    del scheme
    return {
        "use_listings_cache": False,
        "connection_timeout": _CONNECT_TIMEOUT_S,
        "read_timeout": _READ_TIMEOUT_S,
        **options,
    }


def _azure_tune(filesystem: AbstractFileSystem) -> None:
    # adlfs hands nothing through to the client's retries, which begin to wait at 15 seconds.
    policy = getattr(getattr(filesystem.service_client, "_config", None), "retry_policy", None)
    if policy is not None:
        policy.total_retries = 0


def _azure_has_bucket(filesystem: AbstractFileSystem, bucket: str) -> bool:
    from azure.core.exceptions import ResourceNotFoundError
    from fsspec.asyn import sync

    async def look() -> bool:
        async with filesystem.service_client.get_container_client(bucket) as container:
            try:
                async for _ in container.list_blobs(results_per_page=1):
                    break
            except ResourceNotFoundError:  # of which adlfs's listing makes an empty one
                return False
        return True

    return bool(sync(filesystem.loop, look))


def _azure_whose(filesystem: AbstractFileSystem) -> str:
    client = getattr(filesystem, "service_client", None)  # the host alone: a URL may hold a signature
    return str(getattr(client, "primary_hostname", None) or getattr(filesystem, "account_name", None) or "")


def _ftp_tune(filesystem: AbstractFileSystem) -> None:
    """Let a listing that failed be told from a folder that is not there: fsspec has one exception for both."""
    import ftplib

    _uncache(filesystem)
    connection = filesystem.ftp
    by_facts, by_lines = connection.mlsd, connection.dir

    def mlsd(*arguments: Any) -> Iterator[tuple[str, dict[str, str]]]:
        try:
            yield from by_facts(*arguments)
        except ftplib.error_perm:
            raise  # perhaps it knows no MLSD: `dir` is asked next
        except ftplib.Error as error:
            raise ConnectionError(str(error)) from error

    def dir_(*arguments: Any) -> None:
        try:
            by_lines(*arguments)
        except ftplib.Error as error:
            if str(error)[:3] in _NO_SUCH_FOLDER:
                raise
            raise ConnectionError(str(error)) from error

    connection.mlsd, connection.dir = mlsd, dir_


def _webdav_rename(filesystem: AbstractFileSystem, old: str, new: str) -> None:
    # Its own ``mv`` forbids the server to replace what is there.
    filesystem.client.move(filesystem._strip_protocol(old), filesystem._strip_protocol(new), overwrite=True)


def _webdav_shut(filesystem: AbstractFileSystem) -> None:
    filesystem.client.http.close()


def _webdav_whose(filesystem: AbstractFileSystem) -> str:
    url = getattr(filesystem.client, "base_url", "")
    return f"{getattr(url, 'host', '')}:{getattr(url, 'port', '')}"


_TABLE: Mapping[str, Dialect] = {
    "s3fs": Dialect(
        "s3",
        exclusive=True,
        takes_loop=True,
        is_bucket=True,
        finds_prefixes=True,
        asks_again=True,
        # With more, s3fs asks for the size first and then for ranges, perhaps of two values.
        read_options={"max_concurrency": 1},
        settings=_s3_settings,
        tune=_s3_tune,
        close=_s3_close,
        whose=_s3_whose,
        is_unnamed=_s3_is_unnamed,
    ),
    "gcsfs": Dialect(
        "gs",
        exclusive=True,
        takes_loop=True,
        is_bucket=True,
        finds_prefixes=True,
        # With more, gcsfs asks for the size first and then for ranges.
        read_options={"concurrency": 1},
        settings=_gcs_settings,
        kind=_gcs_kind,
        close=_gcs_close,
        whose=_gcs_whose,
        refused=_gcs_refused,
        has_bucket=_gcs_has_bucket,
    ),
    "adlfs": Dialect(
        "az",
        exclusive=True,
        takes_loop=True,
        is_bucket=True,
        finds_prefixes=True,
        settings=_azure_settings,
        tune=_azure_tune,
        close=_azure_close,
        whose=_azure_whose,
        has_bucket=_azure_has_bucket,
    ),
    "fsspec.implementations.ftp": Dialect("ftp", tune=_ftp_tune),
    "webdav4": Dialect("webdav", rename=_webdav_rename, shut=_webdav_shut, whose=_webdav_whose),
}
