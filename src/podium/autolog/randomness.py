"""Leave the random numbers of a training as they are: what tracking draws is put back.

Scoring a model on its training data may draw (a dummy classifier guesses, a loader shuffles), from the global
generators or from one the estimator holds. The training after it must see what it would have seen. Knows no library's
estimators; numpy and torch are asked only where their user has imported them.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["undisturbed"]


@contextmanager
def undisturbed(held: Iterable[object] = ()) -> Iterator[None]:
    """Afterwards the global generators, and those among ``held``, go on as if nothing had been drawn inside."""
    restore = [*_global_generators(), *filter(None, map(_generator, held))]
    try:
        yield
    finally:
        for put_back in restore:
            put_back()


def _global_generators() -> Iterator[Callable[[], None]]:
    python = random.getstate()
    yield lambda: random.setstate(python)
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy = numpy_random.get_state()
        yield lambda: numpy_random.set_state(numpy)
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "get_rng_state"):
        state = torch.get_rng_state()
        yield lambda: torch.set_rng_state(state)


def _generator(held: Any) -> Callable[[], None] | None:
    """What puts back a generator of numpy as it is now; None where this is none."""
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is None:
        return None
    if isinstance(held, numpy_random.RandomState):
        state = held.get_state()
        return lambda: held.set_state(state)
    if isinstance(held, numpy_random.Generator):
        bits = held.bit_generator
        inner = bits.state
        return lambda: setattr(bits, "state", inner)
    return None
