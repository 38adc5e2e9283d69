"""Load a version in a fresh process and let it predict its own example, before an alias points at it.

The child gets the path of files that were verified, the caller's import path, and a short list of environment
variables: none that could open a store. It is a process of its own, not a sandbox.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Literal

from podium.commits.decisions import Preflight
from podium.errors import PreflightFailed
from podium.models.manifest import Manifest
from podium.models.mlmodel import read_mlmodel

__all__ = ["preflight"]

TIME_LIMIT_S = 120.0

# What interpreters and numerical libraries need; everything else, credentials among it, stays out.
_KEPT = frozenset(
    """
    PATH HOME USERPROFILE LANG LANGUAGE TZ TMPDIR TEMP TMP SYSTEMROOT SYSTEMDRIVE WINDIR COMSPEC PATHEXT
    LD_LIBRARY_PATH DYLD_LIBRARY_PATH VIRTUAL_ENV CONDA_PREFIX PYTHONHASHSEED CUDA_VISIBLE_DEVICES PODIUM_TRUST
    OMP_NUM_THREADS OPENBLAS_NUM_THREADS OPENBLAS_CORETYPE OPENBLAS_L2_SIZE MKL_NUM_THREADS
    """.split()  # noqa: SIM905 - a list of words reads as one
)
_CHILD = (
    "import json, sys\n"
    "order = json.load(sys.stdin)\n"
    "sys.path[:] = order.pop('sys_path')\n"
    "from podium.models.preflight import fly\n"
    "fly(**order)\n"
)


def preflight(
    folder: Path,
    manifest: Manifest,
    mode: Literal["auto", "require"],
    *,
    trusted: bool,
    version: int | None,
) -> Preflight:
    """Load a model in a fresh process and predict its stored example.

    Args:
        folder: its files, on this machine's disk.
        manifest: what they must be.
        mode: whether what cannot be tried is passed over ("auto") or fails ("require").
        trusted: whether its code may be run.
        version: its number, for the message; None where it has none yet.

    Returns:
        How it went; asked once a digest in this process, since neither bytes nor Python change.
    """
    outcome, text = _outcome(folder, manifest, trusted)
    if outcome == "passed":
        return Preflight("passed")
    which = "the model" if version is None else f"version {version}"
    if outcome == "skipped" and mode == "auto":
        return Preflight(f"skipped: {text}")
    return Preflight(
        f"failed: {text}",
        PreflightFailed(
            f"{which} was not given the alias: in a fresh process it did not load, or not predict its own example. "
            f"{text}",
            version=version,
        ),
    )


def _outcome(folder: Path, manifest: Manifest, trusted: bool) -> tuple[str, str]:
    # Half a second for a process that would have nothing to predict is better not spent.
    if not read_mlmodel(folder, uri=folder.name).example:
        return "skipped", "it has no input example to predict"
    return _flown(str(folder), manifest, trusted, os.environ.get("PODIUM_TRUST"))


@functools.lru_cache(maxsize=256)
def _flown(folder: str, manifest: Manifest, trusted: bool, _word: str | None) -> tuple[str, str]:
    order = {
        "sys_path": [each for each in sys.path if each],
        "folder": folder,
        "manifest": manifest.to_bytes().decode(),
        "trusted": trusted,
    }
    environment = {key: value for key, value in os.environ.items() if key in _KEPT or key.startswith("LC_")}
    try:
        child = subprocess.run(  # noqa: S603 - this interpreter, and code that stands above
            [sys.executable, "-I", "-c", _CHILD],
            input=json.dumps(order),
            env=environment,
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "failed", f"It took longer than {TIME_LIMIT_S:.0f} s."
    for line in reversed(child.stdout.splitlines()):
        if line.startswith("podium preflight: "):
            outcome, text = json.loads(line.removeprefix("podium preflight: "))
            return str(outcome), str(text)
    last = (child.stderr.strip().splitlines() or ["it said nothing"])[-1]
    return "failed", f"The process ended with status {child.returncode}: {last[:500]}"
