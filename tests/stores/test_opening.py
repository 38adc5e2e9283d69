from __future__ import annotations

from pathlib import Path

import pytest

from podium.errors import Invalid, StoreUnavailable
from podium.stores import LocalStore, MemoryStore, Retrying
from podium.stores.opening import open_store


def test_a_path_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    for given in (tmp_path / "store", str(tmp_path / "store"), "store", "./store", Path("store")):
        store = open_store(given)
        assert isinstance(store, LocalStore)
        assert store.root == tmp_path / "store"


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    store = open_store("~/store")

    assert isinstance(store, LocalStore)
    assert store.root == tmp_path / "store"


def test_a_url_opens_the_store_of_its_scheme(tmp_path: Path) -> None:
    in_a_file = open_store(tmp_path.as_uri())

    assert isinstance(open_store("memory:"), MemoryStore)
    assert isinstance(in_a_file, LocalStore)
    assert in_a_file.root == tmp_path


def test_a_package_brings_a_store_by_its_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "podium_shelf.py").write_text(
        "from podium.stores import MemoryStore\n\n"
        "class Shelf(MemoryStore):\n"
        "    def __init__(self, url):\n"
        "        super().__init__()\n"
        "        self.url = url\n"
    )
    metadata = tmp_path / "podium_shelf-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: podium-shelf\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[podium.stores]\nshelf = podium_shelf:Shelf\n")
    monkeypatch.syspath_prepend(tmp_path)

    store = open_store("SHELF://oak/3")

    assert isinstance(store, MemoryStore)
    assert vars(store)["url"] == "SHELF://oak/3"
    with pytest.raises(Invalid, match="shelf:"):
        open_store("nosuch://host")


def test_a_path_object_is_never_a_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = open_store(Path("memory:"))

    assert isinstance(store, LocalStore)
    assert store.root == tmp_path / "memory:"


def test_a_drive_letter_is_no_scheme() -> None:
    assert isinstance(open_store("C:\\data\\store"), LocalStore)


def test_an_unknown_scheme_names_those_there_are_and_keeps_secrets() -> None:
    with pytest.raises(Invalid, match=r"scheme 'nosuch'.*file:.*memory:.*\./") as refusal:
        open_store("nosuch://ada:secret@host/store")

    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("url", ["s3://bucket/x", "S3://bucket/x", "s3a://bucket/x"])
def test_a_bucket_is_a_store_that_asks_again(url: str) -> None:
    store = open_store(url)

    assert isinstance(store, Retrying)
    assert store.root == "s3://bucket/x"


def test_a_store_that_is_not_there_is_told_of_without_what_its_url_hides() -> None:
    with pytest.raises(StoreUnavailable, match="cannot open the store") as refusal:
        open_store("ftp://ada:secret@127.0.0.1:1/store")

    assert "secret" not in str(refusal.value)


def test_an_empty_text_names_no_store() -> None:
    with pytest.raises(Invalid, match="empty"):
        open_store("")
