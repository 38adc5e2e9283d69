"""Verified, judged, then loaded: in this order, and each step can only refuse."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from podium.errors import Corrupt, EnvironmentMismatch, NotFound, PodiumWarning, UntrustedModel
from podium.models.loading import load_directory, model_info_of
from podium.models.manifest import manifest_of
from podium.models.saving import save_model

Iris = tuple[pd.DataFrame, np.ndarray[Any, Any]]


@pytest.fixture
def saved(tmp_path: Path, pipeline: Pipeline, iris: Iris) -> Path:
    (tmp_path / "words.txt").write_text("red")
    save_model(
        pipeline, tmp_path / "model", input_example=iris[0][:5], files={"words": tmp_path / "words.txt"}
    )
    return tmp_path / "model"


def edit(folder: Path, **changes: object) -> None:
    document = yaml.safe_load((folder / "MLmodel").read_bytes())
    (folder / "MLmodel").write_bytes(yaml.safe_dump(document | changes).encode())


def test_a_model_is_pinned_to_what_the_caller_says(saved: Path) -> None:
    model = load_directory(saved, uri="models:/fraud/3", name="fraud", version=3, run_id="abc")

    assert (model.uri, model.version, model.info.name, model.info.run_id) == (
        "models:/fraud/3",
        3,
        "fraud",
        "abc",
    )
    assert repr(model) == "<Model models:/fraud/3: sklearn, Pipeline>"


def test_a_flipped_bit_in_any_file_is_refused_by_name(saved: Path) -> None:
    manifest = manifest_of(saved)
    assert len(manifest.files) == 8

    for file in manifest.files:
        before = (saved / file.path).read_bytes()
        middle = len(before) // 2
        (saved / file.path).write_bytes(before[:middle] + bytes([before[middle] ^ 1]) + before[middle + 1 :])
        with pytest.raises(Corrupt, match=f"the file '{file.path}' of model models:/fraud/3") as caught:
            load_directory(saved, uri="models:/fraud/3", manifest=manifest, trusted=True)
        assert caught.value.key == file.path
        with pytest.raises(Corrupt):
            model_info_of(saved, manifest=manifest)
        (saved / file.path).write_bytes(before)

    load_directory(saved, manifest=manifest)


def test_bytes_are_compared_before_anything_is_parsed_or_run(saved: Path) -> None:
    manifest = manifest_of(saved)
    (saved / "MLmodel").write_bytes(b"[" * 2_000)

    with pytest.raises(Corrupt, match=r"SHA-256|bytes, not the"):
        load_directory(saved, manifest=manifest, trust=True)


def test_a_file_too_many_is_refused_even_with_trust(saved: Path) -> None:
    manifest = manifest_of(saved)
    (saved / "code").mkdir()
    (saved / "code" / "sitecustomize.py").write_text("raise SystemExit")

    with pytest.raises(Corrupt, match="does not belong to it"):
        load_directory(saved, manifest=manifest, trust=True)


def test_what_is_no_model_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()

    for path in ("nowhere", "empty", "file"):
        with pytest.raises(NotFound):
            load_directory(tmp_path / path)


def test_a_link_in_a_model_is_corrupt(saved: Path, tmp_path: Path) -> None:
    os.replace(saved / "model.skops", tmp_path / "model.skops")
    (saved / "model.skops").symlink_to(tmp_path / "model.skops")

    with pytest.raises(Corrupt, match="a link or a special file"):
        load_directory(saved)


def test_native_type_is_held(saved: Path) -> None:
    assert load_directory(saved, native_type=Pipeline).native.steps
    with pytest.raises(TypeError, match=r"holds a sklearn\.pipeline\.Pipeline, not the .*LogisticRegression"):
        load_directory(saved, native_type=LogisticRegression)


def test_nothing_in_a_model_widens_trust(tmp_path: Path) -> None:
    """Whatever keys a stranger adds: code is code."""
    save_model(lambda data: data, tmp_path / "mine")
    os.rename(tmp_path / "mine", tmp_path / "model")
    edit(tmp_path / "model", trust="data", trusted=True, podium_trust="all", metadata={"trust": "data"})
    document = yaml.safe_load((tmp_path / "model" / "MLmodel").read_bytes())
    document["flavors"]["podium"] |= {"trust": "data", "flavor": "function"}
    edit(tmp_path / "model", flavors=document["flavors"])

    assert model_info_of(tmp_path / "model").trust == "code"
    with pytest.raises(UntrustedModel):
        load_directory(tmp_path / "model")


def test_the_environment_refuses_code_whoever_vouches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_model(lambda data: data, tmp_path / "code")
    save_model({"a": 1}, tmp_path / "data")
    monkeypatch.setenv("PODIUM_TRUST", "data")

    with pytest.raises(UntrustedModel, match="PODIUM_TRUST=data refuses all code"):
        load_directory(tmp_path / "code", trust=True, trusted=True)
    assert load_directory(tmp_path / "data").native == {"a": 1}


def test_an_origin_that_is_trusted_may_run_code(tmp_path: Path) -> None:
    save_model(lambda data: data, tmp_path / "mine")
    os.rename(tmp_path / "mine", tmp_path / "model")

    assert load_directory(tmp_path / "model", trusted=True).predict(3) == 3
    with pytest.raises(UntrustedModel, match=r"`podium trust \./clone`"):
        load_directory(tmp_path / "model", trust_path="./clone")


def test_packages_that_differ_are_refused_only_where_that_is_asked(saved: Path) -> None:
    (saved / "requirements.txt").write_text("# a comment\nnumpy==1.0\n\nno-such-package")

    assert load_directory(saved).info.requirements == ("numpy==1.0", "no-such-package")
    with pytest.raises(EnvironmentMismatch, match=r"numpy: saved with 1\.0") as caught:
        load_directory(saved, strict_environment=True)
    assert len(caught.value.differences) == 2


def test_a_pickle_of_another_python_is_warned_about(tmp_path: Path) -> None:
    save_model(lambda data: data, tmp_path / "model")
    text = (tmp_path / "model" / "MLmodel").read_text()
    here = yaml.safe_load(text)["flavors"]["podium"]["python_version"]
    (tmp_path / "model" / "MLmodel").write_text(text.replace(here, "3.9.1"))

    with pytest.warns(PodiumWarning, match=r"pickled by Python 3\.9\.1"):
        load_directory(tmp_path / "model", trust=True)


def test_info_reads_and_loads_nothing(tmp_path: Path) -> None:
    class Loud:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "ran",))

        def predict(self, data: object) -> object:
            return data

    save_model(Loud(), tmp_path / "model")

    assert model_info_of(tmp_path / "model").trust == "code"
    assert not (tmp_path / "ran").exists()


def test_a_model_that_mlflow_wrote_without_beside_files_loads(
    saved: Path, iris: Iris, pipeline: Pipeline
) -> None:
    """The smallest directory that MLflow itself loads: MLmodel and the data file."""
    for file in list(saved.iterdir()):
        if file.name not in {"MLmodel", "model.skops"} and file.is_file():
            file.unlink()
    minimal = {
        "python_function": {"loader_module": "mlflow.sklearn", "model_path": "model.skops"},
        "sklearn": {"pickled_model": "model.skops", "serialization_format": "skops"},
    }
    (saved / "MLmodel").write_bytes(yaml.safe_dump({"flavors": minimal}).encode())

    model = load_directory(saved)

    np.testing.assert_array_equal(model.predict(iris[0]), pipeline.predict(iris[0]))
    assert (model.info.requirements, model.info.python, model.info.signature) == ((), "", None)
