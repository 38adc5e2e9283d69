"""Promise 2 at every single operation of the store: old or new state, never a third, and the call can be repeated."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from podium.errors import CommitUnknown, StoreUnavailable
from podium.stores import Key, LocalStore
from podium.testing import Fail, FaultyStore, Late, LossyStore, LostAnswer
from tests.proofs.conftest import Start
from tests.proofs.registering import (
    ACTS,
    State,
    act,
    act_and_be_killed,
    first_two,
    state_of,
)

Again = Callable[[], Path]


@pytest.fixture
def again(tmp_path: Path) -> Again:
    """A new copy of the same store, at each call."""
    first_two(tmp_path / "first")
    numbers = iter(range(10_000))

    def copy() -> Path:
        target = tmp_path / f"copy{next(numbers)}"
        shutil.copytree(tmp_path / "first", target)
        return target

    return copy


def states(what: str, again: Again) -> tuple[State, State, int]:
    """Before the call, after it, and how many operations it takes."""
    folder = again()
    old = state_of(folder)
    counted = FaultyStore(LocalStore(folder / "store"), {})
    act(what, counted, folder)
    new = state_of(folder)
    assert old != new
    return old, new, counted.operations


def repeat(what: str, folder: Path, new: State) -> None:
    """The call again, on a store that is well: what is there afterwards is what was asked for."""
    before = state_of(folder)
    act(what, LocalStore(folder / "store"), folder)
    after = state_of(folder)
    if what == "set_alias":
        assert (after.contents, after.aliases) == (new.contents, new.aliases)
        assert after.commits == new.commits  # where it stood already, nothing happened
    else:
        assert after.contents == (*before.contents, 3)
        assert dict(after.aliases)["candidate"] == len(after.contents)


@pytest.mark.parametrize("what", ACTS)
@pytest.mark.parametrize("applied", [False, True], ids=["before it is done", "after it is done"])
def test_a_store_that_dies_at_any_operation_leaves_the_old_state_or_the_new(
    again: Again, what: str, applied: bool
) -> None:
    old, new, operations = states(what, again)
    found: set[str] = set()

    for dies_at in range(operations):
        folder = again()

        def dying(verb: str, key: Key, number: int, dies_at: int = dies_at) -> Fail | None:
            return Fail(applied=applied and number == dies_at) if number >= dies_at else None

        try:
            act(what, FaultyStore(LocalStore(folder / "store"), dying), folder)
        except CommitUnknown:
            allowed, said = {old, new}, "unknown"
        except StoreUnavailable:
            allowed, said = {old}, "failed"
        else:
            allowed, said = {new}, "done"

        assert state_of(folder) in allowed, f"operation {dies_at}: {said}"
        found.add(said)
        repeat(what, folder, new)

    assert found == {"failed", "unknown", "done"}  # done: only the index was left to write


@pytest.mark.parametrize("what", ACTS)
@pytest.mark.parametrize("applied", [False, True], ids=["before it is done", "after it is done"])
def test_a_process_killed_at_any_operation_leaves_the_old_state_or_the_new(
    again: Again, start: Start, what: str, applied: bool
) -> None:
    old, new, operations = states(what, again)
    found: set[State] = set()

    for operation in range(operations):
        folder = again()
        process, _ = start(act_and_be_killed, what, str(folder), operation, applied)
        process.join()
        assert process.exitcode == -signal.SIGKILL

        assert state_of(folder) in (old, new), f"killed at operation {operation}"
        found.add(state_of(folder))
        repeat(what, folder, new)

    assert found == {old, new}


@pytest.mark.parametrize("what", ACTS)
@pytest.mark.parametrize("failures", [1, 3])
@pytest.mark.parametrize("applied", [False, True], ids=["before it is done", "after it is done"])
def test_a_store_that_fails_for_a_while_only_delays(
    again: Again, what: str, failures: int, applied: bool
) -> None:
    _, new, operations = states(what, again)
    for first in range(operations):
        folder = again()
        faults = {number: Fail(applied=applied) for number in range(first, first + failures)}

        act(what, FaultyStore(LocalStore(folder / "store"), faults), folder, patience_s=10)

        assert state_of(folder) == new


@pytest.mark.parametrize("what", ACTS)
@pytest.mark.parametrize("fault", [LostAnswer(), Late(after=0), Late(after=2), Late()], ids=repr)
def test_an_answer_that_is_lost_or_a_request_that_is_late_commits_once(
    again: Again, what: str, fault: LostAnswer | Late
) -> None:
    _, new, operations = states(what, again)
    for operation in range(operations):
        folder = again()
        lossy = LossyStore(LocalStore(folder / "store"), {operation: fault})

        act(what, lossy, folder, patience_s=10)
        lossy.flush_late()

        assert state_of(folder) == new


# --- a disk that fills and empties -----------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("this machine mounts no tmpfs for us")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """A file that leaves no byte."""
    filler = folder / "filler"
    with open(filler, "wb", buffering=0) as file:
        for size in (4096, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
    return filler


@pytest.mark.parametrize("what", ACTS)
def test_a_full_disk_refuses_a_change_says_so_and_changes_nothing(
    small_disk: Path, tmp_path: Path, what: str
) -> None:
    first_two(tmp_path)
    shutil.move(tmp_path / "store", small_disk / "store")
    for number in (1, 2, 3):
        shutil.move(tmp_path / f"model{number}", small_disk)
    old = state_of(small_disk)
    filler = fill(small_disk)

    with pytest.raises(StoreUnavailable, match="free some space"):  # and never that it may stand
        act(what, LocalStore(small_disk / "store"), small_disk)

    assert state_of(small_disk) == old  # and reading works as ever
    filler.unlink()
    act(what, LocalStore(small_disk / "store"), small_disk)
    assert state_of(small_disk).commits == old.commits + 1
    assert [each for each in os.listdir(small_disk / "store/models/fraud/commits") if "tmp" in each] == []


def test_a_store_is_as_it_was_for_who_only_looked(again: Again) -> None:
    folder = again()
    before = {file: file.read_bytes() for file in (folder / "store").rglob("*") if file.is_file()}

    state_of(folder)

    assert {file: file.read_bytes() for file in (folder / "store").rglob("*") if file.is_file()} == before
