"""The line each event is written as, and the event each line is read as.

Metrics are positional arrays (`metric_lines`), all else is an object; docs/format.md names its fields. Pure: must never
read a clock, a file or a store. What a newer podium wrote comes back as `Unknown` and is passed over.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, Final, get_args

from podium.errors import Invalid
from podium.runs.events import (
    END_STATUSES,
    FORMAT,
    Artifact,
    Beat,
    Dataset,
    Deleted,
    Dropped,
    End,
    EndStatus,
    Environment,
    Event,
    Extreme,
    Goal,
    Kind,
    Metrics,
    Model,
    ModelFile,
    Note,
    Params,
    Rewind,
    Start,
    Tags,
    Unknown,
    Verdict,
)
from podium.runs.lines import float_in, in_range, line_bytes
from podium.runs.metric_lines import key_text, metric_line, metric_row
from podium.strictjson import JsonValue, decode_value, encode_float, encode_value

__all__ = ["decode", "encode"]

_DEEPEST = 128
_NESTING = frozenset({"params", "model", "verdict"})

# --- writing --------------------------------------------------------------------------------------------------------

_plain_encoder = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=False
)


def _prebuilt() -> Callable[[Any], str]:
    """An encoder built once: `JSONEncoder.encode` builds its own at each call, which takes as long as a line."""
    make: Any = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return _plain_encoder.encode  # an interpreter that is written in another language
    chunks = make(
        None,  # no look-out for circles: how deep values nest is checked
        _plain_encoder.default,
        json.encoder.encode_basestring,
        None,
        ":",
        ",",
        False,
        False,
        False,
    )
    return lambda value: "".join(chunks(value, 0))


_dumps = _prebuilt()


def encode(event: Event, time_ms: int) -> bytes:
    """The line of an event, with its newline.

    Raises:
        TypeError: a value in it is no JSON value.
        Invalid: it nests so deep that not everybody could read it.
        ValueError: a NaN where JSON of another layer should hold none.
    """
    if isinstance(event, Metrics) and event.at is None:
        pairs = [(key_text(key), value) for key, value in event.values.items()]
        return metric_line(time_ms, event.step, pairs)
    name, fields = _BODIES[type(event)](event)
    if name in _NESTING and _nests_too_deep(fields):
        raise Invalid(f"what is logged as {name} nests more than {_DEEPEST} deep. Keep it as a file instead.")
    return line_bytes(_dumps({"event": name, "time": time_ms, **fields}) + "\n")


def _nests_too_deep(value: object) -> bool:
    """Whether lists and objects lie more than 128 deep. Told by no stack: how much of that is left differs."""
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list | tuple)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return False
    return True


def _start_body(event: Start) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "format": event.format,
        "kind": event.kind,
        "experiment": event.experiment,
        "run_name": event.run_name,
        "user": event.user,
        "host": event.host,
        "lease_s": event.lease_s,
        "machine": event.machine,
        "locked": event.locked,
    }
    if event.parent_run_id is not None:
        fields["parent_run_id"] = event.parent_run_id
    if event.after:
        fields["after"] = event.after
    if event.environment:
        fields["environment"] = dict(event.environment)
    return fields


def _params_body(event: Params) -> dict[str, Any]:
    fields: dict[str, Any] = {"params": {key: encode_value(value) for key, value in event.params.items()}}
    if event.overwrite:
        fields["overwrite"] = True
    return fields


def _metrics_body(event: Metrics) -> dict[str, Any]:
    return {
        "at": event.at,
        "step": event.step,
        "metrics": {key: encode_float(value) for key, value in event.values.items()},
    }


def _file_body(file: Artifact | ModelFile) -> dict[str, Any]:
    return {"path": file.path, "size_bytes": file.size_bytes, "sha256": file.sha256}


def _model_body(event: Model) -> dict[str, Any]:
    return {
        "name": event.name,
        "key": event.key,
        "sha256": event.sha256,
        "files": [_file_body(file) for file in event.files],
        "facts": encode_value(event.facts),
    }


def _dataset_body(event: Dataset) -> dict[str, Any]:
    fields: dict[str, Any] = {"name": event.name, "digest": event.digest, "context": event.context}
    if event.rows is not None:
        fields["rows"] = event.rows
    if event.schema is not None:
        fields["schema"] = dict(event.schema)
    if event.shape is not None:
        fields["shape"] = list(event.shape)
    return fields


def _end_body(event: End) -> dict[str, Any]:
    fields = {"status": event.status, "error": event.error, "traceback": event.traceback}
    return {name: value for name, value in fields.items() if value is not None}


_BODIES: Final[dict[type, Callable[[Any], tuple[str, dict[str, Any]]]]] = {
    Start: lambda e: ("start", _start_body(e)),
    Params: lambda e: ("params", _params_body(e)),
    Metrics: lambda e: ("metric", _metrics_body(e)),
    Tags: lambda e: ("tags", {"tags": dict(e.tags)}),
    Note: lambda e: ("note", {"text": e.text}),
    Artifact: lambda e: ("artifact", {**_file_body(e), "key": e.key}),
    Model: lambda e: ("model", _model_body(e)),
    Dataset: lambda e: ("dataset", _dataset_body(e)),
    Goal: lambda e: ("goal", {"key": e.key, "goal": e.goal}),
    Rewind: lambda e: ("rewind", {"to_step": e.to_step}),
    Verdict: lambda e: ("verdict", {"verdict": encode_value(e.verdict)}),
    Deleted: lambda e: ("deleted", {"deleted": e.deleted}),
    Environment: lambda e: ("environment", {"environment": dict(e.environment)}),
    Beat: lambda e: ("beat", {}),
    Dropped: lambda e: ("dropped", {"count": e.count}),
    End: lambda e: ("end", _end_body(e)),
}


# --- reading --------------------------------------------------------------------------------------------------------


def decode(value: object) -> tuple[int, Event]:
    """Time in ms and event of one parsed line.

    Raises:
        ValueError: it is no event.
    """
    if isinstance(value, list):
        return _decode_array(value)
    if not isinstance(value, dict):
        raise ValueError("an event is an array or an object")
    time_ms, name = _integer(value, "time"), _text(value, "event")
    if name in _NESTING and _nests_too_deep(value):
        raise ValueError(f"it nests more than {_DEEPEST} deep")
    reader = _READERS.get(name)
    return time_ms, (reader(value) if reader is not None else Unknown(name))


def _decode_array(row: list[Any]) -> tuple[int, Event]:
    if len(row) < 2 or not isinstance(row[0], str) or type(row[1]) is not int:
        raise ValueError("an array begins with the event's name and its time")
    if row[0] != "metric":
        return in_range(row[1]), Unknown(row[0])
    time_ms, step, values = metric_row(row)
    return time_ms, Metrics(step, dict(values))


def _field(value: Mapping[str, Any], name: str, kind: type | tuple[type, ...]) -> Any:
    found = value.get(name)
    if not isinstance(found, kind) or (isinstance(found, bool) and kind is not bool):
        raise ValueError(f"{name!r} is missing or of the wrong type")
    return found


def _integer(value: Mapping[str, Any], name: str) -> int:
    return in_range(_field(value, name, int))


def _text(value: Mapping[str, Any], name: str) -> str:
    return str(_field(value, name, str))


def _optional(value: Mapping[str, Any], name: str, kind: type) -> Any:
    return None if value.get(name) is None else _field(value, name, kind)


def _texts(value: Mapping[str, Any], name: str) -> dict[str, str]:
    found: dict[str, Any] = _field(value, name, dict)
    if not all(isinstance(each, str) for each in found.values()):
        raise ValueError(f"the values of {name!r} are text")
    return found


def _read_start(value: dict[str, Any]) -> Start:
    kind = _text(value, "kind")
    if kind not in get_args(Kind):
        raise ValueError("a log is a session or an edit")
    lease_s = float(_field(value, "lease_s", (int, float))) if "lease_s" in value else 600.0
    return Start(
        kind="session" if kind == "session" else "edit",
        experiment=_text(value, "experiment"),
        run_name=_optional(value, "run_name", str) or "",
        user=_optional(value, "user", str) or "",
        host=_optional(value, "host", str) or "",
        parent_run_id=_optional(value, "parent_run_id", str),
        environment=_texts(value, "environment") if "environment" in value else {},
        lease_s=lease_s if math.isfinite(lease_s) else 600.0,
        machine=_optional(value, "machine", str) or "",
        locked=value.get("locked") is True,
        after=_integer(value, "after") if "after" in value else 0,
        format=_integer(value, "format") if "format" in value else FORMAT,
    )


def _read_params(value: dict[str, Any]) -> Params:
    params = {key: decode_value(each) for key, each in _field(value, "params", dict).items()}
    return Params(params, value.get("overwrite") is True)


def _read_metrics(value: dict[str, Any]) -> Metrics:
    values = {key: float_in(each) for key, each in _field(value, "metrics", dict).items()}
    return Metrics(_integer(value, "step"), values, _integer(value, "at"))


def _read_tags(value: dict[str, Any]) -> Tags:
    tags: dict[str, Any] = _field(value, "tags", dict)
    if not all(each is None or isinstance(each, str) for each in tags.values()):
        raise ValueError("a tag is text, or null where it is deleted")
    return Tags(tags)


def _read_file(value: dict[str, Any]) -> ModelFile:
    return ModelFile(_text(value, "path"), _integer(value, "size_bytes"), _text(value, "sha256"))


def _read_artifact(value: dict[str, Any]) -> Artifact:
    file = _read_file(value)
    return Artifact(file.path, _text(value, "key"), file.size_bytes, file.sha256)


def _read_model(value: dict[str, Any]) -> Model:
    files = _field(value, "files", list)
    if not all(isinstance(each, dict) for each in files):
        raise ValueError("the files of a model are objects")
    return Model(
        name=_text(value, "name"),
        key=_text(value, "key"),
        sha256=_text(value, "sha256"),
        files=tuple(_read_file(each) for each in files),
        facts=decode_value(value["facts"]) if isinstance(value.get("facts"), dict) else {},
    )


def _read_dataset(value: dict[str, Any]) -> Dataset:
    shape = _optional(value, "shape", list)
    if shape is not None and not all(type(each) is int for each in shape):
        raise ValueError("a shape is integers")
    return Dataset(
        name=_text(value, "name"),
        digest=_text(value, "digest"),
        context=_text(value, "context"),
        rows=_optional(value, "rows", int),
        schema=_texts(value, "schema") if value.get("schema") is not None else None,
        shape=None if shape is None else tuple(shape),
    )


def _read_goal(value: dict[str, Any]) -> Goal:
    goal = _text(value, "goal")
    if goal not in get_args(Extreme):
        raise ValueError("a goal is min or max")
    return Goal(_text(value, "key"), "min" if goal == "min" else "max")


def _read_verdict(value: dict[str, Any]) -> Verdict:
    verdict: JsonValue = _field(value, "verdict", dict)
    return Verdict(decode_value(verdict))


def _read_dropped(value: dict[str, Any]) -> Dropped:
    count = _integer(value, "count")
    if count < 0:
        raise ValueError("a count is not negative")
    return Dropped(count)


_ENDS: Final[dict[str, EndStatus]] = {status: status for status in END_STATUSES}


def _read_end(value: dict[str, Any]) -> End:
    status = _ENDS.get(_text(value, "status"))
    if status is None:
        raise ValueError("an end is FINISHED, FAILED or KILLED")
    return End(status, _optional(value, "error", str), _optional(value, "traceback", str))


_READERS: Final[dict[str, Callable[[dict[str, Any]], Event]]] = {
    "start": _read_start,
    "params": _read_params,
    "metric": _read_metrics,
    "tags": _read_tags,
    "note": lambda value: Note(_text(value, "text")),
    "artifact": _read_artifact,
    "model": _read_model,
    "dataset": _read_dataset,
    "goal": _read_goal,
    "rewind": lambda value: Rewind(_integer(value, "to_step")),
    "verdict": _read_verdict,
    "deleted": lambda value: Deleted(bool(_field(value, "deleted", bool))),
    "environment": lambda value: Environment(_texts(value, "environment")),
    "beat": lambda _: Beat(),
    "dropped": _read_dropped,
    "end": _read_end,
}
