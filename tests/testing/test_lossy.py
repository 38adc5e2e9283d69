from __future__ import annotations

from pathlib import Path

import pytest

from podium.errors import KeyExists, KeyMissing, StoreUnavailable
from podium.stores import Key, MemoryStore
from podium.testing import Late, LossyStore, LostAnswer, Stale

A, B = Key.parse("f/a"), Key.parse("f/b")


def _keys(store: LossyStore | MemoryStore) -> list[Key]:
    return sorted(each.key for each in store.list(Key.root()))


def test_an_operation_whose_answer_is_lost_was_done() -> None:
    inner = MemoryStore()
    store = LossyStore(inner, {0: LostAnswer(), 1: LostAnswer(), 2: LostAnswer()})

    with pytest.raises(StoreUnavailable):
        store.create(A, b"x")
    assert inner.get(A) == b"x"
    with pytest.raises(StoreUnavailable):
        store.put(A, b"y")
    assert inner.get(A) == b"y"
    with pytest.raises(StoreUnavailable):
        store.delete(A)
    assert _keys(inner) == []


def test_a_lost_refusal_is_no_answer_either() -> None:
    inner = MemoryStore()
    inner.put(A, b"theirs")

    with pytest.raises(StoreUnavailable):
        LossyStore(inner, {0: LostAnswer()}).create(A, b"mine")

    assert inner.get(A) == b"theirs"


@pytest.mark.parametrize("fault", [LostAnswer(), Late(), Late(after=0)])
def test_a_read_without_an_answer_only_fails(fault: LostAnswer | Late, tmp_path: Path) -> None:
    inner = MemoryStore()
    inner.put(A, b"x")
    store = LossyStore(inner, {0: fault, 1: fault, 2: fault})

    with pytest.raises(StoreUnavailable):
        store.get(A)
    with pytest.raises(StoreUnavailable):
        store.list(Key.root())
    with pytest.raises(StoreUnavailable):
        store.download(A, tmp_path / "target")

    assert store.late == 0
    assert not (tmp_path / "target").exists()
    assert store.get(A) == b"x"


def test_a_late_create_arrives_after_so_many_operations() -> None:
    store = LossyStore(MemoryStore(), {0: Late(after=2)})

    with pytest.raises(StoreUnavailable):
        store.create(A, b"x")
    for _ in range(2):
        with pytest.raises(KeyMissing):
            store.get(A)

    assert store.get(A) == b"x"
    assert store.late == 0


def test_a_late_create_arrives_before_the_next_operation_where_none_come_first() -> None:
    store = LossyStore(MemoryStore(), {0: Late(after=0)})

    with pytest.raises(StoreUnavailable):
        store.create(A, b"mine")
    with pytest.raises(KeyExists):
        store.create(A, b"mine again")

    assert store.get(A) == b"mine"


def test_a_late_create_that_finds_the_key_taken_changes_nothing() -> None:
    inner = MemoryStore()
    store = LossyStore(inner, {0: Late()})
    with pytest.raises(StoreUnavailable):
        store.create(A, b"mine")
    store.create(A, b"theirs")

    store.flush_late()

    assert inner.get(A) == b"theirs"
    assert store.late == 0


def test_a_late_put_replaces_what_came_meanwhile_with_the_bytes_of_the_call(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"mine")
    store = LossyStore(MemoryStore(), {0: Late()})
    with pytest.raises(StoreUnavailable):
        store.put(A, source)
    source.write_bytes(b"changed")
    store.put(A, b"theirs")

    store.flush_late()

    assert store.get(A) == b"mine"


def test_a_late_delete_removes_what_came_meanwhile() -> None:
    store = LossyStore(MemoryStore(), {0: Late(after=1)})
    with pytest.raises(StoreUnavailable):
        store.delete(A)
    store.put(A, b"x")

    with pytest.raises(KeyMissing):
        store.get(A)


def test_late_writes_arrive_in_the_order_they_were_sent() -> None:
    store = LossyStore(MemoryStore(), {0: Late(), 1: Late()})
    for value in (b"first", b"second"):
        with pytest.raises(StoreUnavailable):
            store.put(A, value)
    assert store.late == 2

    store.flush_late()

    assert store.get(A) == b"second"


def test_a_stale_read_does_not_see_what_is_there(tmp_path: Path) -> None:
    inner = MemoryStore()
    inner.put(A, b"x")
    inner.put(B, b"y")
    store = LossyStore(inner, {0: Stale(), 1: Stale(), 2: Stale()})

    with pytest.raises(KeyMissing):
        store.get(A)
    with pytest.raises(KeyMissing):
        store.download(A, tmp_path / "target")
    assert _keys(store) == []

    assert store.get(A) == b"x"
    assert _keys(store) == [A, B]


def test_a_stale_read_may_miss_only_some_keys() -> None:
    inner = MemoryStore()
    inner.put(A, b"x")
    inner.put(B, b"y")
    store = LossyStore(inner, lambda verb, key, number: Stale(frozenset({B})))

    assert store.get(A) == b"x"
    with pytest.raises(KeyMissing):
        store.get(B)
    assert _keys(store) == [A]


def test_create_is_never_stale() -> None:
    inner = MemoryStore()
    inner.put(A, b"x")
    store = LossyStore(inner, lambda verb, key, number: Stale())

    with pytest.raises(KeyExists):
        store.create(A, b"y")
    store.put(B, b"z")
    store.delete(A)

    assert _keys(inner) == [B]
    assert store.operations == 3
