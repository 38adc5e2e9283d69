from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from podium.errors import Invalid
from podium.stores import Key, MemoryStore, Store
from podium.stores.memory import open_memory
from podium.testing import StoreTests, store_machine


class TestMemoryStore(StoreTests):
    @pytest.fixture
    def store(self) -> Store:
        return MemoryStore()

    def raw(self, store: Store, key: Key) -> bytes | None:
        assert isinstance(store, MemoryStore)
        value = store._values.get(key)
        return value[0] if value else None


def test_a_memory_store_agrees_with_a_dict_whatever_is_done_to_both() -> None:
    run_state_machine_as_test(
        store_machine(MemoryStore), settings=settings(max_examples=50, stateful_step_count=30)
    )


def test_each_memory_url_is_a_new_store() -> None:
    first, second = open_memory("memory:"), open_memory("memory:")
    first.put(Key.parse("a"), b"x")

    assert [*second.list(Key.root())] == []


def test_a_memory_url_has_no_address() -> None:
    with pytest.raises(Invalid, match="new each time"):
        open_memory("memory://shared")


def test_the_root_holds_no_value() -> None:
    with pytest.raises(Invalid):
        MemoryStore().put(Key.root(), b"x")


def test_what_a_caller_does_to_its_buffer_later_does_not_reach_the_store() -> None:
    store, buffer = MemoryStore(), bytearray(b"before")
    store.put(Key.parse("a"), buffer)  # type: ignore[arg-type]  # callers pass what they have
    store.create(Key.parse("b"), buffer)  # type: ignore[arg-type]  # callers pass what they have
    buffer[:] = b"after!"

    assert store.get(Key.parse("a")) == store.get(Key.parse("b")) == b"before"
