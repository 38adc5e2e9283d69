"""Which flavor saves an object, and which loads a stored model.

A closed table: podium's own flavors and those of installed packages. Nothing that a file says adds to it.
"""

from __future__ import annotations

from functools import cache
from importlib import metadata

from podium.errors import Invalid, did_you_mean, near_names
from podium.models.flavors.contract import Flavor
from podium.models.flavors.files import FilesFlavor
from podium.models.flavors.function import FunctionFlavor
from podium.models.flavors.json import JsonFlavor
from podium.models.flavors.sklearn import SklearnFlavor
from podium.models.mlmodel import MLmodel

__all__ = ["flavor_for", "flavor_of"]

_OWN: tuple[Flavor, ...] = (SklearnFlavor(), JsonFlavor(), FilesFlavor(), FunctionFlavor())


@cache
def _installed() -> tuple[Flavor, ...]:
    return tuple(entry.load()() for entry in metadata.entry_points(group="podium.flavors"))


def flavor_for(model: object, named: str | None = None) -> Flavor:
    """The flavor that saves ``model``.

    Args:
        model: the object.
        named: the flavor the caller wants, or None to choose by the object. Packages come before podium's own,
            being more particular.

    Raises:
        Invalid: no flavor has that name.
        TypeError: nothing saves such an object.
    """
    flavors = (*_installed(), *_OWN)
    if named is not None:
        return _named(named, flavors)
    for flavor in flavors:
        if flavor.accepts(model):
            return flavor
    kinds = "; ".join(f"{flavor.name}: {flavor.takes}" for flavor in flavors)
    raise TypeError(
        f"podium does not know how to save a {type(model).__module__}.{type(model).__qualname__} as a model. It saves "
        f"{kinds}. Wrap it in a function, or name the flavor: flavor='function' pickles any object."
    )


def _named(name: str, flavors: tuple[Flavor, ...]) -> Flavor:
    for flavor in flavors:
        if flavor.name == name:
            return flavor
    names = [flavor.name for flavor in flavors]
    meant = did_you_mean(near_names(name, names))
    raise Invalid(f"there is no flavor {name!r}; known are {', '.join(names)}.{meant}")


def flavor_of(mlmodel: MLmodel, uri: str) -> Flavor:
    """The flavor that loads a stored model.

    Raises:
        Invalid: none does.
    """
    for flavor in (*_OWN, *_installed()):
        if flavor.claims(mlmodel):
            return flavor
    loader = str(mlmodel.python_function.get("loader_module", ""))
    kinds = ", ".join(map(repr, mlmodel.flavors)) or "none"
    if loader == "mlflow.pyfunc.loaders.code_model":
        raise Invalid(
            f"{uri} is a model from code (a script that MLflow runs at load), which podium does not run. Save the "
            "object itself instead."
        )
    named = f", loader_module {loader!r}" if loader else ""
    raise Invalid(
        f"no flavor that is installed here loads {uri} (its flavors: {kinds}{named}). Module names read from a model "
        f"are never imported. Known flavors: {', '.join(flavor.name for flavor in (*_OWN, *_installed()))}."
    )
