"""Which packages a model needs, pinned to what is installed now, and how another place differs.

Looks at installed metadata only: no subprocess, no pip, no network, and nothing of the environment's values.
"""

from __future__ import annotations

import json
import pickletools
import platform
import re
import sys
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from podium.errors import Corrupt

__all__ = [
    "conda_yaml",
    "differences",
    "modules_in_pickle",
    "modules_in_skops",
    "pinned",
    "python_env_yaml",
    "python_version",
]

_DISTRIBUTIONS = {
    "PIL": "pillow",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "PyYAML",
}
"""Modules whose distribution has another name. The full map takes 100s of ms to build: asked last."""
_MOST_OPCODES = 1_000_000
_NEVER = frozenset({"mlflow", "podium"})
_PIN = re.compile(
    r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*(?:==\s*([A-Za-z0-9.!+_-]+))?\s*(?:;.*)?"
)
_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


def python_version() -> str:
    """As ``python_version`` in MLmodel: "3.11.7"."""
    return platform.python_version()


def pinned(modules: Iterable[str]) -> tuple[str, ...]:
    """``name==version`` of the distributions that these modules come from, sorted.

    Args:
        modules: dotted names; those of the standard library and of no installed package are passed over.
    """
    tops = {module.partition(".")[0] for module in modules} - _NEVER - set(sys.stdlib_module_names)
    found = {line for top in tops if (line := _pin(top)) is not None}
    return tuple(sorted(found, key=str.lower))


def _pin(module: str) -> str | None:
    for name in _candidates(module):
        version = _version(name)
        if version is not None:
            # A local label (2.13.0+cpu) names a build that no index has.
            return f"{name}=={version.partition('+')[0]}"
    return None


def _candidates(module: str) -> Iterable[str]:
    yield _DISTRIBUTIONS.get(module, module)
    origin = getattr(sys.modules.get(module), "__file__", None)
    if origin is not None and "site-packages" in Path(origin).parts:
        yield from _installed().get(module, ())


@cache
def _installed() -> Mapping[str, list[str]]:
    return metadata.packages_distributions()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def modules_in_pickle(data: bytes) -> frozenset[str]:
    """The modules that a pickle names, without running any of it.

    Looks at no more than a million opcodes: a hint for requirements, not a judgement.
    """
    found: set[str] = set()
    memo: list[object] = []
    last: list[object] = [None, None]
    subimport = object()
    for count, (opcode, argument, _) in enumerate(_opcodes(data)):
        if count >= _MOST_OPCODES:
            break
        name = opcode.name
        if name in {"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE"}:
            if last[1] is subimport:
                found.add(str(argument))  # cloudpickle's way to name a module: subimport("numpy")
            last = [last[1], argument]
        elif name == "MEMOIZE":
            memo.append(last[1])
        elif name in {"BINGET", "LONG_BINGET"} and isinstance(argument, int) and argument < len(memo):
            last = [last[1], memo[argument]]
        elif name == "GLOBAL":
            found.add(str(argument).partition(" ")[0])
            last = [None, None]
        elif name == "STACK_GLOBAL":
            if isinstance(last[0], str):
                found.add(last[0])
            last = [None, subimport if last[1] == "subimport" else None]
        elif name not in {"FRAME", "PROTO", "MARK"}:
            last = [None, None] if last[1] is not subimport else last
    return frozenset(found)


def _opcodes(data: bytes) -> Iterable[tuple[Any, Any, int | None]]:
    return pickletools.genops(data)


def modules_in_skops(path: Path) -> frozenset[str]:
    """The modules that the schema of a skops file names.

    Raises:
        Corrupt: it is no skops file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            schema = json.loads(archive.read("schema.json"))
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise Corrupt(f"{path.name} is no skops file: {error}.", key=path.name) from error
    found: set[str] = set()
    pending = [schema]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            found.add(str(node.get("__module__", "builtins")))
            pending.extend(node.values())
        elif isinstance(node, list):
            pending.extend(node)
    return frozenset(found)


def conda_yaml(requirements: Sequence[str]) -> dict[str, Any]:
    """What conda.yaml holds."""
    dependencies: list[Any] = [f"python={python_version()}", "pip"]
    if requirements:
        dependencies.append({"pip": list(requirements)})
    return {"channels": ["conda-forge"], "dependencies": dependencies, "name": "podium-model"}


def python_env_yaml() -> dict[str, Any]:
    """What python_env.yaml holds."""
    return {
        "python": python_version(),
        "build_dependencies": ["pip", "setuptools", "wheel"],
        "dependencies": ["-r requirements.txt"],
    }


def differences(requirements: Iterable[str], python: str) -> tuple[str, ...]:
    """How this place differs from where the model was saved, a line a package; empty if it does not.

    Only exact pins (``==``) are compared; any other requirement needs only to be installed. Of Python the minor
    version counts.
    """
    lines = [line for each in requirements if (line := _difference(each)) is not None]
    here = python_version()
    if python and python.split(".")[:2] != here.split(".")[:2]:
        lines.insert(0, f"python: saved with {python}, here {here}")
    return tuple(lines)


def _difference(requirement: str) -> str | None:
    named = _NAME.match(requirement)
    if named is None or requirement.lstrip().startswith(("-", "#")):
        return None
    name = named.group(1)
    here = _version(name)
    if here is None:
        return f"{name}: saved with {requirement.strip()}, not installed here"
    pin = _PIN.fullmatch(requirement)
    if pin is None or pin.group(2) is None or pin.group(2).partition("+")[0] == here.partition("+")[0]:
        return None
    return f"{name}: saved with {pin.group(2)}, here {here}"
