"""Load a version in a fresh process and let it predict its own example, before an alias points at it.

The child gets the path of files that were verified, the caller's import path, and a short list of environment
variables: none that could open a store. It is a process of its own, not a sandbox.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, Literal

from podium.commits.decisions import Preflight
from podium.errors import PreflightFailed
from podium.models.manifest import Manifest
from podium.models.mlmodel import read_mlmodel

__all__ = ["preflight"]

TIME_LIMIT_S = 120.0
_TAIL_BYTES = 64 << 10
_ANSWER = "podium preflight: "

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
_passed: set[tuple[object, ...]] = set()
"""Flights of this process that passed: neither bytes nor Python change."""


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
        How it went. What passed is not flown again by this process: once a digest and Python environment.
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
            f"{which} was not given the alias: in a fresh process it did not load, or not predict its own example: "
            f"{text.rstrip('.')}. The attempt is in the history. Mend the model and register it again; if the fault is "
            "with this machine alone, set the alias with preflight='skip'.",
            version=version,
        ),
    )


def _outcome(folder: Path, manifest: Manifest, trusted: bool) -> tuple[str, str]:
    # Half a second for a process that would have nothing to predict is better not spent.
    if not read_mlmodel(folder, uri=folder.name).example:
        return "skipped", "it has no input example to predict"
    ticket = (manifest.sha256, trusted, _python_environment())
    if ticket not in _passed:
        outcome, text = _flown(folder, manifest, trusted)
        if outcome != "passed":
            return outcome, text  # not kept: a package that is missing now may be installed a minute later
        _passed.add(ticket)
    return "passed", ""


def _python_environment() -> tuple[object, ...]:
    """What a flight's outcome hangs on beside the model; installing a package changes its folder's time."""
    packages = tuple(
        (each, os.stat(each).st_mtime_ns)
        for each in sys.path
        if each.endswith(("site-packages", "dist-packages")) and os.path.isdir(each)
    )
    return sys.executable, sys.version, tuple(sys.path), packages, os.environ.get("PODIUM_TRUST")


def _flown(folder: Path, manifest: Manifest, trusted: bool) -> tuple[str, str]:
    order = {
        "sys_path": [each for each in sys.path if each],
        "folder": str(folder),
        "manifest": manifest.to_bytes().decode(),
        "trusted": trusted,
    }
    # Files, not pipes: what a model starts may hold a pipe open for ever.
    with (
        tempfile.TemporaryFile() as asked,
        tempfile.TemporaryFile() as told,
        tempfile.TemporaryFile() as errors,
    ):
        asked.write(json.dumps(order).encode())
        asked.seek(0)
        child = subprocess.Popen(  # noqa: S603 - this interpreter, and code that stands above
            [sys.executable, "-I", "-c", _CHILD],
            stdin=asked,
            stdout=told,
            stderr=errors,
            env={key: value for key, value in os.environ.items() if key in _KEPT or key.startswith("LC_")},
            start_new_session=True,
        )
        try:
            child.wait(TIME_LIMIT_S)
        except subprocess.TimeoutExpired:
            return "failed", f"It took longer than {TIME_LIMIT_S:.0f} s."
        finally:
            _end(child)
        return _answer(_tail(told)) or (
            "failed",
            f"The process ended with status {child.returncode}: {_last_line(_tail(errors))}",
        )


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the child and, where there are process groups, whatever it started."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
    child.kill()
    child.wait()


def _tail(file: IO[bytes]) -> list[str]:
    """The last lines of what was written; a model may print without end."""
    end = file.seek(0, os.SEEK_END)
    file.seek(max(end - _TAIL_BYTES, 0))
    return file.read().decode("utf-8", "replace").splitlines()


def _answer(lines: list[str]) -> tuple[str, str] | None:
    for line in reversed(lines):
        if line.startswith(_ANSWER):
            with contextlib.suppress(ValueError):
                outcome, text = json.loads(line.removeprefix(_ANSWER))
                return str(outcome), str(text)
    return None


def _last_line(lines: list[str]) -> str:
    said = [line for line in lines if line.strip()]
    return said[-1][:500] if said else "it said nothing"
