"""Work that is begun before its results are asked for: in turn, so much at a time, and no more than memory allows."""

from __future__ import annotations

import threading

import pytest

from podium.stores.together import ahead

PATIENCE_S = 30


class Work:
    """What was begun, and how much of it at once; a thing listed in ``held`` waits until it is let go."""

    def __init__(self, *held: int) -> None:
        self.gates = {number: threading.Event() for number in held}
        self.begun: list[int] = []
        self.most = 0
        self._under_way = 0
        self._changed = threading.Condition()

    def __call__(self, number: int) -> int:
        with self._changed:
            self.begun.append(number)
            self._under_way += 1
            self.most = max(self.most, self._under_way)
            self._changed.notify_all()
        if number in self.gates:
            assert self.gates[number].wait(PATIENCE_S)
        with self._changed:
            self._under_way -= 1
        return number * 10

    def wait_until_begun(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.begun) >= count, PATIENCE_S)


def test_results_come_in_turn_whatever_ends_first() -> None:
    work = Work(0)
    results = ahead(work, range(20), size_of=lambda each: 1, most_bytes=1_000, at_once=4)
    work.gates[0].set()

    assert list(results) == [each * 10 for each in range(20)]
    assert work.most <= 4


def test_the_rest_is_worked_on_while_the_first_is_waited_for() -> None:
    work = Work(0)
    results = ahead(work, range(6), size_of=lambda each: 1, most_bytes=1_000, at_once=3)
    taken: list[int] = []
    taker = threading.Thread(target=lambda: taken.extend(results))
    taker.start()

    work.wait_until_begun(6)
    assert taken == []
    work.gates[0].set()
    taker.join(PATIENCE_S)

    assert taken == [0, 10, 20, 30, 40, 50]


def test_no_more_is_begun_than_there_is_room_for() -> None:
    work = Work()
    results = ahead(work, range(10), size_of=lambda each: 40, most_bytes=100, at_once=8)

    assert next(results) == 0
    work.wait_until_begun(2)

    assert len(work.begun) == 2, "two of forty bytes, where a hundred may be held"
    assert list(results) == [each * 10 for each in range(1, 10)]


def test_what_is_larger_than_all_the_room_is_worked_on_when_it_is_next() -> None:
    work = Work()

    results = ahead(work, range(5), size_of=lambda each: 1_000 if each % 2 else 1, most_bytes=100, at_once=3)

    assert list(results) == [0, 10, 20, 30, 40]


def test_an_error_is_raised_when_it_is_that_things_turn() -> None:
    def work(number: int) -> int:
        if number == 3:
            raise ValueError("the fourth")
        return number

    results = ahead(work, range(10), size_of=lambda each: 1, most_bytes=100, at_once=4)

    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="the fourth"):
        next(results)


def test_who_stops_asking_leaves_no_thread_behind() -> None:
    before = threading.active_count()
    results = ahead(Work(), range(1_000), size_of=lambda each: 50, most_bytes=100, at_once=4)
    next(results)

    results.close()

    assert threading.active_count() == before


def test_one_at_a_time_is_done_by_whoever_asks_when_it_is_asked_for() -> None:
    work = Work()
    results = ahead(work, range(5), size_of=lambda each: 1, most_bytes=100, at_once=1)

    assert next(results) == 0

    assert work.begun == [0]
    assert list(results) == [10, 20, 30, 40]
    assert work.most == 1


def test_nothing_is_no_work() -> None:
    assert list(ahead(Work(), [], size_of=lambda each: 1, most_bytes=1)) == []
