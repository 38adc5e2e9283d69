"""Reading a pickle whose code is trusted: the only module of podium that unpickles a model."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from podium.errors import Corrupt, MissingExtra, UntrustedModel
from podium.models.flavors.contract import Stored

__all__ = ["unpickle"]


def unpickle(path: Path, stored: Stored) -> Any:
    """The object in a pickle of a stored model. Runs its code.

    Raises:
        UntrustedModel: nobody found its code trusted.
        MissingExtra: it needs a module that is not here.
        Corrupt: it is no pickle.
    """
    uri = stored.uri
    if not stored.may_run_code:
        raise UntrustedModel(f"{path.name} of model {uri} is pickled, and its code is not trusted.", uri=uri)
    try:
        with open(path, "rb") as file:
            return pickle.load(file)  # noqa: S301 - its code is trusted: asked above
    except ImportError as error:
        module = (error.name or "").partition(".")[0]
        raise MissingExtra(
            f"loading {uri} needs the module {error.name!r}, which is not here as it was ({error}). Install it (its "
            "requirements.txt says which version), or save the model with code=[...] if the module is your own.",
            install=f"pip install {module}",
        ) from error
    except (pickle.UnpicklingError, EOFError) as error:
        raise Corrupt(f"{path.name} of model {uri} is no pickle: {error}.", key=path.name) from error
