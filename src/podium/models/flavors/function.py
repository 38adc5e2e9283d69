"""Flavor function: a callable, or an object with ``predict``, pickled by value so that MLflow loads it without podium.

MLflow's loader wants an object with ``load_context`` and ``predict``; a bare pickled function is no MLflow model. The
wrapper's class is made inside a function: cloudpickle then keeps its code in the pickle instead of naming this module.
"""

from __future__ import annotations

import functools
import inspect
import pickle
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from podium.errors import Invalid
from podium.models.environment import modules_in_pickle, python_version
from podium.models.flavors.contract import Loaded, Saved, Stored
from podium.models.flavors.unpickling import unpickle
from podium.models.mlmodel import MLmodel

__all__ = ["FunctionFlavor"]

_FILE = "python_model.pkl"
_LOADER = "mlflow.pyfunc.model"


class FunctionFlavor:
    """Plain callables: ``predict(data)`` or ``predict(data, params)``."""

    name = "function"
    takes = "a callable, or an object with a predict method"

    def accepts(self, model: object) -> bool:
        """A callable or an object with ``predict``; not a class, which is most often a forgotten pair of brackets."""
        return not isinstance(model, type) and (callable(model) or callable(getattr(model, "predict", None)))

    def save(self, model: object, folder: Path, *, files: Mapping[str, str], example: object) -> Saved:
        """Write python_model.pkl.

        Raises:
            TypeError: the object cannot be pickled.
        """
        import cloudpickle

        try:
            data = cloudpickle.dumps(_wrapped(model, _hint(example)), protocol=pickle.DEFAULT_PROTOCOL)
        except (TypeError, pickle.PicklingError, AttributeError) as error:
            raise TypeError(
                f"this {type(model).__qualname__} cannot be pickled: {error}. Let it open files, connections and locks "
                "when it is called, or give it a method load(files)."
            ) from error
        (folder / _FILE).write_bytes(data)
        flavor: dict[str, object] = {
            "cloudpickle_version": cloudpickle.__version__,
            "code": None,
            "loader_module": _LOADER,
            "python_model": _FILE,
            "python_version": python_version(),
            "streamable": False,
        }
        if files:
            flavor["artifacts"] = {name: {"path": path, "uri": path} for name, path in files.items()}
        return Saved({"python_function": flavor}, modules_in_pickle(data) | {"cloudpickle"})

    def claims(self, mlmodel: MLmodel) -> bool:
        """MLflow's loader for pickled Python models."""
        return mlmodel.python_function.get("loader_module") == _LOADER

    def runs_code(self, stored: Stored) -> str | None:
        """Always: it is a pickle."""
        return f"{stored.file(stored.mlmodel.python_function.get('python_model')).name} is pickled"

    def load(self, stored: Stored) -> Loaded:
        """Load it; a model that MLflow itself wrapped is given as its PythonModel.

        Raises:
            Corrupt: it is no pickle.
            MissingExtra: a module it needs is not here (for a PythonModel: mlflow).
            Invalid: it is compressed.
        """
        keys = stored.mlmodel.python_function
        compression = keys.get("python_model_compression")
        if compression is not None:
            raise Invalid(
                f"{stored.uri} is compressed ({compression}), which podium does not read. Save it without."
            )
        python_model = unpickle(stored.file(keys.get("python_model")), stored)
        artifacts = {name: str(path) for name, path in stored.extra_files().items()}
        config = keys.get("config")
        context = SimpleNamespace(
            artifacts=artifacts, model_config=config if isinstance(config, Mapping) else {}
        )
        load_context = getattr(python_model, "load_context", None)
        if load_context is not None:
            load_context(context)
        native = getattr(python_model, "podium_model", python_model)
        if native is not python_model:
            return Loaded(native, functools.partial(_call, python_model.predict, {"context": None}))
        takes_context = "context" in inspect.signature(python_model.predict).parameters
        fixed = {"context": context} if takes_context else {}
        return Loaded(native, functools.partial(_call, python_model.predict, fixed))


def _call(predict: Any, fixed: Mapping[str, object], data: Any, params: dict[str, Any]) -> Any:
    if "params" in inspect.signature(predict).parameters:
        return predict(**fixed, model_input=data, params=params)
    return predict(**fixed, model_input=data)


def _hint(example: object) -> object:
    """MLflow makes a frame of a list of texts, and a list again where the model's type hint says so."""
    is_texts = isinstance(example, list) and bool(example) and all(isinstance(each, str) for each in example)
    return list[str] if is_texts else None


def _wrapped(model: object, hint: object) -> object:
    """``model`` behind the two methods that MLflow calls."""
    call = model if not callable(getattr(model, "predict", None)) else model.predict  # type: ignore[attr-defined]  # asked for on this line
    takes_params = _takes_params(call)

    class PodiumModel:
        """A callable with the two methods of an MLflow PythonModel. Must use nothing of podium."""

        predict_type_hints = SimpleNamespace(input=hint, output=None)  # MLflow's wrapper reads it

        def __init__(self, podium_model: Any) -> None:
            self.podium_model = podium_model

        def load_context(self, context: Any) -> None:
            import pathlib

            load = getattr(self.podium_model, "load", None)
            if callable(load) and context.artifacts:
                load({name: pathlib.Path(path) for name, path in context.artifacts.items()})

        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            method = getattr(self.podium_model, "predict", None)
            call = method if callable(method) else self.podium_model
            return call(model_input, params or {}) if takes_params else call(model_input)

    return PodiumModel(model)


def _takes_params(call: Any) -> bool:
    """Whether it has a second positional parameter of the name ``params``."""
    try:
        parameters = list(inspect.signature(call).parameters.values())
    except (TypeError, ValueError):
        return False  # a builtin without a signature
    return len(parameters) > 1 and parameters[1].name == "params"
