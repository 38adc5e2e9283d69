"""Saving leaves a whole model at a path, or nothing; and what it cannot find out costs a warning, not the model."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import yaml
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline

from podium.errors import Conflict, Invalid, PodiumWarning, UntrustedModel
from podium.models.columns import Column
from podium.models.environment import python_version
from podium.models.loading import load_directory
from podium.models.model import self_test
from podium.models.saving import save_model, write_model
from podium.models.signature import Signature

Iris = tuple[pd.DataFrame, np.ndarray[Any, Any]]


def document(folder: Path) -> dict[str, Any]:
    loaded = yaml.safe_load((folder / "MLmodel").read_bytes())
    assert isinstance(loaded, dict)
    return loaded


def test_a_directory_is_what_mlflow_writes(tmp_path: Path, pipeline: Pipeline, iris: Iris) -> None:
    save_model(pipeline, tmp_path / "model", input_example=iris[0][:5], metadata={"team": "fraud"})

    assert sorted(each.name for each in (tmp_path / "model").iterdir()) == [
        "MLmodel",
        "conda.yaml",
        "input_example.json",
        "model.skops",
        "python_env.yaml",
        "requirements.txt",
        "serving_input_example.json",
    ]
    written = document(tmp_path / "model")
    assert list(written) == sorted(written)
    assert set(written) == {
        "flavors", "is_signature_from_type_hint", "metadata", "model_id", "model_size_bytes", "model_uuid", "prompts",
        "saved_input_example_info", "signature", "type_hint_from_example", "utc_time_created",
    }  # fmt: skip
    assert (written["model_id"], written["prompts"], written["metadata"]) == (None, None, {"team": "fraud"})
    assert all(
        isinstance(each, str) for each in (written["signature"]["inputs"], written["signature"]["outputs"])
    )
    assert json.loads(written["signature"]["outputs"]) == [
        {"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1]}}
    ]
    assert set(written["flavors"]) == {"podium", "python_function", "sklearn"}
    assert written["flavors"]["podium"] == {"format": 1, "python_version": python_version()}


def test_requirements_stand_in_three_files(tmp_path: Path, pipeline: Pipeline, iris: Iris) -> None:
    info = save_model(pipeline, tmp_path / "model", input_example=iris[0][:5])

    lines = (tmp_path / "model" / "requirements.txt").read_text().split("\n")
    names = [each.partition("==")[0] for each in lines]
    assert names == ["numpy", "pandas", "scikit-learn", "skops"]
    assert tuple(lines) == info.requirements
    assert yaml.safe_load((tmp_path / "model" / "conda.yaml").read_bytes())["dependencies"][-1] == {
        "pip": lines
    }
    assert yaml.safe_load((tmp_path / "model" / "python_env.yaml").read_bytes())["python"] == python_version()


def test_a_frame_needs_pandas_and_an_array_does_not(tmp_path: Path, pipeline: Pipeline, iris: Iris) -> None:
    info = save_model(
        LinearRegression().fit(iris[0].to_numpy(), iris[1]),
        tmp_path / "model",
        input_example=iris[0].to_numpy()[:5],
    )

    assert not any(each.startswith("pandas") for each in info.requirements)


def test_requirements_of_the_users_own_are_kept_as_they_are(tmp_path: Path) -> None:
    wanted = ["numpy>=2", "git+https://example.org/mine.git"]

    assert save_model({}, tmp_path / "model", requirements=wanted).requirements == tuple(wanted)
    with pytest.raises(TypeError, match="a sequence of texts"):
        save_model({}, tmp_path / "other", requirements="numpy")
    with pytest.raises(Invalid, match="line break"):
        save_model({}, tmp_path / "other", requirements=["numpy\nevil"])


def test_what_is_returned_is_what_is_read(tmp_path: Path, pipeline: Pipeline, iris: Iris) -> None:
    info = save_model(pipeline, tmp_path / "fraud", input_example=iris[0][:5], metadata={"a": [1]})
    model = load_directory(tmp_path / "fraud")

    assert model.info == info
    assert (info.name, info.uri, info.python, info.run_id) == (
        "fraud",
        str(tmp_path / "fraud"),
        python_version(),
        None,
    )
    assert info.size_bytes == sum(each.stat().st_size for each in (tmp_path / "fraud").iterdir())
    assert len(info.sha256) == 64


def test_this_process_trusts_what_it_saved_and_another_does_not(tmp_path: Path) -> None:
    save_model(lambda data: data, tmp_path / "model")

    assert load_directory(tmp_path / "model").predict(3) == 3
    program = "import sys\nfrom podium.models.loading import load_directory\nload_directory(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "model"], capture_output=True, text=True, check=False
    )
    assert "UntrustedModel" in done.stderr


def test_a_change_ends_the_trust_in_what_was_saved(tmp_path: Path) -> None:
    save_model(lambda data: data, tmp_path / "model")
    (tmp_path / "model" / "requirements.txt").write_text("other")

    with pytest.raises(UntrustedModel):
        load_directory(tmp_path / "model")


@pytest.mark.parametrize("there", ["folder", "file", "link"])
def test_a_path_that_is_taken_is_a_conflict(tmp_path: Path, there: str) -> None:
    target = tmp_path / "model"
    if there == "folder":
        target.mkdir()
    elif there == "file":
        target.touch()
    else:
        target.symlink_to("nowhere")

    with pytest.raises(Conflict, match="never overwritten"):
        save_model({}, target)
    assert [each.name for each in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize(
    "options",
    [
        {"files": {"words": "nowhere.txt"}},
        {"code": ["nowhere.py"]},
        {"metadata": {"a": object()}},
        {"input_example": object()},
        {"flavor": "nothing"},
    ],
)
def test_what_fails_leaves_nothing(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises((Invalid, FileNotFoundError)):
        save_model({}, tmp_path / "deep" / "model", **options)

    assert list(tmp_path.rglob("*model*")) == []


def test_a_process_killed_while_it_saves_leaves_nothing_at_the_path(tmp_path: Path) -> None:
    program = """
import os, sys
from podium.models import mlmodel, saving
saving.encode_mlmodel = lambda document: os._exit(9)      # the last step but one
saving.save_model({}, sys.argv[1])
"""
    done = subprocess.run([sys.executable, "-c", program, tmp_path / "model"], check=False)

    assert done.returncode == 9
    assert not (tmp_path / "model").exists()
    save_model({}, tmp_path / "model")


def test_a_folder_cannot_be_saved_into_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "weights.bin").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)

    with pytest.raises(Invalid, match="would hold itself"):
        save_model(Path(), "model")
    assert [each.name for each in tmp_path.iterdir()] == ["weights.bin"]


# Signature and example


def test_the_signature_is_that_of_the_example_and_its_prediction(
    tmp_path: Path, pipeline: Pipeline, iris: Iris
) -> None:
    info = save_model(pipeline, tmp_path / "model", input_example=iris[0][:5])

    assert info.signature == Signature.infer(iris[0], pipeline.predict(iris[0]))


def test_an_example_in_polars_is_kept_and_predicted(tmp_path: Path) -> None:
    """It was refused as no JSON, and the model with it."""
    example = pl.DataFrame({"a": [1.5, 2.5], "word": ["x", None]})

    info = save_model(lambda data: data["a"].to_numpy() * 2, tmp_path / "model", input_example=example)
    model = load_directory(tmp_path / "model")

    assert repr(info.signature) == "Signature(inputs: a double, word string (optional); outputs: float64[*])"
    assert model.predict(example).tolist() == [3.0, 5.0]
    assert self_test(model) == "passed"


def test_a_signature_that_is_given_is_taken(tmp_path: Path, pipeline: Pipeline, iris: Iris) -> None:
    mine = Signature((Column("float", "a"),))

    assert save_model(pipeline, tmp_path / "a", input_example=iris[0][:5], signature=mine).signature == mine
    assert save_model(pipeline, tmp_path / "b").signature is None


def test_an_example_the_model_cannot_predict_costs_the_outputs_not_the_model(tmp_path: Path) -> None:
    def fails(data: object) -> object:
        raise ZeroDivisionError("of the user")

    with pytest.warns(PodiumWarning, match="predicting input_example raised ZeroDivisionError: of the user"):
        info = save_model(fails, tmp_path / "model", input_example=["a"])

    assert info.signature == Signature((Column("string"),))


def test_an_example_without_a_signature_costs_the_signature_not_the_model(tmp_path: Path) -> None:
    with pytest.warns(PodiumWarning, match="saved without a signature"):
        info = save_model(lambda data: data, tmp_path / "model", input_example={})

    assert info.signature is None


def test_the_stored_model_is_what_predicts_the_example(tmp_path: Path, iris: Iris) -> None:
    """What was written is tried, not what is in memory: an object with load(files) sees the copies."""
    (tmp_path / "bias.txt").write_text("2")

    class Biased(LinearRegression):  # type: ignore[misc]  # scikit-learn has no types
        def load(self, files: dict[str, Path]) -> None:
            self.bias_ = float(files["bias"].read_text())

        def predict(self, X: Any) -> Any:
            return super().predict(X) + self.bias_

    model = Biased().fit(iris[0].to_numpy(), iris[1])
    info = save_model(
        model, tmp_path / "model", files={"bias": tmp_path / "bias.txt"}, input_example=iris[0].to_numpy()[:5]
    )

    assert info.signature is not None
    assert info.signature.outputs is not None
    assert load_directory(tmp_path / "model").native.bias_ == 2.0


# Files and code


def test_files_are_copied_and_named(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("red")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.bin").write_bytes(b"a")

    save_model({}, tmp_path / "model", files={"words": tmp_path / "words.txt", "more": tmp_path / "folder"})

    assert document(tmp_path / "model")["flavors"]["podium"]["files"] == {
        "words": "artifacts/words/words.txt",
        "more": "artifacts/more/folder",
    }
    assert (tmp_path / "model" / "artifacts" / "more" / "folder" / "a.bin").read_bytes() == b"a"


@pytest.mark.parametrize("name", ["a/b", "../up", "", "con", "a:b"])
def test_names_that_are_no_file_names_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "words.txt").write_text("red")

    with pytest.raises(Invalid):
        save_model({}, tmp_path / "model", files={name: tmp_path / "words.txt"})


def test_code_of_the_users_own_travels_with_the_model(tmp_path: Path) -> None:
    """In another process the module is found in the model, and MLmodel tells MLflow where."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "features_that_travel.py").write_text(
        "def twice(data):\n    return [each * 2 for each in data]\n"
    )
    save = """
import sys
sys.path.insert(0, sys.argv[1] + "/src")
import features_that_travel
from podium.models.saving import save_model
save_model(features_that_travel.twice, sys.argv[1] + "/model", code=[sys.argv[1] + "/src/features_that_travel.py"])
"""
    load = """
import sys
from podium.models.loading import load_directory
print(load_directory(sys.argv[1] + "/model", trust=True).predict([1, 2]))
"""
    subprocess.run([sys.executable, "-c", save, tmp_path], check=True)
    done = subprocess.run([sys.executable, "-c", load, tmp_path], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[2, 4]"
    assert document(tmp_path / "model")["flavors"]["python_function"]["code"] == "code"
    assert [each.name for each in (tmp_path / "model" / "code").iterdir()] == ["features_that_travel.py"]


def test_code_is_a_sequence_of_different_names(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same.py").touch()

    with pytest.raises(TypeError, match="sequence of paths"):
        save_model({}, tmp_path / "model", code=str(tmp_path / "a" / "same.py"))
    with pytest.raises(Invalid, match=r"two files or folders called 'same\.py'"):
        save_model({}, tmp_path / "model", code=[tmp_path / "a" / "same.py", tmp_path / "b" / "same.py"])


@pytest.mark.parametrize("metadata", [{"a": float("nan")}, {"a": {1, 2}}])
def test_metadata_has_to_be_json(tmp_path: Path, metadata: dict[str, object]) -> None:
    with pytest.raises(Invalid, match="metadata has to be JSON"):
        save_model({}, tmp_path / "model", metadata=metadata)


def test_the_run_that_logs_a_model_stands_in_it(tmp_path: Path) -> None:
    written = write_model({}, tmp_path / "aside", name="model", uri="runs:/abc/model", run_id="abc")

    assert (written.info.run_id, written.info.name, written.info.uri) == ("abc", "model", "runs:/abc/model")
    assert document(tmp_path / "aside")["run_id"] == "abc"
