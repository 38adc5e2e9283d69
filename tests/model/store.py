"""A store as the checker sees it: immutable contents, and what can go wrong with one request.

Contents are interned: equal contents are one object, so that what is true of them is found out once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from podium.commits.protocol import Answer, Create, Failed, Get, Operation, Pause, Put, Says, Sizes
from podium.errors import StoreUnavailable
from podium.stores.keys import Key

__all__ = ["Contents", "Faults", "Happening", "arrive", "digest_in", "happenings", "hopeless"]

FAILED = Failed(StoreUnavailable("the model store gave no answer"))


class Faults(NamedTuple):
    """How often each thing may still go wrong in one trace.

    Attributes:
        kills: a process stops for ever before an operation.
        lost: a request is carried out, and its answer lost.
        late: a request is answered with a failure, and carried out at any later moment, or never.
        stale: something that is there is said not to be.
    """

    kills: int = 0
    lost: int = 0
    late: int = 0
    stale: int = 0

    def less(self, fault: str) -> Faults:
        """One fault spent."""
        return self._replace(**{fault: getattr(self, fault) - 1})


class Contents:
    """All values of a store at one moment; compare by identity."""

    __slots__ = ("_after", "values")
    _interned: ClassVar[dict[frozenset[tuple[Key, bytes]], Contents]] = {}

    def __init__(self, values: Mapping[Key, bytes]) -> None:
        self.values = values
        self._after: dict[tuple[Key, bytes], Contents] = {}

    @classmethod
    def of(cls, values: Mapping[Key, bytes]) -> Contents:
        """The one object with these values."""
        return cls._interned.setdefault(frozenset(values.items()), cls(values))

    def with_value(self, key: Key, data: bytes) -> Contents:
        """These contents after a write."""
        after = self._after.get((key, data))
        if after is None:
            after = self._after[key, data] = Contents.of({**self.values, key: data})
        return after

    def sizes(self, folder: Key) -> dict[str, int]:
        """The sizes of all values in a folder, by path below it."""
        depth = len(folder.segments)
        return {
            "/".join(key.segments[depth:]): len(data)
            for key, data in self.values.items()
            if key.segments[:depth] == folder.segments
        }


@dataclass(frozen=True, slots=True)
class Happening:
    """One way a request can go.

    Attributes:
        answer: what the process is told.
        contents: the store after.
        fault: which kind of fault this is; None if all went well.
        pending: the request, if it may still be carried out.
    """

    answer: Answer
    contents: Contents
    fault: str | None = None
    pending: Create | Put | None = None


def happenings(operation: Operation, contents: Contents) -> Iterator[Happening]:
    """Every way a request can go, faults among them."""
    match operation:
        case Get(key):
            value = contents.values.get(key)
            yield Happening(Says.ABSENT if value is None else value, contents)
            if value is not None:
                yield Happening(Says.ABSENT, contents, "stale")
            yield Happening(FAILED, contents, "lost")
        case Sizes(folder):
            sizes = contents.sizes(folder)
            yield Happening(sizes, contents)
            if sizes:
                yield Happening({}, contents, "stale")
            yield Happening(FAILED, contents, "lost")
        case Create() | Put():
            answer, after = arrive(operation, contents)
            yield Happening(answer, after)
            yield Happening(FAILED, after, "lost")
            if not hopeless(operation, contents):
                yield Happening(FAILED, contents, "late", pending=operation)
        case Pause():
            yield Happening(Says.DONE, contents)
            yield Happening(Says.EXPIRED, contents)


def arrive(request: Create | Put, contents: Contents) -> tuple[Says, Contents]:
    """A write reaches the store."""
    match request:
        case Create(key, data):
            if key in contents.values:
                return Says.EXISTS, contents
            return Says.DONE, contents.with_value(key, data)
        case Put(key, bytes(data)):
            return Says.DONE, contents.with_value(key, data)
        case _:
            raise TypeError(f"the model store has no disk: {request.key}")


def hopeless(request: Create | Put, contents: Contents) -> bool:
    """Whether a request can never change anything: nothing is deleted here, and objects are named by their bytes."""
    if isinstance(request, Create):
        return request.key in contents.values
    return digest_in(request.key) is not None and contents.values.get(request.key) == request.source


def digest_in(key: Key) -> str | None:
    """The digest of the object that a key belongs to; None if it belongs to none."""
    segments = key.segments
    return segments[3][:32] if len(segments) > 3 and segments[2] == "objects" else None
