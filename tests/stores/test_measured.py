from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from podium.errors import KeyMissing, StoreUnavailable
from podium.stores import Key, LocalStore, MemoryStore, Store
from podium.stores.measured import Measure, measure, private_copy, put_measured

KEY = Key.parse("f/a")


@pytest.fixture(params=["in pieces", "as a whole"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return LocalStore(tmp_path / "store") if request.param == "in pieces" else MemoryStore()


def of(data: bytes) -> Measure:
    return Measure(len(data), hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize("data", [b"", b"x", b"0123456789" * 300_000, b"0123456789" * 1_000_000])
@pytest.mark.parametrize("given", ["bytes", "a file"])
def test_what_is_put_is_measured(store: Store, tmp_path: Path, data: bytes, given: str) -> None:
    file = tmp_path / "file"
    file.write_bytes(data)
    source = data if given == "bytes" else file

    assert put_measured(store, KEY, source) == measure(source) == of(data)
    assert store.get(KEY) == data


@pytest.mark.parametrize("make", [lambda file: file.read_bytes(), lambda file: file])
def test_what_is_not_expected_changes_nothing(
    store: Store, tmp_path: Path, make: Callable[[Path], bytes | Path]
) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"found")
    store.put(KEY, b"old")

    assert put_measured(store, KEY, make(file), expected=of(b"looked for")) is None
    assert store.get(KEY) == b"old"
    assert put_measured(store, KEY, make(file), expected=of(b"found")) == of(b"found")
    assert store.get(KEY) == b"found"


def test_a_file_that_is_not_there_is_told_as_it_is(store: Store, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        put_measured(store, KEY, tmp_path / "nothing")
    with pytest.raises(KeyMissing):
        store.get(KEY)


def test_pieces_that_break_off_leave_the_old_value_and_no_file(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    store.put(KEY, b"old")

    def broken() -> Iterator[bytes]:
        yield b"half"
        raise RuntimeError("the source broke off")

    with pytest.raises(RuntimeError):
        store.put_chunks(KEY, broken())
    assert store.get(KEY) == b"old"
    assert [each.name for each in (store.root / "f").iterdir()] == ["a"]


def test_a_private_copy_stays_as_it_was_and_goes_with_its_block(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"before")

    with private_copy(file) as copy:
        file.write_bytes(b"after")
        assert copy.read_bytes() == b"before"
    assert not copy.parent.exists()


def test_a_large_file_that_cannot_be_put_leaves_no_thread_that_hashes_it(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"0123456789" * 1_000_000)

    class Full(LocalStore):
        def put_chunks(self, key: Key, chunks: Iterable[bytes]) -> None:
            for _ in chunks:
                raise StoreUnavailable("the disk is full")

    with pytest.raises(StoreUnavailable):
        put_measured(Full(tmp_path / "store"), KEY, file)
    assert "podium-hash" not in {each.name for each in threading.enumerate()}


def test_a_large_file_is_measured_where_no_thread_can_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = b"0123456789" * 1_000_000
    file = tmp_path / "file"
    file.write_bytes(data)

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)

    assert put_measured(LocalStore(tmp_path / "store"), KEY, file) == of(data)


def test_what_is_appended_to_a_large_file_while_it_is_put_is_measured_too(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"0123456789" * 1_000_000)

    class Appending(LocalStore):
        def put_chunks(self, key: Key, chunks: Iterable[bytes]) -> None:
            def watched() -> Iterator[bytes]:
                for number, chunk in enumerate(chunks):
                    if number == 0:
                        with file.open("ab") as more:
                            more.write(b"more" * 1_000_000)
                    yield chunk

            super().put_chunks(key, watched())

    store = Appending(tmp_path / "store")

    assert put_measured(store, KEY, file) == of(store.get(KEY))
    assert len(store.get(KEY)) == 14_000_000
