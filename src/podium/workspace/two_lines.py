"""The two lines a process says about its runs on stderr: where they go, and what became of them.

``PODIUM_QUIET`` silences them. Knows texts and counts, no run.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator

from podium.workspace.switches import is_on

__all__ = ["note_end", "reset", "say", "say_what_became", "say_where", "set_aside"]


_SHOWN_NAMES = 5
_SHOWN_STORES = 3


class _Said:
    def __init__(self) -> None:
        self.where: tuple[str, str] | None = None
        self.places: dict[str, dict[str, None]] = {}  # experiments by store, in the order they came
        self.ends: Counter[str] = Counter()
        self.dropped = 0
        self.only = ""
        self.finished = False


_said = _Said()


def say(line: str) -> None:
    """One line on stderr, unless the user wants quiet."""
    if is_on("PODIUM_QUIET") or sys.stderr is None:
        return
    # A closed or broken stderr is no reason to stop, and there is nobody left to tell.
    with contextlib.suppress(OSError, ValueError):
        print(f"podium: {line}", file=sys.stderr, flush=True)


def say_where(url: str, experiment: str) -> None:
    """Said at the first run of a process."""
    if _said.where is not None:
        return
    _said.where = (url, experiment)
    kept = " (in memory: gone when this process ends)" if url.startswith("memory:") else ""
    say(f"runs go to {url}{kept}, experiment {experiment!r}")


def note_end(name: str, run_id: str, status: str, dropped: int, *, url: str, experiment: str) -> None:
    """Count a run that has ended."""
    _said.places.setdefault(url, {})[experiment] = None
    _said.ends[status] += 1
    _said.dropped += dropped
    _said.only = f"run {name!r} ({run_id}) {status}"


def say_what_became(rest: Iterable[str] = ()) -> None:
    """Said once, when the process ends.

    Args:
        rest: what has not reached its store.
    """
    if not _said.ends or _said.finished:
        return
    _said.finished = True
    count = sum(_said.ends.values())
    counts = ", ".join(f"{number} {status}" for status, number in sorted(_said.ends.items()))
    lost = f"; {_said.dropped} events could not be kept" if _said.dropped else ""
    waits = "".join(
        f"; {each}: the next script that logs there sends them, or Workspace.sync()" for each in rest
    )
    say((_said.only if count == 1 else f"{count} runs: {counts}") + _places() + lost + waits)


def _places() -> str:
    """Where the runs went, unless all of them went where the first line said."""
    stores = _said.places
    if _said.where is not None and stores == {_said.where[0]: {_said.where[1]: None}}:
        return ""
    named = [f"{_some(experiments)} of {url}" for url, experiments in list(stores.items())[:_SHOWN_STORES]]
    more = f" and {len(stores) - _SHOWN_STORES} more stores" if len(stores) > _SHOWN_STORES else ""
    return " in " + "; ".join(named) + more


def _some(experiments: Iterable[str]) -> str:
    names = [repr(each) for each in experiments]
    more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
    return ", ".join(names[:_SHOWN_NAMES]) + more


def reset() -> None:
    """Begin anew: in a forked child, whose parent speaks for itself, and in tests."""
    global _said  # noqa: PLW0603 - the one record of what was said
    _said = _Said()


@contextlib.contextmanager
def set_aside() -> Iterator[None]:
    """What ends inside is not counted."""
    global _said  # noqa: PLW0603 - the one record of what was said
    before, _said = _said, _Said()
    try:
        yield
    finally:
        _said = before


def _hush() -> None:
    reset()
    _said.where = ("", "")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_hush)
