"""The facts podium gives out, for annotations."""

from __future__ import annotations

from podium.autolog import Autolog
from podium.commits.facts import Commit, ModelVersion, RegisteredModel
from podium.commits.gate import Check, Verdict
from podium.models.info import ModelInfo
from podium.models.live import LiveModel, LiveStatus
from podium.models.model import Model
from podium.models.signature import Signature
from podium.table import Table
from podium.workspace.active import ActiveRun
from podium.workspace.facts import Artifact, Dataset, Experiment, MetricSummary
from podium.workspace.history import History, Point
from podium.workspace.run import Run, Runs

__all__ = [
    "ActiveRun",
    "Artifact",
    "Autolog",
    "Check",
    "Commit",
    "Dataset",
    "Experiment",
    "History",
    "LiveModel",
    "LiveStatus",
    "MetricSummary",
    "Model",
    "ModelInfo",
    "ModelVersion",
    "Point",
    "RegisteredModel",
    "Run",
    "Runs",
    "Signature",
    "Table",
    "Verdict",
]
