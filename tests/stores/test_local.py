from __future__ import annotations

import errno
import functools
import itertools
import os
import pickle
import shutil
import stat
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from podium.errors import Invalid, KeyExists, KeyMissing, StoreError, StoreUnavailable
from podium.stores import Key, LocalStore, Store
from podium.stores.header import HEADER_KEY
from podium.stores.local import clear_leftovers, clear_leftovers_if_due, open_file
from podium.stores.places import claim
from podium.testing import StoreTests, store_machine

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="about POSIX file systems")


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


def _files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}


def _refusing(number: int) -> Callable[..., None]:
    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError(number, os.strerror(number))

    return refuse


class TestLocalStore(StoreTests):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        return LocalStore(tmp_path / "not" / "yet" / "there")

    def reopen(self, store: Store) -> Callable[[], Store] | None:
        root = store.local_path(Key.root())
        assert root is not None
        return functools.partial(LocalStore, root)

    def raw(self, store: Store, key: Key) -> bytes | None:
        root = store.local_path(Key.root())
        assert root is not None
        path = root / str(key)
        return path.read_bytes() if path.is_file() else None


def test_a_local_store_agrees_with_a_dict_whatever_is_done_to_both(tmp_path: Path) -> None:
    numbers = iter(range(1_000_000))

    run_state_machine_as_test(
        store_machine(lambda: LocalStore(tmp_path / str(next(numbers)))),
        settings=settings(max_examples=25, stateful_step_count=30),
    )


def test_a_relative_root_stays_where_it_was_when_the_process_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = LocalStore("store")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    store.put(Key.parse("a"), b"x")

    assert (tmp_path / "store" / "a").read_bytes() == b"x"


def test_a_local_store_pickles_to_its_root(store: LocalStore) -> None:
    store.put(Key.parse("f/a"), b"x")

    assert pickle.loads(pickle.dumps(store)).get(Key.parse("f/a")) == b"x"


def test_reading_and_listing_make_nothing(store: LocalStore) -> None:
    with pytest.raises(KeyMissing):
        store.get(Key.parse("f/a"))
    store.delete(Key.parse("f/a"))

    assert [*store.list(Key.root())] == []
    assert store.local_path(Key.parse("f/a")) == store.root / "f" / "a"
    assert not store.root.exists()


@posix_only
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_values_are_readable_by_whom_the_umask_lets(store: LocalStore, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        store.put(Key.parse("f/put"), b"x")
        store.create(Key.parse("f/created"), b"x")
    finally:
        os.umask(before)

    for name in ("put", "created"):
        assert stat.S_IMODE((store.root / "f" / name).stat().st_mode) == mode
    assert stat.S_IMODE((store.root / "f").stat().st_mode) == 0o777 & ~umask


def test_no_temporary_file_stays(store: LocalStore) -> None:
    store.put(Key.parse("f/a"), b"x")
    store.create(Key.parse("f/b"), b"x")
    with pytest.raises(KeyExists):
        store.create(Key.parse("f/b"), b"y")

    assert _files(store.root) == {"f/a", "f/b"}


# what lies in a folder and is not podium's


def test_leftovers_of_killed_writers_are_never_listed_and_go_after_a_day(store: LocalStore) -> None:
    store.put(Key.parse("f/a"), b"x")
    old, young = store.root / "f" / f".~{'0' * 20}.tmp", store.root / f".~{'1' * 20}.tmp"
    old.write_bytes(b"half a val")
    young.write_bytes(b"half a val")
    now_s = young.stat().st_mtime
    os.utime(old, (now_s - 90_000, now_s - 90_000))

    assert [str(each.key) for each in store.list(Key.root())] == ["f/a"]
    assert clear_leftovers(store, now_s=now_s) == 1
    assert _files(store.root) == {"f/a", young.name}


def test_nobody_cleared_what_killed_writers_left(store: LocalStore) -> None:
    claim(store)
    old = store.root / f".~{'0' * 20}.tmp"
    old.write_bytes(b"half a val")
    now_s = old.stat().st_mtime

    assert clear_leftovers_if_due(store, HEADER_KEY, now_s=now_s) is None  # the store is young
    assert _files(store.root) == {"podium.json", old.name}

    clearing = clear_leftovers_if_due(store, HEADER_KEY, now_s=now_s + 90_000)
    assert clearing is not None
    clearing.join(60)
    assert _files(store.root) == {"podium.json", ".~cleared"}
    assert [str(each.key) for each in store.list(Key.root())] == ["podium.json"]
    assert clear_leftovers_if_due(store, HEADER_KEY, now_s=now_s + 91_000) is None  # and was looked through


def test_who_claims_an_old_store_clears_it(store: LocalStore) -> None:
    claim(store)
    old = store.root / f".~{'0' * 20}.tmp"
    old.write_bytes(b"half a val")
    for each in (old, store.root / "podium.json"):
        os.utime(each, (1_000_000_000, 1_000_000_000))

    claim(store)

    for thread in threading.enumerate():
        if thread.name == "podium-leftovers":
            thread.join(60)
    assert not old.exists()


@posix_only
def test_files_that_no_key_names_are_passed_over(store: LocalStore) -> None:
    store.put(Key.parse("f/a"), b"x")
    for name in ("caf\u00e9", "a~1", "trailing.", "con", "a:b", "new\nline"):
        (store.root / "f" / name).write_bytes(b"y")
    (store.root / "caf\u00e9").mkdir()
    (store.root / "caf\u00e9" / "a").write_bytes(b"y")
    Path(os.fsdecode(os.fsencode(store.root) + b"/\xff\xfe")).write_bytes(b"y")

    assert [str(each.key) for each in store.list(Key.root())] == ["f/a"]


@posix_only
def test_folders_deeper_than_any_key_are_passed_over(store: LocalStore) -> None:
    store.put(Key.parse("f/a"), b"x")
    deep = store.root.joinpath(*["d" * 100] * 10)
    deep.mkdir(parents=True)
    (deep / "a").write_bytes(b"y")

    assert [str(each.key) for each in store.list(Key.root())] == ["f/a"]


def test_values_that_are_replaced_during_a_listing_are_listed_once(tmp_path: Path) -> None:
    # A tmpfs gives a file that is renamed over another a new place in its folder, perhaps behind the reader.
    memory = Path("/dev/shm")
    place = tempfile.mkdtemp(dir=memory if memory.is_dir() and os.access(memory, os.W_OK) else tmp_path)
    store = LocalStore(place)
    keys = [Key.parse(f"f/{number:04}{'v' * 80}") for number in range(1_000)]
    for key in keys:
        store.put(key, b"x")
    stop = threading.Event()

    def churn() -> None:
        for number in itertools.count():
            store.put(keys[number * 7 % len(keys)], b"y")
            if stop.is_set():
                return

    writers = [threading.Thread(target=churn) for _ in range(2)]
    for writer in writers:
        writer.start()
    try:
        listings = [[each.key for each in store.list(Key.parse("f"))] for _ in range(30)]
    finally:
        stop.set()
        for writer in writers:
            writer.join(60)
        shutil.rmtree(place)

    assert [sorted(listing) == keys for listing in listings] == [True] * len(listings)


# links


@posix_only
def test_the_root_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "store").symlink_to(tmp_path / "disk")
    store = LocalStore(tmp_path / "store")

    store.create(Key.parse("f/a"), b"x")

    assert store.get(Key.parse("f/a")) == b"x"
    assert [str(each.key) for each in store.list(Key.root())] == ["f/a"]
    assert (tmp_path / "disk" / "f" / "a").read_bytes() == b"x"


@pytest.fixture
def hostile(store: LocalStore, tmp_path: Path) -> LocalStore:
    """A store with a linked folder, a linked folder further down, a linked file, and a link to nowhere."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    store.put(Key.parse("real/a"), b"x")
    (store.root / "folder").symlink_to(outside)
    (store.root / "real" / "deep").symlink_to(outside)
    (store.root / "file").symlink_to(outside / "secret")
    (store.root / "nowhere").symlink_to(tmp_path / "made by a writer")
    return LocalStore(store.root)


@posix_only
@pytest.mark.parametrize("text", ["folder/secret", "real/deep/secret", "file", "nowhere", "folder/new"])
def test_links_inside_a_store_are_neither_read_nor_written_through(
    hostile: LocalStore, tmp_path: Path, text: str
) -> None:
    key = Key.parse(text)
    linked_folder = "/" in text
    assert hostile.get(Key.parse("real/a")) == b"x"

    for read in (
        hostile.get,
        hostile.local_path,
        functools.partial(hostile.download, path=tmp_path / "target"),
    ):
        with pytest.raises(StoreError, match="symbolic link") as refusal:
            read(key)
        assert not isinstance(refusal.value, KeyMissing | StoreUnavailable)
    if linked_folder:
        with pytest.raises(StoreError, match="symbolic link"):
            hostile.put(key, b"y")
        with pytest.raises(StoreError, match="symbolic link"):
            hostile.create(key, b"y")
        with pytest.raises(StoreError, match="symbolic link"):
            hostile.delete(key)
    else:
        with pytest.raises(KeyExists):
            hostile.create(key, b"y")
        hostile.put(key, b"y")
        assert hostile.get(key) == b"y"

    assert {path.name: path.read_bytes() for path in (tmp_path / "outside").iterdir()} == {
        "secret": b"secret"
    }
    assert not (tmp_path / "made by a writer").exists()


@posix_only
def test_links_inside_a_store_are_not_listed(hostile: LocalStore) -> None:
    assert [str(each.key) for each in hostile.list(Key.root())] == ["real/a"]
    with pytest.raises(StoreError, match="symbolic link"):
        [*hostile.list(Key.parse("folder"))]


@posix_only
def test_deleting_a_linked_file_removes_the_link(hostile: LocalStore, tmp_path: Path) -> None:
    hostile.delete(Key.parse("file"))

    assert not os.path.lexists(hostile.root / "file")
    assert (tmp_path / "outside" / "secret").read_bytes() == b"secret"


@posix_only
def test_a_pipe_in_a_store_is_refused_and_does_not_hang_the_reader(store: LocalStore) -> None:
    store.put(Key.parse("a"), b"x")
    os.mkfifo(store.root / "pipe")

    with pytest.raises(StoreError, match="pipe"):
        store.get(Key.parse("pipe"))
    assert [str(each.key) for each in store.list(Key.root())] == ["a"]


# create


def test_an_echo_of_the_own_create_is_success(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    link = os.link

    def link_and_answer_exists(source: str, target: str) -> None:
        link(source, target)
        raise FileExistsError(errno.EEXIST, "File exists")  # NFS asks again when the answer is lost

    monkeypatch.setattr(os, "link", link_and_answer_exists)
    store.create(Key.parse("a"), b"x")

    assert store.get(Key.parse("a")) == b"x"
    assert _files(store.root) == {"a"}


def test_a_create_that_succeeded_without_an_answer_is_success(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def link_and_time_out(source: str, target: str) -> None:
        link(source, target)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "link", link_and_time_out)
    store.create(Key.parse("a"), b"x")

    assert store.get(Key.parse("a")) == b"x"


@posix_only
@pytest.mark.parametrize("number", [errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ENOSYS])
def test_where_links_are_refused_create_says_so_and_put_works(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(os, "link", _refusing(number))

    with pytest.raises(StoreError, match=r"refuses hard links.*another file system") as refusal:
        store.create(Key.parse("f/a"), b"x")
    store.put(Key.parse("f/b"), b"y")

    assert not isinstance(refusal.value, StoreUnavailable)
    assert _files(store.root) == {"f/b"}


# what disks do


@pytest.mark.parametrize("verb", ["put", "create"])
@pytest.mark.parametrize(
    ("call", "number", "says"),
    [
        ("fsync", errno.EIO, "Input/output error"),
        ("write", errno.ENOSPC, "free some space"),
        ("open", errno.EACCES, "permission"),
        ("open", errno.EROFS, "Read-only"),
    ],
)
def test_a_disk_that_fails_is_unavailable_and_keeps_what_it_had(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, verb: str, call: str, number: int, says: str
) -> None:
    store.put(Key.parse("f/a"), b"old")
    key = Key.parse("f/a" if verb == "put" else "f/new")
    with monkeypatch.context() as broken:
        broken.setattr(os, call, _refusing(number))

        with pytest.raises(StoreUnavailable, match=says) as failure:
            (store.put if verb == "put" else store.create)(key, b"new")

    assert isinstance(failure.value.__cause__, OSError)
    assert failure.value.__cause__.errno == number
    assert _files(store.root) == {"f/a"}
    assert store.get(Key.parse("f/a")) == b"old"


def test_a_write_that_comes_back_short_is_finished(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, bytes(data[:3])))

    store.put(Key.parse("a"), b"0123456789")

    assert (store.root / "a").read_bytes() == b"0123456789"


def test_a_read_that_fails_is_no_missing_key(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put(Key.parse("a"), b"x")
    monkeypatch.setattr(os, "open", _refusing(errno.EACCES))

    with pytest.raises(StoreUnavailable, match="permission"):
        store.get(Key.parse("a"))


def test_a_download_whose_target_folder_is_missing_raises_as_it_is(store: LocalStore, tmp_path: Path) -> None:
    store.put(Key.parse("a"), b"x")

    with pytest.raises(FileNotFoundError):
        store.download(Key.parse("a"), tmp_path / "no" / "folder")


def test_a_value_where_a_folder_is_needed_is_told(store: LocalStore) -> None:
    store.put(Key.parse("a"), b"x")
    store.put(Key.parse("f/b"), b"x")

    for write in (store.put, store.create):
        with pytest.raises(StoreError, match="needs a folder") as refusal:
            write(Key.parse("a/below"), b"y")
        assert not isinstance(refusal.value, StoreUnavailable | KeyExists)
    with pytest.raises(StoreError, match="a folder where it would lie"):
        store.put(Key.parse("f"), b"y")


def test_the_root_holds_no_value(store: LocalStore) -> None:
    with pytest.raises(KeyMissing):
        store.get(Key.root())
    with pytest.raises(Invalid):
        store.put(Key.root(), b"x")


def test_a_store_that_is_removed_meanwhile_reads_as_empty_and_can_be_written_again(store: LocalStore) -> None:
    store.put(Key.parse("f/a"), b"x")
    assert store.get(Key.parse("f/a")) == b"x"
    os.unlink(store.root / "f" / "a")
    os.rmdir(store.root / "f")
    os.rmdir(store.root)

    with pytest.raises(KeyMissing):
        store.get(Key.parse("f/a"))
    store.put(Key.parse("f/a"), b"y")

    assert store.get(Key.parse("f/a")) == b"y"


def test_a_warm_get_opens_one_file_and_looks_at_no_folder(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put(Key.parse("models/m/index.json"), b"x")
    store.get(Key.parse("models/m/index.json"))
    opened: list[str] = []
    really_open = os.open

    def counted(path: str, flags: int) -> int:
        opened.append(path)
        return really_open(path, flags)

    monkeypatch.setattr(os, "open", counted)
    monkeypatch.setattr(os, "lstat", _refusing(errno.EIO))

    assert store.get(Key.parse("models/m/index.json")) == b"x"
    assert opened == [str(store.root / "models" / "m" / "index.json")]


def test_many_writers_may_make_the_same_folders_at_once(store: LocalStore) -> None:
    barrier = threading.Barrier(8)
    problems: list[OSError] = []

    def write(number: int) -> None:
        barrier.wait(60)
        try:
            store.put(Key.parse(f"a/b/c/d/e/{number}"), b"x")
        except OSError as error:
            problems.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert problems == []
    assert len([*store.list(Key.parse("a/b/c/d/e"))]) == 8


# file: URLs


def test_a_file_url_is_a_folder(tmp_path: Path) -> None:
    assert open_file((tmp_path / "a folder").as_uri()).root == tmp_path / "a folder"
    assert open_file(f"file://localhost{tmp_path.as_posix()}").root == tmp_path


@pytest.mark.parametrize("url", ["file://server/share", "file:", "file://"])
def test_a_file_url_of_another_machine_or_without_a_path_is_invalid(url: str) -> None:
    with pytest.raises(Invalid, match="this machine"):
        open_file(url)
