"""What lies far away is fetched once, whole or not at all, and what was fetched is what was asked for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from podium.errors import Corrupt, StoreUnavailable
from podium.models.cache import ModelCache, default_cache_folder
from podium.models.manifest import Manifest, manifest_of
from podium.stores.measured import Measure, measure


class Far:
    """A model somewhere else; counts what is fetched from it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "artifacts").mkdir(parents=True)
        (folder / "MLmodel").write_bytes(b"flavors: {}")
        (folder / "artifacts" / "words.txt").write_bytes(b"red green")
        self.manifest: Manifest = manifest_of(folder)
        self.fetched: list[str] = []

    def fetch(self, path: str, local: Path) -> Measure:
        self.fetched.append(path)
        shutil.copyfile(self.folder / path, local)
        return measure(local)


@pytest.fixture
def far(tmp_path: Path) -> Far:
    return Far(tmp_path / "far")


@pytest.fixture
def cache(tmp_path: Path) -> ModelCache:
    return ModelCache(tmp_path / "cache")


def test_it_is_fetched_once(far: Far, cache: ModelCache) -> None:
    first = cache.folder(far.manifest, far.fetch, uri="there")
    again = cache.folder(far.manifest, far.fetch, uri="there")

    assert first == again
    assert manifest_of(first) == far.manifest
    assert sorted(far.fetched) == ["MLmodel", "artifacts/words.txt"]


def test_the_place_is_named_by_the_bytes_and_private(far: Far, cache: ModelCache, tmp_path: Path) -> None:
    folder = cache.folder(far.manifest, far.fetch, uri="there")

    assert folder.name == far.manifest.sha256
    assert os.name == "nt" or (tmp_path / "cache").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("harm", ["flip", "remove", "add"])
def test_a_copy_that_is_no_longer_whole_is_fetched_again(far: Far, cache: ModelCache, harm: str) -> None:
    folder = cache.folder(far.manifest, far.fetch, uri="there")
    words = folder / "artifacts" / "words.txt"
    if harm == "flip":
        words.write_bytes(b"red greem")
    elif harm == "remove":
        words.unlink()
    else:
        (folder / "x").touch()

    cache.folder(far.manifest, far.fetch, uri="there")

    assert manifest_of(folder) == far.manifest
    assert len(far.fetched) == 4


def test_bytes_that_are_not_those_of_the_manifest_do_not_stay(
    far: Far, cache: ModelCache, tmp_path: Path
) -> None:
    (far.folder / "artifacts" / "words.txt").write_bytes(b"red GREEN")

    with pytest.raises(Corrupt) as caught:
        cache.folder(far.manifest, far.fetch, uri="there")

    assert caught.value.key == "artifacts/words.txt"
    assert [each.name for each in (tmp_path / "cache").iterdir() if each.is_dir()] == []


def test_a_store_that_dies_meanwhile_leaves_no_model_and_may_be_asked_again(
    far: Far, cache: ModelCache, tmp_path: Path
) -> None:
    def dies(path: str, local: Path) -> Measure:
        if path != "MLmodel":
            raise StoreUnavailable("gone")
        return far.fetch(path, local)

    with pytest.raises(StoreUnavailable):
        cache.folder(far.manifest, dies, uri="there")

    assert [each.suffix for each in (tmp_path / "cache").iterdir() if each.is_dir()] == [".partial"]
    assert manifest_of(cache.folder(far.manifest, far.fetch, uri="there")) == far.manifest


FETCHER = """
import os, shutil, sys, time
from pathlib import Path
from podium.models.cache import ModelCache
from podium.models.manifest import manifest_of
from podium.stores.measured import measure
far, cache, log = map(Path, sys.argv[1:4])
def fetch(path, local):
    with open(log, "ab", buffering=0) as file:
        file.write(f"{path}\\n".encode())
    if sys.argv[4] == "die":
        os._exit(9)
    shutil.copyfile(far / path, local)
    return measure(local)
sys.stdin.readline()
folder = ModelCache(cache).folder(manifest_of(far), fetch, uri="there")
assert manifest_of(folder) == manifest_of(far)
"""


@pytest.fixture
def fetcher(far: Far, tmp_path: Path) -> Callable[[str], subprocess.Popen[str]]:
    def start(fate: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", FETCHER, far.folder, tmp_path / "cache", tmp_path / "log", fate],
            stdin=subprocess.PIPE,
            text=True,
        )

    return start


def test_two_processes_fetch_it_once_between_them(
    fetcher: Callable[[str], subprocess.Popen[str]], tmp_path: Path
) -> None:
    both = [fetcher("live"), fetcher("live")]
    for each in both:
        assert each.stdin is not None
        each.stdin.close()  # both go

    assert [each.wait() for each in both] == [0, 0]
    assert sorted((tmp_path / "log").read_text().split()) == ["MLmodel", "artifacts/words.txt"]


def test_a_process_killed_while_it_fetches_stands_in_nobodys_way(
    fetcher: Callable[[str], subprocess.Popen[str]], far: Far, cache: ModelCache
) -> None:
    killed = fetcher("die")
    killed.communicate()
    assert killed.returncode == 9

    assert manifest_of(cache.folder(far.manifest, far.fetch, uri="there")) == far.manifest


def test_the_place_is_the_users_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert default_cache_folder({"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "podium" / "models"
    if sys.platform == "linux":
        monkeypatch.setenv("HOME", str(tmp_path))
        assert (
            default_cache_folder({"XDG_CACHE_HOME": "relative"}) == tmp_path / ".cache" / "podium" / "models"
        )
