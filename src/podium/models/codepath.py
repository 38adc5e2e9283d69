"""The ``code`` folder of a trusted model, made importable.

It is copied to a private place first: Python writes byte code beside what it imports, and a model's bytes never change.
"""

from __future__ import annotations

import atexit
import importlib
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from podium.models.copying import copy_plain

__all__ = ["importing"]

_copies: dict[str, Path] = {}
_lock = threading.RLock()


@contextmanager
def importing(folder: Path, sha256: str) -> Iterator[None]:
    """Inside ``with``, a copy of ``folder`` is first on ``sys.path``, for this thread's load and no other's.

    Use it only for code that is trusted. Two versions of a model bring modules of the same names, so those that came
    from another model's copy are forgotten first, and one model is loaded at a time: each gets its own. The copy stays
    on the path, behind those of later models, for what a model imports only when it predicts; a name that a later
    model brings too is then the later one's.

    Args:
        folder: the model's code.
        sha256: of the model's manifest; one copy is made for each.
    """
    with _lock:
        place = _copy_of(folder, sha256)
        _forget_namesakes(place)
        if str(place) in sys.path:
            sys.path.remove(str(place))
        sys.path.insert(0, str(place))
        importlib.invalidate_caches()
        yield


def _copy_of(folder: Path, sha256: str) -> Path:
    place = _copies.get(sha256)
    if place is None or not place.is_dir():
        private = Path(tempfile.mkdtemp(prefix="podium-code-")).resolve()
        atexit.register(shutil.rmtree, private, ignore_errors=True)
        place = _copies[sha256] = private / "code"
        copy_plain(folder, place)
    return place


def _forget_namesakes(place: Path) -> None:
    """Drop modules of other copies that would stand in the way of this one's."""
    names = {each.name.partition(".")[0] for each in place.iterdir()}
    others = [copy for copy in _copies.values() if copy != place]
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in names and any(_comes_from(module, copy) for copy in others):
            del sys.modules[name]


def _comes_from(module: object, copy: Path) -> bool:
    origins = [getattr(module, "__file__", None), *getattr(module, "__path__", ())]
    return any(isinstance(origin, str) and Path(origin).is_relative_to(copy) for origin in origins)


def _after_fork_in_child() -> None:
    """A load that was under way in another thread of the parent holds nothing here; copies stay the parent's."""
    global _lock  # noqa: PLW0603 - a lock that was held at the fork can never be released
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
