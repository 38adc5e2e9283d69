"""What the preflight's child process does: load a model, predict its stored example, say how it went on one line.

Runs where no store can be reached: it is given a directory and what has to be in it.
"""

from __future__ import annotations

import json
from pathlib import Path

from podium.errors import MissingExtra, UntrustedModel
from podium.models.loading import load_directory
from podium.models.manifest import Manifest
from podium.models.model import self_test

__all__ = ["fly"]


def fly(folder: str, manifest: str, trusted: bool) -> None:
    """Load and predict; prints ``podium preflight: ["passed" | "skipped" | "failed", why]``."""
    print("podium preflight: " + json.dumps(_outcome(Path(folder), manifest, trusted)), flush=True)


def _outcome(folder: Path, manifest: str, trusted: bool) -> tuple[str, str]:
    try:
        model = load_directory(
            folder,
            manifest=Manifest.from_bytes(manifest.encode(), key="manifest"),
            trusted=trusted,
        )
        if self_test(model) == "passed":
            return "passed", ""
        return "skipped", "it has no input example to predict"
    except UntrustedModel:
        return "skipped", "its code is not trusted here"
    except (MissingExtra, ModuleNotFoundError) as error:
        return "skipped", f"a package is missing: {error}"
    except Exception as error:  # noqa: BLE001 - the boundary: whatever a model throws is the answer
        return "failed", f"{type(error).__name__}: {error}"
