"""A process as the checker sees it: a program, and the answers it was given so far.

Generators cannot be copied, so a process that goes two ways is run again from its beginning. Each sequence of answers
is run once: a `Place` remembers where it leads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from podium.commits.protocol import Answer, Create, Operation, Pause, PutAll, Says, Steps
from podium.errors import PodiumError

__all__ = ["Ended", "Place", "Program", "begin", "stepwise"]


Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended: with a result, or an error."""

    result: object = None
    error: PodiumError | None = None


Program: TypeAlias = Callable[[tuple[Answer, ...]], "Operation | Ended"]
"""What a program does next, given all answers so far. Deterministic."""


def stepwise(make: Callable[[], Steps[object]]) -> Program:
    """A protocol's generator as a program; ``make`` begins it anew."""

    def program(answers: tuple[Answer, ...]) -> Operation | Ended:
        steps = _one_by_one(make())
        try:
            operation = next(steps)
            for answer in answers:
                operation = steps.send(answer)
        except StopIteration as stop:
            return Ended(stop.value)
        except PodiumError as error:
            return Ended(error=error)
        return operation

    return program


def _one_by_one(steps: Steps[Result]) -> Steps[Result]:
    """Several values put at once are put one after the other here: one of their orders, with everything between them.

    The other orders differ by names alone.
    """
    try:
        operation = next(steps)
        while True:
            if not isinstance(operation, PutAll):
                operation = steps.send((yield operation))
                continue
            answer: Answer = Says.DONE
            for put in operation.puts:
                answer = yield put
                if answer is not Says.DONE:
                    break
            operation = steps.send(answer)
    except StopIteration as stop:
        result: Result = stop.value
        return result


@dataclass(eq=False, slots=True)
class Place:
    """Where a program is after some answers; compare by identity.

    Attributes:
        program: which.
        answers: so far.
        next: what it asks now, or how it ended.
        pauses: how often it waited.
        doubtful: whether a `create` of its was not answered with success.
        failed: whether the store ever gave it no answer.
    """

    program: Program
    answers: tuple[Answer, ...]
    next: Operation | Ended
    pauses: int = 0
    doubtful: bool = False
    failed: bool = False
    _after: dict[object, Place] = field(default_factory=dict)

    def told(self, answer: Answer) -> Place:
        """Where an answer leads."""
        key = tuple(sorted(answer.items())) if isinstance(answer, Mapping) else answer
        after = self._after.get(key)
        if after is None:
            answers = (*self.answers, answer)
            creating = isinstance(self.next, Create)
            no_answer = not isinstance(answer, bytes | Says | Mapping)
            after = self._after[key] = Place(
                self.program,
                answers,
                self.program(answers),
                pauses=self.pauses + isinstance(self.next, Pause),
                doubtful=self.doubtful or (creating and answer is not Says.DONE),
                failed=self.failed or no_answer,
            )
        return after


def begin(program: Program) -> Place:
    """A program that was told nothing yet."""
    return Place(program, (), program(()))
