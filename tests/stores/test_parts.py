from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from podium.stores import parts
from podium.stores.measured import Measure
from podium.stores.parts import Fetching, First, NoParts, Replaced, Transport, send

PART = 100


class Refused(Exception):
    """What asking again does not help."""


class Bucket:
    """Values in parts in memory, and how much of them was under way at once."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.requests: list[str] = []
        self.under_way = self.most_under_way = 0
        self.knows_parts = True
        self.before: Callable[[str, int], None] = lambda request, number: None

    async def _pass(self, request: str, size: int) -> None:
        self.requests.append(request)
        self.under_way += size
        self.most_under_way = max(self.most_under_way, self.under_way)
        for _ in range(5):
            await asyncio.sleep(0)
        self.under_way -= size
        self.before(request, self.requests.count(request))

    async def put_whole(self, path: str, data: bytes) -> None:
        await self._pass("whole", len(data))
        self.values[path] = data

    async def begin(self, path: str) -> str:
        await self._pass("begin", 0)
        upload = os.urandom(8).hex()
        self.uploads[upload] = {}
        return upload

    async def put_part(self, path: str, upload: str, number: int, data: bytes) -> str:
        await self._pass(f"part {number}", len(data))
        self.uploads[upload][number] = data
        return f"tag {number}"

    async def complete(self, path: str, upload: str, parts: list[str]) -> None:
        await self._pass("complete", 0)
        sent = self.uploads.pop(upload)
        assert parts == [f"tag {number}" for number in sorted(sent)]
        self.values[path] = b"".join(sent[number] for number in sorted(sent))

    async def abandon(self, path: str, upload: str) -> None:
        await self._pass("abandon", 0)
        del self.uploads[upload]

    async def get_first(self, path: str, most_bytes: int) -> First | None:
        await self._pass("first", most_bytes)
        if not self.knows_parts:
            return None
        value = self.values[path]
        return First(value[:most_bytes], len(value), hashlib.md5(value).hexdigest())

    async def get_part(self, path: str, tag: str, start: int, end: int) -> bytes:
        await self._pass(f"from {start}", end - start)
        value = self.values[path]
        if hashlib.md5(value).hexdigest() != tag:
            raise Replaced
        return value[start:end]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PART_BYTES", PART)
    monkeypatch.setattr(parts, "WHOLE_BYTES", 2 * PART)
    monkeypatch.setattr(parts, "_memory", parts._Memory(12 * PART))


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


@pytest.fixture
def transport(bucket: Bucket) -> Iterator[Transport]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield Transport(bucket, loop, lambda error: isinstance(error, Refused))
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def of(data: bytes) -> Measure:
    return Measure(len(data), hashlib.sha256(data).hexdigest())


def sent(transport: Transport, data: bytes, folder: Path, expected: Measure | None = None) -> Measure | None:
    file = folder / os.urandom(4).hex()
    file.write_bytes(data)
    with file.open("rb") as opened:
        return send(transport, "a", opened, expected=expected, moved=lambda size: None)


def fetched(transport: Transport) -> tuple[Measure, bytes]:
    fetching = Fetching(transport, "a", moved=lambda size: None, sized=lambda size: None)
    with contextlib.closing(iter(fetching)) as pieces:
        data = b"".join(pieces)
    return fetching.so_far, data


@pytest.mark.parametrize("size", [0, 1, 99, 100, 200, 201, 1_000, 12_345])
def test_a_value_goes_and_comes_back_measured(
    transport: Transport, bucket: Bucket, tmp_path: Path, size: int
) -> None:
    data = os.urandom(size)

    assert sent(transport, data, tmp_path) == of(data)
    assert bucket.values["a"] == data
    assert fetched(transport) == (of(data), data)
    assert bucket.uploads == {}


def test_a_small_value_is_one_request_either_way(
    transport: Transport, bucket: Bucket, tmp_path: Path
) -> None:
    sent(transport, b"x" * PART, tmp_path)
    fetched(transport)

    assert bucket.requests == ["whole", "first"]


def test_several_parts_are_on_their_way_at_once_and_memory_is_bounded_for_all_values_together(
    transport: Transport, bucket: Bucket, tmp_path: Path
) -> None:
    data = os.urandom(50 * PART)
    sent(transport, data, tmp_path)
    assert bucket.most_under_way == 8 * PART

    bucket.most_under_way = 0
    with ThreadPoolExecutor(6) as pool:
        assert {*pool.map(lambda _: sent(transport, data, tmp_path), range(6))} == {of(data)}
        assert {*pool.map(lambda _: fetched(transport), range(6))} == {(of(data), data)}
    assert 8 * PART < bucket.most_under_way <= 12 * PART
    assert parts._memory._taken == 0


def test_a_part_larger_than_the_memory_still_goes(
    transport: Transport, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "_MOST_PARTS", 3)
    data = os.urandom(10_000)

    assert sent(transport, data, tmp_path) == of(data)
    assert [each for each in bucket.requests if each.startswith("part")] == ["part 1", "part 2", "part 3"]


def test_a_part_that_fails_goes_again_alone(transport: Transport, bucket: Bucket, tmp_path: Path) -> None:
    def fail_once(request: str, number: int) -> None:
        if request in {"part 3", "from 300", "complete"} and number == 1:
            raise ConnectionError("the connection broke")

    bucket.before = fail_once
    data = os.urandom(6 * PART)

    assert sent(transport, data, tmp_path) == of(data)
    assert fetched(transport) == (of(data), data)
    again = [each for each in bucket.requests if bucket.requests.count(each) > 1]
    assert sorted(again) == ["complete", "complete", "from 300", "from 300", "part 3", "part 3"]


def test_what_was_refused_is_not_asked_again_and_nothing_is_left_behind(
    transport: Transport, bucket: Bucket, tmp_path: Path
) -> None:
    def refuse(request: str, number: int) -> None:
        if request == "part 3":
            raise Refused

    bucket.before = refuse

    with pytest.raises(Refused):
        sent(transport, os.urandom(30 * PART), tmp_path)
    assert bucket.requests.count("part 3") == 1
    assert (bucket.uploads, bucket.values) == ({}, {})
    assert parts._memory._taken == 0


@pytest.mark.parametrize("size", [PART, 10 * PART])
def test_what_is_not_expected_leaves_the_old_value(
    transport: Transport, bucket: Bucket, tmp_path: Path, size: int
) -> None:
    bucket.values["a"] = b"old"

    assert sent(transport, os.urandom(size), tmp_path, expected=of(b"another")) is None
    assert bucket.values == {"a": b"old"}
    assert bucket.uploads == {}


def test_a_value_that_is_replaced_while_it_is_fetched_is_never_mixed(
    transport: Transport, bucket: Bucket
) -> None:
    def replace(request: str, number: int) -> None:
        if request == "from 500":
            bucket.values["a"] = b"B" * 1_000

    bucket.values["a"] = b"A" * 1_000
    bucket.before = replace

    with pytest.raises(Replaced):
        fetched(transport)
    assert parts._memory._taken == 0
    assert fetched(transport)[1] == b"B" * 1_000


def test_a_server_that_gives_no_parts_is_told_from_one_that_does(
    transport: Transport, bucket: Bucket
) -> None:
    bucket.values["a"] = b"A" * 1_000
    bucket.knows_parts = False

    with pytest.raises(NoParts):
        fetched(transport)
    assert parts._memory._taken == 0
