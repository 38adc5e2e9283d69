"""What podium saves is a model to MLflow itself: it loads there and predicts the same, with signature and example.

Runs where MLflow is installed (the `dev` extra brings its library without the server).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from podium import load_model, save_model

mlflow = pytest.importorskip("mlflow", reason='holding models against MLflow needs pip install "podium[dev]"')

IRIS: Any = load_iris(as_frame=True)
DIABETES: Any = load_diabetes(as_frame=True)


def fitted(model: Any, data: Any) -> Any:
    return model.fit(data.data, data.target)


ESTIMATORS: dict[str, Callable[[], tuple[BaseEstimator, pd.DataFrame]]] = {
    "pipeline": lambda: (fitted(make_pipeline(StandardScaler(), LogisticRegression()), IRIS), IRIS.data),
    "forest": lambda: (fitted(RandomForestClassifier(n_estimators=5), IRIS), IRIS.data),
    "boosting": lambda: (fitted(HistGradientBoostingRegressor(max_iter=5), DIABETES), DIABETES.data),
    "columns": lambda: (
        fitted(
            make_pipeline(
                make_column_transformer((StandardScaler(), ["bmi", "bp"])),
                HistGradientBoostingRegressor(max_iter=3),
            ),
            DIABETES,
        ),
        DIABETES.data,
    ),
    "with code of its own": lambda: (
        fitted(make_pipeline(FunctionTransformer(lambda frame: frame * 2), LogisticRegression()), IRIS),
        IRIS.data,
    ),
}


@pytest.mark.parametrize("make", ESTIMATORS.values(), ids=ESTIMATORS)
@pytest.mark.filterwarnings(
    "ignore::UserWarning"
)  # MLflow warns of versions; podium's own are tested elsewhere
def test_an_estimator_loads_in_mlflow_and_predicts_the_same(
    make: Callable[[], tuple[Any, pd.DataFrame]], tmp_path: Path
) -> None:
    import mlflow.pyfunc
    import mlflow.sklearn

    estimator, frame = make()
    save_model(estimator, tmp_path / "model", input_example=frame[:3])
    expected = estimator.predict(frame)

    theirs = mlflow.pyfunc.load_model(str(tmp_path / "model"))

    assert np.array_equal(theirs.predict(frame), expected)
    assert np.array_equal(mlflow.sklearn.load_model(str(tmp_path / "model")).predict(frame), expected)
    assert np.array_equal(load_model(tmp_path / "model").predict(frame), expected)
    assert theirs.metadata.get_input_schema().input_names() == list(frame.columns)
    example = theirs.metadata.load_input_example(str(tmp_path / "model"))
    pd.testing.assert_frame_equal(example, frame[:3])


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_plain_function_loads_in_mlflow_and_predicts_the_same(tmp_path: Path) -> None:
    import mlflow.pyfunc

    def total(frame: pd.DataFrame) -> pd.Series:
        return frame.sum(axis=1)

    save_model(total, tmp_path / "model", input_example=IRIS.data[:3])

    theirs = mlflow.pyfunc.load_model(str(tmp_path / "model"))

    assert np.allclose(theirs.predict(IRIS.data), IRIS.data.sum(axis=1))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_an_array_example_is_a_tensor_to_mlflow(tmp_path: Path) -> None:
    import mlflow.pyfunc

    X, y = load_iris(return_X_y=True)
    model = LogisticRegression(max_iter=1_000).fit(X, y)
    save_model(model, tmp_path / "model", input_example=X[:3])

    theirs = mlflow.pyfunc.load_model(str(tmp_path / "model"))

    assert theirs.metadata.get_input_schema().is_tensor_spec()
    assert np.array_equal(theirs.predict(X), model.predict(X))
    assert np.array_equal(theirs.metadata.load_input_example(str(tmp_path / "model")), X[:3])
