"""What is told of a transfer while it goes; that a person sees it is shown in tests/remote/test_progress.py."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from fsspec.callbacks import Callback

from podium.stores import progress
from podium.stores.progress import Meter, in_background, moving, moving_value
from podium.stores.together import together


class Bar(Callback):  # type: ignore[misc]  # fsspec has no types
    """A bar that nobody sees."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what
        self.closed = False

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def bars(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Bar]]:
    made: list[Bar] = []

    def new(what: str) -> Bar:
        made.append(Bar(what))
        return made[-1]

    monkeypatch.setattr(progress, "_new_bar", new)
    yield made
    assert all(each.closed for each in made)


def move(size: int) -> None:
    with moving_value("a file") as value:
        value.sized(size)
        value.add(size)


def test_many_values_of_one_transfer_are_one_bar_whichever_thread_moves_them(bars: list[Bar]) -> None:
    with moving("a model", 600):
        together(move, [100, 200, 300])

    assert [(each.what, each.value, each.size) for each in bars] == [("a model", 600, 600)]


def test_a_value_by_itself_has_a_bar_of_the_size_it_turns_out_to_have(bars: list[Bar]) -> None:
    move(100)

    assert [(each.what, each.value, each.size) for each in bars] == [("a file", 100, 100)]


def test_a_transfer_within_another_is_part_of_it(bars: list[Bar]) -> None:
    with moving("a copy", 0) as meter:
        meter.expect(300)
        with moving("a model", 300):
            together(move, [100, 200])

    assert [(each.what, each.value, each.size) for each in bars] == [("a copy", 300, 300)]


def break_off() -> None:
    with moving_value("a file") as value:
        value.add(60)
        raise ConnectionError


def test_what_went_by_of_an_attempt_that_failed_is_taken_back(bars: list[Bar]) -> None:
    with moving("a model", 100):
        with pytest.raises(ConnectionError):
            break_off()
        assert bars[0].value == 0
        move(100)

    assert bars[0].value == 100


def test_a_filesystem_of_fsspec_tells_it_through_a_callback(bars: list[Bar]) -> None:
    with moving_value("a file") as value:
        callback = value.callback()
        callback.set_size(100)
        callback.relative_update(30)
        callback.absolute_update(70)
        callback.absolute_update(100)

    assert (bars[0].value, bars[0].size) == (100, 100)


def test_work_in_the_background_is_shown_only_to_who_waits_for_it(bars: list[Bar]) -> None:
    meter = Meter()
    go_on, waiting = threading.Event(), threading.Event()

    def work() -> None:
        with in_background(meter):
            move(100)
            waiting.set()
            assert go_on.wait(10)
            move(200)

    thread = threading.Thread(target=work)
    thread.start()
    assert waiting.wait(10)
    assert bars == []
    with meter.shown("sending", lambda: 200), meter.shown("sending, says another", lambda: 200):
        go_on.set()
        thread.join()

    assert [(each.what, each.value, each.size) for each in bars] == [("sending", 200, 200)]


def test_a_terminal_that_is_closed_stops_no_transfer(
    bars: list[Bar], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Bar, *args: object, **kwargs: object) -> None:
        raise OSError(5, "Input/output error")

    with moving("a model", 300):
        move(100)
        monkeypatch.setattr(Bar, "call", fail)
        move(200)

    assert bars[0].value == 300
