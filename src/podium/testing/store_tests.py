"""The conformance suite of stores: every sentence of `podium.stores.Store`, as a test that can fail.

Subclass it, give the fixture ``store``, and a new store has made podium's promises. No store is excused: what
cannot be promised everywhere is not promised. Tests go through the back door as well, where one is given.

    class TestMyStore(StoreTests):
        @pytest.fixture
        def store(self, tmp_path):
            return MyStore(tmp_path)

        def reopen(self, store):
            return functools.partial(MyStore, store.path)

        def raw(self, store, key):
            path = store.path / str(key)
            return path.read_bytes() if path.exists() else None
"""

# ruff: noqa: D102, S101 - tests: their names say what they say, and asserting is their work

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from podium.errors import KeyExists, KeyMissing
from podium.stores.contract import Store
from podium.stores.keys import Key
from podium.testing.racing import (
    race_in_processes,
    race_in_threads,
    racer_value,
    write_for_ever,
    written_value,
)

__all__ = ["StoreTests"]

_RACERS = 8
_RACES = 25
_PATIENCE_S = 120.0
_MIB = 1 << 20

_ODD = (
    "MLmodel",
    ".hidden",
    "-rf",
    "=+@,()",
    "lr=0.1, depth=6 (a)",
    "a.b.c..d",
    "console",
    "x~0123456789abcdef",
    "x~0123456789abcdef~fedcba9876543210",
    "e" * 120,
    "e" * 119 + "f",
    "00000000000000000017.json",
    "index.json",
)


def _key(text: str) -> Key:
    return Key.parse(text)


class StoreTests:
    """Subclass, override the fixture ``store``, and if you can `reopen` and `raw`."""

    @pytest.fixture
    def store(self) -> Store:
        """A new, empty store."""
        raise NotImplementedError("override the fixture `store`: it returns a new, empty store")

    def reopen(self, store: Store) -> Callable[[], Store] | None:
        """A callable that pickles and opens the same store in another process; None where there is no other."""
        del store
        return None

    def raw(self, store: Store, key: Key) -> bytes | None:
        """The bytes of a value read without the store, None where there are none."""
        del store, key
        pytest.skip("no back door: override `raw` to read values without the store")

    # get

    def test_is_a_store(self, store: Store) -> None:
        assert isinstance(store, Store)

    def test_get_of_nothing_says_missing(self, store: Store) -> None:
        with pytest.raises(KeyMissing):
            store.get(_key("nothing"))
        with pytest.raises(KeyMissing):
            store.get(_key("no/such/folder/here"))

    def test_get_of_a_folder_says_missing(self, store: Store) -> None:
        store.put(_key("folder/value"), b"x")

        with pytest.raises(KeyMissing):
            store.get(_key("folder"))

    def test_get_below_a_value_says_missing(self, store: Store) -> None:
        store.put(_key("value"), b"x")

        with pytest.raises(KeyMissing):
            store.get(_key("value/below"))

    def test_get_from_an_offset_gives_the_rest(self, store: Store) -> None:
        store.put(_key("a"), b"0123456789")

        assert store.get(_key("a"), 0) == b"0123456789"
        assert store.get(_key("a"), 3) == b"3456789"
        assert store.get(_key("a"), start=9) == b"9"

    def test_get_past_the_end_gives_nothing(self, store: Store) -> None:
        store.put(_key("a"), b"0123456789")

        assert store.get(_key("a"), 10) == b""
        assert store.get(_key("a"), 1_000_000) == b""

    # put

    def test_put_replaces_longer_by_shorter(self, store: Store) -> None:
        store.put(_key("a"), b"a long value")
        store.put(_key("a"), b"short")

        assert store.get(_key("a")) == b"short"

    def test_put_replaces_what_was_created(self, store: Store) -> None:
        store.create(_key("a"), b"created")
        store.put(_key("a"), b"put")

        assert store.get(_key("a")) == b"put"

    def test_put_takes_a_local_file(self, store: Store, tmp_path: Path) -> None:
        data = bytes(range(256)) * 20_000
        source = tmp_path / "source"
        source.write_bytes(data)

        store.put(_key("a/b"), source)
        source.write_bytes(b"changed after")

        assert store.get(_key("a/b")) == data

    def test_put_of_a_file_that_is_not_there_changes_nothing(self, store: Store, tmp_path: Path) -> None:
        store.put(_key("a"), b"old")

        with pytest.raises(FileNotFoundError):
            store.put(_key("a"), tmp_path / "nothing")

        assert store.get(_key("a")) == b"old"

    @pytest.mark.parametrize("verb", ["put", "create", "put a file"])
    def test_empty_values_are_values(self, store: Store, tmp_path: Path, verb: str) -> None:
        empty = tmp_path / "empty"
        empty.touch()
        write: Callable[[], None] = {
            "put": lambda: store.put(_key("f/a"), b""),
            "create": lambda: store.create(_key("f/a"), b""),
            "put a file": lambda: store.put(_key("f/a"), empty),
        }[verb]

        write()

        assert store.get(_key("f/a")) == b""
        assert [(each.key, each.size) for each in store.list(_key("f"))] == [(_key("f/a"), 0)]
        with pytest.raises(KeyExists):
            store.create(_key("f/a"), b"x")

    def test_values_of_64_mib_come_back(self, store: Store, tmp_path: Path) -> None:
        block = bytes(range(256)) * 4096
        data = b"".join(bytes([number]) + block[1:] for number in range(64))
        source, target = tmp_path / "source", tmp_path / "target"
        source.write_bytes(data)

        store.put(_key("bytes"), data)
        store.put(_key("file"), source)
        store.download(_key("file"), target)

        assert store.get(_key("bytes")) == data
        assert store.get(_key("file"), 63 * _MIB) == data[63 * _MIB :]
        assert target.read_bytes() == data
        assert {each.size for each in store.list(Key.root())} == {64 * _MIB}

    # create

    def test_create_of_a_taken_key_leaves_the_value(self, store: Store) -> None:
        store.create(_key("a/b"), b"first")

        with pytest.raises(KeyExists):
            store.create(_key("a/b"), b"second")

        assert store.get(_key("a/b")) == b"first"

    def test_create_of_a_key_that_was_put_is_refused(self, store: Store) -> None:
        store.put(_key("a"), b"put")

        with pytest.raises(KeyExists):
            store.create(_key("a"), b"created")

        assert store.get(_key("a")) == b"put"

    def test_create_after_delete_succeeds(self, store: Store) -> None:
        store.create(_key("a"), b"first")
        store.delete(_key("a"))
        store.create(_key("a"), b"second")

        assert store.get(_key("a")) == b"second"

    def test_of_racing_creators_exactly_one_wins_and_its_bytes_are_there(self, store: Store) -> None:
        keys = [_key(f"race/{number:03}.json") for number in range(_RACES)]
        opener = self.reopen(store)

        outcomes = (
            race_in_processes(opener, keys, _RACERS) if opener else race_in_threads(store, keys, _RACERS)
        )

        assert len(outcomes) == _RACES * _RACERS
        values = {racer_value(racer) for racer in range(_RACERS)}
        assert {each.seen for each in outcomes} <= values | {None}, "a racer read a value that was not whole"
        winners = [(each.key, each.racer) for each in outcomes if each.won]
        assert sorted(key for key, _ in winners) == keys
        assert all(store.get(key) == racer_value(racer) for key, racer in winners)

    # list

    def test_list_names_every_value_below_with_its_size(self, store: Store) -> None:
        values = {"a": b"1", "b/c": b"22", "b/d/e": b"333", "b/d/f": b"", "bc/d": b"4"}
        for text, value in values.items():
            store.put(_key(text), value)

        def listed(prefix: str) -> dict[str, int]:
            entries = [*store.list(_key(prefix))]
            assert len({each.key for each in entries}) == len(entries)
            return {str(each.key): each.size for each in entries}

        assert listed("") == {text: len(value) for text, value in values.items()}
        assert listed("b") == {"b/c": 2, "b/d/e": 3, "b/d/f": 0}
        assert listed("b/d") == {"b/d/e": 3, "b/d/f": 0}

    def test_list_of_a_folder_that_is_not_there_is_empty(self, store: Store) -> None:
        store.put(_key("value"), b"x")

        assert [*store.list(_key("nothing"))] == []
        assert [*store.list(_key("no/such/folder"))] == []
        assert [*store.list(_key("value"))] == []
        assert [*store.list(_key("value/below"))] == []

    def test_stamp_changes_with_the_value_and_only_with_it(self, store: Store) -> None:
        def stamps() -> dict[str, str]:
            return {str(each.key): each.stamp for each in store.list(Key.root())}

        store.put(_key("a"), b"old")
        store.put(_key("b"), b"old")
        before = stamps()
        store.put(_key("a"), b"new")
        after = stamps()

        assert after["a"] != before["a"]
        assert after["b"] == before["b"]

    def test_what_is_there_throughout_a_listing_is_listed_once(self, store: Store) -> None:
        steady = {_key(f"f/steady{number:03}/v") for number in range(40)} | {
            _key(f"f/steady{number:03}") for number in range(40, 80)
        }
        for key in steady:
            store.put(key, b"x")
        stop = threading.Event()

        def churn() -> None:
            number = 0
            while not stop.is_set():
                store.put(_key(f"f/passing{number % 20}"), b"y")
                store.delete(_key(f"f/passing{(number + 7) % 20}"))
                store.create(_key(f"f/new{number}"), b"z")
                number += 1

        writer = threading.Thread(target=churn)
        writer.start()
        try:
            listings = [[each.key for each in store.list(_key("f"))] for _ in range(20)]
        finally:
            stop.set()
            writer.join(_PATIENCE_S)

        for listing in listings:
            assert len(listing) == len(set(listing))
            assert steady <= set(listing)

    # delete

    def test_delete_of_nothing_is_success(self, store: Store) -> None:
        store.delete(_key("nothing"))
        store.delete(_key("no/such/folder"))
        store.put(_key("a"), b"x")
        store.delete(_key("a"))
        store.delete(_key("a"))

        assert [*store.list(Key.root())] == []

    def test_deleted_is_missing_and_not_listed(self, store: Store) -> None:
        store.put(_key("f/a"), b"x")
        store.put(_key("f/b"), b"y")
        store.delete(_key("f/a"))

        with pytest.raises(KeyMissing):
            store.get(_key("f/a"))
        assert [str(each.key) for each in store.list(Key.root())] == ["f/b"]

    def test_delete_of_a_folder_leaves_what_is_in_it(self, store: Store) -> None:
        store.put(_key("f/a"), b"x")
        store.delete(_key("f"))

        assert store.get(_key("f/a")) == b"x"

    # download and local path

    def test_download_writes_the_value_over_what_was_there(self, store: Store, tmp_path: Path) -> None:
        target = tmp_path / "target"
        target.write_bytes(b"something longer that was there before")
        store.put(_key("a"), b"value")

        store.download(_key("a"), target)

        assert target.read_bytes() == b"value"
        assert [each.name for each in tmp_path.iterdir() if each.is_file()] == ["target"]

    def test_download_of_nothing_leaves_the_file_as_it_was(self, store: Store, tmp_path: Path) -> None:
        target = tmp_path / "target"
        target.write_bytes(b"before")

        with pytest.raises(KeyMissing):
            store.download(_key("nothing"), target)

        assert target.read_bytes() == b"before"
        assert [each.name for each in tmp_path.iterdir() if each.is_file()] == ["target"]

    def test_local_path_if_any_is_where_the_bytes_lie(self, store: Store) -> None:
        store.put(_key("f/a"), b"value")
        path = store.local_path(_key("f/a"))

        assert path is None or path.read_bytes() == b"value"
        assert (path is None) == (store.local_path(_key("not/yet/there")) is None)

    # keys

    def test_odd_keys_stay_apart_and_come_back(self, store: Store) -> None:
        keys = {
            _key("/".join([*folders, name])) for name in _ODD for folders in ((), ("odd folder",), ("f", "g"))
        }
        for key in keys:
            store.create(key, str(key).encode())

        assert {each.key for each in store.list(Key.root())} == keys
        assert all(store.get(key) == str(key).encode() for key in keys)

    def test_the_longest_key_is_kept(self, store: Store) -> None:
        key = Key(("k" * 119,) * 7 + ("v" * 60,))
        store.create(key, b"x")

        assert store.get(key) == b"x"
        assert [each.key for each in store.list(Key.root())] == [key]

    # many at once

    def test_readers_during_puts_see_the_old_value_or_the_new(self, store: Store, tmp_path: Path) -> None:
        store.put(_key("a"), written_value(0))
        faults: list[str] = []
        done = threading.Event()
        started = threading.Barrier(4)

        def read(number: int) -> None:
            started.wait(_PATIENCE_S)
            while not done.is_set():
                if number == 0:
                    store.download(_key("a"), tmp_path / "target")
                    data = (tmp_path / "target").read_bytes()
                else:
                    data = store.get(_key("a"))
                if not _is_whole(data):
                    faults.append(f"{len(data)} bytes with {len(set(data))} different ones")
                    return

        def read_or_tell(number: int) -> None:
            try:
                read(number)
            except Exception as error:  # noqa: BLE001 - a reader that fails is what this test is about
                faults.append(repr(error))

        readers = [threading.Thread(target=read_or_tell, args=(number,)) for number in range(3)]
        for reader in readers:
            reader.start()
        try:
            started.wait(_PATIENCE_S)
            for count in range(40):
                store.put(_key("a"), written_value(count))
        finally:
            done.set()
            for reader in readers:
                reader.join(_PATIENCE_S)

        assert faults == []

    def test_a_writer_killed_at_any_moment_leaves_a_whole_value(self, store: Store) -> None:
        opener = self.reopen(store)
        if opener is None:
            pytest.skip("the store lives in this process: override `reopen` if it can be opened in another")
        key = _key("f/a")

        for changes in (1, 3, 4):
            store.put(key, b"")
            writer = multiprocessing.get_context("spawn").Process(
                target=write_for_ever, args=(opener, key), daemon=True
            )
            writer.start()
            try:
                _await_changes(store, key, changes)
            finally:
                writer.kill()
                writer.join(_PATIENCE_S)

            assert _is_whole(store.get(key))
            assert [each.key for each in store.list(Key.root())] == [key]

        store.put(key, b"after")
        if store.get(key) != b"after":  # what the killed writer had asked a server for came late, and whole
            assert _is_whole(store.get(key))
            store.put(key, b"after")
        assert store.get(key) == b"after"

    # the back door

    def test_the_back_door_shows_what_was_written_and_nothing_else(self, store: Store) -> None:
        store.put(_key("f/put"), b"put")
        store.create(_key("f/created"), b"created")
        store.put(_key("f/replaced"), b"old")
        store.put(_key("f/replaced"), b"new")
        store.put(_key("f/deleted"), b"x")
        store.delete(_key("f/deleted"))

        names = ("put", "created", "replaced", "deleted")
        assert [self.raw(store, _key("f") / name) for name in names] == [b"put", b"created", b"new", None]


def _is_whole(data: bytes) -> bool:
    """Whether these bytes are one value of `written_value`, and no mixture of two."""
    return bool(data) and any(data == written_value(count) for count in _counts_of(data[0]))


def _counts_of(first: int) -> range:
    return range(first, first + 251 * 7, 251)


def _await_changes(store: Store, key: Key, changes: int) -> None:
    """Return once the value was seen to change so often, and to be there."""
    deadline = time.monotonic() + _PATIENCE_S
    seen = b""
    while changes:
        data = store.get(key)
        if data[:1] != seen[:1]:
            assert _is_whole(data)
            seen, changes = data, changes - 1
        assert time.monotonic() < deadline, "the other process writes nothing that is seen here"
