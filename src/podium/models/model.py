"""A model in memory: what `load_model` returns.

`Model` is the promise, `LoadedModel` keeps it for a model directory. Neither knows where the bytes came from.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeVar, runtime_checkable

from podium.errors import Invalid
from podium.models.example import read_example
from podium.models.flavors.contract import Predict
from podium.models.info import ModelInfo

__all__ = ["LoadedModel", "Model", "self_test"]

T_co = TypeVar("T_co", covariant=True)


@runtime_checkable
class Model(Protocol[T_co]):
    """A loaded model, pinned to the bytes it was loaded from."""

    @property
    def native(self) -> T_co:
        """The framework's own object: ``model.native.predict_proba(X)``."""
        ...

    @property
    def uri(self) -> str:
        """Pinned: "models:/fraud-detector/3", also when loaded by alias."""
        ...

    @property
    def version(self) -> int | None:
        """Of the registry; None for a model of a run or a path."""
        ...

    @property
    def info(self) -> ModelInfo:
        """What is known without loading."""
        ...

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Predict.

        Args:
            data: as the signature has it.
            params: as the signature has them; defaults are filled in.

        Raises:
            SchemaError: the data does not fit the signature; names the column, what was expected, what was found.
            Invalid: this model cannot predict.
        """
        ...


class LoadedModel(Generic[T_co]):
    """A `Model` of a model directory."""

    __slots__ = ("_example", "_info", "_native", "_predict", "_version")

    def __init__(
        self,
        native: T_co,
        predict: Predict | None,
        info: ModelInfo,
        *,
        version: int | None = None,
        example: tuple[Path, Mapping[str, Any]] | None = None,
    ) -> None:
        self._native = native
        self._predict = predict
        self._info = info
        self._version = version
        self._example = example

    @property
    def native(self) -> T_co:
        """The framework's own object."""
        return self._native

    @property
    def uri(self) -> str:
        """Pinned."""
        return self._info.uri

    @property
    def version(self) -> int | None:
        """Of the registry; None for a model of a run or a path."""
        return self._version

    @property
    def info(self) -> ModelInfo:
        """What is known without loading."""
        return self._info

    @property
    def can_predict(self) -> bool:
        """Whether `predict` is of use."""
        return self._predict is not None

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Predict, holding data and params against the signature.

        Raises:
            SchemaError: they do not fit.
            Invalid: this model cannot predict.
        """
        if self._predict is None:
            raise Invalid(
                f"{self.uri} cannot predict: flavor {self._info.flavor!r} with a {type(self._native).__name__}. "
                "Use model.native."
            )
        signature = self._info.signature
        if signature is None:
            return self._predict(data, dict(params or {}))
        return self._predict(signature.enforce(data), signature.enforce_params(params))

    def example(self) -> tuple[Any, dict[str, Any] | None] | None:
        """The stored input example as (data, params), or None.

        Raises:
            Corrupt: it does not parse.
            ModuleNotFoundError: the package its type needs is not here.
        """
        if self._example is None:
            return None
        folder, described = self._example
        return read_example(folder, described, self._info.signature)

    def __repr__(self) -> str:
        return f"<Model {self.uri}: {self._info.flavor}, {type(self._native).__name__}>"


def self_test(model: Model[Any]) -> Literal["passed", "skipped"]:
    """Predict the model's own stored example; "skipped" where it has none or cannot predict.

    Raises:
        Exception: whatever the prediction raises.
    """
    if not isinstance(model, LoadedModel) or not model.can_predict:
        return "skipped"
    try:
        example = model.example()
    except ModuleNotFoundError:
        return "skipped"
    if example is None:
        return "skipped"
    model.predict(*example)
    return "passed"
