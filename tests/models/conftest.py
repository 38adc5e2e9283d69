"""Real data, real estimators, and model directories made by podium itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from podium.models.mlmodel import MLMODEL, dump_yaml

Frame: TypeAlias = pd.DataFrame
MakeModel: TypeAlias = Callable[..., Path]


@pytest.fixture(scope="session")
def iris() -> tuple[Frame, np.ndarray[Any, Any]]:
    X, y = load_iris(return_X_y=True, as_frame=True)
    return X, y.to_numpy()


@pytest.fixture(scope="session")
def pipeline(iris: tuple[Frame, np.ndarray[Any, Any]]) -> Pipeline:
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(*iris)


@pytest.fixture
def written(tmp_path: Path) -> Callable[[Mapping[str, object], Mapping[str, bytes]], Path]:
    """A model directory as a stranger may make it: any MLmodel, any files."""

    def write(mlmodel: Mapping[str, object], files: Mapping[str, bytes]) -> Path:
        folder = tmp_path / "stranger"
        folder.mkdir()
        (folder / MLMODEL).write_bytes(dump_yaml(mlmodel))
        for path, data in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        return folder

    return write
