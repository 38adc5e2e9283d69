"""The suite is worth something only if it catches stores that break a promise: each of these breaks one."""

from __future__ import annotations

import os
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from podium.errors import KeyExists, KeyMissing
from podium.stores import Entry, Key, LocalStore, MemoryStore, Source, Store
from podium.testing import FaultyStore, LossyStore, StoreTests, store_machine, store_tests

pytest_plugins = ["pytester"]


class _Wrapped:
    """A good store, to break one verb of."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def get(self, key: Key, start: int = 0) -> bytes:
        return self.store.get(key, start)

    def put(self, key: Key, source: Source) -> None:
        self.store.put(key, source)

    def create(self, key: Key, data: bytes) -> None:
        self.store.create(key, data)

    def list(self, prefix: Key) -> Iterator[Entry]:
        return self.store.list(prefix)

    def delete(self, key: Key) -> None:
        self.store.delete(key)

    def download(self, key: Key, path: Path) -> None:
        self.store.download(key, path)

    def local_path(self, key: Key) -> Path | None:
        return self.store.local_path(key)


class _LooksThenWrites(_Wrapped):
    def create(self, key: Key, data: bytes) -> None:
        try:
            self.store.get(key)
        except KeyMissing:
            time.sleep(0)  # what any system call may do: let another go first
            self.store.put(key, data)
        else:
            raise KeyExists("taken")


class _WritesInPlace(_Wrapped):
    def put(self, key: Key, source: Source) -> None:
        data = source.read_bytes() if isinstance(source, Path) else source
        path = self.store.local_path(key)
        assert path is not None
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb", buffering=0) as file:
            for start in range(0, len(data), 65536):
                file.write(data[start : start + 65536])


class _CreatesInPlace(_Wrapped):
    """Exclusive, and read by others before it is whole."""

    def create(self, key: Key, data: bytes) -> None:
        path = self.store.local_path(key)
        assert path is not None
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        except FileExistsError as error:
            raise KeyExists("taken") from error
        os.write(fd, data[:1])
        time.sleep(0.001)  # the others get their turn in between, on a machine with few processors too
        os.write(fd, data[1:])
        os.close(fd)


class _IgnoresStart(_Wrapped):
    def get(self, key: Key, start: int = 0) -> bytes:
        del start
        return self.store.get(key)


class _DeletesOnlyWhatIsThere(_Wrapped):
    def delete(self, key: Key) -> None:
        self.store.get(key)
        self.store.delete(key)


class _CreateReplaces(_Wrapped):
    def create(self, key: Key, data: bytes) -> None:
        self.store.put(key, data)


class _ListsByTextPrefix(_Wrapped):
    def list(self, prefix: Key) -> Iterator[Entry]:
        return (each for each in self.store.list(Key.root()) if str(each.key).startswith(str(prefix)))


class _MissingIsEmpty(_Wrapped):
    def get(self, key: Key, start: int = 0) -> bytes:
        try:
            return self.store.get(key, start)
        except KeyMissing:
            return b""


class _StampIsTheSize(_Wrapped):
    def list(self, prefix: Key) -> Iterator[Entry]:
        return (Entry(each.key, each.size, str(each.size)) for each in self.store.list(prefix))


class _FoldsCase(_Wrapped):
    def put(self, key: Key, source: Source) -> None:
        self.store.put(Key.parse(str(key).lower()), source)

    def create(self, key: Key, data: bytes) -> None:
        self.store.create(Key.parse(str(key).lower()), data)


class _DownloadsInPieces(_Wrapped):
    def download(self, key: Key, path: Path) -> None:
        path.write_bytes(b"")
        path.write_bytes(self.store.get(key))


class _LosesEmptyValues(_Wrapped):
    def put(self, key: Key, source: Source) -> None:
        if (source.stat().st_size if isinstance(source, Path) else len(source)) > 0:
            self.store.put(key, source)


BAD: dict[type[_Wrapped], set[str]] = {
    _LooksThenWrites: {"test_of_racing_creators_exactly_one_wins_and_its_bytes_are_there"},
    _WritesInPlace: {"test_readers_during_puts_see_the_old_value_or_the_new"},
    _CreatesInPlace: {"test_of_racing_creators_exactly_one_wins_and_its_bytes_are_there"},
    _IgnoresStart: {"test_get_from_an_offset_gives_the_rest", "test_get_past_the_end_gives_nothing"},
    _DeletesOnlyWhatIsThere: {"test_delete_of_nothing_is_success"},
    _CreateReplaces: {
        "test_create_of_a_taken_key_leaves_the_value",
        "test_create_of_a_key_that_was_put_is_refused",
        "test_of_racing_creators_exactly_one_wins_and_its_bytes_are_there",
    },
    _ListsByTextPrefix: {"test_list_names_every_value_below_with_its_size"},
    _MissingIsEmpty: {"test_get_of_nothing_says_missing", "test_deleted_is_missing_and_not_listed"},
    _StampIsTheSize: {"test_stamp_changes_with_the_value_and_only_with_it"},
    _FoldsCase: {"test_odd_keys_stay_apart_and_come_back"},
    _DownloadsInPieces: {"test_download_of_nothing_leaves_the_file_as_it_was"},
    _LosesEmptyValues: {"test_empty_values_are_values"},
}


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.__name__.strip("_"))
def test_a_store_that_breaks_a_promise_is_caught(pytester: pytest.Pytester, bad: type[_Wrapped]) -> None:
    name = bad.__name__
    pytester.makepyfile(
        test_bad=f"""
        import functools, importlib.util
        import pytest
        from podium.stores import LocalStore
        from podium.testing import StoreTests

        spec = importlib.util.spec_from_file_location("bad_stores", {__file__!r})
        bad_stores = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(bad_stores)

        class TestBad(StoreTests):
            @pytest.fixture
            def store(self, tmp_path):
                return bad_stores.{name}(LocalStore(tmp_path / "store"))
        """
    )
    result = pytester.runpytest_inprocess("-q", "-p", "no:cacheprovider", "-k", "not 64_mib")

    failed = {line.split("::")[-1].split()[0] for line in result.outlines if line.startswith("FAILED")}
    assert BAD[bad] <= {each.split("[")[0] for each in failed}
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_a_suite_without_a_store_says_what_to_override(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_none="""
        from podium.testing import StoreTests

        class TestNothing(StoreTests):
            pass
        """
    )
    result = pytester.runpytest_inprocess("-q", "-p", "no:cacheprovider", "-k", "is_a_store")

    result.stdout.fnmatch_lines(["*override the fixture `store`*"])


# wrappers without faults change nothing


class TestFaultyStoreWithoutFaults(StoreTests):
    @pytest.fixture
    def store(self) -> Store:
        return FaultyStore(MemoryStore(), {})


class TestLossyStoreWithoutLosses(StoreTests):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        return LossyStore(LocalStore(tmp_path / "store"), {})


@pytest.mark.parametrize(
    "bad", [_IgnoresStart, _DeletesOnlyWhatIsThere, _CreateReplaces, _ListsByTextPrefix, _LosesEmptyValues]
)
def test_the_state_machine_tells_a_bad_store_from_a_dict(bad: type[_Wrapped]) -> None:
    machine = store_machine(lambda: bad(MemoryStore()))

    with pytest.raises((AssertionError, KeyMissing, pytest.fail.Exception)):
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=3_000,  # it ends at the first that tells
                stateful_step_count=20,
                deadline=None,
                database=None,
                phases=[Phase.generate],
            ),
        )


def test_the_example_in_the_documentation_of_the_suite_runs(pytester: pytest.Pytester) -> None:
    example = textwrap.dedent("    class" + (store_tests.__doc__ or "").partition("\n\n    class")[2])
    imports = """
import functools
import pytest
from podium.stores import LocalStore
from podium.testing import StoreTests

class MyStore(LocalStore):
    @property
    def path(self):
        return self.root

"""
    pytester.makepyfile(test_example=imports + example)
    result = pytester.runpytest_inprocess("-q", "-p", "no:cacheprovider", "-k", "taken or back_door")

    result.assert_outcomes(passed=2, deselected=result.parseoutcomes()["deselected"])
