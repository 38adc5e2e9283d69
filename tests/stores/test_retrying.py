from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pytest

from podium.errors import KeyExists, KeyMissing, StoreError, StoreUnavailable
from podium.stores import Key, LocalStore, MemoryStore, Retrying, Store
from podium.testing import Fail, FaultyStore, LossyStore, LostAnswer, StoreTests

A = Key.parse("f/a")


def _patient(root: Path) -> Retrying:
    return Retrying(LocalStore(root))


class TestRetryingLocalStore(StoreTests):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        return _patient(tmp_path / "store")

    def reopen(self, store: Store) -> Callable[[], Store] | None:
        root = store.local_path(Key.root())
        assert root is not None
        return functools.partial(_patient, root)


class _Waits:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []

    def sleep(self, wait_s: float) -> None:
        self.waits.append(wait_s)
        self.now += wait_s

    def clock(self) -> float:
        return self.now


def _retrying(store: Store, waits: _Waits, **options: float) -> Retrying:
    attempts = int(options.pop("attempts", 5))
    return Retrying(
        store, attempts=attempts, sleep=waits.sleep, clock=waits.clock, draw=lambda: 1.0, **options
    )


VERBS: dict[str, Callable[[Store, Path], object]] = {
    "get": lambda store, path: store.get(A),
    "put": lambda store, path: store.put(A, b"new"),
    "create": lambda store, path: store.create(Key.parse("f/new"), b"x"),
    "list": lambda store, path: [*store.list(Key.root())],
    "delete": lambda store, path: store.delete(A),
    "download": lambda store, path: store.download(A, path),
}


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_asked_again_while_the_store_does_not_answer(tmp_path: Path, verb: str) -> None:
    inner, waits = MemoryStore(), _Waits()
    inner.put(A, b"x")
    faulty = FaultyStore(inner, {0: Fail(), 1: Fail(), 2: Fail()})

    VERBS[verb](_retrying(faulty, waits), tmp_path / "target")

    assert faulty.operations == 4
    assert waits.waits == [0.1, 0.2, 0.4]


@pytest.mark.parametrize("verb", VERBS)
def test_after_the_last_attempt_the_error_is_passed_on(tmp_path: Path, verb: str) -> None:
    waits = _Waits()
    faulty = FaultyStore(MemoryStore(), lambda verb, key, number: Fail())

    with pytest.raises(StoreUnavailable):
        VERBS[verb](_retrying(faulty, waits, attempts=3), tmp_path / "target")

    assert faulty.operations == 3


@pytest.mark.parametrize("error", [KeyMissing, KeyExists, StoreError])
def test_an_answer_is_not_asked_for_again(error: type[StoreError]) -> None:
    waits = _Waits()
    faulty = FaultyStore(MemoryStore(), {0: Fail(error=lambda: error("an answer"))})

    with pytest.raises(error):
        _retrying(faulty, waits).get(A)

    assert faulty.operations == 1


def test_the_echo_of_a_create_whose_answer_was_lost_is_passed_on() -> None:
    inner = MemoryStore()

    with pytest.raises(KeyExists):
        _retrying(LossyStore(inner, {0: LostAnswer()}), _Waits()).create(A, b"mine")

    assert inner.get(A) == b"mine"


def test_waits_grow_to_a_limit_and_end_in_time() -> None:
    waits = _Waits()
    faulty = FaultyStore(MemoryStore(), lambda verb, key, number: Fail())

    with pytest.raises(StoreUnavailable):
        _retrying(faulty, waits, attempts=100, first_wait_s=1.0, longest_wait_s=4.0, give_up_s=20.0).get(A)

    assert waits.waits == [1.0, 2.0, 4.0, 4.0, 4.0, 4.0]


def test_waits_are_drawn_between_nothing_and_the_limit() -> None:
    waits, draws = _Waits(), iter([0.0, 0.5, 0.25])
    faulty = FaultyStore(MemoryStore(), {0: Fail(), 1: Fail(), 2: Fail()})
    store = Retrying(faulty, sleep=waits.sleep, clock=waits.clock, draw=lambda: next(draws))

    store.put(A, b"x")

    assert waits.waits == [0.0, 0.1, 0.1]


def test_a_listing_that_breaks_off_names_no_value_twice() -> None:
    inner = MemoryStore()
    for number in range(5):
        inner.put(Key.parse(f"f/{number}"), b"x")
    faulty = FaultyStore(inner, {0: Fail(applied=True)})

    keys = [each.key for each in _retrying(faulty, _Waits()).list(Key.root())]

    assert len(keys) == len(set(keys)) == 5
