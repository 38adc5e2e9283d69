"""A network that misbehaves on schedule: between a client and a real server, request by request.

One request a connection, so that what happens to one says nothing about the next.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum

_LARGEST_HEAD = 1 << 16


class Fate(Enum):
    """What becomes of a request."""

    PASS = "it is served"
    REFUSED = "the connection closes before the server sees it"
    LOST_ANSWER = "the server serves it, the connection closes without an answer"
    TURNED_500 = "the server serves it, the answer is an error"
    ERROR_500 = "the server never sees it, the answer is an error"
    CONFLICT_409 = "the server never sees it, the answer is a conflict"
    THROTTLED_503 = "the server never sees it, the answer is SlowDown"
    THROTTLED_429 = "the server never sees it, the answer is that there were too many"
    FORBIDDEN_403 = "the server never sees it, the answer is that it may not be"
    LATE = "the answer is an error, and the server serves it later"
    HANGS = "nothing happens until the proxy is told to go on"
    HELD = "nothing ever happens"


@dataclass(frozen=True, slots=True)
class Request:
    """What is known of a request before its fate is decided."""

    number: int
    method: str
    path: str
    condition: bool
    range: str = ""

    @property
    def kind(self) -> str:
        """As S3 asks money for it: "list", "get", "head", "put", "delete", "post"."""
        listing = self.method == "GET" and "list-type=2" in self.path
        return "list" if listing else self.method.lower()


Schedule = Callable[[Request], Fate]


@dataclass
class Proxy:
    """Listens on a free loopback port while its context is open."""

    upstream_port: int
    schedule: Schedule = lambda request: Fate.PASS
    delay_s: float = 0.0
    requests: list[Request] = field(default_factory=list)
    most_in_flight: int = 0
    port: int = 0

    def __post_init__(self) -> None:
        self._go_on = threading.Event()
        self._guard = threading.Lock()
        self._in_flight = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def kinds(self) -> Counter[str]:
        """How many requests of each kind there were since the last `forget`."""
        with self._guard:
            return Counter(each.kind for each in self.requests)

    def forget(self) -> None:
        """Count from nothing again."""
        with self._guard:
            self.requests.clear()
            self.most_in_flight = self._in_flight

    def release(self) -> None:
        """Let what hangs go on."""
        self._go_on.set()

    @contextlib.contextmanager
    def running(self) -> Iterator[Proxy]:
        ready = threading.Event()
        thread = threading.Thread(target=lambda: asyncio.run(self._serve(ready)), daemon=True)
        thread.start()
        assert ready.wait(10)
        try:
            yield self
        finally:
            self._go_on.set()
            self._loop.call_soon_threadsafe(self._closing.set)
            thread.join(10)

    async def _serve(self, ready: threading.Event) -> None:
        self._loop, self._closing = asyncio.get_running_loop(), asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0, limit=1 << 24)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._closing.wait()
        server.close()
        for task in list(self._tasks):
            task.cancel()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._exchange(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        method, path, _ = first.split(" ", 2)
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
        }
        with self._guard:
            condition = "if-none-match" in headers or "ifGenerationMatch=0" in path
            request = Request(len(self.requests), method, path, condition, headers.get("range", ""))
            self.requests.append(request)
            self._in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self._in_flight)
        try:
            await self._decided(request, headers, reader, writer, first, lines)
        finally:
            with self._guard:
                self._in_flight -= 1

    async def _decided(
        self,
        request: Request,
        headers: dict[str, str],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        first: str,
        lines: list[str],
    ) -> None:
        fate = self.schedule(request)
        if "expect" in headers:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await _body(reader, headers)
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        kept = [line for line in lines if line.split(":")[0].strip().lower() not in {"expect", "connection"}]
        sent = "\r\n".join([first, *kept, "Connection: close", "", ""]).encode("latin-1") + body
        await self._meet(fate, sent, writer)

    async def _meet(self, fate: Fate, sent: bytes, writer: asyncio.StreamWriter) -> None:
        if fate is Fate.HELD:
            await self._closing.wait()
            return
        if fate is Fate.HANGS:
            while not self._go_on.is_set() and not self._closing.is_set():
                await asyncio.sleep(0.02)
        if fate in {Fate.PASS, Fate.HANGS, Fate.LOST_ANSWER, Fate.TURNED_500}:
            answer = await self._served(sent)
            if fate in {Fate.PASS, Fate.HANGS}:
                writer.write(answer)
                await writer.drain()
        if fate in {Fate.TURNED_500, Fate.ERROR_500, Fate.LATE}:
            writer.write(_error(500, "InternalError"))
        if fate is Fate.CONFLICT_409:
            writer.write(_error(409, "ConditionalRequestConflict"))
        if fate is Fate.THROTTLED_503:
            writer.write(_error(503, "ServiceUnavailable"))
        if fate is Fate.THROTTLED_429:
            writer.write(_error(429, "TooManyRequests"))
        if fate is Fate.FORBIDDEN_403:
            writer.write(_error(403, "AuthorizationPermissionMismatch"))
        if fate is Fate.LATE:
            await writer.drain()
            writer.close()
            await asyncio.sleep(0.2)
            await self._served(sent)

    async def _served(self, sent: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.upstream_port)
        try:
            writer.write(sent)
            await writer.drain()
            return await reader.read()
        finally:
            writer.close()


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if "chunked" in headers.get("transfer-encoding", ""):
        chunks = b""
        while True:
            line = await reader.readuntil(b"\r\n")
            size = int(line.split(b";")[0], 16)
            chunks += line + await reader.readexactly(size + 2)
            if not size:
                return chunks
    return await reader.readexactly(int(headers.get("content-length", "0")))


def _error(status: int, code: str) -> bytes:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>as scheduled</Message></Error>".encode()
    return (
        f"HTTP/1.1 {status} Scheduled\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    ).encode() + body


class Gate:
    """A schedule that lets some requests pass and holds those after them, and says when so many are held.

    Of a client with so many requests at a time every request that passed has been answered then: it sends another only
    in the place of one that is done. What is held of a client that was killed is never served.

    Attributes:
        passed: the requests of this kind that were let through.
        held: those that were not.
    """

    def __init__(self, which: Callable[[Request], bool], *, passing: int, held: int) -> None:
        self._which = which
        self._passing = passing
        self._holding = held
        self._guard = threading.Lock()
        self._full = threading.Event()
        self.passed: list[Request] = []
        self.held: list[Request] = []

    def __call__(self, request: Request) -> Fate:
        """See `Schedule`."""
        if not self._which(request):
            return Fate.PASS
        with self._guard:
            if len(self.passed) < self._passing:
                self.passed.append(request)
                return Fate.PASS
            self.held.append(request)
            if len(self.held) == self._holding:
                self._full.set()
            return Fate.HELD

    def wait_until_full(self) -> None:
        """Wait until so many are held."""
        assert self._full.wait(60), f"{len(self.held)} of {self._holding} requests came to the gate"
