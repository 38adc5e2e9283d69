"""The file MLmodel: read from strangers, written for MLflow.

A YAML parser is a large attack surface, so size, brackets and aliases are capped, and only plain types come out.
This module must never import or load what the file names.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from podium.errors import Corrupt, Invalid, NotFound
from podium.models.signature import Signature

if TYPE_CHECKING:
    import yaml

__all__ = ["MLMODEL", "MLmodel", "dump_yaml", "encode_mlmodel", "parse_mlmodel", "read_mlmodel"]

MLMODEL = "MLmodel"
_MOST_BYTES = 1 << 20
_MOST_BRACKETS = 1_000
"""PyYAML takes 8-23 s for 2,000 nested brackets, and its C loader crashes at 50,000."""
_LONGEST_NUMBER = 200
"""Characters. PyYAML reads ``1:1:1...`` as digits of base 60: a megabyte of them took 43 s."""


@dataclass(frozen=True, slots=True)
class MLmodel:
    """The parts of MLmodel that podium reads.

    Attributes:
        flavors: flavor -> its keys, as they stand.
        signature: or None.
        example: ``saved_input_example_info``, empty where there is none.
        metadata: the user's own.
        run_id: of the run that made it, or None.
    """

    flavors: Mapping[str, Mapping[str, Any]]
    signature: Signature | None = None
    example: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    run_id: str | None = None

    def flavor(self, name: str) -> Mapping[str, Any]:
        """The keys of a flavor; empty where the model has no such flavor."""
        return self.flavors.get(name, {})

    @property
    def python_function(self) -> Mapping[str, Any]:
        """The keys of the flavor that predicts in MLflow."""
        return self.flavor("python_function")

    @property
    def python(self) -> str:
        """Version of the Python that saved the model, "" where unknown."""
        keys = self.python_function if "python_version" in self.python_function else self.flavor("podium")
        return str(keys.get("python_version", ""))


def read_mlmodel(folder: Path, *, uri: str) -> MLmodel:
    """Read the MLmodel of a directory.

    Raises:
        NotFound: there is none.
        Corrupt: it does not parse, or breaks a limit.
    """
    path = folder / MLMODEL
    try:
        if not stat.S_ISREG(path.lstat().st_mode):  # opening a pipe would wait for ever
            raise _corrupt(uri, "it is a link or a special file")
        with open(path, "rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound(
            f"{uri} is no model: there is no file {MLMODEL} in {folder.name or folder}.", name=uri
        ) from error
    return parse_mlmodel(data, uri=uri)


def parse_mlmodel(data: bytes, *, uri: str) -> MLmodel:
    """Read the bytes of an MLmodel.

    Raises:
        Corrupt: they do not parse, or break a limit.
    """
    if len(data) > _MOST_BYTES:
        raise _corrupt(uri, f"it is larger than {_MOST_BYTES:,} bytes")
    document = _load_yaml(data, uri)
    if not isinstance(document, dict):
        raise _corrupt(uri, "it is no mapping")
    flavors = document.get("flavors")
    if not isinstance(flavors, dict):
        raise _corrupt(uri, "it has no flavors")
    for name, keys in flavors.items():
        if not isinstance(name, str) or not isinstance(keys, dict):
            raise _corrupt(uri, f"the flavor {name!r} is no mapping")
    run_id = document.get("run_id")
    return MLmodel(
        flavors=flavors,
        signature=_signature(document.get("signature"), uri),
        example=_mapping(document, "saved_input_example_info", uri),
        metadata=_mapping(document, "metadata", uri),
        run_id=run_id if isinstance(run_id, str) else None,
    )


def _mapping(document: Mapping[str, Any], key: str, uri: str) -> Mapping[str, Any]:
    value = document.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _corrupt(uri, f"{key} is no mapping")
    return value


def _signature(value: object, uri: str) -> Signature | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise _corrupt(uri, "the signature is no mapping")
    try:
        return Signature.from_json(value)
    except Invalid as error:
        raise _corrupt(uri, f"the signature does not parse: {error}") from error


def _corrupt(uri: str, why: str) -> Corrupt:
    return Corrupt(f"the file {MLMODEL} of model {uri} cannot be read: {why}.", key=MLMODEL)


def _load_yaml(data: bytes, uri: str) -> object:
    import yaml

    try:
        return yaml.load(data.decode("utf-8"), Loader=_loader())  # noqa: S506 - a SafeLoader with caps
    except UnicodeDecodeError as error:
        raise _corrupt(uri, "it is not UTF-8") from error
    except RecursionError as error:
        raise _corrupt(uri, "it is nested too deeply") from error
    except (yaml.YAMLError, ValueError, TypeError, OverflowError, LookupError, AttributeError) as error:
        # The last two: PyYAML's constructors do not check what a file tags, say ``!!int ''`` or ``!!bool x``.
        raise _corrupt(uri, f"it is no YAML that podium reads: {error}") from error


@cache
def _loader() -> type[yaml.SafeLoader]:
    """The safe loader of PyYAML, with no aliases and a cap on brackets; made on first use, yaml stays out of import."""
    import yaml

    class CappedLoader(yaml.SafeLoader):
        """Counts real brackets, not those inside quoted text: a signature of 2,000 columns is one quoted text."""

        def __init__(self, stream: str) -> None:
            super().__init__(stream)
            self._brackets = 0

        def fetch_flow_collection_start(self, TokenClass: type[yaml.Token]) -> None:  # noqa: N803 - PyYAML's name
            self._brackets += 1
            if self._brackets > _MOST_BRACKETS:
                raise yaml.YAMLError(f"more than {_MOST_BRACKETS:,} brackets")
            super().fetch_flow_collection_start(TokenClass)

        def fetch_alias(self) -> None:
            raise yaml.YAMLError("aliases (*name) are refused: a few lines of them grow to gigabytes")

        def construct_number(self, node: yaml.ScalarNode) -> int | float:
            if len(node.value) > _LONGEST_NUMBER:
                raise yaml.YAMLError(f"a number of {len(node.value):,} characters")
            return (
                self.construct_yaml_int(node)
                if node.tag.endswith(":int")
                else self.construct_yaml_float(node)
            )

    for kind in ("int", "float"):
        CappedLoader.add_constructor(f"tag:yaml.org,2002:{kind}", CappedLoader.construct_number)
    return CappedLoader


def dump_yaml(document: Mapping[str, object]) -> bytes:
    """YAML as MLflow writes it: keys sorted, block style, no aliases."""
    import yaml

    class PlainDumper(yaml.SafeDumper):
        def ignore_aliases(self, data: object) -> bool:
            return True

    text = yaml.dump(
        document, Dumper=PlainDumper, sort_keys=True, default_flow_style=False, allow_unicode=True
    )
    return text.encode()


def encode_mlmodel(document: Mapping[str, object]) -> bytes:
    """The bytes of MLmodel.

    Raises:
        Invalid: they would be too large to be read again.
    """
    data = dump_yaml(document)
    if len(data) > _MOST_BYTES:
        raise Invalid(
            f"the {MLMODEL} of this model would have {len(data):,} bytes, more than the {_MOST_BYTES:,} that are read: "
            "its signature or metadata is too large. Pass smaller metadata, or an array as input_example (one tensor "
            "instead of a line a column)."
        )
    return data
