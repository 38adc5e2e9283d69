"""The same work on many things at once: what waits for a network waits together.

Nothing but threads of its own: an executor takes no work once the interpreter is on its way out, which is when the
last of a run is sent.
"""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from typing import Generic, TypeVar

__all__ = ["AT_ONCE", "ahead", "together"]

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


def ahead(
    work: Callable[[T], R],
    things: Iterable[T],
    *,
    size_of: Callable[[T], int],
    most_bytes: int,
    at_once: int = AT_ONCE,
) -> Generator[R, None, None]:
    """``work(each)`` for each thing in turn, begun before it is asked for: up to ``at_once`` of them at a time.

    Args:
        work: done in threads; with ``at_once=1`` by whoever asks, when it is asked for.
        things: what it is done for.
        size_of: about how many bytes the result takes.
        most_bytes: as long as results of so many bytes are under way or wait to be taken, no other is begun.
        at_once: so many at a time.

    Raises:
        Exception: what the work for a thing raised, when it is that thing's turn.
    """
    queue = _Ahead(work, things, size_of, most_bytes)
    helpers: list[threading.Thread] = []
    for _ in range(min(at_once, len(queue.things)) if at_once > 1 else 0):
        helper = threading.Thread(target=queue.help_out, name="podium-ahead", daemon=True)
        try:
            helper.start()
        except RuntimeError:
            break  # as above
        helpers.append(helper)
    try:
        for number in range(len(queue.things)):
            if not helpers:
                queue.do(number)
            yield queue.taken(number)
    finally:
        queue.stop()
        for helper in helpers:
            helper.join()


class _Ahead(Generic[T, R]):
    """What threads work off ahead of the one that takes the results."""

    def __init__(
        self, work: Callable[[T], R], things: Iterable[T], size_of: Callable[[T], int], most_bytes: int
    ) -> None:
        self.things = list(things)
        self._work, self._size_of, self._most_bytes = work, size_of, most_bytes
        self._changed = threading.Condition()
        self._results: dict[int, R] = {}
        self._errors: dict[int, BaseException] = {}
        self._begun = self._next = self._held_bytes = 0

    def help_out(self) -> None:
        while (number := self._begin()) is not None:
            self.do(number)

    def _begin(self) -> int | None:
        """The next thing, once there is room for it; None: nothing is left to do."""
        with self._changed:
            while (number := self._begun) < len(self.things):
                size = self._size_of(self.things[number])
                # What is asked for next is begun however large it is: nothing else would make room for it.
                if number == self._next or self._held_bytes + size <= self._most_bytes:
                    self._begun += 1
                    self._held_bytes += size
                    return number
                self._changed.wait()
        return None

    def do(self, number: int) -> None:
        try:
            result = self._work(self.things[number])
        except BaseException as error:  # noqa: BLE001 - raised in the thread that asks for it
            with self._changed:
                self._errors[number] = error
                self._changed.notify_all()
            return
        with self._changed:
            self._results[number] = result
            self._changed.notify_all()

    def taken(self, number: int) -> R:
        """A result, waited for. Whoever asks for the next has let go of it."""
        with self._changed:
            if number:
                self._held_bytes -= self._size_of(self.things[number - 1])
            self._next = number
            self._changed.notify_all()
            while number not in self._results and number not in self._errors:
                self._changed.wait()
            if number in self._errors:
                raise self._errors[number]
            return self._results.pop(number)

    def stop(self) -> None:
        with self._changed:
            self._begun = len(self.things)
            self._changed.notify_all()
