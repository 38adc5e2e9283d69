"""scikit-learn's ``fit``, tracked: params, training metrics, the data's digest, the model. Keys are MLflow's.

One run for the outermost ``fit``: a Pipeline or a search is one run, whatever it fits inside, also in joblib's worker
threads. Never opens a store. scikit-learn is imported by its user; everything here runs after that.
"""

from __future__ import annotations

import csv
import inspect
import io
import math
import sys
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from types import ModuleType
from typing import Any

from podium.autolog.patching import add_attribute, patch_method, tracking, when_imported
from podium.autolog.randomness import undisturbed
from podium.autolog.sessions import Session, forget_kept, open_candidate, open_fit
from podium.autolog.settings import LIBRARIES, Settings, active
from podium.workspace.params import plain_value

__all__ = ["install"]

_METHODS = ("fit", "fit_transform", "fit_predict")
# These prepare data; they show inside a Pipeline.
_PREPARING = (
    "sklearn.preprocessing",
    "sklearn.impute",
    "sklearn.feature_extraction",
    "sklearn.feature_selection",
    "sklearn.compose",
)
_EXAMPLE_ROWS = 5

_inside_fit: ContextVar[bool] = ContextVar("podium_inside_fit", default=False)


def install() -> None:
    """Patch the estimators there are, and those that come; as soon as scikit-learn is imported."""
    when_imported("sklearn.base", _patch_base)
    when_imported("sklearn.utils.parallel", _patch_parallel)


def _patch_base(module: ModuleType) -> None:
    base: Any = module.BaseEstimator
    _patch_with_subclasses(base)

    def init_subclass(cls: Any, /, **kwargs: Any) -> None:
        super(base, cls).__init_subclass__(**kwargs)
        _patch_class(cls)

    add_attribute(base, "__init_subclass__", classmethod(init_subclass))


def _patch_with_subclasses(cls: Any) -> None:
    _patch_class(cls)
    for each in cls.__subclasses__():
        _patch_with_subclasses(each)


def _patch_class(cls: type) -> None:
    if not cls.__module__.startswith(_PREPARING):
        for name in _METHODS:
            patch_method(cls, name, _around_fit)


def _patch_parallel(module: ModuleType) -> None:
    """Work that a fit hands to joblib is part of that fit, in whichever thread it runs."""

    def around_parallel(original: Callable[..., Any], self: Any, iterable: Iterable[Any]) -> Any:
        return original(self, map(_marked, iterable) if _inside_fit.get() else iterable)

    def around_call(original: Callable[..., Any], self: Any, *args: Any, **kwargs: Any) -> Any:
        if not getattr(self, "podium_inside_fit", False):
            return original(self, *args, **kwargs)
        token = _inside_fit.set(True)
        try:
            return original(self, *args, **kwargs)
        finally:
            _inside_fit.reset(token)

    patch_method(module.Parallel, "__call__", around_parallel)
    patch_method(module._FuncWrapper, "__call__", around_call)


def _marked(task: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
    # joblib takes tasks from other threads as workers become free, so the mark cannot wait for this one's context.
    task[0].podium_inside_fit = True
    return task


def _around_fit(original: Callable[..., Any], estimator: Any, *args: Any, **kwargs: Any) -> Any:
    settings = active()
    if settings is None or _library_of(estimator) not in settings.libraries or _inside_fit.get():
        return original(estimator, *args, **kwargs)
    session = _opened(settings, type(estimator).__name__)
    if session is None:
        return original(estimator, *args, **kwargs)
    token = _inside_fit.set(True)
    try:
        with session.here():
            with (
                tracking("note what is trained", session.run, silent=settings.silent),
                undisturbed(_held_by(estimator)),
            ):
                _before(session, estimator)
            result = original(estimator, *args, **kwargs)
            with (
                tracking("note what was trained", session.run, silent=settings.silent),
                undisturbed(_held_by(estimator)),
            ):
                _after(session, estimator, *_data(original, estimator, args, kwargs))
    except BaseException as error:
        session.end(error)
        raise
    finally:
        _inside_fit.reset(token)
    session.end()
    return result


def _library_of(estimator: Any) -> str:
    library: str = type(estimator).__module__.partition(".")[0]
    return library if library in LIBRARIES else "sklearn"


def _held_by(estimator: Any) -> list[object]:
    """What may be a generator of random numbers that a prediction draws from."""
    held = list(getattr(estimator, "__dict__", {}).values())
    try:
        return [*held, *estimator.get_params(deep=True).values()]
    except Exception:  # noqa: BLE001 - an estimator without params: that is said where they are logged
        return held


def _opened(settings: Settings, name: str) -> Session | None:
    with tracking("start a run", silent=settings.silent):
        return open_fit(settings, name)
    return None


def _data(
    original: Callable[..., Any], estimator: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[Any, Any]:
    """X and y, however they were passed."""
    try:
        bound = inspect.signature(original).bind(estimator, *args, **kwargs).arguments
    except TypeError:
        return (args[0] if args else None), (args[1] if len(args) > 1 else None)
    return bound.get("X", args[0] if args else None), bound.get("y", bound.get("Y"))


def _before(session: Session, estimator: Any) -> None:
    silent = session.settings.silent
    with tracking("log the params", session.run, silent=silent):
        for key, value in estimator.get_params(deep=not _is_search(estimator)).items():
            with tracking(f"log the param {key!r}", session.run, silent=silent):
                session.run.log_param(key, plain_value(value))
    with tracking("set the tags", session.run, silent=silent):
        tags = _tags_of(estimator)
        if session.is_own:
            tags["podium.autolog"] = _library_of(estimator)
        session.run.set_tags(tags)


def _tags_of(estimator: Any) -> dict[str, object]:
    cls = type(estimator)
    return {"estimator_name": cls.__name__, "estimator_class": f"{cls.__module__}.{cls.__name__}"}


def _after(session: Session, estimator: Any, X: Any, y: Any) -> None:  # noqa: N803 - scikit-learn's name
    silent, settings = session.settings.silent, session.settings
    forget_kept(estimator)
    if settings.log_datasets and X is not None:
        with tracking("note the data", session.run, silent=silent):
            session.run.log_dataset(X, "dataset", context="train")
    with tracking("log the training metrics", session.run, silent=silent):
        session.run.log_metrics(_training_metrics(estimator, X, y), step=0)
    if _is_search(estimator):
        with tracking("log the search", session.run, silent=silent):
            _log_search(session, estimator)
    with tracking("draw the estimator", session.run, silent=silent):
        from sklearn.utils import estimator_html_repr

        session.run.log_text(estimator_html_repr(estimator), "estimator.html")
    if settings.log_models:
        with tracking("keep the model", session.run, silent=silent):
            _keep_model(session, estimator, X)


def _is_search(estimator: Any) -> bool:
    module = sys.modules.get("sklearn.model_selection._search")
    return isinstance(estimator, getattr(module, "BaseSearchCV", ()))


def _training_metrics(estimator: Any, X: Any, y: Any) -> dict[str, float]:  # noqa: N803
    """MLflow's keys; weighted averages; what an estimator cannot give is left out."""
    from sklearn import metrics
    from sklearn.base import is_classifier, is_regressor

    if X is None or y is None or not hasattr(estimator, "predict"):
        return {}
    values: dict[str, float] = {}
    if is_classifier(estimator):
        predicted = estimator.predict(X)
        for name in ("precision", "recall", "f1"):
            score = getattr(metrics, f"{name}_score")
            values[f"training_{name}_score"] = score(y, predicted, average="weighted", zero_division=0)
        values["training_accuracy_score"] = metrics.accuracy_score(y, predicted)
        if hasattr(estimator, "predict_proba"):
            values.update(_of_probabilities(estimator, X, y))
    elif is_regressor(estimator):
        predicted = estimator.predict(X)
        values["training_mean_squared_error"] = metrics.mean_squared_error(y, predicted)
        values["training_mean_absolute_error"] = metrics.mean_absolute_error(y, predicted)
        values["training_r2_score"] = metrics.r2_score(y, predicted)
        values["training_root_mean_squared_error"] = math.sqrt(values["training_mean_squared_error"])
    if hasattr(estimator, "score"):
        values["training_score"] = float(estimator.score(X, y))
    return {key: float(value) for key, value in values.items()}


def _of_probabilities(estimator: Any, X: Any, y: Any) -> dict[str, float]:  # noqa: N803
    from sklearn import metrics

    probabilities = estimator.predict_proba(X)
    labels = estimator.classes_
    area = (
        metrics.roc_auc_score(y, probabilities[:, 1])
        if len(labels) == 2
        else metrics.roc_auc_score(y, probabilities, multi_class="ovo", average="weighted", labels=labels)
    )
    return {
        "training_log_loss": metrics.log_loss(y, probabilities, labels=labels),
        "training_roc_auc": area,
    }


def _log_search(session: Session, search: Any) -> None:
    run = session.run
    for key, value in getattr(search, "best_params_", {}).items():
        run.log_param(f"best_{key}", plain_value(value))
    if hasattr(search, "best_score_"):
        run.log_metric("best_cv_score", float(search.best_score_), 0)
    results: Mapping[str, Any] = search.cv_results_
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(results)
    writer.writerows(zip(*results.values(), strict=True))
    run.log_text(table.getvalue(), "cv_results.csv")
    wanted = session.settings.libraries.get("sklearn", {}).get("max_tuning_runs", 0)
    most = len(results["params"]) if wanted is None else int(str(wanted))
    # With several scores the rank is that of the one the search refits by.
    rank = "rank_test_score" if "rank_test_score" in results else f"rank_test_{search.refit}"
    if most and rank in results:
        _log_candidates(session, search, results, rank, most)


def _log_candidates(session: Session, search: Any, results: Mapping[str, Any], rank: str, most: int) -> None:
    """The best candidates as child runs, if the user asked for any."""
    cls = type(search.estimator)
    ranked = sorted(range(len(results["params"])), key=lambda at: int(results[rank][at]))
    for at in ranked[:most]:
        child = open_candidate(session.settings, cls.__name__)
        try:
            params = {**search.estimator.get_params(deep=True), **results["params"][at]}
            child.run.log_params({key: plain_value(value) for key, value in params.items()})
            numbers = {
                key: float(column[at])
                for key, column in results.items()
                if not key.startswith(("param", "split"))
            }
            child.run.log_metrics(numbers, step=0)
            child.run.set_tags(_tags_of(search.estimator))
        finally:
            child.end()


def _keep_model(session: Session, estimator: Any, X: Any) -> None:  # noqa: N803
    from podium.models.signature import Signature

    head = X[:_EXAMPLE_ROWS] if hasattr(X, "shape") and X is not None else None
    signature = None
    if head is not None and hasattr(estimator, "predict"):
        with tracking("infer the signature", silent=session.settings.silent):
            signature = Signature.infer(head, estimator.predict(head))
    example = head if session.settings.log_input_examples else None
    session.keep_model(estimator, "model", input_example=example, signature=signature)
