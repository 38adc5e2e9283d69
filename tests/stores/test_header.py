from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from podium.errors import Corrupt, StoreError, StoreUnavailable
from podium.stores import Key, LocalStore, MemoryStore
from podium.stores.header import HEADER_KEY, StoreHeader, ensure_header, read_header
from podium.strictjson import canonical
from podium.testing import Fail, FaultyStore, LossyStore, LostAnswer, Stale

ID = "7d0c2a6f5f1f4f0b8f4d5d3c1a2b9e60"


def _store(header: object) -> MemoryStore:
    store = MemoryStore()
    store.put(HEADER_KEY, header if isinstance(header, bytes) else json.dumps(header).encode())
    return store


def test_the_header_is_the_file_the_format_says(specified: Callable[[str], Any]) -> None:
    store = MemoryStore()
    ensure_header(store, ID)

    assert store.get(Key.parse("podium.json")) == canonical(specified("store"))
    assert read_header(_store(specified("store"))) == StoreHeader(store_id=ID)


def test_a_store_that_was_never_written_to_has_no_header() -> None:
    assert read_header(MemoryStore()) is None


def test_a_new_store_gets_an_id_and_keeps_it() -> None:
    store = MemoryStore()
    first = ensure_header(store)

    assert ensure_header(store) == ensure_header(store, ID) == read_header(store) == first
    assert first != ensure_header(MemoryStore())


def test_fields_of_a_newer_podium_are_passed_over() -> None:
    assert read_header(_store({"format": 1, "store_id": ID, "colour": "red"})) == StoreHeader(store_id=ID)


@pytest.mark.parametrize("fields", [{"format": 2, "store_id": ID, "needs": []}, {"format": 9}])
def test_a_newer_format_is_refused_and_says_what_to_type(fields: dict[str, object]) -> None:
    with pytest.raises(StoreError, match=r"format \d.*pip install --upgrade podium") as refusal:
        read_header(_store({"store_id": ID, **fields}))

    assert not isinstance(refusal.value, StoreUnavailable)


def test_a_feature_nobody_here_knows_is_refused_by_name() -> None:
    store = _store({"format": 1, "store_id": ID, "needs": ["teleport"]})

    for ask in (read_header, ensure_header):
        with pytest.raises(StoreError, match=r"teleport.*pip install --upgrade podium"):
            ask(store)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b"null",
        b"[" * 100_000,
        {"format": "1", "store_id": ID},
        {"format": True, "store_id": ID},
        {"format": 0, "store_id": ID},
        {"format": 1, "store_id": "../../x"},
        {"format": 1, "store_id": 7},
        {"format": 1, "store_id": ID, "needs": "packs"},
    ],
)
def test_a_damaged_header_is_corrupt_and_stays_as_it_is(data: object) -> None:
    store = _store(data)
    before = store.get(HEADER_KEY)

    with pytest.raises(Corrupt) as refusal:
        ensure_header(store)

    assert refusal.value.key == "podium.json"
    assert store.get(HEADER_KEY) == before


def test_an_echo_of_the_own_create_gives_the_own_id() -> None:
    inner = MemoryStore()

    with pytest.raises(StoreUnavailable):
        ensure_header(LossyStore(inner, {1: LostAnswer()}), ID)

    assert ensure_header(LossyStore(inner, {0: Stale()}), "0" * 32) == StoreHeader(store_id=ID)


def test_a_header_that_is_taken_and_not_yet_seen_is_no_answer() -> None:
    inner = _store({"format": 1, "store_id": ID})

    with pytest.raises(StoreUnavailable, match="Try again"):
        ensure_header(LossyStore(inner, {0: Stale(), 2: Stale()}))


def test_a_store_that_does_not_answer_is_not_mistaken_for_one_without_create() -> None:
    inner = MemoryStore()

    with pytest.raises(StoreUnavailable):
        ensure_header(FaultyStore(inner, {1: Fail()}))

    assert [*inner.list(Key.root())] == []


def test_where_links_are_refused_a_store_still_has_a_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    store = LocalStore(tmp_path / "store")

    assert ensure_header(store, ID) == ensure_header(store) == StoreHeader(store_id=ID)
