"""What the index keeps of a run: its facts as one document, and its values as rows to search.

Pure: from the fold of a run's logs to rows, and from a document back to facts. The document is everything a table of
runs shows, so that showing one opens no log.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from podium.runs.events import Dataset, Start
from podium.runs.fold import RunState, Status
from podium.search.evaluate import Number, Subject, aggregate_of, bool_of, number_of, text_of
from podium.search.expressions import Field
from podium.search.goals import Goal
from podium.search.sql import bindable
from podium.strictjson import decode_float, decode_value, encode_float, encode_value
from podium.table import MISSING

__all__ = [
    "Facts",
    "FoundRow",
    "Metric",
    "Said",
    "document_of",
    "facts_of_document",
    "said_by",
    "subject_of_row",
    "text_row",
]

GoalOf: TypeAlias = Callable[[str], "str | None"]
TextRow: TypeAlias = "tuple[int, Number | None, str | bytes, int | None]"

# What a datetime can say: a log may claim any 64 bits.
_EARLIEST_MS, _LATEST_MS = -62_135_596_800_000, 253_402_300_799_999
_PACKED_FROM = 2_000

_PARAMS, _METRICS, _DATASETS, _LOGS = -6, -5, -2, -1

_dumps = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


@dataclass(frozen=True, slots=True)
class Metric:
    """What is known of a metric; ``goal`` only where somebody defined it."""

    last: float
    last_step: int
    min: float
    min_step: int
    max: float
    max_step: int
    count: int
    goal: Goal | None


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts of one run that a table shows.

    ``end_ms`` and ``error`` are those it has once it is no longer RUNNING. ``logs``: the names of its files after the
    run's id and a dot.
    """

    run_name: str
    experiment: str
    user: str
    parent_run_id: str | None
    note: str
    start_ms: int
    end_ms: int | None
    error: str | None
    deleted: bool
    dropped: int
    params: Mapping[str, Any]
    metrics: Mapping[str, Metric]
    tags: Mapping[str, str]
    environment: Mapping[str, str]
    datasets: tuple[tuple[str, str, str], ...]
    logs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Said:
    """What the logs of a run say, each read from the fold once."""

    params: Mapping[str, Any]
    tags: Mapping[str, str]
    goals: Mapping[str, Goal]
    environment: Mapping[str, str]
    datasets: tuple[Dataset, ...]
    start_ms: int
    end_ms: int | None
    first: Start | None
    error: str | None


def said_by(state: RunState) -> Said:
    """What a folded run says."""
    ending, end_ms = state.ending(), state.end_ms()
    return Said(
        params=state.params,
        tags=state.tags,
        goals=state.goals,
        environment=state.environment,
        datasets=state.datasets,
        start_ms=_in_range(state.start_ms),
        end_ms=None if end_ms is None else _in_range(end_ms),
        first=state.first,
        error=None if ending is None else ending.error,
    )


def document_of(state: RunState, said: Said, experiment: str, logs: list[str]) -> bytes:
    """The facts of a folded run, as bytes.

    Args:
        state: the fold of its logs.
        said: what it says.
        experiment: the experiment whose folder it lies in; what its first log says counts more.
        logs: the names of its files after the run's id and a dot.
    """
    first, goals = said.first, said.goals
    document = [
        first.run_name if first else "",
        first.experiment if first else experiment,
        first.user if first else "",
        first.parent_run_id if first else None,
        state.note,
        said.start_ms,
        said.end_ms,
        said.error,
        state.deleted,
        state.dropped,
        {key: encode_value(value) for key, value in said.params.items()},
        {
            key: [
                encode_float(each.last),
                each.last_step,
                encode_float(each.min),
                each.min_step,
                encode_float(each.max),
                each.max_step,
                each.count,
                goals.get(key),
            ]
            for key, each in sorted(state.metrics.items())
        },
        said.tags,
        dict(said.environment),
        [[each.name, each.digest, each.context] for each in said.datasets],
        logs,
    ]
    data = _dumps(document).encode()
    return data if len(data) < _PACKED_FROM else zlib.compress(data, 1)


def _in_range(time_ms: int) -> int:
    return min(max(time_ms, _EARLIEST_MS), _LATEST_MS)


def facts_of_document(document: bytes) -> Facts:
    """The facts that `document_of` was given."""
    data = document if document[:1] == b"[" else zlib.decompress(document)
    fields: list[Any] = json.loads(data)
    *_, params, metrics, _, _, datasets, logs = fields
    fields[_PARAMS] = {key: decode_value(value) for key, value in params.items()}
    fields[_METRICS] = {
        key: Metric(decode_float(last), last_step, decode_float(low), low_step, decode_float(high), *rest)
        for key, (last, last_step, low, low_step, high, *rest) in metrics.items()
    }
    fields[_DATASETS] = tuple((name, digest, context) for name, digest, context in datasets)
    fields[_LOGS] = tuple(logs)
    return Facts(*fields)


@dataclass(frozen=True)
class FoundRow:
    """One run that a query found; its document is read when the first fact is asked for.

    Attributes:
        folder: of its experiment, below ``experiments/``.
        experiment: true name of that.
        run_id: the run.
        status: with its writers asked.
        document: see `document_of`.
    """

    folder: str
    experiment: str
    run_id: str
    status: Status
    document: bytes

    @cached_property
    def facts(self) -> Facts:
        """Its facts."""
        return facts_of_document(self.document)

    @property
    def end_ms(self) -> int | None:
        """When it ended; None while it is RUNNING."""
        return None if self.status == "RUNNING" else self.facts.end_ms

    @property
    def error(self) -> str | None:
        """What ended it."""
        return None if self.status == "RUNNING" else self.facts.error


_PLACES = {"name": 0, "digest": 1, "context": 2}


def subject_of_row(row: FoundRow, goal_of: GoalOf) -> Subject:
    """The run as the first evaluator sees it."""

    def value_of(of: Field) -> object:
        facts = row.facts
        match of.entity:
            case "metrics":
                found = facts.metrics.get(of.key)
                if found is None:
                    return MISSING
                return aggregate_of(_WithGoal(found, found.goal or goal_of(of.key)), of.aggregate)
            case "params" | "tags" | "environment":
                mapping: Mapping[str, object] = getattr(facts, of.entity)
                return mapping.get(of.key, MISSING)
            case "dataset":
                return tuple(each[_PLACES[of.key]] for each in facts.datasets)
            case _:
                return _attribute(row, of.key)

    return value_of


def _attribute(row: FoundRow, key: str) -> object:
    match key:
        case "run_id" | "status" | "error":
            return getattr(row, key)
        case "end_time":
            return row.end_ms
        case "start_time":
            return row.facts.start_ms
        case _:
            return getattr(row.facts, key, MISSING)


class _WithGoal:
    """A metric and the goal its name has, where nobody defined one."""

    __slots__ = ("count", "goal", "last", "max", "min")

    def __init__(self, metric: Metric, goal: str | None) -> None:
        self.last, self.min, self.max, self.count = metric.last, metric.min, metric.max, metric.count
        self.goal = goal


def text_row(value: object) -> TextRow:
    """A param or tag as it is searched: kind (0 a number, 1 anything else, 2 NaN), number, text, bool."""
    if type(value) is float and math.isfinite(value):
        return 0, value, repr(value), None
    text = bindable(text_of(value))
    if isinstance(value, float) and math.isnan(value):
        return 2, None, text, None
    number, flag = number_of(value), bool_of(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return (
        0 if is_number else 1,
        None if math.isnan(number) else number,
        text,
        None if flag is None else int(flag),
    )
