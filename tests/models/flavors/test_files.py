"""What podium has no flavor for is kept as the files it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from podium.errors import Invalid
from podium.models.loading import load_directory
from podium.models.saving import save_model


def test_a_folder_comes_back_as_a_folder(tmp_path: Path) -> None:
    (tmp_path / "weights" / "layers").mkdir(parents=True)
    (tmp_path / "weights" / "layers" / "1.bin").write_bytes(b"\x00\x01")

    info = save_model(tmp_path / "weights", tmp_path / "model")
    native = load_directory(tmp_path / "model", native_type=Path, trust=False).native

    assert (info.flavor, info.trust) == ("files", "data")
    assert (native / "layers" / "1.bin").read_bytes() == b"\x00\x01"


def test_a_file_keeps_its_name(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"x")

    save_model(tmp_path / "net.onnx", tmp_path / "model")

    assert [p.name for p in load_directory(tmp_path / "model", native_type=Path).native.iterdir()] == [
        "net.onnx"
    ]


def test_a_path_as_text_needs_the_flavors_name(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"x")

    assert save_model(str(tmp_path / "net.onnx"), tmp_path / "a").flavor == "json"
    assert save_model(str(tmp_path / "net.onnx"), tmp_path / "b", flavor="files").flavor == "files"
    with pytest.raises(TypeError, match="saves a path"):
        save_model(3, tmp_path / "c", flavor="files")


def test_what_is_not_there_or_holds_links_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        save_model(tmp_path / "nowhere", tmp_path / "model")
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "link").symlink_to(tmp_path)
    with pytest.raises(Invalid):
        save_model(tmp_path / "weights", tmp_path / "model")
    assert [each.name for each in tmp_path.iterdir()] == ["weights"]
