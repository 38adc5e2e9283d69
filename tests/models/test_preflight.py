"""The child of a preflight says in one line how the flight went."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from podium.models.manifest import manifest_of
from podium.models.preflight import fly
from podium.models.saving import save_model


def flown(capsys: pytest.CaptureFixture[str], folder: Path, *, trusted: bool = True) -> list[str]:
    fly(str(folder), manifest_of(folder).to_bytes().decode(), trusted)
    said = capsys.readouterr().out
    assert said.startswith("podium preflight: ")
    assert said.count("\n") == 1
    outcome: list[str] = json.loads(said.removeprefix("podium preflight: "))
    return outcome


def test_a_model_that_predicts_its_example_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_model(lambda data: data, tmp_path / "model", input_example=["a"])

    assert flown(capsys, tmp_path / "model") == ["passed", ""]


def test_a_model_that_does_not_fails_with_its_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def predict(data: Any) -> Any:
        return Path(data[0]).read_text()

    (tmp_path / "words").write_text("red")
    save_model(predict, tmp_path / "model", input_example=[str(tmp_path / "words")])
    (tmp_path / "words").unlink()

    outcome, why = flown(capsys, tmp_path / "model")
    assert outcome == "failed"
    assert why.startswith("FileNotFoundError")


def test_code_that_is_not_trusted_is_skipped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_model(lambda data: data, tmp_path / "mine", input_example=["a"])
    os.rename(tmp_path / "mine", tmp_path / "model")

    assert flown(capsys, tmp_path / "model", trusted=False) == ["skipped", "its code is not trusted here"]


def test_a_model_without_an_example_is_skipped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_model({"a": 1}, tmp_path / "model")

    assert flown(capsys, tmp_path / "model")[0] == "skipped"


def test_other_bytes_than_those_of_the_manifest_fail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_model({"a": 1}, tmp_path / "model")
    manifest = manifest_of(tmp_path / "model").to_bytes().decode()
    (tmp_path / "model" / "value.json").write_text('{"a": 2}')

    fly(str(tmp_path / "model"), manifest, True)

    assert '["failed", "Corrupt: ' in capsys.readouterr().out
