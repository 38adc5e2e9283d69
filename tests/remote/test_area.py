"""What waits on this machine's disk: taken for what it is, sent in the right order, and nobody else's touched."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from podium.errors import PodiumWarning, StoreError, StoreUnavailable
from podium.ids import new_run_id
from podium.runs import spool
from podium.runs.events import Artifact, Start
from podium.runs.finding import find_run
from podium.runs.layout import RunKeys
from podium.runs.reader import read_run
from podium.runs.spool import Area, Spooled, area_of, leave, spool_root
from podium.runs.writer import Writer
from podium.stores import Key, MemoryStore, Source, wholefile
from podium.stores.header import ensure_header


class Bucket(MemoryStore):
    """A store with an address, of which some keys are not taken."""

    root = "bucket://team"
    refused = ""

    def put(self, key: Key, source: Source) -> None:
        if self.refused and self.refused in str(key):
            raise StoreError("it is not taken now")
        super().put(key, source)


@pytest.fixture
def store() -> Bucket:
    bucket = Bucket()
    ensure_header(bucket)
    return bucket


@pytest.fixture
def keys() -> RunKeys:
    return RunKeys.of("fraud", new_run_id(time.time_ns() // 1_000_000))


def _writer(store: Bucket, keys: RunKeys) -> tuple[Writer, Area]:
    return Writer(store, keys, Start("session", "fraud")), area_of(store)


def _logs(area: Area) -> list[Path]:
    return [path for path in (area.folder / "logs").rglob("*") if path.is_file()]


def test_the_end_of_a_run_waits_for_its_files(store: Bucket, keys: RunKeys) -> None:
    writer, area = _writer(store, keys)
    Spooled(area).put(keys.artifacts / "a.txt", b"hello")
    writer.append(Artifact("a.txt", "a.txt", 5, "0" * 64))
    store.refused = "a.txt"
    writer.log_metric("loss", 1.0)
    with pytest.warns(PodiumWarning, match="it is not taken now"):
        assert area.flush() is False
    assert read_run(store, find_run(store, keys.run_id)).metrics["loss"].last == 1.0

    writer.end()
    assert area.flush() is False
    assert read_run(store, find_run(store, keys.run_id)).open_logs()
    store.refused = ""
    assert area.flush()

    assert store.get(keys.artifacts / "a.txt") == b"hello"
    assert not read_run(store, find_run(store, keys.run_id)).open_logs()
    assert not area.waiting()


@pytest.mark.filterwarnings("ignore::podium.errors.PodiumWarning")
def test_a_file_that_is_refused_holds_back_no_other_run(store: Bucket, keys: RunKeys) -> None:
    writer, area = _writer(store, keys)
    Spooled(area).put(keys.artifacts / "a.txt", b"hello")
    store.refused = "a.txt"
    writer.end()
    other = RunKeys.of("fraud", new_run_id(time.time_ns() // 1_000_000))
    Writer(store, other, Start("session", "fraud")).end()

    assert area.flush() is False

    assert not read_run(store, find_run(store, other.run_id)).open_logs()
    assert [path.name.split(".")[0] for path in _logs(area)] == [keys.run_id]


@pytest.mark.filterwarnings("ignore::podium.errors.PodiumWarning")
def test_a_store_that_does_not_answer_is_asked_once_a_pass(keys: RunKeys) -> None:
    class Away(Bucket):
        asked = 0

        def put(self, key: Key, source: Source) -> None:
            if key.segments[0] == "experiments":
                self.asked += 1
                raise StoreUnavailable("nobody is there")
            super().put(key, source)

    store = Away()
    ensure_header(store)
    area = area_of(store)
    for number in range(10):
        Spooled(area).put(keys.artifacts / f"{number}.txt", b"hello")
        Writer(store, RunKeys.of("fraud", new_run_id(number)), Start("session", "fraud")).log_metric(
            "loss", 1.0
        )
    with area._turn:  # no pass is under way
        store.asked = 0
    assert area.ship() is False

    assert store.asked < 10
    assert area.waiting().logs == area.waiting().files == 10


def test_a_torn_last_line_is_not_sent(store: Bucket, keys: RunKeys) -> None:
    writer, area = _writer(store, keys)
    writer.log_metric("loss", 1.0)
    os.write(writer._fd, b'["metric",17,1,"lo')

    assert area.flush()
    (entry,) = store.list(keys.logs)
    assert store.get(entry.key).endswith(b'"loss",1.0]\n')


def test_a_spooled_log_is_never_found_without_the_lock_of_its_writer(store: Bucket, keys: RunKeys) -> None:
    writer, area = _writer(store, keys)

    (path,) = _logs(area)
    assert area.being_written() == 1
    assert path.read_bytes().startswith(b'{"event":"start"')
    writer.end()
    assert area.being_written() == 0


def test_a_log_of_another_host_is_sent_and_left_while_it_may_grow(store: Bucket, keys: RunKeys) -> None:
    writer, area = _writer(store, keys)
    writer.log_metric("loss", 1.0)
    (mine,) = _logs(area)
    folder = area.folder / "logs" / "another-host" / "fraud"
    folder.mkdir(parents=True)
    other = folder / f"{new_run_id(1_700_000_000_000)}.{'0' * 10}.jsonl"
    other.write_bytes(mine.read_bytes())

    assert area.flush()
    assert other.exists()
    os.utime(other, (time.time() - 2 * 86_400,) * 2)
    assert area.flush()
    assert not other.exists()


def test_leftovers_of_a_killed_process_go_after_a_day(store: Bucket, keys: RunKeys) -> None:
    _, area = _writer(store, keys)
    (folder,) = {path.parent for path in _logs(area)}
    old, new = folder / f".~{'0' * 20}.tmp", folder / f".~{'1' * 20}.tmp"
    for each in (old, new):
        each.write_bytes(b"x")
    os.utime(old, (time.time() - 2 * 86_400,) * 2)

    assert area.flush()

    assert (old.exists(), new.exists()) == (False, True)


def test_a_spool_that_belongs_to_somebody_else_is_not_used(
    store: Bucket, keys: RunKeys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    spool_root().parent.mkdir(parents=True)
    spool_root().symlink_to(tmp_path / "elsewhere")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    area = area_of(store)

    assert tmp_path in area.folder.parents
    assert tmp_path / "elsewhere" not in area.folder.parents
    assert area.folder.parent.stat().st_mode & 0o077 == 0


def test_a_strict_run_raises_what_is_not_sent(store: Bucket, keys: RunKeys) -> None:
    writer = Writer(store, keys, Start("session", "fraud"), strict=True)
    writer.log_metric("loss", 1.0)
    store.refused = "experiments"

    with pytest.warns(PodiumWarning), pytest.raises(StoreUnavailable, match="not all of run"):
        writer.flush()
    store.refused = ""
    assert writer.flush()


# --- several processes and one spool --------------------------------------------------------------------------------


def another_process(area: Area) -> Area:
    """What another process of this user has for the same store."""
    return Area(area.store, area.folder, lasting=True)


def test_a_file_is_kept_although_a_shipper_removes_its_empty_folder_just_then(
    store: Bucket, keys: RunKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, area = _writer(store, keys)
    shipper, real, removed = another_process(area), wholefile.new_temporary, list[bool]()

    def just_then(folder: str) -> str:
        if len(removed) < 3:
            shipper._remove_empty(Path(folder))
            removed.append(not os.path.exists(folder))
        return real(folder)

    monkeypatch.setattr(spool, "new_temporary", just_then)
    Spooled(area).put(keys.artifacts / "notes.txt", b"hello")

    assert removed == [True] * 3
    assert area.flush()
    assert store.get(keys.artifacts / "notes.txt") == b"hello"


def test_the_log_of_a_process_that_lives_is_sent_by_it_alone(store: Bucket, keys: RunKeys) -> None:
    writer, area = _writer(store, keys)
    writer.log_metric("loss", 1.0)
    other = another_process(area)

    assert not other.waiting()
    assert other.ship()
    assert [*store.list(keys.logs)] == []
    writer.end("FINISHED", None, None)
    assert other.ship()

    assert read_run(store, find_run(store, keys.run_id)).metrics["loss"].last == 1.0


@pytest.mark.parametrize("moment", ["before it is sent", "before it is compared"])
def test_a_log_that_another_shipper_has_finished_meanwhile_is_done(
    store: Bucket, keys: RunKeys, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    writer, area = _writer(store, keys)
    writer.log_metric("loss", 1.0)
    writer.end("FINISHED", None, None)
    slow, quick = another_process(area), another_process(area)
    real, reads = spool._read, list[tuple[int, int]]()

    def read(path: Path, part: tuple[int, int]) -> bytes:
        reads.append(part)
        if len(reads) == (1 if moment == "before it is sent" else 2):
            monkeypatch.setattr(spool, "_read", real)
            assert quick.ship()
        return real(path, part)

    monkeypatch.setattr(spool, "_read", read)

    assert slow.ship()
    assert slow.problems == ()
    assert not slow.waiting()


# --- the end of a process -------------------------------------------------------------------------------------------


def test_what_a_store_refuses_is_not_waited_for_at_the_end_and_is_told(
    store: Bucket, keys: RunKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, area = _writer(store, keys)
    store.refused = keys.run_id
    writer.log_metric("loss", 1.0)
    with pytest.warns(PodiumWarning, match="it is not taken now"):
        assert not area.flush()
    monkeypatch.setattr(spool, "_areas", {("", "", None): area})
    began = time.monotonic()

    (rest,) = leave()

    assert time.monotonic() - began < spool.EXIT_S, "asking again would have ended only then"
    assert rest.endswith(f"wait in {area.folder} and are not in bucket://team yet")


def test_what_did_not_go_in_time_is_told_at_the_end(
    store: Bucket, keys: RunKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, area = _writer(store, keys)
    writer.log_metric("loss", 1.0)
    monkeypatch.setattr(spool, "EXIT_S", 0.0)
    monkeypatch.setattr(spool, "EXIT_S_PER_MIB", 0.0)
    monkeypatch.setattr(spool, "_areas", {("", "", None): area})
    answers = threading.Event()
    monkeypatch.setattr(area, "ship", lambda: answers.wait(60))

    with pytest.warns(PodiumWarning, match=r"the store does not answer in time.* 1 log .* wait in"):
        rest = leave()
    answers.set()

    assert [each.partition(" (")[0] for each in rest] == ["1 log"]
