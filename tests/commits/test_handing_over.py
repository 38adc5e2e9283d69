"""Only bytes that were promised reach a store, whatever happens to the file meanwhile."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from podium.commits import handing_over
from podium.commits.handing_over import verified_source
from podium.commits.protocol import LocalFile
from podium.errors import Corrupt

CONTENT = b"weights " * 1_000


@pytest.fixture(params=["small", "large"])
def file(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalFile:
    if request.param == "large":
        monkeypatch.setattr(handing_over, "_IN_MEMORY_BYTES", 100)
    path = tmp_path / "model.bin"
    path.write_bytes(CONTENT)
    return LocalFile(path, len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


def held(file: LocalFile) -> bytes:
    with verified_source(file) as source:
        return source if isinstance(source, bytes) else source.read_bytes()


def test_a_file_that_is_what_it_should_be_is_handed_over_whole(file: LocalFile) -> None:
    assert held(file) == CONTENT


@pytest.mark.parametrize("change", ["flipped", "grown", "cut", "gone"])
def test_a_file_that_changed_is_not_handed_over(file: LocalFile, change: str) -> None:
    match change:
        case "flipped":
            file.path.write_bytes(b"W" + CONTENT[1:])
        case "grown":
            file.path.write_bytes(CONTENT + b" ")
        case "cut":
            file.path.write_bytes(CONTENT[:-1])
        case _:
            file.path.unlink()

    with pytest.raises(Corrupt, match=r"'model\.bin'.*changed or removed") as raised:
        held(file)
    assert raised.value.expected == file.sha256


def test_what_is_written_to_the_file_after_it_was_hashed_does_not_arrive(file: LocalFile) -> None:
    with verified_source(file) as source:
        file.path.write_bytes(b"another model")
        assert (source if isinstance(source, bytes) else source.read_bytes()) == CONTENT
