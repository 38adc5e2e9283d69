"""A podium of one's own for the length of a test: a fresh store, no run, no experiment, nothing tracked by itself.

Everything a process knows of podium is set aside and put back after: the default workspace, the current run, what is
tracked by itself, and every ``PODIUM_*`` variable. The user's configuration and cache are not touched.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from podium.workspace.workspace import Workspace

__all__ = ["isolated"]


@contextmanager
def isolated(*, strict: bool = True) -> Iterator[Workspace]:
    """A fresh default store in a temporary folder, for what runs inside ``with``.

    Child processes that are started inside follow it. Runs that are left open inside are ended when it is left, and
    the folder is removed. Nothing is said on stderr about the runs.

    Args:
        strict: what the world decides (a full disk) raises, as with ``PODIUM_STRICT``: a test should hear of it.

    Returns:
        The default workspace inside.
    """
    from podium import current

    with ExitStack() as put_back:
        folder = put_back.enter_context(tempfile.TemporaryDirectory(prefix="podium-isolated-"))
        put_back.enter_context(_environment(strict=strict))
        put_back.enter_context(current.set_aside())
        put_back.enter_context(_no_autolog())
        put_back.enter_context(_all_runs_ended())
        yield current.set_store(os.path.join(folder, "store"))


@contextmanager
def _environment(*, strict: bool) -> Iterator[None]:
    before = _podium_variables()
    for name in before:
        del os.environ[name]
    os.environ["PODIUM_QUIET"] = "1"
    if strict:
        os.environ["PODIUM_STRICT"] = "1"
    try:
        yield
    finally:
        for name in _podium_variables():
            del os.environ[name]
        os.environ.update(before)


def _podium_variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("PODIUM_")}


@contextmanager
def _all_runs_ended() -> Iterator[None]:
    from podium.workspace import open_runs
    from podium.workspace.endings import FINISHED

    try:
        yield
    finally:
        for seat in reversed(open_runs.open_seats()):
            seat.end(FINISHED)


@contextmanager
def _no_autolog() -> Iterator[None]:
    if "podium.autolog" not in sys.modules:
        try:
            yield
        finally:
            if "podium.autolog" in sys.modules:
                _stop_autolog()
        return
    from podium.autolog import patching, settings

    was_patched = patching.is_patched()
    with settings.set_aside():
        try:
            yield
        finally:
            if was_patched:
                _patch_again()
            else:
                patching.undo_all()


def _stop_autolog() -> None:
    from podium.autolog import patching, settings

    settings.set_for_process(None)
    patching.undo_all()


def _patch_again() -> None:
    from podium.autolog import sklearn

    sklearn.install()
