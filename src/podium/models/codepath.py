"""The ``code`` folder of a trusted model, made importable.

It is copied to a private place first: Python writes byte code beside what it imports, and a model's bytes never change.
"""

from __future__ import annotations

import atexit
import importlib
import shutil
import sys
import tempfile
import threading
from pathlib import Path

from podium.models.copying import copy_plain

__all__ = ["make_importable"]

_copies: dict[str, Path] = {}
_lock = threading.RLock()


def make_importable(folder: Path, sha256: str) -> None:
    """Put a copy of ``folder`` first on ``sys.path``. Call it only for code that is trusted.

    Two versions of a model bring modules of the same names: those that came from the copy of another model are
    forgotten first, so that the new version imports its own. What the old version has imported stays its own.

    Args:
        folder: the model's code.
        sha256: of the model's manifest; one copy is made for each.
    """
    with _lock:
        copy = _copies.get(sha256)
        if copy is None or not copy.is_dir():
            copy = Path(tempfile.mkdtemp(prefix="podium-code-"))
            atexit.register(shutil.rmtree, copy, ignore_errors=True)
            copy_plain(folder, copy / "code")
            _copies[sha256] = copy
        place = str(copy / "code")
        _forget_modules_of_other_copies(place)
        if place in sys.path:
            sys.path.remove(place)
        sys.path.insert(0, place)
        importlib.invalidate_caches()


def _forget_modules_of_other_copies(place: str) -> None:
    others = tuple(f"{copy / 'code'}/" for copy in _copies.values() if str(copy / "code") != place)
    for name, module in list(sys.modules.items()):
        origin = getattr(module, "__file__", None)
        if others and isinstance(origin, str) and Path(origin).as_posix().startswith(others):
            del sys.modules[name]
