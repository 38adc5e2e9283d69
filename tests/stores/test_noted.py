from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from podium.stores.noted import is_noted, note, notes_file

ID, OTHER = "7d0c2a6f5f1f4f0b8f4d5d3c1a2b9e60", "0" * 32

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="about POSIX file systems")


def test_a_store_is_noted_by_place_and_id(tmp_path: Path, environ: dict[str, str]) -> None:
    note(tmp_path / "a", ID, environ)

    assert is_noted(tmp_path / "a", ID, environ)
    assert not is_noted(tmp_path / "a", OTHER, environ)
    assert not is_noted(tmp_path / "b", ID, environ)


def test_the_notes_are_the_file_the_format_says(
    tmp_path: Path, environ: dict[str, str], specified: Callable[[str], Any]
) -> None:
    note(tmp_path / "a", ID, environ)
    written = json.loads(notes_file(environ).read_bytes())

    expected = specified("noted-stores")
    expected["stores"][0]["path"] = os.path.normcase(tmp_path / "a")
    assert written == expected


def test_a_place_is_its_real_path(tmp_path: Path, environ: dict[str, str]) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    note(tmp_path / "link", ID, environ)

    assert is_noted(tmp_path / "disk", ID, environ)


def test_noting_twice_writes_one_note(tmp_path: Path, environ: dict[str, str]) -> None:
    for root in ("a", "b", "a"):
        note(tmp_path / root, ID, environ)

    assert len(json.loads(notes_file(environ).read_bytes())["stores"]) == 2


def test_what_a_newer_podium_noted_stays(tmp_path: Path, environ: dict[str, str]) -> None:
    path = notes_file(environ)
    path.parent.mkdir(parents=True)
    theirs = {"path": os.path.normcase(tmp_path / "a"), "store_id": ID, "since": 7}
    path.write_text(json.dumps({"format": 2, "stores": [theirs, "odd"], "colour": "red"}))

    note(tmp_path / "b", ID, environ)

    assert is_noted(tmp_path / "a", ID, environ)
    document = json.loads(path.read_bytes())
    assert document["colour"] == "red"
    assert document["stores"][:2] == [theirs, "odd"]


def test_when_there_are_many_notes_those_of_stores_that_are_gone_go(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    (tmp_path / "here").mkdir()
    gone = [{"path": os.path.normcase(tmp_path / f"gone{number}"), "store_id": ID} for number in range(998)]
    path = notes_file(environ)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"format": 1, "stores": gone}))

    note(tmp_path / "here", ID, environ)
    note(tmp_path / "there", ID, environ)
    assert is_noted(tmp_path / "gone0", ID, environ)
    note(tmp_path / "everywhere", ID, environ)

    assert not is_noted(tmp_path / "gone0", ID, environ)
    assert is_noted(tmp_path / "here", ID, environ)
    assert is_noted(tmp_path / "everywhere", ID, environ)


@posix_only
def test_the_notes_are_for_the_user_alone(tmp_path: Path, environ: dict[str, str]) -> None:
    note(tmp_path / "a", ID, environ)

    assert stat.S_IMODE(notes_file(environ).stat().st_mode) == 0o600
    assert stat.S_IMODE(notes_file(environ).parent.stat().st_mode) == 0o700


@posix_only
def test_a_path_that_is_no_text_is_noted(tmp_path: Path, environ: dict[str, str]) -> None:
    root = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    note(root, ID, environ)

    assert is_noted(root, ID, environ)


@posix_only
def test_the_notes_lie_in_the_configuration_folder(tmp_path: Path, environ: dict[str, str]) -> None:
    home = Path(environ["HOME"])

    assert notes_file(environ) == home / ".config" / "podium" / "stores.json"
    assert notes_file({**environ, "XDG_CONFIG_HOME": str(tmp_path)}) == tmp_path / "podium" / "stores.json"
    assert notes_file({**environ, "XDG_CONFIG_HOME": "relative"}) == notes_file(environ)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"stores": 7}', b"\xff"])
def test_damaged_notes_grant_nothing_and_are_not_written_over(
    tmp_path: Path, environ: dict[str, str], data: bytes
) -> None:
    path = notes_file(environ)
    path.parent.mkdir(parents=True)
    path.write_bytes(data)

    assert not is_noted(tmp_path / "a", ID, environ)
    with pytest.raises(ValueError, match=r".*"):
        note(tmp_path / "a", ID, environ)
    assert path.read_bytes() == data
