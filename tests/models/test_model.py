"""A loaded model holds what it is asked against its signature, and can try its own example."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import Pipeline

from podium.errors import Corrupt, Invalid, SchemaError
from podium.models.loading import load_directory
from podium.models.model import LoadedModel, Model, self_test
from podium.models.saving import save_model

Iris = tuple[pd.DataFrame, np.ndarray[Any, Any]]


@pytest.fixture
def model(tmp_path: Path, pipeline: Pipeline, iris: Iris) -> LoadedModel[Any]:
    save_model(pipeline, tmp_path / "model", input_example=iris[0][:5])
    return load_directory(tmp_path / "model")


def test_it_is_a_model(model: LoadedModel[Any]) -> None:
    assert isinstance(model, Model)
    assert model.can_predict


def test_it_predicts_what_the_estimator_predicts(
    model: LoadedModel[Any], pipeline: Pipeline, iris: Iris
) -> None:
    np.testing.assert_array_equal(model.predict(iris[0]), pipeline.predict(iris[0]))
    shuffled = iris[0][list(reversed(iris[0].columns))]
    np.testing.assert_array_equal(model.predict(shuffled), pipeline.predict(iris[0]))


def test_what_does_not_fit_is_refused_before_the_model_sees_it(model: LoadedModel[Any], iris: Iris) -> None:
    with pytest.raises(SchemaError) as caught:
        model.predict(iris[0].drop(columns="petal width (cm)"))
    assert (caught.value.column, caught.value.found) == ("petal width (cm)", "missing")

    with pytest.raises(SchemaError) as caught:
        model.predict(iris[0].astype({"petal width (cm)": str}))
    assert (caught.value.column, caught.value.expected) == ("petal width (cm)", "double")


def test_without_a_signature_data_and_params_go_through(tmp_path: Path) -> None:
    save_model(lambda data, params: (data, params), tmp_path / "model")

    assert load_directory(tmp_path / "model").predict("x", {"k": 1}) == ("x", {"k": 1})
    assert load_directory(tmp_path / "model").predict("x") == ("x", {})


def test_its_example_comes_back_and_predicts(model: LoadedModel[Any], iris: Iris) -> None:
    example = model.example()

    assert example is not None
    pd.testing.assert_frame_equal(example[0], iris[0][:5])
    assert self_test(model) == "passed"


def test_a_model_without_example_or_predict_is_skipped(tmp_path: Path, pipeline: Pipeline) -> None:
    save_model(pipeline, tmp_path / "no example")
    save_model({"a": 1}, tmp_path / "no predict", input_example=[1])

    assert self_test(load_directory(tmp_path / "no example")) == "skipped"
    assert self_test(load_directory(tmp_path / "no predict")) == "skipped"


def test_an_example_that_fails_is_an_error(tmp_path: Path) -> None:
    def predict(data: Any) -> Any:
        if Path(data[0]).exists():
            raise ZeroDivisionError("of the user")
        return data

    save_model(predict, tmp_path / "model", input_example=[str(tmp_path / "switch")])
    assert self_test(load_directory(tmp_path / "model")) == "passed"
    (tmp_path / "switch").touch()

    with pytest.raises(ZeroDivisionError):
        self_test(load_directory(tmp_path / "model"))


def test_an_example_that_is_gone_is_corrupt(model: LoadedModel[Any], tmp_path: Path) -> None:
    (tmp_path / "model" / "input_example.json").unlink()

    with pytest.raises(Corrupt):
        self_test(model)


def test_what_cannot_predict_says_what_it_is(tmp_path: Path) -> None:
    save_model([1], tmp_path / "model")

    with pytest.raises(Invalid, match="cannot predict: flavor 'json' with a list"):
        load_directory(tmp_path / "model").predict(1)
