"""Flavor sklearn: skops where it can, so that loading runs no code, and cloudpickle where it cannot.

The types a skops file may hold are those that skops trusts and the closed table below. The list that a stored MLmodel
carries (``skops_trusted_types``) is written for MLflow and never read.
"""

from __future__ import annotations

import functools
import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from podium.errors import Corrupt, Invalid, MissingExtra, UntrustedModel, missing_extra
from podium.models.environment import modules_in_pickle, modules_in_skops, python_version
from podium.models.flavors.contract import Loaded, Saved, Stored
from podium.models.flavors.unpickling import unpickle
from podium.models.mlmodel import MLmodel

__all__ = ["HARMLESS_TYPES", "SklearnFlavor"]

_SKOPS_FILE = "model.skops"
_PICKLE_FILE = "model.pkl"
_PREDICT_FNS = frozenset(
    {"predict", "predict_proba", "predict_log_proba", "predict_joint_log_proba", "score"}
)

_SAFE_SKOPS = (0, 15)
"""Older ones let a file call functions that their list of types does not show (CVE-2025-54412, CVE-2025-54413)."""
_NOT_SKOPS = (
    zipfile.BadZipFile,
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    NotImplementedError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What skops throws at a file that is none, or that a stranger made."""

_HARMLESS = {
    "numpy": "clip dtype max mean median min nan_to_num sum",
    "scipy._lib.array_api_compat.numpy._aliases": "asarray",
    "scipy.interpolate._bsplines": "BSpline",
    "sklearn._loss.loss": "HalfTweedieLossIdentity",
    "sklearn.calibration": "_CalibratedClassifier _SigmoidCalibration",
    "sklearn.cluster._bisect_k_means": "_BisectingTree",
    "sklearn.cluster._kmeans": "_kmeans_single_lloyd",
    "sklearn.compose._column_transformer": "make_column_selector",
    "sklearn.ensemble._hist_gradient_boosting.predictor": "TreePredictor",
    "sklearn.feature_selection._mutual_info": "mutual_info_classif mutual_info_regression",
    "sklearn.feature_selection._univariate_selection": "chi2 f_classif f_regression",
    "sklearn.gaussian_process._gpc": "_BinaryGaussianProcessClassifierLaplace",
    "sklearn.gaussian_process.kernels": "ConstantKernel Matern Product RBF Sum WhiteKernel",
    "sklearn.impute._iterative": "IterativeImputer _ImputerTriplet",
    "sklearn.metrics._classification": """
        accuracy_score balanced_accuracy_score brier_score_loss cohen_kappa_score d2_brier_score
        d2_log_loss_score f1_score fbeta_score hamming_loss jaccard_score log_loss matthews_corrcoef
        precision_score recall_score zero_one_loss
    """,
    "sklearn.metrics._dist_metrics": "EuclideanDistance64",
    "sklearn.metrics._ranking": "average_precision_score roc_auc_score top_k_accuracy_score",
    "sklearn.metrics._regression": """
        d2_absolute_error_score d2_pinball_score d2_tweedie_score explained_variance_score max_error
        mean_absolute_error mean_absolute_percentage_error mean_gamma_deviance mean_pinball_loss
        mean_poisson_deviance mean_squared_error mean_squared_log_error mean_tweedie_deviance
        median_absolute_error r2_score root_mean_squared_error root_mean_squared_log_error
    """,
    "sklearn.metrics._scorer": """
        _MultimetricScorer _PassthroughScorer _Scorer negative_likelihood_ratio
        positive_likelihood_ratio
    """,
    "sklearn.metrics.cluster._supervised": """
        adjusted_mutual_info_score adjusted_rand_score completeness_score fowlkes_mallows_score
        homogeneity_score mutual_info_score normalized_mutual_info_score rand_score v_measure_score
    """,
    "sklearn.model_selection._search_successive_halving": "HalvingGridSearchCV HalvingRandomSearchCV",
    "sklearn.model_selection._split": """
        GroupKFold GroupShuffleSplit KFold LeaveOneGroupOut LeaveOneOut LeavePGroupsOut LeavePOut
        PredefinedSplit RepeatedKFold RepeatedStratifiedKFold ShuffleSplit StratifiedGroupKFold
        StratifiedKFold StratifiedShuffleSplit TimeSeriesSplit _CVIterableWrapper
    """,
    "sklearn.neighbors._ball_tree": "BallTree",
    "sklearn.neighbors._kd_tree": "KDTree",
    "sklearn.neural_network._stochastic_optimizers": "AdamOptimizer SGDOptimizer",
    "sklearn.tree._tree": "Tree",
    "sklearn.utils._bunch": "Bunch",
}
HARMLESS_TYPES = frozenset(
    f"{module}.{name}" for module, names in _HARMLESS.items() for name in names.split()
)
"""Types of numpy, scipy and scikit-learn that skops asks about and that call nothing a file chooses (decision 0030).

Not among them and not to be added: the distributions of scipy.stats, whose state holds a text that they execute.
"""


class SklearnFlavor:
    """Estimators, pipelines and searches of scikit-learn, and what follows its interface."""

    name = "sklearn"
    takes = "an estimator or pipeline of scikit-learn"

    def accepts(self, model: object) -> bool:
        """An instance whose class descends from one of scikit-learn's."""
        return not isinstance(model, type) and any(
            base.__module__.partition(".")[0] == "sklearn" for base in type(model).__mro__
        )

    def save(self, model: object, folder: Path, *, files: Mapping[str, str], example: object) -> Saved:
        """Write model.skops, or model.pkl where skops would not give the model back."""
        trusted = _save_skops(model, folder / _SKOPS_FILE)
        if trusted is not None:
            return self._saved(model, _SKOPS_FILE, "skops", modules_in_skops(folder / _SKOPS_FILE), trusted)
        modules = _save_cloudpickle(model, folder / _PICKLE_FILE)
        return self._saved(model, _PICKLE_FILE, "cloudpickle", modules, [])

    def _saved(
        self, model: object, file: str, how: str, modules: frozenset[str], trusted: list[str]
    ) -> Saved:
        import sklearn

        flavors: dict[str, Mapping[str, object]] = {
            "sklearn": {
                "code": None,
                "pickled_model": file,
                "serialization_format": how,
                "sklearn_version": sklearn.__version__,
                "skops_trusted_types": trusted or None,
            }
        }
        if hasattr(model, "predict"):
            flavors["python_function"] = {
                "loader_module": "mlflow.sklearn",
                "model_path": file,
                "predict_fn": "predict",
                "python_version": python_version(),
            }
        return Saved(flavors, modules | {"sklearn", "numpy", how})

    def claims(self, mlmodel: MLmodel) -> bool:
        """MLflow's flavor key, or its loader."""
        return (
            "sklearn" in mlmodel.flavors or mlmodel.python_function.get("loader_module") == "mlflow.sklearn"
        )

    def runs_code(self, stored: Stored) -> str | None:
        """Everything but skops; and skops where it names types outside the table."""
        path = _file(stored)
        if not _is_skops(stored):
            return f"{path.name} is pickled"
        blind = _why_skops_cannot_judge()
        if blind is not None:
            return blind
        unknown = sorted(set(_types_in(path)) - HARMLESS_TYPES)
        return f"{path.name} holds the types {', '.join(unknown[:5])}" if unknown else None

    def load(self, stored: Stored) -> Loaded:
        """Load it by the format the bytes are said to have, and by no other.

        Raises:
            Corrupt: it is not in that format.
            UntrustedModel: it holds code although it was judged to be data: it was changed since.
            MissingExtra: scikit-learn or skops is not installed.
        """
        path = _file(stored)
        native = _load_skops(path, stored) if _is_skops(stored) else unpickle(path, stored)
        name = stored.mlmodel.python_function.get("predict_fn", "predict")
        if name not in _PREDICT_FNS:
            raise Invalid(
                f"MLmodel of {stored.uri} names predict_fn {name!r}; known are {', '.join(sorted(_PREDICT_FNS))}."
            )
        method = getattr(native, name, None)
        return Loaded(native, None if method is None else functools.partial(_predict, method))


def _predict(method: Any, data: Any, params: dict[str, Any]) -> Any:
    return method(data, **params)


def _is_skops(stored: Stored) -> bool:
    return stored.mlmodel.flavor("sklearn").get("serialization_format") == "skops"


def _file(stored: Stored) -> Path:
    named = stored.mlmodel.flavor("sklearn").get("pickled_model")
    return stored.file(named or stored.mlmodel.python_function.get("model_path"))


def _why_skops_cannot_judge() -> str | None:
    try:
        installed = metadata.version("skops")
    except metadata.PackageNotFoundError:
        return "the package skops, which could judge it, is not installed"
    numbers = re.match(r"(\d+)\.(\d+)", installed)
    if numbers is not None and (int(numbers[1]), int(numbers[2])) >= _SAFE_SKOPS:
        return None
    safe = ".".join(map(str, _SAFE_SKOPS))
    return f"the skops that is installed, {installed}, overlooks code that a file can hide; {safe} does not"


def _types_in(path: Path) -> list[str]:
    """The types in a skops file that skops itself does not trust. Imports none of them."""
    import skops.io

    try:
        return list(skops.io.get_untrusted_types(file=path))
    except _NOT_SKOPS as error:
        raise Corrupt(f"{path.name} is no skops file: {error}.", key=path.name) from error


def _load_skops(path: Path, stored: Stored) -> Any:
    try:
        import sklearn  # noqa: F401 - first: skops without it fails with an error that hides the cause
        import skops.io
        from skops.io.exceptions import UntrustedTypesFoundException
    except ModuleNotFoundError as error:
        raise missing_extra(f"Loading {stored.uri}", "sklearn") from error
    types = _types_in(path)
    if not stored.may_run_code:
        types = [each for each in types if each in HARMLESS_TYPES]
    try:
        return skops.io.load(path, trusted=types)
    except UntrustedTypesFoundException as error:
        raise UntrustedModel(f"{path.name} of model {stored.uri}: {error}", uri=stored.uri) from error
    except ImportError as error:
        raise MissingExtra(
            f"{stored.uri} was saved with another scikit-learn: {error}. Install the one its requirements.txt names.",
            install="pip install scikit-learn",
        ) from error
    except _NOT_SKOPS as error:
        raise Corrupt(
            f"{path.name} of model {stored.uri} is no skops file: {error}.", key=path.name
        ) from error


def _save_skops(model: object, path: Path) -> list[str] | None:
    """Write the file and load it back; the types it needs trusted, or None (and no file) where skops will not do."""
    try:
        import skops.io
    except ModuleNotFoundError:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            skops.io.dump(model, path)
            types = sorted(set(skops.io.get_untrusted_types(file=path)))
            if set(types) <= HARMLESS_TYPES and type(skops.io.load(path, trusted=types)) is type(model):
                return types
    except Exception:  # noqa: BLE001, S110 - skops refuses in many ways, and each means the same: pickle it
        pass
    path.unlink(missing_ok=True)
    return None


def _save_cloudpickle(model: object, path: Path) -> frozenset[str]:
    import cloudpickle

    data = cloudpickle.dumps(model, protocol=pickle.DEFAULT_PROTOCOL)
    path.write_bytes(data)
    return modules_in_pickle(data)
