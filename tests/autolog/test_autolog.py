"""Autolog in its three uses, on real estimators and real data."""

from __future__ import annotations

import asyncio
import inspect
import threading
import warnings
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import load_diabetes, load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from podium import load_model, registry, track
from podium.errors import Invalid, PodiumWarning
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
        Invalid, match=r"knows no library 'sklaern'; the libraries are sklearn. Did you mean 'sklearn'"
    ):
        track.autolog(sklaern=True)


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

    assert runs()[0].metrics == {"value": 0.25}
    assert runs()[1].status == "FAILED"


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
