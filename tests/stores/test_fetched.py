"""A store of which values were read ahead answers as the store did, and asks it for the rest."""

from __future__ import annotations

import pytest

from podium.errors import KeyMissing
from podium.stores import Key, MemoryStore
from podium.stores.contract import Store
from podium.stores.fetched import Fetched
from podium.testing import StoreTests

A, B = Key.parse("logs/a"), Key.parse("logs/b")


class TestFetched(StoreTests):
    """Where nothing was read ahead it is the store itself."""

    @pytest.fixture
    def store(self) -> Store:
        return Fetched(MemoryStore())


def test_what_was_read_is_not_asked_for_again_from_there_on() -> None:
    under = MemoryStore()
    under.put(A, b"0123456789")
    store = Fetched(under)
    store.hold(A, 4, under.get(A, 4))
    under.delete(A)

    assert store.get(A, 4) == b"456789"
    assert store.get(A, 7) == b"789"
    assert store.get(A, 99) == b""
    with pytest.raises(KeyMissing):
        store.get(A, 3)  # what stands before was not read


def test_that_something_was_missing_is_said_once() -> None:
    under = MemoryStore()
    store = Fetched(under)
    store.hold(A, 0, None)
    under.put(A, b"came meanwhile")

    with pytest.raises(KeyMissing):
        store.get(A)

    assert store.get(A) == b"came meanwhile"


def test_what_is_written_replaces_what_was_read() -> None:
    store = Fetched(MemoryStore())
    store.hold(A, 0, b"old")
    store.hold(B, 0, b"old")

    store.put(A, b"new")
    store.delete(B)

    assert store.get(A) == b"new"
    with pytest.raises(KeyMissing):
        store.get(B)
