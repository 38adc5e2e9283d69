"""A directory is exactly its manifest: one bit, one file more or less, one link is Corrupt and named."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium.errors import Corrupt, Invalid
from podium.models.manifest import FileEntry, Manifest, check_portable, manifest_of, verify

FORMAT_MD = Path(__file__).parents[2] / "docs" / "format.md"
SHA = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "artifacts" / "a").mkdir(parents=True)
    (folder / "MLmodel").write_bytes(b"flavors: {}")
    (folder / "artifacts" / "a" / "words.txt").write_bytes(b"a b c")
    (folder / "empty").write_bytes(b"")
    return folder


def example(label: str) -> str:
    found = re.search(rf"```\w+ podium:{label}\n(.*?)\n```", FORMAT_MD.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


def test_the_example_in_the_format_page_holds() -> None:
    manifest = Manifest.from_bytes(example("manifest").encode(), key="there")

    assert manifest.to_bytes().decode() == example("manifest")
    assert manifest.digest == example("manifest-digest")
    assert manifest.paths() == ("MLmodel", "artifacts/a/words.txt")
    assert manifest.size_bytes == 4


def test_it_lists_every_file_sorted_and_no_folder(folder: Path) -> None:
    (folder / "an empty folder").mkdir()

    manifest = manifest_of(folder)

    assert manifest.paths() == ("MLmodel", "artifacts/a/words.txt", "empty")
    assert manifest.files[2] == FileEntry("empty", 0, SHA)
    verify(folder, manifest, uri="there")


@pytest.mark.parametrize("path", ["MLmodel", "artifacts/a/words.txt"])
def test_one_flipped_bit_is_named(folder: Path, path: str) -> None:
    manifest = manifest_of(folder)
    before = (folder / path).read_bytes()

    for position in range(len(before)):
        flipped = bytearray(before)
        flipped[position] ^= 1 << position % 8
        (folder / path).write_bytes(flipped)
        with pytest.raises(
            Corrupt, match=f"the file '{path}' of model there is not the file that was saved"
        ) as caught:
            verify(folder, manifest, uri="there")
        assert caught.value.key == path


def test_a_file_of_another_length_is_named(folder: Path) -> None:
    manifest = manifest_of(folder)
    (folder / "empty").write_bytes(b"x")

    with pytest.raises(Corrupt, match="has 1 bytes, not the 0") as caught:
        verify(folder, manifest, uri="there")
    assert (caught.value.key, caught.value.expected, caught.value.found) == ("empty", "0", "1")


def test_a_missing_file_is_named(folder: Path) -> None:
    manifest = manifest_of(folder)
    (folder / "empty").unlink()

    with pytest.raises(Corrupt, match="'empty' of model there is missing"):
        verify(folder, manifest, uri="there")


def test_one_file_too_many_is_named(folder: Path) -> None:
    """A module beside a pickle would be imported in the place of another."""
    manifest = manifest_of(folder)
    (folder / "artifacts" / "numpy.py").write_bytes(b"")

    with pytest.raises(Corrupt, match=r"'artifacts/numpy.py' of model there does not belong to it"):
        verify(folder, manifest, uri="there")


def test_a_missing_directory_is_a_missing_file(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(Corrupt, match="'MLmodel' of model there is missing"):
        verify(tmp_path / "nowhere", manifest_of(folder), uri="there")


@pytest.mark.parametrize("to", ["file", "folder", "nowhere"])
def test_links_are_never_followed(folder: Path, tmp_path: Path, to: str) -> None:
    manifest = manifest_of(folder)
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    (folder / "empty").unlink()
    (folder / "empty").symlink_to(tmp_path / to)

    for look in (lambda: manifest_of(folder), lambda: verify(folder, manifest, uri="there")):
        with pytest.raises(Corrupt, match="a link or a special file") as caught:
            look()
        assert caught.value.key == "empty"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe")

    with pytest.raises(Corrupt, match="'pipe'"):
        manifest_of(folder)


@pytest.mark.parametrize(
    "value",
    [
        "{}",
        "[1]",
        "[",
        "[" * 100_000,
        "\udcff",
        [{"path": "../up", "size": 0, "sha256": SHA}],
        [{"path": "/etc/passwd", "size": 0, "sha256": SHA}],
        [{"path": "a/./b", "size": 0, "sha256": SHA}],
        [{"path": "a\\b", "size": 0, "sha256": SHA}],
        [{"path": "C:x", "size": 0, "sha256": SHA}],
        [{"path": "a\0", "size": 0, "sha256": SHA}],
        [{"path": "", "size": 0, "sha256": SHA}],
        [{"path": 1, "size": 0, "sha256": SHA}],
        [{"path": "a", "size": -1, "sha256": SHA}],
        [{"path": "a", "size": True, "sha256": SHA}],
        [{"path": "a", "size": 0, "sha256": SHA.upper()}],
        [{"path": "a", "size": 0, "sha256": SHA[1:]}],
        [{"path": "a", "size": 0}],
        [{"path": "b", "size": 0, "sha256": SHA}, {"path": "a", "size": 0, "sha256": SHA}],
        [{"path": "a", "size": 0, "sha256": SHA}, {"path": "a", "size": 0, "sha256": SHA}],
        [{"path": "a", "size": 0, "sha256": SHA, "more": 1}],
    ],
    ids=lambda each: str(each)[:40],
)
def test_what_is_no_canonical_manifest_is_corrupt(value: object) -> None:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"))

    with pytest.raises(Corrupt) as caught:
        Manifest.from_bytes(text.encode("utf-8", "surrogateescape"), key="there")
    assert caught.value.key == "there"


_paths = st.lists(
    st.text("ab.ä -", min_size=1, max_size=4).filter(lambda each: each not in {".", ".."}), max_size=3
).map("/".join)


@given(st.dictionaries(_paths.filter(bool), st.integers(0, 9), max_size=5))
def test_every_manifest_survives_its_bytes(sizes: dict[str, int]) -> None:
    manifest = Manifest(tuple(sorted(FileEntry(path, size, SHA) for path, size in sizes.items())))

    assert Manifest.from_bytes(manifest.to_bytes(), key="there") == manifest


@pytest.mark.parametrize(
    "paths", [["con"], ["a\\b"], ["a/b "], ["Words", "words"], ["A/x", "a/y"], ["ﬁ", "fi"]]
)
def test_names_that_not_every_disk_can_keep_are_refused(paths: list[str]) -> None:
    with pytest.raises(Invalid):
        check_portable(Manifest(tuple(FileEntry(path, 0, SHA) for path in paths)))
