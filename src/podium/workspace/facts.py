"""The small facts about runs: what was seen of a metric, a file, a data set, an experiment.

Plain frozen data, complete when made. Knows no store and no run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from podium.errors import Invalid
from podium.runs.events import END_STATUSES, EndStatus
from podium.runs.fold import Status
from podium.search.goals import Goal
from podium.strictjson import JsonValue
from podium.table import Shown

__all__ = [
    "Artifact",
    "Dataset",
    "EndStatus",
    "Experiment",
    "MetricSummary",
    "ParamValue",
    "Status",
    "checked_end_status",
]


def checked_end_status(status: EndStatus) -> EndStatus:
    """The status itself.

    Raises:
        Invalid: no run can end so.
    """
    if status not in END_STATUSES:
        raise Invalid(f"a run cannot end as {status!r}; give one of {', '.join(END_STATUSES)}.")
    return status


ParamValue: TypeAlias = JsonValue
"""A JSON value: it comes back with the type it went in with."""


@dataclass(frozen=True, slots=True)
class MetricSummary(Shown):
    """What is known of a metric beside its points.

    Attributes:
        last: the value at the highest step.
        last_step: that step.
        min: the smallest value; NaN if all are.
        min_step: its step.
        max: the largest value; NaN if all are.
        max_step: its step.
        count: points logged.
        goal: ``"min"`` or ``"max"``, what is better; None: not known.
    """

    last: float
    last_step: int
    min: float
    min_step: int
    max: float
    max_step: int
    count: int
    goal: Goal | None


@dataclass(frozen=True, slots=True)
class Artifact(Shown):
    """A file that a run keeps.

    Attributes:
        path: inside the run, parted by "/".
        size_bytes: its size.
        sha256: of its bytes, 64 hex digits.
    """

    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Dataset(Shown):
    """Data a run used: enough to recognise it, never the data.

    Attributes:
        name: as the user calls it.
        digest: of its values: the same for equal values, in another process and as another type of table too.
        context: what it was used for: ``"train"``, ``"test"`` ...
        rows: how many; None where that has no meaning.
        schema: type of each column; None where that has no meaning.
        shape: length of each dimension, as of an array; None where that has no meaning.
    """

    name: str
    digest: str
    context: str
    rows: int | None
    schema: Mapping[str, str] | None
    shape: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Experiment(Shown):
    """A set of runs under one name.

    Attributes:
        name: unique in its store.
        start_time: when it was made.
        runs: how many are not deleted.
        tags: texts.
        note: free text.
        deleted: whether it was deleted, and can be restored.
    """

    name: str
    start_time: datetime
    runs: int
    tags: Mapping[str, str]
    note: str
    deleted: bool
