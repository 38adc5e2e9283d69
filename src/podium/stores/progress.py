"""One bar for all that one call sends or fetches: on a terminal, after a second, if tqdm is installed.

Whoever moves many values says how many bytes they are together; the stores that move them say how many of them have
gone by, through callbacks of fsspec, whichever thread they do it in. Work in the background shows nothing by itself:
who waits for it may show it. Knows sizes, nothing of what is moved.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fsspec.callbacks import Callback

__all__ = ["Meter", "Value", "in_background", "moving", "moving_value"]

_SILENT_S = 1.0

_current: ContextVar[Meter | None] = ContextVar("podium_meter", default=None)


class Meter:
    """How many bytes have gone by, and perhaps a bar that shows it."""

    def __init__(self) -> None:
        self._guard = threading.RLock()
        self._bar: Callback | None = None

    def add(self, size: int) -> None:
        """So many more; fewer where an attempt came to nothing and begins anew."""
        self._tell(lambda bar: bar.relative_update(size))

    def expect(self, size: int) -> None:
        """There are so many more than was said."""
        self._tell(lambda bar: bar.set_size((bar.size or 0) + size))

    def _tell(self, tell: Callable[[Callback], object]) -> None:
        with self._guard:
            if self._bar is not None:
                try:
                    tell(self._bar)
                except Exception:  # noqa: BLE001 - a terminal that was closed stops no transfer
                    self._bar = None

    @contextmanager
    def shown(self, what: str, total_bytes: Callable[[], int]) -> Iterator[None]:
        """Show it, where a bar can be shown and nobody else shows it, as long as the ``with`` lasts."""
        with self._guard:
            bar = _new_bar(what) if self._bar is None else None
            if bar is not None:
                self._bar = bar
                self._tell(lambda bar: bar.set_size(total_bytes()))
        try:
            yield
        finally:
            if bar is not None:
                with self._guard, contextlib.suppress(Exception):
                    self._bar = None
                    bar.close()


@contextmanager
def moving(what: str, total_bytes: int) -> Iterator[Meter]:
    """One transfer of so many bytes; inside another transfer it is a part of that one, whose bytes are counted there.

    Args:
        what: for the bar.
        total_bytes: of all values together.
    """
    outer = _current.get()
    if outer is not None:
        yield outer
        return
    meter = Meter()
    token = _current.set(meter)
    try:
        with meter.shown(what, lambda: total_bytes):
            yield meter
    finally:
        _current.reset(token)


@contextmanager
def in_background(meter: Meter) -> Iterator[None]:
    """What this thread moves from here on is counted by ``meter``, and shown only by who shows that."""
    token = _current.set(meter)
    try:
        yield
    finally:
        _current.reset(token)


class Value:
    """One value of a transfer. What went by of an attempt that failed is taken back: it goes by again."""

    def __init__(self, meter: Meter, *, sizes: bool) -> None:
        self._meter = meter
        self._sizes = sizes
        self._moved = 0

    def add(self, size: int) -> None:
        """So many bytes of it more."""
        self._moved += size
        self._meter.add(size)

    def sized(self, size: int) -> None:
        """How many bytes it has, where nobody said so before."""
        if self._sizes:
            self._sizes = False
            self._meter.expect(size)

    def take_back(self) -> None:
        """None of it counts."""
        self._meter.add(-self._moved)
        self._moved = 0

    def callback(self) -> Callback:
        """This as fsspec's filesystems tell it."""
        from fsspec.callbacks import Callback

        value = self

        class Telling(Callback):  # type: ignore[misc]  # fsspec has no types
            def set_size(self, size: int | None) -> None:
                super().set_size(size)
                if size is not None:
                    value.sized(size)

            def call(self, *_: object, **__: object) -> None:
                value.add(self.value - value._moved)

        return Telling()


@contextmanager
def moving_value(what: str) -> Iterator[Value]:
    """One value: of the transfer under way, else one by itself."""
    joined = _current.get() is not None
    with moving(what, 0) as meter:
        value = Value(meter, sizes=not joined)
        try:
            yield value
        except BaseException:
            value.take_back()
            raise


def _new_bar(what: str) -> Callback | None:
    """A bar that appears after a second; None where there is nobody to see it, or nothing to draw it."""
    if os.environ.get("PODIUM_QUIET") or not (sys.stderr is not None and sys.stderr.isatty()):
        return None
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    from fsspec.callbacks import TqdmCallback

    class Bar(tqdm):  # type: ignore[misc]  # tqdm has no types here
        # Neither a thread that watches it nor a lock among processes, with a process that watches that: training
        # scripts fork, and an interpreter that ends starts nothing.
        monitor_interval = 0
        _lock = getattr(tqdm, "_lock", None) or threading.RLock()

    settings = {
        "desc": what,
        "unit": "B",
        "unit_scale": True,
        "unit_divisor": 1024,
        "delay": _SILENT_S,
        "miniters": 1,
        "leave": False,
    }
    bar: Callback = TqdmCallback(tqdm_kwargs=settings, tqdm_cls=Bar)
    return bar
