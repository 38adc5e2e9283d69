"""Which experiment a run belongs to when none is named.

``PODIUM_EXPERIMENT`` is the one place where that is kept: `track.set_experiment` sets it, so that child processes
follow.
"""

from __future__ import annotations

import os

from podium.errors import Invalid

__all__ = ["DEFAULT_EXPERIMENT", "checked_experiment", "default_experiment"]

DEFAULT_EXPERIMENT = "default"

_LONGEST = 500


def default_experiment() -> str:
    """The experiment of a run that names none."""
    return checked_experiment(os.environ.get("PODIUM_EXPERIMENT") or DEFAULT_EXPERIMENT)


def checked_experiment(name: str) -> str:
    """The name itself.

    Raises:
        TypeError: it is no text.
        Invalid: it is empty, longer than 500 characters, or holds characters that nobody sees.
    """
    if not isinstance(name, str):
        raise TypeError(f"the name of an experiment is text, not {type(name).__name__}: {name!r:.100}")
    if not name.strip():
        raise Invalid("the name of an experiment cannot be empty.")
    if len(name) > _LONGEST:
        raise Invalid(f"the name of an experiment has at most {_LONGEST} characters, this one {len(name)}.")
    if not name.isprintable():
        raise Invalid(f"the name of an experiment is printable text; {name!r:.100} holds control characters.")
    return name
