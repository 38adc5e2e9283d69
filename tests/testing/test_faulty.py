from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from podium.errors import KeyMissing, StoreUnavailable
from podium.stores import Key, LocalStore, MemoryStore, Store
from podium.testing import Fail, FaultyStore, Kill

A, B = Key.parse("f/a"), Key.parse("f/b")

VERBS: list[Callable[[Store, Path], object]] = [
    lambda store, path: store.get(A),
    lambda store, path: store.put(A, b"new"),
    lambda store, path: store.create(B, b"x"),
    lambda store, path: [*store.list(Key.root())],
    lambda store, path: store.download(A, path),
    lambda store, path: store.delete(A),
]


@pytest.mark.parametrize("number", range(len(VERBS)))
def test_the_operation_with_that_number_fails_and_no_other(tmp_path: Path, number: int) -> None:
    inner = MemoryStore()
    inner.put(A, b"old")
    store = FaultyStore(inner, {number: Fail()})

    for count, verb in enumerate(VERBS):
        if count == number:
            with pytest.raises(StoreUnavailable):
                verb(store, tmp_path / "target")
        else:
            verb(store, tmp_path / "target")

    assert store.operations == len(VERBS)


def test_a_failed_operation_changed_nothing_unless_it_was_applied() -> None:
    inner = MemoryStore()
    store = FaultyStore(inner, {0: Fail(), 1: Fail(applied=True)})

    with pytest.raises(StoreUnavailable):
        store.create(A, b"x")
    with pytest.raises(KeyMissing):
        inner.get(A)
    with pytest.raises(StoreUnavailable):
        store.create(A, b"y")
    assert inner.get(A) == b"y"


def test_a_fault_may_raise_any_error() -> None:
    with pytest.raises(PermissionError, match="no"):
        FaultyStore(MemoryStore(), {0: Fail(error=lambda: PermissionError("no"))}).get(A)


def test_a_schedule_may_look_at_verb_and_key() -> None:
    seen: list[tuple[str, Key, int]] = []

    def schedule(verb: str, key: Key, number: int) -> Fail | None:
        seen.append((verb, key, number))
        return Fail() if verb == "get" and key == B else None

    store = FaultyStore(MemoryStore(), schedule)
    store.put(A, b"x")
    store.put(B, b"x")
    assert store.get(A) == b"x"
    with pytest.raises(StoreUnavailable):
        store.get(B)

    assert seen == [("put", A, 0), ("put", B, 1), ("get", A, 2), ("get", B, 3)]


def test_asking_for_a_local_path_is_no_operation(tmp_path: Path) -> None:
    store = FaultyStore(LocalStore(tmp_path), {0: Fail()})

    assert store.local_path(A) == tmp_path / "f" / "a"
    assert store.operations == 0


@pytest.mark.parametrize("applied", [False, True])
def test_kill_ends_the_process_before_or_after_the_operation(tmp_path: Path, applied: bool) -> None:
    program = f"""
import atexit
from podium.stores import Key, LocalStore
from podium.testing import FaultyStore, Kill
atexit.register(print, "cleaned up")
store = FaultyStore(LocalStore({str(tmp_path)!r}), {{1: Kill(applied={applied})}})
store.put(Key.parse("first"), b"x")
try:
    store.put(Key.parse("second"), b"x")
finally:
    print("cleaned up")
"""
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )

    assert result.returncode != 0
    assert result.stdout == result.stderr == ""
    assert [each.name for each in sorted(tmp_path.iterdir())] == (
        ["first", "second"] if applied else ["first"]
    )


def test_faults_are_values() -> None:
    assert Fail(applied=True) == Fail(applied=True) != Fail()
    assert Kill() == Kill()
