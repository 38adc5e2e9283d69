"""What is registered, before it is: the bytes of a model and the facts of the run that made it.

Whoever turns a run, a path or a URI into this knows workspaces; the registry does not.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from podium.commits.facts import ModelVersion
from podium.models.info import ModelInfo
from podium.models.manifest import Manifest
from podium.search.evaluate import Summary
from podium.strictjson import JsonValue

__all__ = ["FindSource", "ModelLike", "ModelSource", "StrPath", "VersionLike"]

StrPath: TypeAlias = "str | os.PathLike[str]"
VersionLike: TypeAlias = int | str | ModelVersion
ModelLike: TypeAlias = "StrPath | ModelInfo | ModelVersion"


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A model that can be registered.

    Attributes:
        info: what it is.
        manifest: its files; each is held against its SHA-256 while it is copied.
        folder: a local directory that holds them.
        trusted: whether code that it holds may be run (its preflight loads it).
        params: of the run that made it, or of the version it is, with their types.
        metrics: last values of that run or version.
        tags: of that run or version.
        summaries: of each metric min, max, count and goal, where they are known.
        is_elsewhere: whether it lies in another store, where its URI means something.
    """

    info: ModelInfo
    manifest: Manifest
    folder: Path
    trusted: bool
    params: Mapping[str, JsonValue] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    summaries: Mapping[str, Summary] = field(default_factory=dict)
    is_elsewhere: bool = False

    @property
    def run_id(self) -> str | None:
        """The run that made it."""
        return self.info.run_id


FindSource: TypeAlias = Callable[["ModelLike"], ModelSource]
"""Raises NotFound, Corrupt or Invalid where there is no such model."""
