"""What can be searched and which fields it has: a closed table for runs, experiments, versions, models and gates.

Names are those of podium's facts; MLflow's other names for the same facts are aliases of them, and MLflow's facts
that podium does not have are listed with the reason, so that the error can give it. Knows nothing of text or rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from podium.search.expressions import Field, Kind, OrderKey

__all__ = ["EXPERIMENTS", "GATE", "MODELS", "RUNS", "VERSIONS", "Family"]


@dataclass(frozen=True, slots=True)
class Family:
    """The fields of one kind of row.

    Attributes:
        name: one row of it, as errors call it.
        entities: words before the dot, with the entity they mean.
        attributes: podium's attributes with the kind of their values.
        aliases: other names of attributes.
        absent: MLflow's names of what does not exist here, each with what to do instead.
        ties: the order of rows that no asked-for key tells apart, and the default order. It is total.
        owners: whether ``<alias>.metrics.f1`` is a field.
    """

    name: str
    entities: Mapping[str, str]
    attributes: Mapping[str, Kind]
    aliases: Mapping[str, str] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)
    ties: tuple[OrderKey, ...] = ()
    owners: bool = False


def _attribute(key: str, *, descending: bool = False) -> OrderKey:
    return OrderKey(Field("attribute", key), descending)


_METRICS = {"metrics": "metrics", "metric": "metrics"}
_PARAMS = {"params": "params", "param": "params", "parameters": "params", "parameter": "params"}
_TAGS = {"tags": "tags", "tag": "tags"}
_ATTRIBUTES = {"attributes": "attribute", "attribute": "attribute", "attr": "attribute"}

_NO_EXPERIMENT_ID = "experiments are known by their name: experiment = 'fraud'"
_NO_ARTIFACT_URI = "podium records no absolute path; search by run_id or experiment"
_NO_STAGE = "podium has aliases: aliases = 'champion'"
_NO_LIFECYCLE = "ask for deleted ones by the argument deleted=True"
_NO_UPDATE_TIME = "podium keeps the time of making, start_time; a model's later changes are in its history"

RUNS = Family(
    name="run",
    entities={
        **_METRICS,
        **_PARAMS,
        **_TAGS,
        **_ATTRIBUTES,
        "run": "attribute",
        "dataset": "dataset",
        "datasets": "dataset",
        "environment": "environment",
    },
    attributes={
        "run_id": Kind.TEXT,
        "run_name": Kind.TEXT,
        "experiment": Kind.TEXT,
        "status": Kind.TEXT,
        "start_time": Kind.TIME,
        "end_time": Kind.TIME,
        "user": Kind.TEXT,
        "parent_run_id": Kind.TEXT,
        "note": Kind.TEXT,
        "error": Kind.TEXT,
        "deleted": Kind.BOOL,
        "dropped": Kind.NUMBER,
    },
    aliases={
        "user_id": "user",
        "created": "start_time",
        "Created": "start_time",
        "Run name": "run_name",
        "Run Name": "run_name",
        "run name": "run_name",
    },
    absent={
        "experiment_id": _NO_EXPERIMENT_ID,
        "artifact_uri": _NO_ARTIFACT_URI,
        "lifecycle_stage": _NO_LIFECYCLE,
    },
    ties=(_attribute("start_time", descending=True), _attribute("run_id")),
)

EXPERIMENTS = Family(
    name="experiment",
    entities={**_TAGS, **_ATTRIBUTES},
    attributes={
        "name": Kind.TEXT,
        "start_time": Kind.TIME,
        "runs": Kind.NUMBER,
        "note": Kind.TEXT,
        "deleted": Kind.BOOL,
    },
    aliases={"creation_time": "start_time"},
    absent={
        "experiment_id": "experiments are known by their name: name = 'fraud'",
        "last_update_time": "podium keeps the time of making, start_time",
        "lifecycle_stage": _NO_LIFECYCLE,
        "artifact_location": _NO_ARTIFACT_URI,
    },
    ties=(_attribute("start_time", descending=True), _attribute("name")),
)

VERSIONS = Family(
    name="version",
    entities={**_METRICS, **_PARAMS, **_TAGS, **_ATTRIBUTES},
    attributes={
        "name": Kind.TEXT,
        "version": Kind.NUMBER,
        "uri": Kind.TEXT,
        "sha256": Kind.TEXT,
        "run_id": Kind.TEXT,
        "start_time": Kind.TIME,
        "user": Kind.TEXT,
        "note": Kind.TEXT,
        "aliases": Kind.TEXT,
        "quarantined": Kind.BOOL,
        "signed_by": Kind.TEXT,
    },
    aliases={
        "version_number": "version",
        "creation_timestamp": "start_time",
        "user_id": "user",
        "description": "note",
    },
    absent={
        "source_path": "a version is its bytes, not the path they came from; search by run_id or sha256",
        "source": "a version is its bytes, not the path they came from; search by run_id or sha256",
        "stage": _NO_STAGE,
        "current_stage": _NO_STAGE,
        "status": "a version is there or it is not",
        "last_updated_timestamp": _NO_UPDATE_TIME,
        "model_id": "search by sha256",
    },
    ties=(
        _attribute("start_time", descending=True),
        _attribute("name"),
        _attribute("version", descending=True),
    ),
)

MODELS = Family(
    name="model",
    entities={**_TAGS, **_ATTRIBUTES},
    attributes={"name": Kind.TEXT, "latest": Kind.NUMBER, "note": Kind.TEXT, "aliases": Kind.TEXT},
    aliases={"description": "note"},
    absent={
        "creation_timestamp": "the times are those of its versions: search versions",
        "last_updated_timestamp": "the times are those of its versions: search versions",
        "timestamp": "the times are those of its versions: search versions",
    },
    ties=(_attribute("name"),),
)

GATE = Family(
    name="gate",
    entities={**_METRICS, **_PARAMS, **_TAGS},
    attributes={},
    owners=True,
)
