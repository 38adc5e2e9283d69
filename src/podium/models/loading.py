"""From a model directory to a model: verified, judged, then loaded.

The order is the point: bytes are compared before they are parsed, trust is decided before anything is loaded, and
every name a file gives is looked up in a closed table. Where the directory came from, and whether that place is
trusted, the caller says.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, get_origin, overload

from podium.errors import EnvironmentMismatch, NotFound, PodiumWarning
from podium.models.codepath import importing
from podium.models.environment import differences, python_version
from podium.models.flavors import Flavor, Loaded, Stored, flavor_of
from podium.models.info import ModelInfo
from podium.models.manifest import Manifest, manifest_of, verify
from podium.models.mlmodel import read_mlmodel
from podium.models.model import LoadedModel
from podium.models.trust import check_trust, written_here

__all__ = ["load_directory", "load_stored", "model_info_of"]

T = TypeVar("T")
_MOST_REQUIREMENTS_BYTES = 1 << 20


@overload
def load_directory(
    path: str | os.PathLike[str],
    *,
    native_type: type[T],
    uri: str | None = ...,
    name: str | None = ...,
    version: int | None = ...,
    run_id: str | None = ...,
    manifest: Manifest | None = ...,
    trusted: bool = ...,
    trust: bool | None = ...,
    trust_path: str | None = ...,
    strict_environment: bool = ...,
) -> LoadedModel[T]: ...
@overload
def load_directory(
    path: str | os.PathLike[str],
    *,
    native_type: None = ...,
    uri: str | None = ...,
    name: str | None = ...,
    version: int | None = ...,
    run_id: str | None = ...,
    manifest: Manifest | None = ...,
    trusted: bool = ...,
    trust: bool | None = ...,
    trust_path: str | None = ...,
    strict_environment: bool = ...,
) -> LoadedModel[Any]: ...
def load_directory(
    path: str | os.PathLike[str],
    *,
    native_type: type[Any] | None = None,
    uri: str | None = None,
    name: str | None = None,
    version: int | None = None,
    run_id: str | None = None,
    manifest: Manifest | None = None,
    trusted: bool = False,
    trust: bool | None = None,
    trust_path: str | None = None,
    strict_environment: bool = False,
) -> LoadedModel[Any]:
    """Load the model in a directory.

    Args:
        path: the directory.
        native_type: what ``model.native`` has to be, or None.
        uri: pinned; the path where None.
        name: of the artifact or registered model; the directory's where None.
        version: in the registry.
        run_id: the run that made it; what MLmodel says where None.
        manifest: what the directory has to hold. None (a plain path): there is nothing to verify against.
        trusted: whether the caller vouches for where the directory lies.
        trust: the user's word: True, False or None.
        trust_path: what ``podium trust`` would take for this origin; None where it would not help.
        strict_environment: refuse where packages differ from those it was saved with.

    Raises:
        NotFound: no model is there.
        Corrupt: its bytes are not those of the manifest, or do not parse.
        UntrustedModel: it would run code, and nobody vouched for it.
        EnvironmentMismatch: packages differ (only with ``strict_environment``).
        MissingExtra: a package it needs is not installed.
        Invalid: no flavor loads it.
        TypeError: it is not a ``native_type``.
    """
    stored, flavor, manifest = _stored(path, uri, manifest)
    why = _why_code(stored, flavor)
    info = _info(stored, flavor, manifest, why, name=name, run_id=run_id)
    check_trust(
        info.uri,
        why or "",
        needs_code=why is not None,
        origin_trusted=trusted or written_here(stored.folder, info.sha256),
        trust=trust,
        path=trust_path,
    )
    if strict_environment:
        _check_environment(info)
    elif why is not None:
        _warn_other_python(info)
    brings_code = _has_code_folder(stored)
    with importing(stored.folder / "code", info.sha256) if brings_code else nullcontext():
        loaded = load_stored(replace(stored, may_run_code=why is not None), flavor)
    # isinstance knows no dict[str, float], which is how a type checker is told what is in the dict.
    if native_type is not None and not isinstance(loaded.native, get_origin(native_type) or native_type):
        found = type(loaded.native)
        raise TypeError(
            f"{info.uri} holds a {found.__module__}.{found.__qualname__}, not the "
            f"{native_type.__module__}.{native_type.__qualname__} that native_type asks for."
        )
    example = (stored.folder, stored.mlmodel.example) if stored.mlmodel.example else None
    return LoadedModel(loaded.native, loaded.predict, info, version=version, example=example)


def load_stored(stored: Stored, flavor: Flavor) -> Loaded:
    """Load a model whose trust is decided, and hand it its extra files."""
    loaded = flavor.load(stored)
    files = stored.extra_files()
    load: Callable[[dict[str, Path]], object] | None = getattr(loaded.native, "load", None)
    if files and callable(load) and flavor.name != "function":  # whose wrapper has called it, in MLflow too
        load(files)
    return loaded


def model_info_of(
    path: str | os.PathLike[str],
    *,
    uri: str | None = None,
    name: str | None = None,
    run_id: str | None = None,
    manifest: Manifest | None = None,
) -> ModelInfo:
    """The facts about the model in a directory; reads every byte and loads nothing.

    Raises:
        NotFound: no model is there.
        Corrupt: its bytes are not those of the manifest, or do not parse.
        Invalid: no flavor loads it.
    """
    stored, flavor, manifest = _stored(path, uri, manifest)
    return _info(stored, flavor, manifest, _why_code(stored, flavor), name=name, run_id=run_id)


def _stored(
    path: str | os.PathLike[str], uri: str | None, manifest: Manifest | None
) -> tuple[Stored, Flavor, Manifest]:
    folder = Path(path)
    called = uri if uri is not None else os.fspath(path)
    if manifest is not None:
        verify(folder, manifest, uri=called)
    elif not folder.is_dir():
        raise NotFound(f"there is no model at {called}: no such folder.", name=called)
    mlmodel = read_mlmodel(folder, uri=called)
    if manifest is None:
        manifest = manifest_of(folder)
    stored = Stored(folder, called, mlmodel, frozenset(manifest.paths()))
    return stored, flavor_of(mlmodel, called), manifest


def _why_code(stored: Stored, flavor: Flavor) -> str | None:
    return flavor.runs_code(stored) or ("it brings a folder of code" if _has_code_folder(stored) else None)


def _has_code_folder(stored: Stored) -> bool:
    return any(path.startswith("code/") for path in stored.paths)


def _info(
    stored: Stored,
    flavor: Flavor,
    manifest: Manifest,
    why: str | None,
    *,
    name: str | None,
    run_id: str | None,
) -> ModelInfo:
    mlmodel = stored.mlmodel
    return ModelInfo(
        uri=stored.uri,
        name=name if name is not None else stored.folder.resolve().name,
        flavor=flavor.name,
        trust="data" if why is None else "code",
        run_id=run_id if run_id is not None else mlmodel.run_id,
        sha256=manifest.sha256,
        size_bytes=manifest.size_bytes,
        signature=mlmodel.signature,
        requirements=_requirements(stored),
        python=mlmodel.python,
        metadata=mlmodel.metadata,
    )


def _requirements(stored: Stored) -> tuple[str, ...]:
    if "requirements.txt" not in stored.paths:
        return ()
    with open(stored.folder / "requirements.txt", "rb") as file:
        text = file.read(_MOST_REQUIREMENTS_BYTES).decode("utf-8", "replace")
    lines = (line.strip() for line in text.splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))


def _check_environment(info: ModelInfo) -> None:
    lines = differences(info.requirements, info.python)
    if lines:
        raise EnvironmentMismatch(
            f"{info.uri} was saved with other packages than those installed here: {'; '.join(lines)}. Install them, or "
            "load without strict_environment.",
            differences=lines,
        )


def _warn_other_python(info: ModelInfo) -> None:
    here = python_version()
    if info.python and info.python.split(".")[:2] != here.split(".")[:2]:
        warnings.warn(
            f"{info.uri} was pickled by Python {info.python} and this is {here}: it may not load or not run",
            PodiumWarning,
            stacklevel=3,
        )
