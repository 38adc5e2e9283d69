"""The facts about one model that can be read without loading it.

`ModelInfo` is what `save_model` returns and `model_info` reads; runs keep it as plain JSON. This module must never
read a file: whoever builds a `ModelInfo` has looked at the bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from podium.errors import Corrupt
from podium.models.home import Home
from podium.models.signature import Signature
from podium.readonly import read_only
from podium.strictjson import JsonValue, decode_value, encode_value
from podium.table import Shown

__all__ = ["ModelInfo", "Trust", "info_from_json", "info_to_json"]

Trust = Literal["data", "code"]


@dataclass(frozen=True, slots=True)
class ModelInfo(Shown):
    """One saved model.

    Attributes:
        uri: where it was found, pinned where it can be.
        name: the last part of its place: the artifact's, the version's model, or the folder's name.
        flavor: "sklearn", "function", "json", "files", or one that a package brings.
        trust: "data" if loading runs no code of the model, else "code"; judged from the bytes.
        run_id: the run that made it, or None.
        sha256: of its manifest, 64 hex digits.
        size_bytes: all files together.
        signature: what it takes and gives, or None.
        requirements: as in requirements.txt.
        python: version of the Python that saved it, "" where unknown.
        metadata: the user's own.
    """

    uri: str
    name: str
    flavor: str
    trust: Trust
    run_id: str | None
    sha256: str
    size_bytes: int
    signature: Signature | None = None
    requirements: tuple[str, ...] = ()
    python: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    _home: Home | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "metadata", read_only(self.metadata))


def info_to_json(info: ModelInfo) -> dict[str, JsonValue]:
    """The facts that belong to the model itself: all but uri and run_id, which belong to its place."""
    return {
        "name": info.name,
        "flavor": info.flavor,
        "trust": info.trust,
        "sha256": info.sha256,
        "size_bytes": info.size_bytes,
        "signature": None if info.signature is None else cast("JsonValue", info.signature.to_json()),
        "requirements": list(info.requirements),
        "python": info.python,
        "metadata": encode_value(dict(info.metadata)),
    }


def info_from_json(value: Mapping[str, Any], *, uri: str, run_id: str | None) -> ModelInfo:
    """The facts behind `info_to_json`, at a place.

    Raises:
        Corrupt: a field is missing or makes no sense.
    """
    try:
        signature = value.get("signature")
        return ModelInfo(
            uri=uri,
            name=str(value["name"]),
            flavor=str(value["flavor"]),
            trust="data" if value["trust"] == "data" else "code",
            run_id=run_id,
            sha256=str(value["sha256"]),
            size_bytes=int(value["size_bytes"]),
            signature=None if signature is None else Signature.from_json(signature),
            requirements=tuple(str(each) for each in value.get("requirements", ())),
            python=str(value.get("python", "")),
            metadata=decode_value(value.get("metadata") or {}),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        why = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise Corrupt(
            f"what is recorded of the model {uri} does not describe a model: {why}. Its files may be whole all the "
            "same: load it by a path. Restore the log from a copy of the store.",
            key=uri,
            expected="name, flavor, trust, sha256, size_bytes",
            found=", ".join(map(str, value)) or "nothing",
        ) from error
