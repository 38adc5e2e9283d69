"""The shell around the protocol: what a store says in the protocol's words, and how long it is waited for."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from podium.commits.driver import perform, run
from podium.commits.protocol import (
    Create,
    Draft,
    Failed,
    Get,
    History,
    LocalFile,
    ObjectFiles,
    Pause,
    Put,
    Says,
    Sizes,
    Stamp,
    Steps,
    commit,
    publish,
)
from podium.commits.vocabulary import SetTag
from podium.errors import CommitUnknown, Corrupt, KeyExists, StoreError, StoreUnavailable
from podium.stores import Key, LocalStore, MemoryStore, Store
from podium.testing import Fail, FaultyStore

KEY = Key.parse("models/fraud/a")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def test_each_operation_is_answered_in_the_words_of_the_protocol(store: MemoryStore) -> None:
    assert perform(store, Get(KEY)) is Says.ABSENT
    assert perform(store, Create(KEY, b"1")) is Says.DONE
    assert perform(store, Create(KEY, b"2")) is Says.EXISTS
    assert perform(store, Get(KEY)) == b"1"
    assert perform(store, Put(KEY, b"333")) is Says.DONE
    assert perform(store, Put(KEY.parent / "b" / "c", b"4")) is Says.DONE
    assert perform(store, Sizes(KEY.parent)) == {"a": 3, "b/c": 1}
    assert perform(store, Sizes(Key.parse("nothing/there"))) == {}


def test_no_answer_is_an_answer_and_what_can_never_be_is_raised(store: MemoryStore) -> None:
    silent = FaultyStore(store, lambda verb, key, number: Fail())
    for operation in (Get(KEY), Create(KEY, b""), Put(KEY, b""), Sizes(KEY)):
        assert isinstance(perform(silent, operation), Failed)

    unable = FaultyStore(store, lambda verb, key, number: Fail(lambda: StoreError("no hard links here")))
    with pytest.raises(StoreError, match="no hard links"):
        perform(unable, Create(KEY, b""))


def test_a_local_file_arrives_only_with_the_bytes_that_were_promised(
    store: MemoryStore, tmp_path: Path
) -> None:
    file = tmp_path / "model.bin"
    file.write_bytes(b"other bytes")

    with pytest.raises(Corrupt, match=r"model\.bin"):
        perform(store, Put(KEY, LocalFile(file, 11, "0" * 64)))

    assert perform(store, Get(KEY)) is Says.ABSENT


def waiting(times: int) -> Steps[list[object]]:
    said: list[object] = []
    while len(said) < times:
        said.append((yield Pause()))
    return said


def test_it_waits_longer_each_time_and_no_longer_than_its_patience(store: MemoryStore) -> None:
    waits: list[float] = []

    said = run(waiting(40), store, patience_s=3.0, sleep=waits.append, clock=lambda: sum(waits))

    assert said == [Says.DONE] * len(waits) + [Says.EXPIRED] * (40 - len(waits))
    assert 3.0 <= sum(waits) <= 3.5
    assert 0 < waits[0] <= 0.002
    assert max(waits) <= 0.5


def test_work_that_gets_on_is_not_waiting(store: MemoryStore) -> None:
    now = 0.0

    def slow(verb: str, key: Key, number: int) -> None:
        nonlocal now
        now += 3_600.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    def uploading() -> Steps[object]:
        yield Put(KEY, b"gigabytes")
        return (yield Pause())

    steps: Callable[[], Steps[object]] = uploading
    assert run(steps(), FaultyStore(store, slow), patience_s=1.0, sleep=sleep, clock=lambda: now) is Says.DONE


def test_a_store_that_takes_long_to_say_nothing_uses_up_the_patience(store: MemoryStore) -> None:
    now = 0.0

    def dead(verb: str, key: Key, number: int) -> Fail:
        nonlocal now
        now += 20.0
        return Fail()

    def asking() -> Steps[int]:
        asked = 0
        while True:
            yield Get(KEY)
            asked += 1
            if (yield Pause()) is Says.EXPIRED:
                return asked

    silent = FaultyStore(store, dead)
    assert run(asking(), silent, patience_s=30.0, sleep=lambda seconds: None, clock=lambda: now) == 2


def test_what_a_protocol_raises_goes_through(store: MemoryStore) -> None:
    def failing() -> Steps[None]:
        yield Get(KEY)
        raise StoreUnavailable("as it is")

    with pytest.raises(StoreUnavailable, match="as it is"):
        run(failing(), store)
    with pytest.raises(KeyExists):
        run(raising(KeyExists("seen")), store)


def raising(error: Exception) -> Steps[None]:
    yield Get(KEY)
    raise error


# What becomes of a commit where the store will not take it


def committing(store: Store, waits: list[float]) -> None:
    run(
        commit(
            History(KEY.parent, "fraud"),
            lambda state, first: Draft(SetTag("k", "v")),
            Stamp("mine", "history", 1_000, "ada", "here"),
        ),
        store,
        sleep=waits.append,
        clock=lambda: math.fsum(waits),
    )


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_commit_that_finds_a_full_disk_is_refused_at_once_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    store = LocalStore(tmp_path)
    waits: list[float] = []

    with monkeypatch.context() as full:
        full.setattr(os, "write", refusing(number))
        with pytest.raises(StoreUnavailable, match="free some space"):
            committing(store, waits)

    assert waits == []
    assert list(store.list(KEY.parent)) == []
    committing(store, waits)


def test_a_full_disk_proves_nothing_once_the_commit_may_have_landed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is given, the answer is lost, and the second attempt finds no space."""
    store = LocalStore(tmp_path)
    sync = os.fsync
    synced: list[int] = []

    def sync_of_the_folder_fails(fd: int) -> None:
        sync(fd)
        if list(tmp_path.rglob("*.json")):
            synced.append(fd)
            monkeypatch.setattr(os, "write", refusing(errno.ENOSPC))
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", sync_of_the_folder_fails)
    with pytest.raises(CommitUnknown, match=r"commit id mine.*No space left"):
        committing(store, [])

    assert len(synced) == 1


def test_a_commit_that_may_stand_says_what_the_store_said_last(store: MemoryStore) -> None:
    def silent(verb: str, key: Key, number: int) -> Fail | None:
        return Fail(lambda: StoreUnavailable(f"answer {number} of a gateway")) if verb == "create" else None

    with pytest.raises(CommitUnknown, match=r"commit id mine.*answer \d+ of a gateway") as unknown:
        committing(FaultyStore(store, silent), [])

    assert isinstance(unknown.value.__cause__, StoreUnavailable)
    assert str(unknown.value.__cause__) in str(unknown.value)


def test_files_that_find_a_full_disk_are_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(os, "write", refusing(errno.ENOSPC))

    with pytest.raises(StoreUnavailable, match="free some space"):
        run(
            publish(KEY.parent, ObjectFiles("name", {"MLmodel": b"m"}, {"MLmodel": 1}, b"manifest")),
            LocalStore(tmp_path),
            sleep=waits.append,
            clock=lambda: math.fsum(waits),
        )

    assert waits == []


def refusing(number: int) -> Callable[..., None]:
    def refuse(*args: object) -> None:
        raise OSError(number, os.strerror(number))

    return refuse
