"""What has to be known of one filesystem of fsspec or another, in one closed table.

Which of them pass the condition "only if there is none" on to the server, how one read stays one request, how their
own retries and timeouts are set so that a dead server is told of in seconds. Opens nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

__all__ = ["Dialect", "dialect_of", "extra_of"]

# A server that answers after 30 s is slow and not dead; one that does not take the connection is.
_CONNECT_TIMEOUT_S = 4
_READ_TIMEOUT_S = 45
_CONNECTIONS = 32

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


def _leave(filesystem: AbstractFileSystem) -> None:
    del filesystem


async def _nothing_to_close(filesystem: AbstractFileSystem) -> None:
    del filesystem


def _anybodys(filesystem: AbstractFileSystem) -> str:
    return str(getattr(filesystem, "host", ""))


@dataclass(frozen=True, slots=True)
class Dialect:
    """How podium speaks to one filesystem.

    Attributes:
        scheme: of its URLs.
        exclusive: whether ``pipe_file(mode="create")`` is decided by the server.
        takes_loop: whether it is made with an event loop.
        puts_whole: whether a value is seen only when all of it was sent.
        finds_prefixes: whether ``find`` takes a ``prefix``, and the server then looks at nothing else.
        asks_again: whether ``find`` in a folder where nothing lies asks twice more, if it is no prefix.
        read_options: of ``cat_file`` and ``get_file``, so that one read is one request.
        write_options: of ``put_file``.
        settings: what it is made with, from the scheme and what the user gave.
        tune: what can be set only afterwards.
        close: closes its connections; runs in its loop.
        whose: the server or account behind it, as far as its settings say; nothing secret.
    """

    scheme: str
    exclusive: bool = False
    takes_loop: bool = False
    puts_whole: bool = False
    finds_prefixes: bool = False
    asks_again: bool = False
    read_options: Mapping[str, Any] = field(default_factory=dict)
    write_options: Mapping[str, Any] = field(default_factory=dict)
    settings: Callable[[str, Mapping[str, object]], dict[str, Any]] = _as_they_are
    tune: Callable[[AbstractFileSystem], None] = _leave
    close: Callable[[AbstractFileSystem], Coroutine[object, object, None]] = _nothing_to_close
    whose: Callable[[AbstractFileSystem], str] = _anybodys

    @staticmethod
    def of_class(kind: type[AbstractFileSystem]) -> Dialect:
        """The dialect of a class of filesystems; subclasses speak that of their base."""
        for base in kind.__mro__:
            known = _TABLE.get(base.__module__.partition(".")[0])
            if known is not None:
                return known
        protocol = kind.protocol if isinstance(kind.protocol, str) else kind.protocol[0]
        # Not inherited: fsspec's base class looks, then writes, whatever its subclasses say of themselves.
        return Dialect(str(protocol), exclusive=bool(vars(kind).get("exclusive_create", False)))


def dialect_of(filesystem: AbstractFileSystem) -> Dialect:
    """The dialect of a filesystem."""
    return Dialect.of_class(type(filesystem))


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


def _gcs_settings(scheme: str, options: Mapping[str, object]) -> dict[str, Any]:
    del scheme
    return {"use_listings_cache": False, "timeout": _READ_TIMEOUT_S, **options}


def _gcs_tune(filesystem: AbstractFileSystem) -> None:
    filesystem.retries = 1


def _azure_settings(scheme: str, options: Mapping[str, object]) -> dict[str, Any]:
    del scheme
    return {
        "use_listings_cache": False,
        "connection_timeout": _CONNECT_TIMEOUT_S,
        "read_timeout": _READ_TIMEOUT_S,
        **options,
    }


def _azure_whose(filesystem: AbstractFileSystem) -> str:
    return str(getattr(filesystem, "account_name", "") or "")


_TABLE: Mapping[str, Dialect] = {
    "s3fs": Dialect(
        "s3",
        exclusive=True,
        takes_loop=True,
        puts_whole=True,
        finds_prefixes=True,
        asks_again=True,
        # With more, s3fs asks for the size first and then for ranges, perhaps of two values.
        read_options={"max_concurrency": 1},
        write_options={"max_concurrency": 4},
        settings=_s3_settings,
        tune=_s3_tune,
        close=_s3_close,
        whose=_s3_whose,
    ),
    "gcsfs": Dialect(
        "gs",
        exclusive=True,
        takes_loop=True,
        puts_whole=True,
        finds_prefixes=True,
        settings=_gcs_settings,
        tune=_gcs_tune,
        close=_gcs_close,
    ),
    "adlfs": Dialect(
        "az",
        exclusive=True,
        takes_loop=True,
        puts_whole=True,
        finds_prefixes=True,
        settings=_azure_settings,
        close=_azure_close,
        whose=_azure_whose,
    ),
}
