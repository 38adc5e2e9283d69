"""From an object to a model directory: written aside, then put in place whole.

Never writes into a store: whoever logs a model to one lets `write_model` fill a folder of its own, and copies it.
"""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

from podium.errors import Conflict, Invalid, PodiumWarning
from podium.ids import new_id
from podium.models.columns import Column
from podium.models.copying import copy_plain
from podium.models.environment import conda_yaml, pinned, python_env_yaml, python_version
from podium.models.example import split_params, write_example
from podium.models.flavors import Flavor, Stored, flavor_for
from podium.models.info import ModelInfo
from podium.models.loading import load_stored, model_info_of
from podium.models.manifest import Manifest, check_portable, manifest_of
from podium.models.mlmodel import MLMODEL, dump_yaml, encode_mlmodel, parse_mlmodel
from podium.models.signature import Signature
from podium.models.trust import remember_written
from podium.stores.keys import portable_path

__all__ = ["Written", "save_model", "write_model"]

StrPath: TypeAlias = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class Written:
    """A model directory as it was written.

    Attributes:
        info: what is known of the model.
        manifest: its files.
    """

    info: ModelInfo
    manifest: Manifest


def save_model(
    model: object,
    path: StrPath,
    *,
    input_example: object = None,
    signature: Signature | None = None,
    files: Mapping[str, StrPath] | None = None,
    code: Sequence[StrPath] = (),
    requirements: Sequence[str] | None = None,
    flavor: str | None = None,
    metadata: Mapping[str, object] | None = None,
) -> ModelInfo:
    """Save a model as an MLflow model directory, which this process then trusts.

    Args:
        model: an estimator of scikit-learn; a callable or an object with ``predict``; a dict, list or str (kept as
            JSON); a `pathlib.Path` (kept as files).
        path: the directory; must not exist.
        input_example: what `predict` takes, a few rows of it, or a pair (data, params); gives the signature.
        signature: instead of the one inferred from the example.
        files: extra files or folders by name; an object with ``load(files)`` gets their paths when it is loaded.
        code: local modules or packages that the model imports.
        requirements: instead of the packages that were found to be needed, pinned.
        flavor: instead of the one chosen by the object.
        metadata: JSON of your own.

    Returns:
        What is known of the model.

    Raises:
        Conflict: something is at ``path``.
        TypeError: nothing saves such an object.
        Invalid: an option that can never be right.
        FileNotFoundError: a file named in ``files`` or ``code`` is not there.

    A crash leaves nothing at ``path``. Never calls pip or the network.
    """
    target = Path(path)
    _refuse_existing(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.parent / f".{target.name[:80]}.{new_id()}.partial"
    try:
        written = write_model(
            model,
            aside,
            name=target.resolve().name,
            uri=os.fspath(path),
            input_example=input_example,
            signature=signature,
            files=files,
            code=code,
            requirements=requirements,
            flavor=flavor,
            metadata=metadata,
        )
        _refuse_existing(target)
        aside.rename(target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    remember_written(target, written.info.sha256)
    return written.info


def _refuse_existing(target: Path) -> None:
    if os.path.lexists(target):
        raise Conflict(
            f"there is something at {os.fspath(target)!r} already, and models are never overwritten. Choose another "
            "path, or remove it first."
        )


def write_model(
    model: object,
    folder: Path,
    *,
    name: str | None = None,
    uri: str | None = None,
    run_id: str | None = None,
    input_example: object = None,
    signature: Signature | None = None,
    files: Mapping[str, StrPath] | None = None,
    code: Sequence[StrPath] = (),
    requirements: Sequence[str] | None = None,
    flavor: str | None = None,
    metadata: Mapping[str, object] | None = None,
) -> Written:
    """Fill ``folder``, which must not exist, with a model. What fails may leave a part of it: the caller removes it.

    ``folder`` is where to write; ``name`` and ``uri`` stand in `ModelInfo` (the folder's where None); ``run_id`` is the
    run that logs it, and stands in MLmodel. All else as `save_model`.

    Raises:
        TypeError, Invalid, FileNotFoundError: as `save_model`.
    """
    chosen = flavor_for(model, flavor)
    user_metadata = _json_metadata(metadata)
    folder.mkdir(parents=True)
    extra = _copy_files(folder, files or {})
    has_code = _copy_code(folder, code)
    saved = chosen.save(model, folder, files=extra, example=split_params(input_example)[0])
    flavors = _flavors(saved.flavors, extra, has_code=has_code)
    example: dict[str, object] = {}
    if input_example is not None:
        example = write_example(folder, input_example)
        if signature is None:
            signature = _inferred(chosen, flavors, folder, input_example)
    needed = saved.modules | _needed_by(signature)
    wanted = pinned(needed) if requirements is None else _checked_requirements(requirements)
    document: dict[str, object] = {
        "flavors": flavors,
        "model_id": None,
        "model_size_bytes": sum(each.stat().st_size for each in folder.rglob("*") if each.is_file()),
        "model_uuid": new_id(),
        "prompts": None,
        "utc_time_created": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}",
    }
    if run_id is not None:
        document["run_id"] = run_id
    if signature is not None:
        document["signature"] = signature.to_json()
        document |= {"is_signature_from_type_hint": False, "type_hint_from_example": False}
    if example:
        document["saved_input_example_info"] = example
    if user_metadata:
        document["metadata"] = user_metadata
    (folder / "requirements.txt").write_bytes("\n".join(wanted).encode())
    (folder / "conda.yaml").write_bytes(dump_yaml(conda_yaml(wanted)))
    (folder / "python_env.yaml").write_bytes(dump_yaml(python_env_yaml()))
    (folder / MLMODEL).write_bytes(encode_mlmodel(document))
    manifest = manifest_of(folder)
    check_portable(manifest)
    called = uri if uri is not None else os.fspath(folder)
    return Written(model_info_of(folder, uri=called, name=name, run_id=run_id), manifest)


def _needed_by(signature: Signature | None) -> frozenset[str]:
    """A model that takes named columns is given a frame: in MLflow always, here to convert what it takes."""
    inputs = signature.inputs if signature is not None and signature.inputs is not None else ()
    named = any(isinstance(spec, Column) and spec.name is not None for spec in inputs)
    return frozenset({"pandas"}) if named else frozenset()


def _json_metadata(metadata: Mapping[str, object] | None) -> dict[str, Any]:
    if metadata is None:
        return {}
    try:
        plain = json.loads(json.dumps(dict(metadata), allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise Invalid(f"metadata has to be JSON: {error}.") from error
    if not isinstance(plain, dict):
        raise Invalid("metadata has to be a mapping.")
    return plain


def _checked_requirements(requirements: Sequence[str]) -> tuple[str, ...]:
    if isinstance(requirements, str) or not all(isinstance(each, str) for each in requirements):
        raise TypeError('requirements is a sequence of texts: ["numpy==2.1", "scipy"].')
    for each in requirements:
        if "\n" in each or "\r" in each:
            raise Invalid(f"the requirement {each!r} holds a line break.")
    return tuple(requirements)


def _copy_files(folder: Path, files: Mapping[str, StrPath]) -> dict[str, str]:
    """Copy what ``files=`` names to artifacts/<name>/; the path in the model by name."""
    copied: dict[str, str] = {}
    for name, source in files.items():
        if len(portable_path(name)) != 1:
            raise Invalid(f"{name!r} cannot name a file of a model: it holds a '/'.")
        inside = f"artifacts/{name}/{Path(source).resolve().name}"
        copy_plain(Path(source), folder / inside)
        copied[name] = inside
    return copied


def _copy_code(folder: Path, code: Sequence[StrPath]) -> bool:
    if isinstance(code, str | os.PathLike):
        raise TypeError('code is a sequence of paths: code=["features.py", "my_package"].')
    for source in code:
        target = folder / "code" / Path(source).resolve().name
        if target.exists():
            raise Invalid(f"code names two files or folders called {target.name!r}.")
        copy_plain(Path(source), target)
    return bool(code)


def _flavors(
    written: Mapping[str, Mapping[str, object]], extra: Mapping[str, str], *, has_code: bool
) -> dict[str, dict[str, object]]:
    """The flavor keys of MLmodel: what the flavor wrote, and what is the same for all."""
    flavors = {name: dict(keys) for name, keys in written.items()}
    if "python_function" in flavors:
        flavors["python_function"]["env"] = {"conda": "conda.yaml", "virtualenv": "python_env.yaml"}
    if has_code:
        for keys in flavors.values():
            keys["code"] = "code"
    own = flavors.setdefault("podium", {})
    own |= {"format": 1, "python_version": python_version()}
    if extra:
        own["files"] = dict(extra)
    return flavors


def _inferred(
    flavor: Flavor, flavors: Mapping[str, Mapping[str, object]], folder: Path, example: object
) -> Signature | None:
    """The signature of the example and the prediction for it; what cannot be had is warned about and left out."""
    data, params = split_params(example)
    try:
        inputs = Signature.infer(data, params=params)
    except Invalid as error:
        _warn(f"the model is saved without a signature: {error}")
        return None
    if "python_function" not in flavors:
        return inputs
    try:
        output = _loaded_back(flavor, flavors, folder)(inputs.enforce(data), inputs.enforce_params(params))
        return Signature.infer(data, output, params)
    except Exception as error:  # noqa: BLE001 - the user's model failed; losing it for a bad example would be worse
        _warn(
            f"the model is saved without the outputs of its signature: predicting input_example raised "
            f"{type(error).__name__}: {error}"
        )
        return inputs


def _loaded_back(
    flavor: Flavor, flavors: Mapping[str, Mapping[str, object]], folder: Path
) -> Callable[[Any, dict[str, Any]], Any]:
    """The predict of the stored model: what was written is tried, not what is in memory."""
    mlmodel = parse_mlmodel(encode_mlmodel({"flavors": flavors}), uri=folder.name)
    paths = frozenset(manifest_of(folder).paths())
    predict = load_stored(Stored(folder, folder.name, mlmodel, paths, may_run_code=True), flavor).predict
    if predict is None:
        raise Invalid("it cannot predict")
    return predict


def _warn(text: str) -> None:
    warnings.warn(text, PodiumWarning, stacklevel=5)
