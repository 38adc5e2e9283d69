"""Who acts, and on which machine: as runs, commits and edits record it. Knows no store."""

from __future__ import annotations

import functools
import os

__all__ = ["host_name", "user_name"]


def user_name() -> str:
    """Who is acting: ``PODIUM_USER``, else the login name, else nobody in particular."""
    named = os.environ.get("PODIUM_USER")
    return _with_bytes(named) if named else _login_name()


@functools.cache
def _login_name() -> str:
    import getpass

    try:
        return _with_bytes(getpass.getuser())
    except (OSError, KeyError, ImportError):  # no name for this number: containers run like that
        return "unknown"


@functools.cache
def host_name() -> str:
    """The name of this machine."""
    if hasattr(os, "uname"):
        return _with_bytes(os.uname().nodename)
    return os.environ.get("COMPUTERNAME", "")


def _with_bytes(text: str) -> str:
    """The text without lone surrogates, which have no bytes: the environment may hold any."""
    return text.encode("utf-8", "replace").decode()
