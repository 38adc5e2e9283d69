"""What lies right below a key."""

from __future__ import annotations

from pathlib import Path

import pytest

from podium.errors import StoreUnavailable
from podium.stores import Key, LocalStore, MemoryStore, Store
from podium.stores.folders import folders_in

MODELS = Key.parse("models")


@pytest.fixture(params=["memory", "local"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return MemoryStore() if request.param == "memory" else LocalStore(tmp_path / "store")


def test_folders_are_listed_and_files_are_not(store: Store) -> None:
    store.put(MODELS / "a" / "commits" / "1.json", b"1")
    store.put(MODELS / "a" / "index.json", b"1")
    store.put(MODELS / "b" / "index.json", b"1")
    store.put(MODELS / "file", b"1")

    assert folders_in(store, MODELS) == {MODELS / "a", MODELS / "b"}


def test_where_nothing_lies_there_are_none(store: Store) -> None:
    assert folders_in(store, MODELS) == set()


def test_links_and_names_that_are_no_keys_are_passed_over(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    for name in ("a", "a:copy", "a \N{EN DASH} Kopie", "a."):
        (store.root / "models" / name).mkdir(parents=True)
    (store.root / "models/linked").symlink_to(store.root / "models/a")

    assert folders_in(store, MODELS) == {MODELS / "a"}


class Elsewhere(MemoryStore):
    """A store whose values lie where a test says."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def local_path(self, key: Key) -> Path:
        return self.path


def test_a_folder_that_cannot_be_listed_is_an_error_of_the_store(tmp_path: Path) -> None:
    circle = tmp_path / "circle"
    circle.symlink_to("circle")  # no system lists it, also not for root

    with pytest.raises(StoreUnavailable, match="cannot list"):
        folders_in(Elsewhere(circle), MODELS)


def test_a_file_in_the_place_of_the_folder_holds_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert folders_in(Elsewhere(tmp_path / "file"), MODELS) == set()
