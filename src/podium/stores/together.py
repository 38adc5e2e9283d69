"""The same work on many things at once: what waits for a network waits together.

Nothing but threads of its own: an executor takes no work once the interpreter is on its way out, which is when the
last of a run is sent.
"""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import TypeVar

__all__ = ["AT_ONCE", "together"]

AT_ONCE = 16

T = TypeVar("T")
R = TypeVar("R")


def together(work: Callable[[T], R], things: Iterable[T], *, at_once: int = AT_ONCE) -> list[R]:
    """``[work(each) for each in things]``, up to ``at_once`` of them at a time.

    Raises:
        Exception: the first error, when all that had begun has ended; what had not begun is left.
    """
    waiting = deque(enumerate(things))
    results: dict[int, R] = {}
    errors: list[BaseException] = []

    def take() -> None:
        while not errors:
            try:
                number, thing = waiting.popleft()
            except IndexError:
                return
            try:
                results[number] = work(thing)
            except BaseException as error:  # noqa: BLE001 - raised below, in the thread that asked
                errors.append(error)

    helpers: list[threading.Thread] = []
    for _ in range(min(at_once, len(waiting)) - 1):
        # What the caller's context says holds for its helpers too: which transfer their bytes belong to.
        context = contextvars.copy_context()
        helper = threading.Thread(target=context.run, args=(take,), name="podium-together", daemon=True)
        try:
            helper.start()
        except RuntimeError:
            break  # an interpreter that ends, or a machine without threads left: this thread does the work
        helpers.append(helper)
    take()
    for helper in helpers:
        helper.join()
    if errors:
        raise errors[0]
    return [results[number] for number in range(len(results))]
