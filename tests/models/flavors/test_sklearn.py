"""What is a model of scikit-learn comes back as data where it can, and no file is believed about itself."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import Birch, KMeans
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, ShuffleSplit
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from podium.errors import Corrupt, Invalid, UntrustedModel
from podium.models.flavors import Stored
from podium.models.flavors.sklearn import HARMLESS_TYPES, SklearnFlavor
from podium.models.loading import load_directory, model_info_of
from podium.models.mlmodel import read_mlmodel
from podium.models.saving import save_model

Iris = tuple[Any, np.ndarray[Any, Any]]
Write = Callable[..., Path]
SKLEARN = {
    "python_function": {"loader_module": "mlflow.sklearn", "model_path": "model.skops"},
    "sklearn": {"pickled_model": "model.skops", "serialization_format": "skops"},
}


@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(max_iter=1_000),
        make_pipeline(StandardScaler(), FunctionTransformer(np.abs), SVC()),
        RandomForestClassifier(5, random_state=0),
        GradientBoostingClassifier(n_estimators=3),
        HistGradientBoostingClassifier(max_iter=3),
        KNeighborsClassifier(),
        KMeans(3, n_init=1, random_state=0),
        GaussianNB(),
        MLPClassifier((4,), tol=10.0, random_state=0),
        GaussianProcessClassifier(),
        CalibratedClassifierCV(GaussianNB(), cv=2),
        GridSearchCV(LogisticRegression(max_iter=1_000), {"C": [0.1, 1.0]}, cv=2),
        GridSearchCV(GaussianNB(), {"var_smoothing": [1e-9, 1.0]}, scoring="f1_macro", cv=ShuffleSplit(2)),
        VotingClassifier([("nb", GaussianNB()), ("tree", DecisionTreeClassifier(max_depth=2))]),
    ],
    ids=lambda each: type(each).__name__,
)
def test_estimators_come_back_as_data_and_predict_the_same(
    tmp_path: Path, iris: Iris, estimator: Any
) -> None:
    X, y = iris
    estimator.fit(X.to_numpy(), y)

    info = save_model(estimator, tmp_path / "model")
    model = load_directory(tmp_path / "model", trust=False)

    assert (info.flavor, info.trust) == ("sklearn", "data")
    assert type(model.native) is type(estimator)
    np.testing.assert_array_equal(model.predict(X.to_numpy()), estimator.predict(X.to_numpy()))


def test_a_pipeline_that_selects_columns_is_data(tmp_path: Path, iris: Iris) -> None:
    X, y = iris
    scaled = make_column_transformer((StandardScaler(), make_column_selector(pattern="petal")))
    estimator = make_pipeline(scaled, GaussianNB()).fit(X, y)

    assert save_model(estimator, tmp_path / "model").trust == "data"
    np.testing.assert_array_equal(load_directory(tmp_path / "model").predict(X), estimator.predict(X))


def test_distributions_of_scipy_are_code(tmp_path: Path, iris: Iris) -> None:
    """Setting their state executes a text that is in it."""
    search = RandomizedSearchCV(
        GaussianNB(), {"var_smoothing": scipy.stats.uniform(0, 1)}, n_iter=2, cv=2
    ).fit(*iris)

    assert save_model(search, tmp_path / "model").trust == "code"


@pytest.mark.parametrize(
    "estimator",
    [Birch(n_clusters=3), make_pipeline(FunctionTransformer(lambda X: X * 2), GaussianNB())],
    ids=["unknown to skops", "a lambda"],
)
def test_what_skops_cannot_keep_is_pickled_and_is_code(tmp_path: Path, iris: Iris, estimator: Any) -> None:
    X, y = iris
    estimator.fit(X.to_numpy(), y)

    info = save_model(estimator, tmp_path / "model")

    assert info.trust == "code"
    assert sorted(p.name for p in (tmp_path / "model").glob("model.*")) == ["model.pkl"]
    with pytest.raises(UntrustedModel, match=r"model\.pkl is pickled"):
        load_directory(tmp_path / "model", trust=False)
    np.testing.assert_array_equal(
        load_directory(tmp_path / "model", trust=True).predict(X.to_numpy()), estimator.predict(X.to_numpy())
    )


class OfMyOwn(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    def fit(self, X: Any, y: Any = None) -> OfMyOwn:
        self.fitted_ = True
        return self

    def predict(self, X: Any) -> Any:
        return np.zeros(len(X))


def test_a_class_of_the_users_own_is_code(tmp_path: Path) -> None:
    assert save_model(OfMyOwn().fit([[1]]), tmp_path / "model").trust == "code"


def test_the_keys_are_those_of_mlflow(tmp_path: Path, pipeline: Pipeline) -> None:
    save_model(pipeline, tmp_path / "model")

    flavors = read_mlmodel(tmp_path / "model", uri="there").flavors
    assert flavors["sklearn"] == {
        "code": None,
        "pickled_model": "model.skops",
        "serialization_format": "skops",
        "sklearn_version": metadata.version("scikit-learn"),
        "skops_trusted_types": None,
    }
    assert {
        key: flavors["python_function"][key] for key in ("loader_module", "model_path", "predict_fn", "env")
    } == {
        "loader_module": "mlflow.sklearn",
        "model_path": "model.skops",
        "predict_fn": "predict",
        "env": {"conda": "conda.yaml", "virtualenv": "python_env.yaml"},
    }


def test_the_types_that_mlflow_has_to_trust_are_written_for_it(tmp_path: Path, iris: Iris) -> None:
    save_model(KNeighborsClassifier(algorithm="kd_tree").fit(*iris), tmp_path / "model")

    types = read_mlmodel(tmp_path / "model", uri="there").flavor("sklearn")["skops_trusted_types"]
    assert types
    assert set(types) <= HARMLESS_TYPES


def test_a_transformer_has_no_predict_and_no_python_function(tmp_path: Path, iris: Iris) -> None:
    scaler = StandardScaler().fit(iris[0])
    save_model(scaler, tmp_path / "model", input_example=iris[0][:5])

    model = load_directory(tmp_path / "model")

    assert "python_function" not in read_mlmodel(tmp_path / "model", uri="there").flavors
    np.testing.assert_array_equal(model.native.transform(iris[0]), scaler.transform(iris[0]))
    with pytest.raises(Invalid, match=r"Use model\.native"):
        model.predict(iris[0])


def test_another_predict_fn_that_mlflow_knows_is_called(
    tmp_path: Path, written: Write, pipeline: Pipeline, iris: Iris
) -> None:
    save_model(pipeline, tmp_path / "model")
    data = (tmp_path / "model" / "model.skops").read_bytes()
    keys = SKLEARN["python_function"] | {"predict_fn": "predict_proba"}

    folder = written({"flavors": SKLEARN | {"python_function": keys}}, {"model.skops": data})

    np.testing.assert_array_equal(load_directory(folder).predict(iris[0]), pipeline.predict_proba(iris[0]))


def test_no_other_method_is_called_because_a_file_says_so(
    written: Write, tmp_path: Path, pipeline: Pipeline
) -> None:
    save_model(pipeline, tmp_path / "model")
    data = (tmp_path / "model" / "model.skops").read_bytes()
    keys = SKLEARN["python_function"] | {"predict_fn": "__reduce__"}

    folder = written({"flavors": SKLEARN | {"python_function": keys}}, {"model.skops": data})

    with pytest.raises(Invalid, match="predict_fn '__reduce__'"):
        load_directory(folder)


# Files of strangers


def skops_file(path: Path, schema: object) -> bytes:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", json.dumps(schema))
    return path.read_bytes()


def calls(module: str, function: str, *arguments: str) -> dict[str, object]:
    """As skops writes an object that is made by calling something."""
    texts = [
        {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "content": json.dumps(each)}
        for each in arguments
    ]
    made = {"__class__": "tuple", "__module__": "builtins", "__loader__": "TupleNode", "content": texts}
    constructor = {
        "__class__": function,
        "__module__": module,
        "__loader__": "FunctionNode",
        "content": function,
    }
    return {
        "__class__": function,
        "__module__": module,
        "__loader__": "ReduceNode",
        "reduce": {"args": made, "constructor": constructor},
        "__reduce__": {"args": made},
        "content": {"state": None},
        "protocol": 2,
        "_skops_version": metadata.version("skops"),
    }


@pytest.mark.parametrize("loader", ["FunctionNode", "TypeNode", "ObjectNode", "ReduceNode", "PartialNode"])
@pytest.mark.parametrize("claimed", [None, ["os.system", "posix.system", "builtins.eval"]])
def test_a_skops_file_with_unknown_types_runs_nothing(
    written: Write, tmp_path: Path, loader: str, claimed: list[str] | None
) -> None:
    """Whatever its MLmodel says is trusted: loading is refused, or the file is no file of skops at all."""
    schema = calls("os", "system", f"touch {tmp_path / 'ran'}") | {"__loader__": loader}
    sklearn = SKLEARN["sklearn"] | {"skops_trusted_types": claimed}
    folder = written(
        {"flavors": SKLEARN | {"sklearn": sklearn}}, {"model.skops": skops_file(tmp_path / "x", schema)}
    )

    with pytest.raises((UntrustedModel, Corrupt)):
        load_directory(folder)
    assert not (tmp_path / "ran").exists()


def test_unknown_types_are_named_in_the_refusal(written: Write, tmp_path: Path) -> None:
    schema = calls("os", "system", "true") | {"__loader__": "TypeNode"}
    folder = written({"flavors": SKLEARN}, {"model.skops": skops_file(tmp_path / "x", schema)})

    with pytest.raises(UntrustedModel, match=r"model\.skops holds the types os\.system"):
        load_directory(folder)
    assert model_info_of(folder).trust == "code"


class Touch:
    """Unpickled, it leaves a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def test_a_pickle_that_is_called_skops_is_not_unpickled(written: Write, tmp_path: Path) -> None:
    folder = written({"flavors": SKLEARN}, {"model.skops": pickle.dumps(Touch(tmp_path / "ran"))})

    for trust in (None, True):
        with pytest.raises(Corrupt, match="no skops file") as caught:
            load_directory(folder, trust=trust)
        assert caught.value.key == "model.skops"
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("named", [None, "pickle", "cloudpickle", "SKOPS", ["skops"], "joblib"])
def test_whatever_is_not_skops_is_code(written: Write, tmp_path: Path, named: object) -> None:
    sklearn = {"pickled_model": "model.skops", "serialization_format": named}
    folder = written(
        {"flavors": SKLEARN | {"sklearn": sklearn}}, {"model.skops": pickle.dumps(Touch(tmp_path / "ran"))}
    )

    with pytest.raises(UntrustedModel):
        load_directory(folder)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("path", ["../outside.skops", "/etc/passwd", "missing", ["model.skops"], 3, ""])
def test_a_file_outside_the_model_is_never_opened(written: Write, tmp_path: Path, path: object) -> None:
    (tmp_path / "outside.skops").write_bytes(b"")
    keys = {"loader_module": "mlflow.sklearn", "model_path": path}
    folder = written({"flavors": {"python_function": keys}}, {"model.skops": b""})

    with pytest.raises(Corrupt, match="which is not in it"):
        load_directory(folder)


def test_a_file_swapped_after_it_was_judged_is_not_loaded_as_code(
    written: Write, tmp_path: Path, pipeline: Pipeline
) -> None:
    save_model(pipeline, tmp_path / "model")
    folder = written({"flavors": SKLEARN}, {"model.skops": (tmp_path / "model" / "model.skops").read_bytes()})
    judged = Stored(folder, "there", read_mlmodel(folder, uri="there"), frozenset({"MLmodel", "model.skops"}))
    assert SklearnFlavor().runs_code(judged) is None

    schema = calls("os", "system", f"touch {tmp_path / 'ran'}") | {"__loader__": "TypeNode"}
    (folder / "model.skops").write_bytes(skops_file(tmp_path / "x", schema))

    with pytest.raises(UntrustedModel):
        SklearnFlavor().load(judged)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("kind", ["no zip", "no schema", "no json", "no mapping", "unknown node", "deep"])
def test_what_is_no_skops_file_is_corrupt(written: Write, tmp_path: Path, kind: str) -> None:
    node = '{"__class__": "list", "__module__": "builtins", "__loader__": "ListNode", "protocol": 2, "content": ['
    path = tmp_path / "x"
    makers: dict[str, Callable[[], bytes]] = {
        "no zip": lambda: b"PK\x03\x04",
        "no schema": lambda: _zip(path, "other.json", "{}"),
        "no json": lambda: _zip(path, "schema.json", "{"),
        "no mapping": lambda: skops_file(path, [1]),
        "unknown node": lambda: skops_file(path, {"__loader__": "MyNode", "protocol": 2}),
        "deep": lambda: _zip(path, "schema.json", node * 900 + "]}" * 900),
    }
    data = makers[kind]()
    folder = written({"flavors": SKLEARN}, {"model.skops": data})

    with pytest.raises(Corrupt) as caught:
        load_directory(folder)
    assert caught.value.key == "model.skops"


def _zip(path: Path, name: str, text: str) -> bytes:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, text)
    return path.read_bytes()


def test_a_skops_that_overlooks_code_judges_nothing(
    tmp_path: Path, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """skops before 0.12 let a file call functions that its list of types did not show."""
    save_model(pipeline, tmp_path / "model")
    real = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "0.11.0" if name == "skops" else real(name))

    assert model_info_of(tmp_path / "model").trust == "code"
    with pytest.raises(UntrustedModel, match=r"skops that is installed, 0\.11\.0, overlooks"):
        load_directory(tmp_path / "model", trust=False)
