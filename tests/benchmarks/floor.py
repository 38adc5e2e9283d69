"""Time podium and its floor in turns, so that a machine whose speed drifts treats both alike."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; all text, since rows have different units."""

    name: str
    podium: str
    floor: str
    ratio: str
    target: str


def seconds(work: Callable[[], object]) -> float:
    """How long one call takes, with the garbage of earlier work collected first."""
    gc.collect()
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def in_turns(
    podium: Callable[[], object], floor: Callable[[], object], *, rounds: int = 7
) -> tuple[float, float]:
    """Median seconds of each, after one round that does not count."""
    podium()
    floor()
    pairs = [(seconds(podium), seconds(floor)) for _ in range(rounds)]
    return statistics.median(p for p, _ in pairs), statistics.median(f for _, f in pairs)


def row(name: str, timed: tuple[float, float], target: str, *, per: int = 1, extra: str = "") -> Row:
    """A row of the table from two times, each shown as time for one of ``per`` pieces of work."""
    podium, floor = timed
    return Row(
        name,
        _text(podium / per),
        _text(floor / per),
        f"{podium / floor:.2f}x",
        target + (f"   ({extra})" if extra else ""),
    )


def _text(seconds_each: float) -> str:
    for factor, unit in ((1, "s"), (1e3, "ms"), (1e6, "us")):
        if seconds_each * factor >= 1:
            return f"{seconds_each * factor:.2f} {unit}"
    return f"{seconds_each * 1e9:.0f} ns"
