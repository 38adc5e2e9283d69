"""What is copied into a model is plain files, and never the model itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from podium.errors import Invalid
from podium.models.copying import copy_plain


def test_a_folder_is_copied_without_byte_code(tmp_path: Path) -> None:
    source = tmp_path / "package"
    (source / "__pycache__").mkdir(parents=True)
    (source / "sub").mkdir()
    (source / "__pycache__" / "a.pyc").write_bytes(b"")
    (source / "sub" / "a.py").write_text("a = 1")

    copy_plain(source, tmp_path / "copy")

    assert sorted(p.relative_to(tmp_path / "copy").as_posix() for p in (tmp_path / "copy").rglob("*")) == [
        "sub",
        "sub/a.py",
    ]
    assert (tmp_path / "copy" / "sub" / "a.py").read_text() == "a = 1"


def test_a_file_is_copied_to_where_no_folder_is_yet(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("a")

    copy_plain(tmp_path / "words.txt", tmp_path / "deep" / "er" / "words.txt")

    assert (tmp_path / "deep" / "er" / "words.txt").read_text() == "a"


def test_what_the_user_names_may_be_a_link_but_nothing_inside_it(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "secret").write_text("a")
    (tmp_path / "named").symlink_to(tmp_path / "folder")
    copy_plain(tmp_path / "named", tmp_path / "copy")

    (tmp_path / "folder" / "inner").symlink_to(tmp_path / "secret")

    with pytest.raises(Invalid, match="a link or a special file"):
        copy_plain(tmp_path / "named", tmp_path / "another")


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        copy_plain(tmp_path / "nowhere", tmp_path / "copy")


def test_a_folder_is_not_copied_into_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It went on until a path was too long, and filled the disk."""
    monkeypatch.chdir(tmp_path)

    for source in (Path(), tmp_path):
        with pytest.raises(Invalid, match="would hold itself"):
            copy_plain(source, Path("inside") / "it")
    assert list(tmp_path.iterdir()) == []
