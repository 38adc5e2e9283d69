"""Logs that lie in parts, as they do where a store is no disk: they come, overlap, are put together, and go."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podium.runs.layout import RunKeys
from podium.search.index import Index
from podium.stores import LocalStore
from podium.stores.contract import Store
from podium.stores.memory import MemoryStore
from tests.search.stores_of_runs import WRITER, facts_by_id, folded_runs
from tests.search.test_refresh import everything, tables, whole_logs

RUN_ID = "01kapgsxk0e7n3x5v8h2m4q6ab"
KEYS = RunKeys.of("fraud", RUN_ID)

cuts = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.booleans()), min_size=1, max_size=8)


def same_as_folding(index: Index, store: Store) -> None:
    assert everything(index, store) == facts_by_id(folded_runs(store))


@settings(max_examples=150)
@given(whole_logs(), cuts)
def test_parts_that_come_and_go_in_any_order(log: bytes, several: list[tuple[float, float, bool]]) -> None:
    store = MemoryStore()
    index, rebuilt = Index(store), None
    for one, other, stays in several:
        start, end = sorted((round(one * len(log)), round(other * len(log))))
        if start == end:
            continue
        part = KEYS.part(WRITER, start, end)
        store.put(part, log[start:end])
        same_as_folding(index, store)
        if not stays:
            store.delete(part)
            same_as_folding(index, store)
    store.put(KEYS.part(WRITER, 0, len(log)), log)
    for entry in list(store.list(KEYS.logs)):
        if entry.key != KEYS.part(WRITER, 0, len(log)):
            store.delete(entry.key)

    same_as_folding(index, store)

    rebuilt = Index(store)
    assert tables(index) == tables(rebuilt)
    rebuilt.close()
    index.close()


@settings(max_examples=60)
@given(whole_logs(), st.floats(0.1, 0.9))
def test_parts_that_were_brought_to_a_disk_are_read_there(
    tmp_path_factory: pytest.TempPathFactory, log: bytes, cut: float
) -> None:
    store = LocalStore(tmp_path_factory.mktemp("parts") / "store")
    middle = max(1, round(len(log) * cut))
    index = Index(store)
    store.put(KEYS.part(WRITER, 0, middle), log[:middle])
    same_as_folding(index, store)
    store.put(KEYS.part(WRITER, middle, len(log)), log[middle:])
    same_as_folding(index, store)
    store.put(KEYS.part(WRITER, 0, len(log)), log)
    store.delete(KEYS.part(WRITER, 0, middle))
    same_as_folding(index, store)
    index.close()


def test_a_store_without_a_disk_that_was_emptied_has_no_runs(tmp_path: Path) -> None:
    store = MemoryStore()
    index = Index(store)
    store.put(KEYS.log(WRITER), b'{"event":"start","time":1,"kind":"session","experiment":"fraud"}\n')
    same_as_folding(index, store)
    store.delete(KEYS.log(WRITER))

    assert everything(index, store) == {}
    index.close()
