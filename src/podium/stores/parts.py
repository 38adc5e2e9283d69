"""A large value goes in parts: several at once, each asked again alone, hashed as it passes, whole or not at all.

What is in memory at one time is bounded for the whole process, however many values of whatever size are on their way.
How one part is sent or fetched is a filesystem's business (`s3parts.py`). Knows nothing of keys and of what values are.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import random
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import BinaryIO, Protocol, TypeVar

from podium.stores.measured import Measure
from podium.stores.wholefile import CHUNK_BYTES

__all__ = [
    "PART_BYTES",
    "WHOLE_BYTES",
    "Fetching",
    "First",
    "NoParts",
    "Parts",
    "Replaced",
    "Transport",
    "send",
]

PART_BYTES = 8 << 20
# Up to here a value is one request: three round trips in place of one do not pay for less.
WHOLE_BYTES = 2 * PART_BYTES
_MOST_PARTS = 10_000  # S3's
_AT_ONCE = 8
_IN_MEMORY_BYTES = 128 << 20
_ATTEMPTS = 4
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.1, 1.0
_jitter = random.SystemRandom()

T = TypeVar("T")
Moved = Callable[[int], object]


class Replaced(Exception):
    """What is fetched in parts is not the value any more of which the first part was."""


class NoParts(Exception):
    """The server gives whole values, whatever part it is asked for."""


@dataclass(frozen=True, slots=True)
class First:
    """The first part of a value, and what is known of the rest by it.

    Attributes:
        data: the bytes.
        size: of the whole value.
        tag: tells the value from any other of this name.
    """

    data: bytes
    size: int
    tag: str


class Parts(Protocol):
    """How a filesystem sends and fetches parts; all of it runs in the filesystem's loop."""

    async def put_whole(self, path: str, data: bytes) -> None:
        """Set a value in one request."""
        ...

    async def begin(self, path: str) -> str:
        """Begin a value of parts; nothing is seen of it before it is complete."""
        ...

    async def put_part(self, path: str, upload: str, number: int, data: bytes) -> str:
        """Send one part, numbered from 1; what it is called when the value is completed."""
        ...

    async def complete(self, path: str, upload: str, parts: list[str]) -> None:
        """Make the parts the value."""
        ...

    async def abandon(self, path: str, upload: str) -> None:
        """Free what was sent."""
        ...

    async def get_first(self, path: str, most_bytes: int) -> First | None:
        """The first part; None where the server knows no parts."""
        ...

    async def get_part(self, path: str, tag: str, start: int, end: int) -> bytes:
        """The bytes from start to before end.

        Raises:
            Replaced: of a value that does not have this tag.
        """
        ...


@dataclass(frozen=True, slots=True)
class Transport:
    """A filesystem that takes parts, and how it is asked.

    Attributes:
        parts: the filesystem.
        loop: where its coroutines run.
        is_answer: whether an error says that it is of no use to ask again.
    """

    parts: Parts
    loop: asyncio.AbstractEventLoop
    is_answer: Callable[[Exception], bool]

    def once(self, request: Callable[[], Coroutine[object, object, T]]) -> T:
        """Make a request and wait for its answer: whoever sends the whole value knows how often it is worth it."""
        return asyncio.run_coroutine_threadsafe(request(), self.loop).result()

    def start(self, request: Callable[[], Awaitable[T]]) -> Future[T]:
        """Make a request about a part, a few times if need be: the others need not go again for its sake."""
        return asyncio.run_coroutine_threadsafe(self._again(request), self.loop)

    async def _again(self, request: Callable[[], Awaitable[T]]) -> T:
        for failed in range(_ATTEMPTS - 1):
            try:
                return await request()
            except Replaced:
                raise
            except Exception as error:
                if self.is_answer(error):
                    raise
            wait_s = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2**failed)
            await asyncio.sleep(_jitter.uniform(0.5, 1) * wait_s)
        return await request()


# --- memory ---------------------------------------------------------------------------------------------------------


class _Memory:
    """Bytes that may be on their way in this process; whoever has none of them always gets some."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken = 0
        self._freed = threading.Condition()

    def take(self, size: int, *, patient: bool) -> bool:
        """Take so many bytes; False, at once, where there are not enough and the caller has others to give back."""
        with self._freed:
            if patient:
                self._freed.wait_for(lambda: self._has_room(size))
            elif not self._has_room(size):
                return False
            self._taken += size
            return True

    def _has_room(self, size: int) -> bool:
        return not self._taken or self._taken + size <= self._limit

    def give(self, size: int) -> None:
        with self._freed:
            self._taken -= size
            self._freed.notify_all()


_memory = _Memory(_IN_MEMORY_BYTES)


def _after_fork_in_child() -> None:
    global _memory  # noqa: PLW0603 - what the parent holds, and whoever waited for it, is not here
    _memory = _Memory(_IN_MEMORY_BYTES)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


# --- sending --------------------------------------------------------------------------------------------------------


def send(
    transport: Transport, path: str, file: BinaryIO, *, expected: Measure | None = None, moved: Moved
) -> Measure | None:
    """Make the bytes of an open file, from where it stands, the value of a path.

    Args:
        transport: how.
        path: of the value.
        file: read once, to its end.
        expected: what the bytes have to be; else the value is left as it is.
        moved: told how many bytes more have arrived.

    Returns:
        What was sent, hashed as it was read; None if it is not what was expected.
    """
    size = os.fstat(file.fileno()).st_size
    if size <= WHOLE_BYTES:
        memory = _memory
        memory.take(size, patient=True)
        try:
            data = file.read(WHOLE_BYTES + 1)
            if len(data) <= WHOLE_BYTES:
                return _send_whole(transport, path, data, expected, moved)
            file.seek(-len(data), os.SEEK_CUR)  # it grew
        finally:
            memory.give(size)
    part_bytes = max(PART_BYTES, -(-size // _MOST_PARTS))
    return _Sending(transport, path, part_bytes, moved).all_of(file, expected)


def _send_whole(
    transport: Transport, path: str, data: bytes, expected: Measure | None, moved: Moved
) -> Measure | None:
    found = Measure(len(data), hashlib.sha256(data).hexdigest())
    if expected is not None and found != expected:
        return None
    transport.once(lambda: transport.parts.put_whole(path, data))
    moved(len(data))
    return found


class _Sending:
    """One value on its way in parts."""

    def __init__(self, transport: Transport, path: str, part_bytes: int, moved: Moved) -> None:
        self._transport = transport
        self._parts = transport.parts
        self._path = path
        self._part_bytes = part_bytes
        self._moved = moved
        self._memory = _memory
        self._names: dict[int, str] = {}
        self._flying: dict[Future[str], tuple[int, int]] = {}

    def all_of(self, file: BinaryIO, expected: Measure | None) -> Measure | None:
        upload = self._transport.once(lambda: self._parts.begin(self._path))
        try:
            found = self._send_parts(file, upload)
            if expected is not None and found != expected:
                self._abandon(upload)
                return None
            names = [self._names[number] for number in sorted(self._names)]
            self._transport.start(lambda: self._parts.complete(self._path, upload, names)).result()
        except BaseException:
            self._abandon(upload)
            raise
        return found

    def _send_parts(self, file: BinaryIO, upload: str) -> Measure:
        digest, size = hashlib.sha256(), 0
        try:
            while data := self._read(file):
                self._start(upload, data)
                digest.update(data)  # while it is on its way
                size += len(data)
            while self._flying:
                self._land()
        finally:
            for future in self._flying:
                future.cancel()
                self._memory.give(self._part_bytes)
        return Measure(size, digest.hexdigest())

    def _read(self, file: BinaryIO) -> bytes:
        """The next part, once there is room for it."""
        while len(self._flying) >= _AT_ONCE or not self._memory.take(
            self._part_bytes, patient=not self._flying
        ):
            self._land()
        data = b""
        try:
            data = file.read(self._part_bytes)
        finally:
            if not data:
                self._memory.give(self._part_bytes)
        return data

    def _start(self, upload: str, data: bytes) -> None:
        number = len(self._names) + len(self._flying) + 1
        sending = self._transport.start(lambda: self._parts.put_part(self._path, upload, number, data))
        self._flying[sending] = (number, len(data))

    def _land(self) -> None:
        """Wait until at least one part has arrived."""
        for arrived in wait(self._flying, return_when=FIRST_COMPLETED).done:
            name = arrived.result()
            number, size = self._flying.pop(arrived)
            self._memory.give(self._part_bytes)
            self._names[number] = name
            self._moved(size)

    def _abandon(self, upload: str) -> None:
        # Parts that are left cost money until somebody removes them. The error that led here is the one to be told.
        with contextlib.suppress(Exception):
            self._transport.once(lambda: self._parts.abandon(self._path, upload))


# --- fetching -------------------------------------------------------------------------------------------------------


class Fetching:
    """The value of a path as it comes, in order and in small pieces, hashed on the way.

    Args:
        transport: how.
        path: of the value.
        moved: told how many bytes more have come.
        sized: told how many there are, once that is known.

    Iterating raises `Replaced` where the value was replaced meanwhile, and `NoParts` before anything has come.
    """

    def __init__(self, transport: Transport, path: str, *, moved: Moved, sized: Moved) -> None:
        self._transport = transport
        self._path = path
        self._moved = moved
        self._sized = sized
        self._digest = hashlib.sha256()
        self._size = 0

    @property
    def so_far(self) -> Measure:
        """What has come."""
        return Measure(self._size, self._digest.hexdigest())

    def __iter__(self) -> Generator[bytes, None, None]:
        memory = _memory
        memory.take(PART_BYTES, patient=True)
        try:
            first = self._transport.once(lambda: self._transport.parts.get_first(self._path, PART_BYTES))
            if first is None:
                raise NoParts
            self._sized(first.size)
            yield from self._pieces(first.data)
        finally:
            memory.give(PART_BYTES)
        yield from self._rest(memory, first)

    def _rest(self, memory: _Memory, first: First) -> Iterator[bytes]:
        starts = deque(range(len(first.data), first.size, PART_BYTES))
        flying: deque[Future[bytes]] = deque()
        try:
            while starts or flying:
                while starts and len(flying) < _AT_ONCE and memory.take(PART_BYTES, patient=not flying):
                    flying.append(self._start(first, starts.popleft()))
                data = flying[0].result()  # in their order; the others come meanwhile
                yield from self._pieces(data)
                flying.popleft()
                memory.give(PART_BYTES)
        finally:
            for future in flying:
                future.cancel()
                memory.give(PART_BYTES)

    def _start(self, first: First, start: int) -> Future[bytes]:
        end = min(start + PART_BYTES, first.size)

        async def part() -> bytes:
            data = await self._transport.parts.get_part(self._path, first.tag, start, end)
            if len(data) != end - start:
                raise OSError(f"{len(data)} bytes came of the {end - start} from {start} on")
            return data

        return self._transport.start(part)

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        """A part as a disk takes it fastest; what it took has been hashed."""
        for start in range(0, len(data), CHUNK_BYTES):
            piece = data[start : start + CHUNK_BYTES]
            self._digest.update(piece)
            self._size += len(piece)
            yield piece
        self._moved(len(data))
