"""The environment variables that switch podium's behaviour: their names and what counts as on."""

from __future__ import annotations

import os

__all__ = ["is_on"]

_OFF = frozenset({"", "0", "false", "no", "off"})


def is_on(name: str) -> bool:
    """Whether a variable such as ``PODIUM_STRICT`` is set to anything but 0, false, no, off or nothing."""
    return os.environ.get(name, "").strip().lower() not in _OFF
