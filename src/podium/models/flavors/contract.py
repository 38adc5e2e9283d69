"""What a flavor promises, so that saving, loading and trust are written once for all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from podium.errors import Corrupt
from podium.models.mlmodel import MLmodel

__all__ = ["Flavor", "Loaded", "Predict", "Saved", "Stored"]

Predict: TypeAlias = Callable[[Any, dict[str, Any]], Any]


@dataclass(frozen=True, slots=True)
class Saved:
    """What a flavor wrote.

    Attributes:
        flavors: the flavor keys of MLmodel; ``python_function`` among them where MLflow can predict with it.
        modules: modules whose packages are needed to load it.
    """

    flavors: Mapping[str, Mapping[str, object]]
    modules: frozenset[str]


@dataclass(frozen=True, slots=True)
class Stored:
    """A model directory, read but not loaded.

    Attributes:
        folder: where it lies.
        uri: what to call it in messages.
        mlmodel: its MLmodel.
        paths: every file in it, as its manifest has them.
        may_run_code: whether its code is trusted. Where it is not, the model was judged to be data, and is loaded as
            data or not at all.
    """

    folder: Path
    uri: str
    mlmodel: MLmodel
    paths: frozenset[str]
    may_run_code: bool = False

    def file(self, path: object) -> Path:
        """A file that MLmodel names.

        Raises:
            Corrupt: it is no file of this model (also one outside it).
        """
        if isinstance(path, str) and path in self.paths:
            return self.folder / path
        raise Corrupt(f"MLmodel of {self.uri} names the file {path!r}, which is not in it.", key=str(path))

    def extra_files(self) -> dict[str, Path]:
        """What ``files=`` named at save (MLflow: artifacts), by name.

        Raises:
            Corrupt: one is not in the model.
        """
        named: dict[str, object] = {}
        for keys, key in (
            (self.mlmodel.flavor("podium"), "files"),
            (self.mlmodel.python_function, "artifacts"),
        ):
            listed = keys.get(key)
            named.update(listed if isinstance(listed, Mapping) else {})
        return {str(name): self._inside(value) for name, value in named.items()}

    def _inside(self, value: object) -> Path:
        path = value.get("path") if isinstance(value, Mapping) else value
        if isinstance(path, str) and any(each == path or each.startswith(f"{path}/") for each in self.paths):
            return self.folder / path
        raise Corrupt(f"MLmodel of {self.uri} names the file {path!r}, which is not in it.", key=str(path))


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model in memory.

    Attributes:
        native: the framework's own object.
        predict: (data, params) -> prediction; None where the model cannot predict.
    """

    native: Any
    predict: Predict | None


class Flavor(Protocol):
    """One kind of model. Other packages bring theirs by the entry-point group ``podium.flavors``."""

    @property
    def name(self) -> str:
        """As `ModelInfo.flavor` shows it."""
        ...

    @property
    def takes(self) -> str:
        """What it saves, in a few words, for the message about an object nothing saves."""
        ...

    def accepts(self, model: object) -> bool:
        """Whether it saves this object where no flavor was named."""
        ...

    def save(self, model: object, folder: Path, *, files: Mapping[str, str], example: object) -> Saved:
        """Write the model's files.

        Args:
            model: the object.
            folder: where to; exists.
            files: extra files that are there already: name -> path in ``folder``.
            example: data that `Loaded.predict` will be asked with, or None.

        Raises:
            TypeError: the object is not of this flavor.
        """
        ...

    def claims(self, mlmodel: MLmodel) -> bool:
        """Whether it loads a model with this MLmodel."""
        ...

    def runs_code(self, stored: Stored) -> str | None:
        """What in the bytes would run code when loaded ("it is pickled"), or None. Must not load or import."""
        ...

    def load(self, stored: Stored) -> Loaded:
        """Load it; called only after `runs_code` said None or its code was trusted.

        Where ``stored.may_run_code`` is False nothing may fall back to a format that runs code, whatever the bytes
        say by now.
        """
        ...
