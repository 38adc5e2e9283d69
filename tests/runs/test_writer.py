"""A line is in the file before the call returns, and what cannot be kept is counted, not raised."""

from __future__ import annotations

import errno
import gc
import itertools
import math
import os
import shutil
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podium.errors import Invalid, ParamConflict, PodiumWarning, RunNotFound, StoreUnavailable
from podium.runs import writer as writer_module
from podium.runs.beating import open_writers
from podium.runs.events import Metrics, Note, Params, Rewind, Start, Tags
from podium.runs.finding import find_run
from podium.runs.fold import RunState
from podium.runs.layout import RunKeys
from podium.runs.locking import is_held
from podium.runs.reader import read_run, status_of
from podium.runs.writer import Writer
from podium.stores import LocalStore, MemoryStore
from tests.runs.conftest import RUN_ID

Lines = Callable[[Writer], list[Any]]


def state_of(store: LocalStore | MemoryStore, keys: RunKeys) -> RunState:
    return read_run(store, find_run(store, keys.run_id))


class FullDisk:
    """``os.write`` of a disk that takes ``room`` bytes more."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room: float = math.inf
        monkeypatch.setattr(writer_module, "_write", self.write)

    def write(self, fd: int, data: bytes) -> int:
        if self.room >= len(data):
            return os.write(fd, data)
        if self.room == 0:
            raise OSError(28, "No space left on device")
        taken, self.room = int(self.room), 0
        return os.write(fd, data[:taken])


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> FullDisk:
    return FullDisk(monkeypatch)


# Metrics ------------------------------------------------------------------------------------------------------------


def test_each_call_is_a_line_in_the_file_before_it_returns(writer: Writer, lines: Lines) -> None:
    for step, value in enumerate([0.5, 0.25]):
        writer.log_metric("loss", value)

        assert lines(writer)[-1][2:] == [step, "loss", value]


def test_steps_are_counted_by_key_and_go_on_after_a_step_that_was_given(writer: Writer, lines: Lines) -> None:
    writer.log_metric("loss", 1.0)
    writer.log_metric("acc", 1.0)
    writer.log_metric("loss", 1.0, 10)
    writer.log_metric("loss", 1.0, 4)
    writer.log_metric("loss", 1.0)
    writer.log_metrics({"loss": 1.0, "acc": 1.0})

    assert [(line[2], line[3]) for line in lines(writer)[1:]] == [
        (0, "loss"),
        (0, "acc"),
        (10, "loss"),
        (4, "loss"),
        (11, "loss"),
        (12, "loss"),
        (1, "acc"),
    ]


def test_metrics_of_one_step_share_a_line(writer: Writer, lines: Lines) -> None:
    writer.log_metrics({"loss": 0.5, "acc": 1}, step=3)

    assert lines(writer)[-1][2:] == [3, "loss", 0.5, "acc", 1.0]


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (1, 1.0),
        (True, 1.0),
        (np.float32(0.5), 0.5),
        (np.float64(0.1), 0.1),
        (np.int64(7), 7.0),
        (np.array(2.5), 2.5),
        (np.array([[2.5]]), 2.5),
        (Decimal("0.5"), 0.5),
        (Fraction(1, 4), 0.25),
        (math.inf, math.inf),
        (-math.inf, -math.inf),
        (-0.0, -0.0),
        (1e-320, 1e-320),
    ],
)
def test_any_number_is_a_metric(
    writer: Writer, store: LocalStore, keys: RunKeys, value: Any, kept: float
) -> None:
    writer.log_metric("loss", value)
    writer.log_metric("loss", value)  # the second call takes the hot path, where there is one

    record = state_of(store, keys).metrics["loss"]
    assert (repr(record.last), record.count) == (repr(kept), 2)


def test_nan_is_kept(writer: Writer, store: LocalStore, keys: RunKeys) -> None:
    writer.log_metric("loss", math.nan)
    writer.log_metric("loss", math.nan)

    assert math.isnan(state_of(store, keys).metrics["loss"].last)


@pytest.mark.parametrize("value", ["0.5", b"1", None, [1.0], {"a": 1}, np.array([1.0, 2.0]), 1j, object()])
def test_what_is_no_number_is_a_type_error_that_names_the_key(
    writer: Writer, lines: Lines, value: Any
) -> None:
    writer.log_metric("loss", 1.0)

    with pytest.raises(TypeError, match="'loss'"):
        writer.log_metric("loss", value)
    assert len(lines(writer)) == 2


@pytest.mark.parametrize("step", [0.5, "1", [1], np.float64(1.0)])
def test_a_step_that_is_no_integer_is_a_type_error(writer: Writer, step: Any) -> None:
    writer.log_metric("loss", 1.0)

    with pytest.raises(TypeError, match="step"):
        writer.log_metric("loss", 1.0, step)


def test_steps_may_be_negative_and_numpys_but_not_too_large(writer: Writer, lines: Lines) -> None:
    writer.log_metric("loss", 1.0, -5)
    writer.log_metric("loss", 1.0, np.int64(7))  # type: ignore[arg-type]  # what users pass all the same

    assert [line[2] for line in lines(writer)[1:]] == [-5, 7]
    with pytest.raises(Invalid, match="64 bits"):
        writer.log_metric("loss", 1.0, 2**63)


def test_a_time_of_ones_own_is_kept_and_must_be_aware(writer: Writer, lines: Lines) -> None:
    writer.log_metric("loss", 0.5, 3, time=datetime(2020, 1, 1, tzinfo=UTC))

    assert lines(writer)[-1]["at"] == 1_577_836_800_000
    with pytest.raises(Invalid, match="aware"):
        writer.log_metric("loss", 0.5, time=datetime(2020, 1, 1))
    with pytest.raises(TypeError, match="aware"):
        writer.log_metric("loss", 0.5, time=1_577_836_800)  # type: ignore[arg-type]  # what users try


def test_metrics_that_are_no_mapping_are_a_type_error(writer: Writer, lines: Lines) -> None:
    with pytest.raises(TypeError, match="mapping of key to number"):
        writer.log_metrics([("loss", 0.5)])  # type: ignore[arg-type]  # what users try
    assert len(lines(writer)) == 1


@pytest.mark.parametrize("key", ["", "a\nb", "a" * 501, "\ud800"])
def test_a_key_that_can_never_be_right_raises_and_writes_nothing(
    writer: Writer, lines: Lines, key: str
) -> None:
    with pytest.raises(Invalid):
        writer.log_metric(key, 1.0)
    with pytest.raises(Invalid):
        writer.log_params({"good": 1, key: 1})
    assert len(lines(writer)) == 1


def test_a_key_with_quotes_and_other_scripts_comes_back(
    writer: Writer, store: LocalStore, keys: RunKeys
) -> None:
    key = 'näive "模型" \\ 🐍'

    writer.log_metric(key, 0.5)
    writer.log_metric(key, 0.25)

    assert state_of(store, keys).metrics[key].count == 2


def test_threads_lose_and_mix_no_line(writer: Writer, store: LocalStore, keys: RunKeys) -> None:
    def work(name: str) -> None:
        for value in range(500):
            writer.log_metric(name, float(value))

    threads = [threading.Thread(target=work, args=(f"m{each}",)) for each in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    state = state_of(store, keys)
    assert state.bad_lines == []
    assert {key: (each.count, each.last_step) for key, each in state.metrics.items()} == {
        f"m{each}": (500, 499) for each in range(8)
    }


# Params -------------------------------------------------------------------------------------------------------------


def test_a_param_that_says_something_else_raises_and_none_of_the_call_is_kept(
    writer: Writer, store: LocalStore, keys: RunKeys
) -> None:
    writer.log_params({"lr": 0.1})

    with pytest.raises(ParamConflict, match="overwrite=True") as caught:
        writer.log_params({"depth": 3, "lr": 0.2})

    assert (caught.value.key, caught.value.old, caught.value.new) == ("lr", 0.1, 0.2)
    assert state_of(store, keys).params == {"lr": 0.1}


def test_an_equal_param_is_not_written_again(writer: Writer, lines: Lines) -> None:
    writer.log_params({"epochs": 1})
    writer.log_params({"epochs": 1.0})

    assert len(lines(writer)) == 2
    with pytest.raises(ParamConflict):
        writer.log_params({"epochs": True})


def test_an_overwrite_stands_also_over_what_this_writer_never_read(
    writer: Writer, store: LocalStore, keys: RunKeys, session: Start
) -> None:
    writer.log_params({"lr": 0.1})
    other = Writer(store, keys, session)

    other.log_params({"lr": 0.2}, overwrite=True)
    other.end()

    assert state_of(store, keys).params == {"lr": 0.2}


def test_a_param_that_was_lost_is_written_when_it_is_logged_again(
    writer: Writer, store: LocalStore, keys: RunKeys, disk: FullDisk
) -> None:
    disk.room = 0
    with pytest.warns(PodiumWarning, match="could not keep"):
        writer.log_params({"lr": 0.1})
    disk.room = math.inf

    writer.log_params({"lr": 0.1})

    assert state_of(store, keys).params == {"lr": 0.1}


def test_a_text_that_is_no_utf_8_comes_back_and_can_be_logged_again(
    writer: Writer, store: LocalStore, keys: RunKeys
) -> None:
    path = os.fsdecode(b"data/caf\xe9.csv")

    writer.log_params({"path": path})
    writer.log_params({"path": path})

    assert state_of(store, keys).params == {"path": path}


def test_what_nests_too_deep_for_readers_is_refused_at_the_call(writer: Writer, lines: Lines) -> None:
    deep: list[Any] = []
    for _ in range(200):
        deep = [deep]

    with pytest.raises(Invalid, match="128 deep"):
        writer.log_params({"deep": deep})
    assert len(lines(writer)) == 1


# Joining ------------------------------------------------------------------------------------------------------------


def test_a_writer_that_joins_goes_on_with_steps_and_params(
    store: LocalStore, keys: RunKeys, session: Start
) -> None:
    first = Writer(store, keys, session)
    first.log_metric("loss", 0.5, 6)
    first.log_params({"lr": 0.1})
    first.end()

    second = Writer(store, keys, session, joined=state_of(store, keys))
    second.log_metric("loss", 0.25)
    with pytest.raises(ParamConflict):
        second.log_params({"lr": 0.2})
    second.end()

    assert state_of(store, keys).metrics["loss"].last_step == 7


def test_what_a_joined_writer_says_is_later_although_its_clock_is_behind(
    store: LocalStore, keys: RunKeys, session: Start
) -> None:
    first = Writer(store, keys, session, clock_ns=lambda: 2_000_000_000_000_000_000)
    first.append(Tags({"t": "old"}))
    first.end()

    second = Writer(store, keys, session, joined=state_of(store, keys), clock_ns=lambda: 10**18)
    second.append(Tags({"t": "new"}))
    second.end()

    assert state_of(store, keys).tags == {"t": "new"}


def test_a_rewind_hides_what_earlier_sessions_logged_and_counting_goes_on_behind_it(
    store: LocalStore, keys: RunKeys, session: Start
) -> None:
    first = Writer(store, keys, session)
    for value in range(10):
        first.log_metric("loss", float(value))
    first.end("KILLED")

    second = Writer(store, keys, session, joined=state_of(store, keys))
    second.rewind(4)
    second.log_metric("loss", 50.0)
    second.end()

    record = state_of(store, keys).metrics["loss"]
    assert (record.last, record.last_step, record.count, record.max) == (50.0, 5, 6, 50.0)


def test_counting_begins_anew_behind_a_rewind_that_hides_everything(
    store: LocalStore, keys: RunKeys, session: Start
) -> None:
    first = Writer(store, keys, session)
    first.log_metric("loss", 1.0, 7)
    first.end("KILLED")

    second = Writer(store, keys, session, joined=state_of(store, keys))
    second.rewind(-5)
    second.log_metric("loss", 2.0)
    second.end()

    record = state_of(store, keys).metrics["loss"]
    assert (record.last_step, record.count) == (0, 1)


# The end ------------------------------------------------------------------------------------------------------------


def test_the_end_seals_the_log_and_a_second_one_is_nothing(writer: Writer, lines: Lines) -> None:
    writer.end("FAILED", "ValueError: no", "Traceback")
    writer.end()

    assert [
        line["status"] for line in lines(writer) if isinstance(line, dict) and line["event"] == "end"
    ] == ["FAILED"]


def test_what_is_logged_after_the_end_goes_to_an_edit_and_is_said_once(
    writer: Writer, store: LocalStore, keys: RunKeys
) -> None:
    writer.append(Tags({"t": "before"}))
    writer.end()
    sealed = writer.writer_id

    with pytest.warns(PodiumWarning, match="after its end"):
        writer.append(Tags({"t": "after"}))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        writer.log_metric("loss", 0.5)

    found = find_run(store, keys.run_id)
    state = read_run(store, found)
    assert writer.writer_id != sealed
    assert {each: log.is_session for each, log in state.logs.items()} == {
        sealed: True,
        writer.writer_id: False,
    }
    assert state.tags == {"t": "after"}
    assert state.metrics["loss"].count == 1
    assert status_of(store, found, state) == "FINISHED"


def test_who_makes_errors_of_warnings_loses_nothing_that_is_logged_after_the_end(
    writer: Writer, store: LocalStore, keys: RunKeys
) -> None:
    writer.log_metric("loss", 1.0)
    writer.end()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(PodiumWarning, match="after its end"):
            writer.log_metric("loss", 2.0)
        writer.log_metric("loss", 3.0)

    loss = state_of(store, keys).metrics["loss"]
    assert (loss.count, loss.last, loss.last_step) == (3, 3.0, 2)
    assert writer.dropped == 0


def test_several_metrics_after_the_end_are_all_written_before_a_warning_is_an_error(
    writer: Writer, store: LocalStore, keys: RunKeys
) -> None:
    writer.log_metric("loss", 1.0, 7)
    writer.end()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(PodiumWarning, match="after its end"):
            writer.log_metrics({"acc": 0.5, "loss": 2.0})  # of two steps, so two lines

    metrics = state_of(store, keys).metrics
    assert {key: (each.last_step, each.last) for key, each in metrics.items()} == {
        "acc": (0, 0.5),
        "loss": (8, 2.0),
    }


def test_params_after_the_end_are_known_although_a_warning_is_an_error(writer: Writer) -> None:
    writer.end()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(PodiumWarning, match="after its end"):
            writer.log_params({"lr": 0.1})

    with pytest.raises(ParamConflict):
        writer.log_params({"lr": 0.2})


def test_logging_after_the_end_is_later_also_within_one_millisecond(
    store: LocalStore, keys: RunKeys, session: Start
) -> None:
    for _ in range(8):  # writer ids are random and would decide
        writer = Writer(store, keys, session, clock_ns=lambda: 10**18)
        writer.append(Note("before"))
        writer.end()
        with pytest.warns(PodiumWarning):
            writer.append(Note("after"))

        assert state_of(store, keys).note == "after"


@settings(max_examples=60)
@given(clock=st.lists(st.integers(0, 5), min_size=12, max_size=12), kinds=st.lists(st.booleans(), max_size=4))
def test_what_is_said_last_stands_however_the_clock_steps(clock: list[int], kinds: list[bool]) -> None:
    ticks = iter(clock)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        store, keys = LocalStore(folder), RunKeys.of("fraud", RUN_ID)
        writer = Writer(
            store, keys, Start("session", "fraud"), clock_ns=lambda: next(ticks, 0) * 1_000_000 + 10**18
        )
        for is_metric in kinds:
            if is_metric:
                writer.log_metric("loss", 0.0, 0)
            else:
                writer.append(Note("before"))
        writer.end()
        writer.append(Note("after"))
        writer.log_metric("loss", 1.0, 0)

        state = state_of(store, keys)
    assert (state.note, state.metrics["loss"].last) == ("after", 1.0)


def test_a_signal_that_ends_the_run_while_its_end_is_written_decides_and_opens_no_other_log(
    writer: Writer, store: LocalStore, keys: RunKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(fd: int, data: bytes) -> int:
        monkeypatch.setattr(writer_module, "_write", os.write)
        writer.end("KILLED")
        return os.write(fd, data)

    monkeypatch.setattr(writer_module, "_write", interrupted)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        writer.end("FINISHED")

    found = find_run(store, keys.run_id)
    assert len(found.logs) == 1
    assert read_run(store, found).status() == "KILLED"


def test_a_signal_handler_may_end_the_run_while_a_line_is_being_written(
    writer: Writer, store: LocalStore, keys: RunKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(fd: int, data: bytes) -> int:
        monkeypatch.setattr(writer_module, "_write", os.write)
        writer.end("KILLED")  # in the same thread, within the lock
        return os.write(fd, data)

    monkeypatch.setattr(writer_module, "_write", interrupted)
    with pytest.warns(PodiumWarning, match="after its end"):
        writer.append(Note("interrupted"))

    state = state_of(store, keys)
    assert state.status() == "KILLED"
    assert state.note == "interrupted"


@pytest.mark.parametrize("room", [0, 10])
def test_a_run_does_not_begin_on_a_disk_that_cannot_take_its_first_line(
    store: LocalStore, keys: RunKeys, session: Start, disk: FullDisk, room: int
) -> None:
    disk.room = room

    with pytest.raises(StoreUnavailable, match="No space left"):
        Writer(store, keys, session)
    with pytest.raises(RunNotFound):
        find_run(store, keys.run_id)


def test_a_writer_nobody_holds_keeps_neither_its_file_nor_its_lock(
    store: LocalStore, keys: RunKeys, session: Start
) -> None:
    writer = Writer(store, keys, session)
    path, descriptor = store.local_path(keys.log(writer.writer_id)), writer._fd
    assert path is not None
    assert is_held(path) is True

    del writer
    gc.collect()

    assert is_held(path) is False
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_writers_come_and_go_while_others_look_for_the_open_ones(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    enough = threading.Event()
    problems: list[Exception] = []

    def work(name: str) -> None:
        for number in range(150):
            Writer(store, RunKeys.of("fraud", f"{name}-{number}"), Start("session", "fraud")).end()

    def look() -> None:
        try:
            while not enough.is_set():
                open_writers()
        except RuntimeError as error:
            problems.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        looker = threading.Thread(target=look)
        looker.start()
        workers = [threading.Thread(target=work, args=(f"w{each}",)) for each in range(3)]
        for thread in workers:
            thread.start()
        for thread in workers:
            thread.join()
        enough.set()
        looker.join()
    finally:
        sys.setswitchinterval(interval)

    assert problems == []


# The disk -------------------------------------------------------------------------------------------------------------


def test_what_was_logged_reaches_the_disk_when_it_is_due_and_only_then(
    store: LocalStore, keys: RunKeys, session: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    really_sync = os.fsync

    def counted(fd: int) -> None:
        synced.append(os.fstat(fd).st_size)
        really_sync(fd)

    ticks = itertools.count(10**18, 1_000_000)
    writer = Writer(store, keys, session, sync_s=10.0, clock_ns=lambda: next(ticks))
    begun = time.monotonic()
    monkeypatch.setattr(os, "fsync", counted)

    assert writer.sync_if_due(begun + 5) is False
    assert writer.sync_if_due(begun + 11) is True
    assert writer.sync_if_due(begun + 30) is False  # nothing new
    writer.log_metric("loss", 0.5)
    assert writer.sync_if_due(begun + 12) is False  # too early
    assert writer.sync_if_due(begun + 31) is True
    path = store.local_path(keys.log(writer.writer_id))
    assert path is not None
    assert synced == [writer.opening.size_bytes, path.stat().st_size]
    assert is_held(path) is True  # and the lock is still there
    writer.end()
    assert writer.sync_if_due(begun + 1_000) is False


def test_a_disk_that_cannot_sync_is_said_once_and_stops_nothing(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(fd: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", refuse)
        with pytest.warns(PodiumWarning, match="Input/output error"):
            writer.sync_if_due(time.monotonic() + 1_000)
        writer.log_metric("loss", 0.5)

    assert writer.dropped == 0


def test_a_log_that_cannot_be_made_raises(store: LocalStore, keys: RunKeys, session: Start) -> None:
    store.root.write_text("a file where the store should be")

    with pytest.raises(StoreUnavailable, match=keys.run_id):
        Writer(store, keys, session)


# A disk that fills and empties ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("room", [0, 1, 20])
def test_a_full_disk_is_counted_and_said_once_and_told_in_the_log_when_it_has_room_again(
    writer: Writer, store: LocalStore, keys: RunKeys, disk: FullDisk, room: int
) -> None:
    writer.log_metric("loss", 0.0)
    disk.room = room

    with pytest.warns(PodiumWarning, match="could not keep"):
        writer.log_metric("loss", 1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        writer.log_metric("loss", 2.0)
        writer.log_metric("loss", 3.0)
    assert writer.dropped == 3

    disk.room = math.inf
    writer.log_metric("loss", 4.0)
    state = state_of(store, keys)
    assert (state.dropped, state.metrics["loss"].count, state.metrics["loss"].last) == (3, 2, 4.0)
    assert len(state.bad_lines) == (1 if room else 0)  # the torn line, which was never acknowledged
    writer.log_metric("loss", 5.0)
    assert state_of(store, keys).metrics["loss"].count == 3


def test_a_disk_that_stays_nearly_full_counts_no_event_twice(
    writer: Writer, store: LocalStore, keys: RunKeys, disk: FullDisk
) -> None:
    disk.room = 0
    with pytest.warns(PodiumWarning):
        writer.append(Note("lost"))
    disk.room = 75  # room for what is missing so far, not for the note that follows
    writer.append(Note("x" * 200))
    disk.room = math.inf
    writer.append(Note("kept"))

    state = state_of(store, keys)
    assert (state.dropped, writer.dropped, state.note) == (2, 2, "kept")


def test_a_loss_is_told_in_the_log_before_its_end(
    writer: Writer, store: LocalStore, keys: RunKeys, disk: FullDisk
) -> None:
    disk.room = 0
    with pytest.warns(PodiumWarning):
        writer.log_metric("loss", 1.0)
    disk.room = math.inf
    writer.end()

    path = store.local_path(keys.log(writer.writer_id))
    assert path is not None
    assert [line.split(b'"')[3] for line in path.read_bytes().split() if line] == [
        b"start",
        b"dropped",
        b"end",
    ]


def test_a_strict_run_raises_what_it_could_not_keep(
    store: LocalStore, keys: RunKeys, session: Start, disk: FullDisk
) -> None:
    writer = Writer(store, keys, session, strict=True)
    writer.log_metric("loss", 1.0)
    disk.room = 5

    with pytest.raises(StoreUnavailable, match="could not keep"):
        writer.log_metric("loss", 2.0)
    disk.room = math.inf
    writer.log_metric("loss", 3.0)
    writer.end()

    assert state_of(store, keys).metrics["loss"].count == 2


# Stores that are no disk ----------------------------------------------------------------------------------------------


def test_readers_of_the_same_process_see_what_is_spooled(keys: RunKeys, session: Start) -> None:
    store = MemoryStore()
    writer = Writer(store, keys, session)
    writer.log_metric("loss", 0.5)
    assert state_of(store, keys).metrics["loss"].count == 1
    writer.log_metric("loss", 0.25)

    found = find_run(store, keys.run_id)
    state = read_run(store, found)
    assert state.metrics["loss"].count == 2
    assert status_of(store, found, state) == "RUNNING"
    writer.end()
    assert state_of(store, keys).status() == "FINISHED"


def test_after_the_end_one_part_holds_the_log_and_the_spool_is_gone(keys: RunKeys, session: Start) -> None:
    store = MemoryStore()
    writer = Writer(store, keys, session)
    area = writer._area
    assert area is not None
    for value in range(3):
        writer.log_metric("loss", float(value))
        writer.flush()

    writer.end()

    (entry,) = store.list(keys.logs)
    assert str(entry.key) == f"{keys.log(writer.writer_id)}.0-{entry.size}"
    assert not area.folder.exists()
    assert state_of(store, keys).metrics["loss"].count == 3


def test_a_store_that_is_away_slows_and_fails_nothing(keys: RunKeys, session: Start) -> None:
    class Away(MemoryStore):
        away = False

        def put(self, key: Any, source: Any) -> None:
            if self.away:
                raise StoreUnavailable("the network is down")
            super().put(key, source)

    store = Away()
    writer = Writer(store, keys, session)
    store.away = True
    writer.log_metric("loss", 0.5)
    with pytest.warns(PodiumWarning, match="network is down"):
        assert writer.flush() is False
    store.away = False

    assert writer.flush() is True
    assert state_of(store, keys).metrics["loss"].count == 1
    assert writer.dropped == 0
    writer.end()


def test_events_of_every_kind_go_through_append(writer: Writer, store: LocalStore, keys: RunKeys) -> None:
    for event in (Params({"lr": 0.1}), Metrics(1, {"loss": 0.5}), Note("text"), Rewind(0)):
        writer.append(event)

    state = state_of(store, keys)
    assert (state.params, state.note, state.metrics["loss"].last) == ({"lr": 0.1}, "text", 0.5)


@pytest.mark.parametrize(
    ("timeout_s", "error"), [("5", TypeError), (True, TypeError), (-1, Invalid), (math.nan, Invalid)]
)
def test_a_time_to_wait_that_is_none_is_refused(
    writer: Writer, timeout_s: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match="timeout_s"):
        writer.flush(timeout_s)
    assert writer.flush(5)
    assert writer.flush(0.5)


def test_who_logged_waited_for_another_threads_flush(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()
    really_sync = os.fsync

    def slow_disk(fd: int) -> None:
        begun.set()
        assert go_on.wait(60)
        really_sync(fd)

    monkeypatch.setattr(os, "fsync", slow_disk)
    with ThreadPoolExecutor() as pool:
        flushing = pool.submit(writer.flush)
        assert begun.wait(60)
        pool.submit(writer.log_metric, "loss", 0.5).result(60)
        assert not flushing.done()
        go_on.set()
        assert flushing.result(60)


def test_a_log_whose_store_was_moved_is_flushed_where_it_is(store: LocalStore, writer: Writer) -> None:
    writer.log_metric("loss", 0.5)
    store.root.rename(store.root.with_name("moved"))

    assert writer.flush()
    writer.end()
    assert writer.dropped == 0


def test_what_is_lost_beside_the_log_is_told_by_its_next_line(store: LocalStore, writer: Writer) -> None:
    writer.count_lost()
    writer.log_metric("loss", 0.5)

    assert writer.dropped == 1
    assert read_run(store, find_run(store, RUN_ID)).dropped == 1


# A log that was removed ---------------------------------------------------------------------------------------------

needs_unlinking = pytest.mark.skipif(sys.platform == "win32", reason="Windows removes no file that is open")


@needs_unlinking
@pytest.mark.parametrize("how", ["end", "flush", "beat"])
def test_a_log_that_was_removed_is_written_anew_and_this_is_said_once(
    writer: Writer, store: LocalStore, keys: RunKeys, how: str
) -> None:
    looks: dict[str, Callable[[], object]] = {
        "end": writer.end,
        "flush": writer.flush,
        "beat": writer.mend_if_removed,
    }
    writer.log_metric("loss", 0.5)
    shutil.rmtree(store.root)
    writer.log_metric("loss", 0.25)

    with pytest.warns(PodiumWarning, match="was removed while it was written"):
        looks[how]()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        writer.end()

    found = find_run(store, keys.run_id)
    state = read_run(store, found)
    assert writer.dropped == 0
    assert list(found.logs) == [writer.writer_id]
    assert (state.metrics["loss"].count, state.metrics["loss"].last, state.status()) == (2, 0.25, "FINISHED")


@needs_unlinking
def test_a_log_that_was_written_anew_is_held_and_goes_on(
    writer: Writer, store: LocalStore, keys: RunKeys
) -> None:
    (log,) = store.root.rglob("*.jsonl")
    log.unlink()
    with pytest.warns(PodiumWarning, match="was removed"):
        writer.flush()

    writer.log_metric("loss", 0.5)

    found = find_run(store, keys.run_id)
    assert is_held(log)
    assert status_of(store, found, read_run(store, found)) == "RUNNING"
    assert state_of(store, keys).metrics["loss"].last == 0.5


@needs_unlinking
def test_a_removed_log_that_cannot_be_written_anew_is_counted_and_said_once(
    writer: Writer, store: LocalStore, keys: RunKeys
) -> None:
    writer.log_metric("loss", 0.5)
    shutil.rmtree(store.root)
    store.root.write_bytes(b"in the way")
    with pytest.warns(PodiumWarning, match="could not keep"):
        assert writer.flush() is False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        writer.log_metric("loss", 0.25)
    assert writer.dropped == 3  # the first line, and two metrics

    store.root.unlink()
    writer.log_metric("loss", 0.125)
    writer.end()

    state = state_of(store, keys)
    assert (state.metrics["loss"].count, state.metrics["loss"].last, state.dropped) == (1, 0.125, 3)


@needs_unlinking
def test_a_log_that_was_moved_with_its_store_goes_on_there(writer: Writer, store: LocalStore) -> None:
    moved = store.root.with_name("moved")
    store.root.rename(moved)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        writer.log_metric("loss", 0.5)
        writer.end()

    (log,) = moved.rglob("*.jsonl")
    assert b'"loss"' in log.read_bytes()
    assert not store.root.exists()


def test_a_log_is_sealed_also_where_the_warning_that_its_end_was_lost_is_an_error(
    writer: Writer, disk: FullDisk
) -> None:
    disk.room = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(PodiumWarning, match="could not keep"):
            writer.end()

    assert (writer.ended, writer.dropped) == (True, 1)
    assert writer not in open_writers()
