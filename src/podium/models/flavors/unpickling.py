"""Reading a pickle whose code is trusted: the only module of podium that unpickles a model."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from podium.errors import Corrupt, MissingExtra

__all__ = ["unpickle"]


def unpickle(path: Path, uri: str) -> Any:
    """The object in a pickle. Runs its code: call it only after `check_trust`.

    Raises:
        MissingExtra: it needs a module that is not here.
        Corrupt: it is no pickle.
    """
    try:
        with open(path, "rb") as file:
            return pickle.load(file)  # noqa: S301 - after check_trust
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        raise MissingExtra(
            f"loading {uri} needs the module {error.name!r}, which is not installed here. Install it (its "
            "requirements.txt says which version), or save the model with code=[...] if the module is your own.",
            install=f"pip install {module}",
        ) from error
    except (pickle.UnpicklingError, EOFError) as error:
        raise Corrupt(f"{path.name} of model {uri} is no pickle: {error}.", key=path.name) from error
