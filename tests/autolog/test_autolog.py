"""Autolog in its three uses, on real estimators and real data."""

from __future__ import annotations

import asyncio
import enum
import gc
import inspect
import logging
import pickle
import random
import subprocess
import sys
import threading
import warnings
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from podium import Workspace, load_model, registry, track
from podium.errors import Invalid, PodiumWarning, StoreUnavailable
from podium.stores import LocalStore
from podium.testing import Fail, FaultyStore
from podium.types import Run

X, y = load_iris(return_X_y=True)


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("PODIUM_STORE", str(tmp_path / "store"))
    yield tmp_path / "store"
    track.autolog(disable=True)


def runs() -> list[Run]:
    return list(track.search_runs(order_by="start_time"))


# --- scikit-learn ------------------------------------------------------------------------------------------------


def test_a_fit_after_the_statement_is_a_run_with_params_metrics_data_and_model() -> None:
    track.autolog()

    model = LogisticRegression(C=0.5, max_iter=500).fit(X, y)

    (run,) = runs()
    assert run.status == "FINISHED"
    assert run.params["C"] == 0.5
    assert run.params["fit_intercept"] is True
    assert run.tags["estimator_name"] == "LogisticRegression"
    assert run.tags["podium.autolog"] == "sklearn"
    assert set(run.metrics) == {
        "training_precision_score",
        "training_recall_score",
        "training_f1_score",
        "training_accuracy_score",
        "training_log_loss",
        "training_roc_auc",
        "training_score",
    }
    assert run.metrics["training_score"] == model.score(X, y)
    assert run.datasets[0].rows == 150
    assert load_model(run.model_uri()).predict(X[:3]).tolist() == model.predict(X[:3]).tolist()
    assert track.last_run() is not None
    assert track.active_run() is None


def test_a_regressor_has_the_metrics_of_regressors() -> None:
    data, target = load_diabetes(return_X_y=True)
    track.autolog()

    LinearRegression().fit(data, target)

    assert set(runs()[0].metrics) == {
        "training_mean_squared_error",
        "training_mean_absolute_error",
        "training_r2_score",
        "training_root_mean_squared_error",
        "training_score",
    }


def test_without_labels_there_are_no_training_metrics() -> None:
    track.autolog()

    KMeans(n_clusters=3, n_init=1).fit(X)

    assert runs()[0].metrics == {}
    assert runs()[0].params["n_clusters"] == 3


def test_a_pipeline_is_one_run_with_the_params_of_its_steps() -> None:
    track.autolog()

    make_pipeline(StandardScaler(), LogisticRegression(C=2.0)).fit(X, y)

    (run,) = runs()
    assert run.params["logisticregression__C"] == 2.0
    assert run.tags["estimator_name"] == "Pipeline"


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_a_search_is_one_run_whatever_it_fits_inside(n_jobs: int, backend: str) -> None:
    import joblib

    track.autolog()

    with joblib.parallel_config(backend=backend):
        GridSearchCV(LogisticRegression(max_iter=500), {"C": [0.1, 1.0, 10.0]}, cv=3, n_jobs=n_jobs).fit(X, y)

    (run,) = runs()
    assert run.params["best_C"] in (0.1, 1.0, 10.0)
    assert run.metrics["best_cv_score"] > 0.9
    lines = run.download("cv_results.csv").read_text().splitlines()
    assert len(lines) == 4
    assert "mean_test_score" in lines[0]


def test_the_best_candidates_are_child_runs_if_asked_for() -> None:
    track.autolog(sklearn={"max_tuning_runs": 2})

    GridSearchCV(LogisticRegression(max_iter=500), {"C": [0.1, 1.0, 10.0]}, cv=3).fit(X, y)

    parent = next(run for run in runs() if run.parent_run_id is None)
    children = [run for run in runs() if run.parent_run_id == parent.run_id]
    assert len(children) == 2
    assert {child.metrics["rank_test_score"] for child in children} <= {1.0, 2.0}


def test_a_fit_that_raises_is_a_failed_run_and_raises_the_same() -> None:
    track.autolog()

    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        LogisticRegression().fit(X, y[:10])

    (run,) = runs()
    assert run.status == "FAILED"
    assert "inconsistent numbers of samples" in (run.error or "")


def test_a_fit_inside_an_open_run_is_logged_there_and_leaves_it_open() -> None:
    track.autolog()

    with track.start_run("mine") as mine:
        LogisticRegression(max_iter=500).fit(X, y)
        assert mine.status == "RUNNING"

    (run,) = runs()
    assert run.run_name == "mine"
    assert "training_score" in run.metrics
    assert "podium.autolog" not in run.tags


def test_a_second_fit_in_an_open_run_is_its_child_since_its_params_are_others() -> None:
    track.autolog()

    with track.start_run("mine") as mine:
        LogisticRegression(C=1.0, max_iter=500).fit(X, y)
        LogisticRegression(C=2.0, max_iter=500).fit(X, y)

    child = next(run for run in runs() if run.parent_run_id == mine.run_id)
    assert mine.params["C"] == 1.0
    assert child.params["C"] == 2.0


def test_two_threads_that_fit_at_once_are_two_runs() -> None:
    track.autolog()
    both = threading.Barrier(2)

    def fit(strength: float) -> None:
        both.wait()
        LogisticRegression(C=strength, max_iter=500).fit(X, y)

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(fit, [1.0, 2.0]))

    assert sorted(run.params["C"] for run in runs()) == [1.0, 2.0]  # type: ignore[type-var]  # floats, both


def test_the_context_manager_is_on_inside_only_and_opens_no_run() -> None:
    LogisticRegression(max_iter=500).fit(X, y)
    with track.autolog():
        assert track.active_run() is None
        LogisticRegression(max_iter=500).fit(X, y)
    LogisticRegression(max_iter=500).fit(X, y)

    assert len(runs()) == 1


def test_disable_puts_the_original_methods_back() -> None:
    before = inspect.getattr_static(LogisticRegression, "fit")
    track.autolog()
    assert inspect.getattr_static(LogisticRegression, "fit") is not before
    assert inspect.signature(LogisticRegression.fit) == inspect.signature(before)

    track.autolog(disable=True)

    assert inspect.getattr_static(LogisticRegression, "fit") is before
    LogisticRegression(max_iter=500).fit(X, y)
    assert runs() == []


def test_a_library_can_be_left_out() -> None:
    track.autolog(sklearn=False)

    LogisticRegression(max_iter=500).fit(X, y)

    assert runs() == []


def test_an_unknown_library_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(
        Invalid,
        match=r"knows no library 'sklaern'; the libraries are lightgbm, sklearn, xgboost\. Did you mean 'sklearn'",
    ):
        track.autolog(sklaern=True)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"max_tuning": 3}, Invalid),
        ({"max_tuning_runs": -1}, Invalid),
        ({"max_tuning_runs": "all"}, Invalid),
        ("on", TypeError),
    ],
)
def test_options_that_cannot_be_raise_at_the_call(options: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"sklearn|max_tuning_runs"):
        track.autolog(sklearn=options)

    LogisticRegression(max_iter=500).fit(X, y)
    assert runs() == []


def test_another_librarys_estimators_are_tracked_as_its_own_and_can_be_left_out() -> None:
    lightgbm = pytest.importorskip("lightgbm")

    def fit() -> None:
        lightgbm.LGBMClassifier(n_estimators=3, verbose=-1, n_jobs=1).fit(X, y)

    with track.autolog(lightgbm=False):
        fit()
    assert runs() == []
    with track.autolog(sklearn=False):
        fit()

    (run,) = runs()
    assert run.tags["podium.autolog"] == "lightgbm"
    assert run.params["n_estimators"] == 3
    assert run.metrics["training_score"] > 0.5


# --- never in the way ---------------------------------------------------------------------------------------------


class Custom(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # sklearn has no types
    """An estimator of the user's own, which fits another one inside."""

    def __init__(self, strength: float = 1.0) -> None:
        self.strength = strength

    def fit(self, X: Any, y: Any) -> Custom:
        self.inner_ = LogisticRegression(C=self.strength, max_iter=500).fit(X, y)
        self.classes_ = self.inner_.classes_
        return self

    def predict(self, X: Any) -> Any:
        return self.inner_.predict(X)


def test_an_estimator_of_ones_own_is_one_run_and_its_clones_are_tracked_too() -> None:
    track.autolog()

    fitted = Custom(0.5).fit(X, y)
    clone(fitted).fit(X, y)

    assert [run.params for run in runs()] == [{"strength": 0.5}, {"strength": 0.5}]
    assert [run.tags["estimator_name"] for run in runs()] == ["Custom", "Custom"]


def test_a_class_defined_while_autolog_is_on_is_pickled_without_podium() -> None:
    import cloudpickle

    track.autolog()
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(  # a class of a script or notebook, which cloudpickle writes by value
        "from sklearn.base import BaseEstimator\n"
        "class Mine(BaseEstimator):\n"
        "    def fit(self, X, y=None):\n"
        "        self.fitted_ = True\n"
        "        return self\n"
        "    def predict(self, X):\n"
        "        return [1] * len(X)\n",
        namespace,
    )
    model = namespace["Mine"]().fit(X, y)
    assert len(runs()) == 1

    written = cloudpickle.dumps(model)

    code = (
        "import sys, pickle; model = pickle.loads(sys.stdin.buffer.read()); "
        "print(model.predict([1, 2]), type(model)().fit([1]).fitted_, 'podium' in sys.modules)"
    )
    read = subprocess.run([sys.executable, "-c", code], input=written, capture_output=True, check=True)
    assert read.stdout.decode().strip() == "[1, 1] True False"


@pytest.mark.filterwarnings("ignore")  # scikit-learn's, about the odd data it tries
@pytest.mark.parametrize("estimator", [GaussianNB(), PCA()])
def test_scikit_learns_own_checks_of_an_estimator_pass_while_it_is_tracked(estimator: Any) -> None:
    with track.autolog(log_models=False, silent=True):
        check_estimator(estimator)

    assert len(runs()) > 50


def test_metadata_routing_sees_the_methods_that_were_replaced() -> None:
    with sklearn.config_context(enable_metadata_routing=True), track.autolog(log_models=False):

        class Grouped(Custom):
            def fit(self, X: Any, y: Any, groups: Any = None) -> Grouped:
                super().fit(X, y)
                return self

        asked = Grouped().set_fit_request(groups=True)
        assert asked.get_metadata_routing().fit.requests == {"groups": True}
        asked.fit(X, y, groups=[0] * len(y))

    assert [run.tags["estimator_name"] for run in runs()] == ["Grouped"]


def test_random_numbers_of_the_training_are_those_without_autolog() -> None:
    def train() -> list[float]:
        random.seed(1)
        np.random.seed(1)
        own, modern = np.random.RandomState(2), np.random.default_rng(3)
        guessing = DummyClassifier(strategy="stratified")  # draws from numpy's global generator to predict
        guessing.fit(X, y)
        DummyClassifier(strategy="stratified", random_state=own).fit(X, y)
        make_pipeline(StandardScaler(), DummyClassifier(strategy="stratified", random_state=own)).fit(X, y)
        return [random.random(), np.random.rand(), own.rand(), float(modern.random())]

    plain = train()
    with track.autolog():
        tracked = train()

    assert tracked == plain
    assert len(runs()) == 3


def test_what_only_some_instances_can_do_only_those_can_and_a_pipeline_is_one_run() -> None:
    track.autolog()

    assert not hasattr(make_pipeline(StandardScaler(), LogisticRegression()), "fit_predict")
    labels = make_pipeline(StandardScaler(), KMeans(n_clusters=3, n_init=1)).fit_predict(X)

    (run,) = runs()
    assert run.tags["estimator_name"] == "Pipeline"
    assert len(labels) == 150


def test_a_preparing_step_alone_is_no_run() -> None:
    track.autolog()

    StandardScaler().fit_transform(X)
    ColumnTransformer([("scale", StandardScaler(), [0, 1])]).fit(X)

    assert runs() == []


def test_a_bound_fit_can_be_sent_to_another_process() -> None:
    track.autolog()

    method = pickle.loads(pickle.dumps(LogisticRegression(C=3.0, max_iter=500).fit))

    assert method(X, y).C == 3.0
    assert runs()[0].params["C"] == 3.0


def test_a_store_that_cannot_be_written_is_a_warning_and_the_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a file").write_text("not a store")
    monkeypatch.setenv("PODIUM_STORE", str(tmp_path / "a file"))
    track.autolog()

    @track.autolog
    def train(C: float) -> Any:
        return LogisticRegression(C=C, max_iter=500).fit(X, y)

    with pytest.warns(PodiumWarning, match="autolog could not start a run"):
        assert train(0.5).C == 0.5


def test_a_param_that_breaks_is_a_warning_and_the_rest_is_tracked() -> None:
    class Odd(Custom):
        def get_params(self, deep: bool = True) -> dict[str, object]:
            raise RuntimeError("no params today")

    track.autolog()

    with pytest.warns(PodiumWarning, match="no params today"):
        Odd().fit(X, y)

    (run,) = runs()
    assert run.status == "FINISHED"
    assert run.tags["estimator_name"] == "Odd"
    assert "training_score" in run.metrics


def test_ctrl_c_while_it_fits_is_a_killed_run_and_comes_through() -> None:
    class Interrupted(Custom):
        def fit(self, X: Any, y: Any) -> Custom:
            raise KeyboardInterrupt

    track.autolog()

    with pytest.raises(KeyboardInterrupt):
        Interrupted().fit(X, y)

    assert runs()[0].status == "KILLED"
    assert track.active_run() is None


def test_a_search_by_several_scores_and_without_refit_are_runs() -> None:
    track.autolog(sklearn={"max_tuning_runs": 1})
    grid = {"C": [0.1, 1.0]}

    with warnings.catch_warnings():
        warnings.simplefilter("error", PodiumWarning)
        GridSearchCV(
            LogisticRegression(max_iter=500), grid, cv=3, scoring=["accuracy", "f1_macro"], refit="f1_macro"
        ).fit(X, y)
        GridSearchCV(LogisticRegression(max_iter=500), grid, cv=3, refit=False).fit(X, y)

    parents = [run for run in runs() if run.parent_run_id is None]
    assert [run.tags["estimator_name"] for run in parents] == ["GridSearchCV", "GridSearchCV"]
    (best, _) = [run for run in runs() if run.parent_run_id is not None]
    assert best.metrics["rank_test_f1_macro"] == 1.0
    assert best.tags["estimator_name"] == "LogisticRegression"


def test_all_candidates_are_child_runs_if_asked_for() -> None:
    track.autolog(sklearn={"max_tuning_runs": None}, log_models=False)

    RandomizedSearchCV(
        LogisticRegression(max_iter=500), {"C": [0.1, 1.0, 10.0]}, n_iter=3, cv=3, random_state=0
    ).fit(X, y)

    children = [run for run in runs() if run.parent_run_id is not None]
    assert sorted(run.params["C"] for run in children) == [0.1, 1.0, 10.0]  # type: ignore[type-var]  # floats
    assert all({"mean_test_score", "std_test_score", "mean_fit_time"} <= set(run.metrics) for run in children)
    assert all(not key.startswith(("param", "split")) for run in children for key in run.metrics)


def test_what_is_not_wanted_is_not_logged_and_an_example_is_if_asked_for() -> None:
    frame = load_iris(as_frame=True).data
    with track.autolog(log_models=False, log_datasets=False):
        LogisticRegression(max_iter=500).fit(frame, y)
    with track.autolog(log_input_examples=True):
        LogisticRegression(max_iter=500).fit(frame, y)

    bare, full = runs()
    assert (len(bare.models), len(bare.datasets)) == (0, 0)
    assert full.models[0].signature is not None
    assert any("example" in each.path for each in full.artifacts("model"))
    assert full.datasets[0].schema == {str(name): "float64" for name in frame.columns}


def test_the_experiment_is_that_of_the_settings_and_of_a_parent_if_there_is_one() -> None:
    track.autolog(experiment="iris")

    LogisticRegression(max_iter=500).fit(X, y)
    with track.start_run("mine", experiment="other"):
        for strength in (1.0, 2.0):
            LogisticRegression(C=strength, max_iter=500).fit(X, y)

    assert [run.experiment for run in runs()] == ["iris", "other", "other"]


def test_a_run_in_another_workspace_keeps_children_and_versions_there(tmp_path: Path) -> None:
    track.autolog(register="iris", log_datasets=False)

    with Workspace(tmp_path / "other") as other, other.start_run("mine"):
        for strength in (1.0, 2.0):
            LogisticRegression(C=strength, max_iter=500).fit(X, y)
        assert other.registry.get_model("iris").latest == 2
        assert len(other.search_runs()) == 2

    assert runs() == []


def test_nothing_is_imported_for_autolog_and_what_comes_later_is_followed(tmp_path: Path) -> None:
    code = (
        "import sys; from podium import track; track.autolog(); print('sklearn' in sys.modules);"
        "from sklearn.linear_model import LogisticRegression;"
        "LogisticRegression().fit([[0.0], [1.0]], [0, 1]);"
        "print(track.last_run().metrics['training_score'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["False", "1.0"]


# --- the decorator -------------------------------------------------------------------------------------------------


@dataclass
class Options:
    lr: float
    depth: int = 3


def test_each_call_of_a_decorated_function_is_a_run_of_its_arguments_and_results() -> None:
    @track.autolog
    def train(data: Any, lr: float, options: Options, path: Path, *, seed: int = 7) -> dict[str, object]:
        """Train."""
        return {"f1": 0.9, "note": "good", "loss": np.float64(0.1)}

    assert runs() == []
    result = train(X, 0.5, Options(0.1), Path("a/b"))

    assert result["note"] == "good"
    assert train.__doc__ == "Train."
    (run,) = runs()
    assert run.run_name == "train"
    assert run.params == {"lr": 0.5, "options.lr": 0.1, "options.depth": 3, "path": "a/b", "seed": 7}
    assert run.metrics == {"f1": 0.9, "loss": 0.1}
    assert run.datasets[0].name == "data"


def test_a_model_that_is_returned_is_kept_and_a_fit_inside_is_part_of_the_call() -> None:
    @track.autolog(returns=("model", "f1", "_"))
    def train(C: float) -> tuple[Any, float, float]:
        return LogisticRegression(C=C, max_iter=500).fit(X, y), 0.97, 123.0

    train(0.25)

    (run,) = runs()
    assert run.params["C"] == 0.25
    assert run.metrics["f1"] == 0.97
    assert 123.0 not in run.metrics.values()
    assert [info.name for info in run.models] == ["model"]


def test_a_bare_number_is_the_value_and_a_failure_is_a_failed_run() -> None:
    @track.autolog
    def score(x: float) -> float:
        return 1 / x

    assert score(4) == 0.25
    with pytest.raises(ZeroDivisionError):
        score(0)

    assert {run.status: run.metrics for run in runs()} == {"FINISHED": {"value": 0.25}, "FAILED": {}}


def test_a_call_inside_a_run_is_its_child() -> None:
    @track.autolog
    def inner(x: int) -> int:
        return x

    with track.start_run("outer") as outer:
        inner(1)
        assert track.active_run() is outer

    child = next(run for run in runs() if run.run_name == "inner")
    assert child.parent_run_id == outer.run_id


def test_what_a_generator_yields_are_metrics_and_break_ends_its_run_finished() -> None:
    @track.autolog
    def train(epochs: int) -> Iterator[dict[str, float]]:
        for epoch in range(epochs):
            assert track.active_run() is not None
            yield {"loss": 1 / (epoch + 1)}

    for step in train(100):
        assert track.active_run() is None
        if step["loss"] < 0.3:
            break

    (run,) = runs()
    assert run.status == "FINISHED"
    assert list(run.history("loss").steps) == [0, 1, 2, 3]


def test_coroutines_and_async_generators_are_runs_too_and_do_not_mix() -> None:
    @track.autolog
    async def train(lr: float) -> dict[str, float]:
        await asyncio.sleep(0)
        track.log_metric("seen", lr)
        await asyncio.sleep(0)
        return {"f1": lr}

    @track.autolog
    async def epochs(count: int) -> AsyncIterator[dict[str, float]]:
        for each in range(count):
            yield {"loss": float(each)}

    async def main() -> None:
        await asyncio.gather(*(train(each / 10) for each in range(5)))
        async for _ in epochs(3):
            assert track.active_run() is None

    asyncio.run(main())

    trained = [run for run in runs() if run.run_name == "train"]
    assert len(trained) == 5
    assert all(run.metrics["seen"] == run.metrics["f1"] == run.params["lr"] for run in trained)
    (yielded,) = [run for run in runs() if run.run_name == "epochs"]
    assert list(yielded.history("loss").values) == [0.0, 1.0, 2.0]


def test_what_cannot_be_tracked_is_warned_about_and_never_breaks_the_call() -> None:
    class Odd:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError("do not look at me")

    @track.autolog
    def use(odd: Odd, x: int) -> int:
        return x

    with pytest.warns(PodiumWarning, match="do not look at me"):
        assert use(Odd(), 3) == 3

    assert runs()[0].params["x"] == 3


def test_nothing_changes_at_decoration_nor_outside_a_call() -> None:
    before = inspect.getattr_static(LogisticRegression, "fit")

    @track.autolog
    def plain() -> None: ...

    @track.autolog(experiment="x")
    def with_arguments() -> None: ...

    assert inspect.getattr_static(LogisticRegression, "fit") is before
    LogisticRegression(max_iter=500).fit(X, y)
    assert runs() == []


def test_a_decorated_call_is_tracked_also_after_all_was_disabled() -> None:
    @track.autolog
    def train() -> Any:
        return LogisticRegression(max_iter=500).fit(X, y)

    track.autolog()
    track.autolog(disable=True)
    train()

    (run,) = runs()
    assert "training_score" in run.metrics


def test_disable_as_a_context_is_off_inside_and_on_again_after() -> None:
    track.autolog()
    with track.autolog(disable=True):
        LogisticRegression(max_iter=500).fit(X, y)
    assert runs() == []

    LogisticRegression(max_iter=500).fit(X, y)

    assert len(runs()) == 1


def test_a_context_inside_a_statement_gives_its_settings_back() -> None:
    track.autolog(experiment="outer", log_models=False)
    with track.autolog(experiment="inner", log_models=False):
        LogisticRegression(max_iter=500).fit(X, y)
    LogisticRegression(max_iter=500).fit(X, y)

    assert [run.experiment for run in runs()] == ["inner", "outer"]


@dataclass
class Trainer:
    """A dataclass, of which a tracked method still says only the name."""

    depth: int = 3

    @track.autolog
    def train(self, lr: float) -> float:
        return lr * self.depth

    @classmethod
    @track.autolog
    def make(cls, lr: float) -> float:
        return lr

    @staticmethod
    @track.autolog
    def score(lr: float) -> float:
        return lr


def test_methods_are_tracked_and_say_only_the_type_of_their_object() -> None:
    assert Trainer(2).train(0.5) == 1.0
    assert Trainer.make(0.25) == 0.25
    assert Trainer.score(0.125) == 0.125

    assert {run.run_name: run.params for run in runs()} == {
        "train": {"self": "Trainer", "lr": 0.5},
        "make": {"cls": "Trainer", "lr": 0.25},
        "score": {"lr": 0.125},
    }


@pytest.mark.parametrize("what", [Trainer, classmethod(lambda cls: None), 3])
def test_what_is_no_function_is_refused(what: Any) -> None:
    with pytest.raises(TypeError):
        track.autolog(what)


class Kind(enum.Enum):
    FAST = "fast"


def test_every_kind_of_argument_becomes_what_it_should() -> None:
    @dataclass
    class Config:
        rate: float
        weights: Any
        log: logging.Logger

    @track.autolog
    def train(*extra: Any, **more: Any) -> None: ...

    train(
        1,
        2,
        scalar=np.float32(0.5),
        flag=True,
        none=None,
        text="a",
        kind=Kind.FAST,
        path=Path("a/b"),
        options={"opt": {"lr": 0.1, "name": "sgd"}},
        config=Config(0.5, X, logging.getLogger("train")),
        model=make_pipeline(StandardScaler(), LogisticRegression(C=2.0)),
        frame=load_iris(as_frame=True).data,
        array=X,
        log=logging.getLogger("train"),
        rest=object(),
        sizes=[1, 2],
    )

    (run,) = runs()
    expected = {
        "extra": [1, 2],
        "scalar": 0.5,
        "flag": True,
        "none": None,
        "text": "a",
        "kind": "fast",
        "path": str(Path("a/b")),
        "options.opt.lr": 0.1,
        "options.opt.name": "sgd",
        "config.rate": 0.5,
        "config.weights": "ndarray",
        "config.log": "Logger",
        "model": "Pipeline",
        "model.steps.logisticregression": "LogisticRegression",
        "model.steps.logisticregression.C": 2.0,
        "log": "Logger",
        "rest": "object",
        "sizes": [1, 2],
    }
    assert {key: run.params.get(key, "missing") for key in expected} == expected
    assert [each.name for each in run.datasets] == ["frame", "array"]
    assert not {"frame", "array"} & set(run.params)


def test_what_is_returned_goes_through_untouched_and_is_named() -> None:
    model = LogisticRegression(max_iter=500).fit(X, y)

    @track.autolog
    def pair() -> Any:
        return model, 0.5, {"f1": 0.9, "text": "good", "flag": True}, np.array([1.0])

    @track.autolog(returns="f1")
    def one() -> float:
        return 0.75

    returned = pair()
    assert returned[0] is model
    assert one() == 0.75

    by_name = {run.run_name: run for run in runs()}
    assert by_name["pair"].metrics == {"value": 0.5, "f1": 0.9}
    assert [info.name for info in by_name["pair"].models] == ["model"]
    assert by_name["one"].metrics == {"f1": 0.75}


def test_the_model_that_is_returned_is_kept_as_it_was_returned() -> None:
    @track.autolog
    def train() -> Any:
        model = LogisticRegression(max_iter=500)
        model.fit(X[:100], y[:100])  # kept, as what was trained first
        model.set_params(C=0.01)
        return model.fit(X, y)

    model = train()

    parent = next(run for run in runs() if run.parent_run_id is None)
    kept: Any = load_model(parent.model_uri()).native
    assert kept.C == 0.01
    assert kept.classes_.tolist() == model.classes_.tolist() == [0, 1, 2]


def test_a_model_is_not_taken_for_another_that_had_its_place_in_memory() -> None:
    @track.autolog(log_datasets=False)
    def train() -> Any:
        for strength in (0.1, 0.2, 0.3, 0.4):
            model = LogisticRegression(C=strength, max_iter=500).fit(X, y)
            last = model
            del model
            gc.collect()
        return last

    train()

    parent = next(run for run in runs() if run.parent_run_id is None)
    kept: Any = load_model(parent.model_uri()).native
    assert kept.C == 0.4


def test_a_thread_inside_a_decorated_call_logs_to_its_run() -> None:
    @track.autolog
    def train() -> None:
        with ThreadPoolExecutor(2) as threads:
            list(threads.map(lambda each: track.log_metric("seen", each), range(10)))

    train()

    (run,) = runs()
    assert run.summary["seen"].count == 10


def test_a_fit_in_another_thread_is_not_part_of_a_call_that_happens_to_be_open() -> None:
    started, may_end = threading.Event(), threading.Event()

    @track.autolog
    def slow() -> None:
        started.set()
        may_end.wait()

    track.autolog()
    with ThreadPoolExecutor(1) as threads:
        call = threads.submit(slow)
        started.wait()
        LogisticRegression(max_iter=500).fit(X, y)
        may_end.set()
        call.result()

    fitted = next(run for run in runs() if run.run_name == "LogisticRegression")
    assert fitted.parent_run_id is None
    assert next(run for run in runs() if run.run_name == "slow").metrics == {}


def test_what_is_sent_and_thrown_into_a_generator_reaches_its_body() -> None:
    @track.autolog
    def train() -> Generator[dict[str, float], float, str]:
        rate = 1.0
        while rate > 0:
            try:
                rate = yield {"rate": rate}
            except LookupError:
                rate = 0.5
        return "done"

    steps = train()
    assert next(steps) == {"rate": 1.0}
    assert steps.send(0.25) == {"rate": 0.25}
    assert steps.throw(LookupError()) == {"rate": 0.5}
    with pytest.raises(StopIteration) as stopped:
        steps.send(0.0)

    assert stopped.value.value == "done"
    (run,) = runs()
    assert run.status == "FINISHED"
    assert list(run.history("rate").values) == [1.0, 0.25, 0.5]


def test_a_generator_whose_clean_up_fails_is_a_failed_run() -> None:
    @track.autolog
    def train() -> Iterator[dict[str, float]]:
        try:
            yield {"loss": 1.0}
        finally:
            raise RuntimeError("could not clean up")

    steps = train()
    next(steps)
    with pytest.raises(RuntimeError, match="clean up"):
        steps.close()  # type: ignore[attr-defined]  # a generator, as everything decorated stays what it was

    assert runs()[0].status == "FAILED"
    assert track.active_run() is None


def test_an_async_generator_ends_as_it_is_left_and_takes_what_is_thrown_in() -> None:
    @track.autolog
    async def epochs() -> AsyncGenerator[dict[str, float], None]:
        loss = 1.0
        while True:
            try:
                yield {"loss": loss}
            except LookupError:
                loss = 0.5

    async def main() -> None:
        steps = epochs()
        await steps.asend(None)
        assert await steps.athrow(LookupError()) == {"loss": 0.5}
        await steps.aclose()
        failing = epochs()
        await failing.asend(None)
        with pytest.raises(ZeroDivisionError):
            await failing.athrow(ZeroDivisionError())

    asyncio.run(main())

    by_status = {run.status: run for run in runs()}
    assert set(by_status) == {"FINISHED", "FAILED"}
    assert list(by_status["FINISHED"].history("loss").values) == [1.0, 0.5]


def test_a_cancelled_task_is_a_killed_run() -> None:
    @track.autolog
    async def train(started: asyncio.Event) -> None:
        started.set()
        await asyncio.Event().wait()

    async def main() -> None:
        started = asyncio.Event()
        task = asyncio.create_task(train(started))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())

    assert runs()[0].status == "KILLED"


# --- registering ---------------------------------------------------------------------------------------------------


def test_a_good_model_is_registered_and_a_refusal_is_kept_and_never_raises() -> None:
    @track.autolog(register="iris", gate="metrics.f1 > 0.9", alias="champion")
    def train(f1: float) -> tuple[Any, float]:
        track.log_metric("f1", f1)
        return LogisticRegression(max_iter=500).fit(X, y), f1

    train(0.95)
    assert registry.get_version("iris", "@champion").version == 1
    first = track.last_run()
    assert first is not None
    assert first.verdict

    with pytest.warns(PodiumWarning, match="was not registered as 'iris'"):
        train(0.5)

    last = track.last_run()
    assert last is not None
    assert last.verdict is not None
    assert not last.verdict
    assert registry.get_model("iris").latest == 1


def test_of_several_fits_in_a_call_only_what_it_returns_is_registered() -> None:
    @track.autolog(register="iris", gate="metrics.f1 > 0.9")
    def search() -> tuple[Any, dict[str, float]]:
        models = [LogisticRegression(C=strength, max_iter=500).fit(X, y) for strength in (0.1, 0.2, 0.3)]
        return models[1], {"f1": 0.95}

    search()

    version = registry.get_version("iris")
    assert (version.version, registry.get_model("iris").latest) == (1, 1)
    assert version.metrics["f1"] == 0.95
    loaded: Any = load_model("models:/iris/1").native
    assert loaded.C == 0.2


def test_where_a_call_returns_no_model_the_one_trained_last_is_registered() -> None:
    @track.autolog(register="iris")
    def search() -> None:
        for strength in (0.1, 0.2):
            LogisticRegression(C=strength, max_iter=500).fit(X, y)

    search()

    assert registry.get_model("iris").latest == 1
    loaded: Any = load_model("models:/iris/1").native
    assert loaded.C == 0.2


def test_a_statement_registers_what_each_fit_trained_once_its_metrics_are_there() -> None:
    track.autolog(register="iris", gate="metrics.training_score > 0.5", alias="champion")

    LogisticRegression(max_iter=500).fit(X, y)

    version = registry.get_version("iris", "@champion")
    last = track.last_run()
    assert last is not None
    assert version.run_id == last.run_id
    assert last.verdict
    with pytest.warns(PodiumWarning, match="was not registered"):
        DummyClassifier(strategy="constant", constant=0).fit(X, y)
    assert registry.get_model("iris").latest == 1


def test_a_registry_that_fails_is_a_warning_and_the_model_is_returned() -> None:
    @track.autolog(register="iris", alias="not an alias")
    def train() -> Any:
        return LogisticRegression(max_iter=500).fit(X, y)

    with pytest.warns(PodiumWarning, match="autolog could not register the model"):
        assert train().C == 1.0

    (run,) = runs()
    assert run.status == "FINISHED"
    assert [info.name for info in run.models] == ["model"]


def test_registering_without_keeping_the_model_is_refused() -> None:
    with pytest.raises(Invalid, match="log_models=False"):
        track.autolog(register="iris", log_models=False)


def test_silent_says_nothing() -> None:
    @track.autolog(register="iris", gate="metrics.f1 > 0.9", silent=True)
    def train() -> Any:
        return LogisticRegression(max_iter=500).fit(X, y)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train()

    assert track.last_run() is not None


def test_a_gate_without_a_name_to_register_is_refused() -> None:
    with pytest.raises(Invalid, match="pass register="):
        track.autolog(gate="metrics.f1 > 0.9")


# --- what could not be kept --------------------------------------------------------------------------------------


def full_disk(folder: Path) -> FaultyStore:
    """A store that takes logs, and no file."""

    def refuse(verb: str, key: object, number: int) -> Fail | None:
        return Fail(lambda: StoreUnavailable("the disk is full")) if verb == "put" else None

    return FaultyStore(LocalStore(folder), refuse)


def test_a_strict_run_heard_nothing_of_what_autolog_could_not_keep(tmp_path: Path) -> None:
    track.autolog()

    with Workspace(full_disk(tmp_path / "full")) as workspace, workspace.start_run(strict=True) as run:
        with pytest.raises(StoreUnavailable, match="the disk is full"):
            LogisticRegression(max_iter=500).fit(X, y)

    assert run.params["max_iter"] == 500


def test_a_strict_environment_heard_nothing_of_it_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PODIUM_STRICT", "1")

    @track.autolog
    def train() -> LogisticRegression:
        return LogisticRegression(max_iter=500).fit(X, y)

    with Workspace(full_disk(tmp_path / "full")) as workspace, workspace.start_run():
        with pytest.raises(StoreUnavailable, match="the disk is full"):
            train()

    assert {run.run_name: run.status for run in Workspace(tmp_path / "full").search_runs()}[
        "train"
    ] == "FAILED"


def test_what_autolog_could_not_keep_was_not_counted(tmp_path: Path) -> None:
    track.autolog()
    estimator = LogisticRegression(max_iter=500)
    estimator.lock = threading.Lock()  # which nothing can store

    with pytest.warns(PodiumWarning, match="keep the model"), track.start_run() as run:
        estimator.fit(X, y)

    assert track.get_run(run.run_id).dropped == run.dropped == 1
    assert run.status == "FINISHED"
