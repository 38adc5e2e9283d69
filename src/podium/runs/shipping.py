"""The protocol by which a log reaches a store that is not on this machine's disk, as a generator of operations.

The writer appends to a spool file; its whole lines are sent as parts named by the bytes they hold. Any parts that
cover a log are the log, and where two overlap they are the same bytes: so several shippers may send the same log at
once (this process, the next, ``podium sync``), die at any moment and send again, and nothing is doubled or lost.

Two rules carry that. A part is removed only by who has seen a part in the store that contains it. The spool goes
only when the whole log has been seen in the store, byte for byte, and nobody can append to it any more. No store, no
file, no clock here: the same code runs in production (`spool.py`) and under a model checker that kills it, loses its
answers and lets its requests come late.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias, TypeVar

__all__ = [
    "Answer",
    "Check",
    "Forget",
    "Look",
    "Operation",
    "Others",
    "Part",
    "Remove",
    "Says",
    "Seen",
    "Send",
    "Shipped",
    "Steps",
    "ship_log",
]

Part: TypeAlias = tuple[int, int]

# A part is read into memory, and one request has to end.
_LONGEST_PART_BYTES = 8 << 20
# So many small parts in a row become one: a log of n parts is then read in some 8 log n requests.
_PARTS_OF_ONE_SIZE = 8


# --- what is asked, and answered ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Look:
    """At the spool: `Seen`, or ``Says.GONE``."""


@dataclass(frozen=True, slots=True)
class Send:
    """Bytes of the spool as a part: ``Says.DONE``; ``Says.GONE``, where there is no spool any more; or ``Says.FAILED``.

    After a failure it may be there, or come.
    """

    part: Part


@dataclass(frozen=True, slots=True)
class Check:
    """Whether the part in the store is what the spool holds: ``Says.SAME``, ``DIFFERENT``, ``GONE`` or ``FAILED``."""

    part: Part


@dataclass(frozen=True, slots=True)
class Others:
    """The parts of this log in the store, which may be late: a frozenset, or ``Says.FAILED``."""


@dataclass(frozen=True, slots=True)
class Remove:
    """A part from the store; what comes of it does not matter."""

    part: Part


@dataclass(frozen=True, slots=True)
class Forget:
    """Delete the spool."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A spool.

    Attributes:
        size: bytes of its whole lines; what follows was never acknowledged, or is still being written.
        sealed: nobody can append to it any more: its writer has ended it, or is dead.
    """

    size: int
    sealed: bool


class Says(Enum):
    """Answers without a value."""

    GONE = "gone"
    DONE = "done"
    FAILED = "failed"
    SAME = "same"
    DIFFERENT = "different"


Operation: TypeAlias = Look | Send | Check | Others | Remove | Forget
Answer: TypeAlias = "Seen | frozenset[Part] | Says"
Result = TypeVar("Result")
Steps: TypeAlias = Generator[Operation, Answer, Result]


@dataclass(frozen=True, slots=True)
class Shipped:
    """What a shipper knows to be in the store.

    Attributes:
        parts: those it sent, one after the other from 0, without those it has put together.
        size: how much there was to send when it last looked.
        done: the spool is gone: all of it is in the store.
        failed: the store did not take or show something; try again.
    """

    parts: tuple[Part, ...] = ()
    size: int = 0
    done: bool = False
    failed: bool = False

    @property
    def end(self) -> int:
        """The first byte it has not sent."""
        return self.parts[-1][1] if self.parts else 0

    @property
    def waiting_bytes(self) -> int:
        """How much was not sent when it last looked."""
        return 0 if self.done else max(0, self.size - self.end)


# --- the protocol ---------------------------------------------------------------------------------------------------


def ship_log(before: Shipped) -> Steps[Shipped]:
    """Bring what is new of one log to the store; finish it if it is sealed.

    Args:
        before: what this shipper knows of it; nothing, if it sees it for the first time.
    """
    seen = yield Look()
    if not isinstance(seen, Seen):
        return Shipped(done=True)
    if seen.sealed:
        return (yield from _finish(before, seen.size))
    return (yield from _send_new(before, seen.size))


def _send_new(before: Shipped, size: int) -> Steps[Shipped]:
    parts = before.parts
    for part in _cut(before.end, size):
        sent = yield Send(part)
        if sent is not Says.DONE:
            return _broken_off(sent, parts, size)
        parts = (*parts, part)
        together = _together(parts)
        while together is not None:
            whole, small = together
            sent = yield Send(whole)
            if sent is not Says.DONE:
                return _broken_off(sent, parts, size)
            parts = (*parts[: -len(small)], whole)
            for each in small:
                yield Remove(each)
            together = _together(parts)
    return Shipped(parts, size)


def _cut(start: int, end: int) -> list[Part]:
    return [(at, min(at + _LONGEST_PART_BYTES, end)) for at in range(start, end, _LONGEST_PART_BYTES)]


def _together(parts: tuple[Part, ...]) -> tuple[Part, tuple[Part, ...]] | None:
    """The last parts as one, if there are many of no more than the size of the smallest times so many."""
    last = parts[-_PARTS_OF_ONE_SIZE:]
    whole = (last[0][0], last[-1][1])
    if len(last) < _PARTS_OF_ONE_SIZE or whole[1] - whole[0] > _LONGEST_PART_BYTES:
        return None
    sizes = [end - start for start, end in last]
    return (whole, last) if max(sizes) <= _PARTS_OF_ONE_SIZE * min(sizes) else None


def _finish(before: Shipped, size: int) -> Steps[Shipped]:
    """One part holds all; the others go, and then the spool."""
    if not size:
        yield Forget()  # not one whole line: nothing was ever acknowledged
        return Shipped(done=True)
    whole = (0, size)
    if whole not in before.parts:
        sent = yield Send(whole)
        if sent is not Says.DONE:
            return _broken_off(sent, before.parts, size)
    seen = yield Check(whole)
    if seen is not Says.SAME:
        return _broken_off(seen, (), size)
    others = yield Others()
    known = set(before.parts) | (others if isinstance(others, frozenset) else frozenset())
    for each in sorted(known):
        if each != whole and each[1] <= size:
            yield Remove(each)
    yield Forget()
    return Shipped((whole,), size, done=True)


def _broken_off(answer: Answer, parts: tuple[Part, ...], size: int) -> Shipped:
    """Who finds no spool any more is done: another has seen all of it in the store before he deleted it."""
    return Shipped(parts, size, done=True) if answer is Says.GONE else Shipped(parts, size, failed=True)
