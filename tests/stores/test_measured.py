from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from podium.errors import KeyMissing
from podium.stores import Key, LocalStore, MemoryStore, Store
from podium.stores.measured import Measure, measure, private_copy, put_measured

KEY = Key.parse("f/a")


@pytest.fixture(params=["in pieces", "as a whole"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return LocalStore(tmp_path / "store") if request.param == "in pieces" else MemoryStore()


def of(data: bytes) -> Measure:
    return Measure(len(data), hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize("data", [b"", b"x", b"0123456789" * 300_000])
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
