"""Flavor json: a dict, list or text, kept as JSON. Loading runs no code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from podium.errors import Corrupt
from podium.models.flavors.contract import Loaded, Saved, Stored
from podium.models.mlmodel import MLmodel
from podium.strictjson import decode_value, encode_value, loads

__all__ = ["JsonFlavor"]

_FILE = "value.json"


class JsonFlavor:
    """Thresholds, vocabularies, prompts: values that are looked at, not called."""

    name = "json"
    takes = "a dict, list or str"

    def accepts(self, model: object) -> bool:
        """A dict, list or text."""
        return isinstance(model, dict | list | str)

    def save(self, model: object, folder: Path, *, files: Mapping[str, str], example: object) -> Saved:
        """Write value.json; NaN and infinities are kept.

        Raises:
            TypeError: the value is no JSON.
        """
        try:
            text = json.dumps(encode_value(model), indent=1, ensure_ascii=False, allow_nan=False)
            data = text.encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise TypeError(
                f"this {type(model).__name__} cannot be kept as JSON: {error}. Use plain values, or flavor='function' "
                "to pickle it."
            ) from error
        (folder / _FILE).write_bytes(data)
        return Saved({"podium": {"flavor": self.name, "data": _FILE}}, frozenset())

    def claims(self, mlmodel: MLmodel) -> bool:
        """Podium's own key says so, and nothing else can load it."""
        return mlmodel.flavor("podium").get("flavor") == self.name

    def runs_code(self, stored: Stored) -> str | None:
        """Never."""
        return None

    def load(self, stored: Stored) -> Loaded:
        """Read the value.

        Raises:
            Corrupt: it is no JSON.
        """
        path = stored.file(stored.mlmodel.flavor("podium").get("data"))
        try:
            return Loaded(decode_value(loads(path.read_bytes())), None)
        except (ValueError, RecursionError) as error:
            raise Corrupt(f"{path.name} of model {stored.uri} is no JSON: {error}.", key=path.name) from error
