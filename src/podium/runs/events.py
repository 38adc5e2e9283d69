"""What can happen to a run, and the line each event is written as.

The vocabulary of the log. Every event is a frozen body without a time: whoever writes it says when. Metrics are
positional arrays, since there are many of them and they parse 2.8 times faster than objects; all else is an object.
Pure: must never read a clock, a file or a store. What a newer podium wrote comes back as `Unknown` and is passed over.
"""

from __future__ import annotations

import json
import math
import unicodedata
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias, get_args

from podium.errors import Invalid
from podium.strictjson import JsonValue, decode_float, decode_value, encode_float, encode_value

__all__ = [
    "BAD_LINE",
    "EMPTY_LINE",
    "FORMAT",
    "Artifact",
    "Beat",
    "Dataset",
    "Deleted",
    "Dropped",
    "End",
    "EndStatus",
    "Environment",
    "Event",
    "Goal",
    "MetricColumns",
    "Metrics",
    "Model",
    "ModelFile",
    "Note",
    "Params",
    "Rewind",
    "Start",
    "Tags",
    "Unknown",
    "Verdict",
    "check_key",
    "decode",
    "encode",
    "key_text",
    "metric_columns",
    "metric_line",
    "metric_row",
    "parse_lines",
    "whole_lines",
]

FORMAT: Final = 1
EndStatus: TypeAlias = Literal["FINISHED", "FAILED", "KILLED"]
Kind: TypeAlias = Literal["session", "edit"]
Extreme: TypeAlias = Literal["min", "max"]

_LONGEST_KEY = 500
_DEEPEST = 128
_NESTING = frozenset({"params", "model", "verdict"})
_INT64 = 2**63


@dataclass(frozen=True, slots=True)
class Start:
    """The first event of a log.

    Attributes:
        kind: "session": a process that runs the run; "edit": one that adds to it (amending, a forked child).
        experiment: true name of the experiment.
        run_name: the run's title.
        user: who.
        host: name of the machine.
        parent_run_id: the run this one is a child of.
        environment: facts about the process, all text.
        lease_s: where the lock cannot be asked, a log that did not change for so long belongs to nobody.
        machine: text that is equal for processes under one kernel, or "" where that cannot be known.
        locked: whether the writer holds a ``flock`` on this log.
        after: largest stamp, in ms, of the run as this writer read it when it joined; its own stamps are later.
        format: of the log.
    """

    kind: Kind
    experiment: str
    run_name: str = ""
    user: str = ""
    host: str = ""
    parent_run_id: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    lease_s: float = 600.0
    machine: str = ""
    locked: bool = False
    after: int = 0
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class Params:
    """Params were logged; ``overwrite`` replaces what they were. Values are JSON values that may hold NaN."""

    params: Mapping[str, Any]
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class Metrics:
    """Metrics at one step; ``at``: the caller's own time in ms, which never moves the log's clock."""

    step: int
    values: Mapping[str, float]
    at: int | None = None


@dataclass(frozen=True, slots=True)
class Tags:
    """Tags were set, or deleted where the value is None."""

    tags: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Note:
    """The note was set."""

    text: str


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file was kept.

    Attributes:
        path: as the user calls it, parted by "/".
        key: where it lies below the run's artifacts, parted by "/".
        size_bytes: its size.
        sha256: of its bytes, 64 hex digits.
    """

    path: str
    key: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a logged model, ``path`` below the model's folder."""

    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Model:
    """A model directory was kept; its files are artifacts of the run as well.

    Attributes:
        name: as the user calls it; its files are the artifacts ``<name>/<path>``.
        key: its folder below the run's artifacts, parted by "/".
        sha256: of the manifest.
        files: what is in it, all of it.
        facts: what the models layer says of it (flavor, trust, signature, requirements ...), JSON.
    """

    name: str
    key: str
    sha256: str
    files: tuple[ModelFile, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        """Of all files together."""
        return sum(each.size_bytes for each in self.files)


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset was used: its name, digest and shape, never the data."""

    name: str
    digest: str
    context: str = "train"
    rows: int | None = None
    schema: Mapping[str, str] | None = None
    shape: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Goal:
    """Which extreme of a metric is the best."""

    key: str
    goal: Extreme


@dataclass(frozen=True, slots=True)
class Rewind:
    """Points after ``to_step`` in logs that began before this one no longer count."""

    to_step: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """A gate was asked about this run; ``verdict`` is JSON of the commits layer."""

    verdict: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Deleted:
    """The run was marked as deleted, or is no longer."""

    deleted: bool


@dataclass(frozen=True, slots=True)
class Environment:
    """More facts about the process of this session, all text; a later one stands."""

    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Beat:
    """The writer is alive."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """So many events before this one could not be kept."""

    count: int


@dataclass(frozen=True, slots=True)
class End:
    """The last event of a log."""

    status: EndStatus
    error: str | None = None
    traceback: str | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """An event of a newer podium."""

    name: str


Event: TypeAlias = (
    Start
    | Params
    | Metrics
    | Tags
    | Note
    | Artifact
    | Model
    | Dataset
    | Goal
    | Rewind
    | Verdict
    | Deleted
    | Environment
    | Beat
    | Dropped
    | End
    | Unknown
)


# Writing ------------------------------------------------------------------------------------------------------------

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
    return _to_bytes(_dumps({"event": name, "time": time_ms, **fields}) + "\n")


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


def metric_line(time_ms: int, step: int, pairs: Sequence[tuple[str, float]]) -> bytes:
    """The positional line of metrics at one step; keys come as JSON text already."""
    values = "".join(f",{key},{float_text(value)}" for key, value in pairs)
    return _to_bytes(f'["metric",{time_ms},{step}{values}]\n')


def float_text(value: float) -> str:
    """A float as JSON text."""
    return repr(value) if value - value == 0.0 else f'"{encode_float(value)}"'


def key_text(key: str) -> str:
    """The JSON text of a key."""
    return json.encoder.encode_basestring(key)


def _to_bytes(text: str) -> bytes:
    # Lone surrogates (file names that are no UTF-8) only occur inside JSON strings, where \udcff is their escape.
    return text.encode("utf-8", "backslashreplace")


# Runs use the same keys again and again.
_good_keys: set[str] = set()
_GOOD_KEYS_REMEMBERED = 4096


def check_key(key: object, what: str) -> str:
    """The key of a metric, param or tag, itself.

    Raises:
        TypeError: it is not text.
        Invalid: it is empty, longer than 500 characters, or holds control characters or half a character.
    """
    if type(key) is str and key in _good_keys:
        return key
    if not isinstance(key, str):
        raise TypeError(f"the key of a {what} is text, not {type(key).__name__}: {key!r:.100}")
    if not key:
        raise Invalid(f"the key of a {what} cannot be empty.")
    if len(key) > _LONGEST_KEY:
        raise Invalid(
            f"the key of a {what} has at most {_LONGEST_KEY} characters, this one {len(key)}: {key[:60]!r}... "
            "Use a shorter key, and the text as a value."
        )
    if not key.isprintable() and (bad := [c for c in key if unicodedata.category(c) in {"Cc", "Cs"}]):
        raise Invalid(
            f"the key of a {what} cannot hold {bad[0]!r}: {key!r:.100}. Remove control characters and line breaks."
        )
    if len(_good_keys) >= _GOOD_KEYS_REMEMBERED:
        _good_keys.clear()
    _good_keys.add(str(key))
    return str(key)


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


# Reading ------------------------------------------------------------------------------------------------------------


class _Line:
    """What stands where no event can be read."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


BAD_LINE: Final = _Line("BAD_LINE")
EMPTY_LINE: Final = _Line("EMPTY_LINE")


def _no_constant(word: str) -> float:
    raise ValueError(f"{word} is not JSON")


_loads = json.JSONDecoder(parse_constant=_no_constant).decode


def whole_lines(data: bytes) -> int:
    """How many bytes of ``data`` are whole lines; what follows is torn, or still being written."""
    return data.rfind(b"\n") + 1


def parse_lines(chunk: bytes) -> list[object]:
    """The JSON value of each line of whole lines; `BAD_LINE` and `EMPTY_LINE` keep their places.

    All lines are parsed as one array, and one by one only where that fails: some value is no event, or lines and
    values differ in number. Chunks of 64 KiB are best: in larger ones the garbage collector looks at every list.
    """
    try:
        rows: list[object] = _loads(f"[{chunk[:-1].decode().replace(chr(10), ',')}]")
    except (ValueError, RecursionError):
        return [_parse_line(line) for line in chunk[:-1].split(b"\n")]
    if len(rows) != chunk.count(b"\n") or not _EVENT_TYPES.issuperset(map(type, rows)):
        return [_parse_line(line) for line in chunk[:-1].split(b"\n")]
    return rows


_EVENT_TYPES = frozenset({list, dict})


def _parse_line(line: bytes) -> object:
    if not line:
        return EMPTY_LINE
    try:
        value = _loads(line.decode())
    except (ValueError, RecursionError):
        return BAD_LINE
    return value if type(value) in _EVENT_TYPES else BAD_LINE


@dataclass(frozen=True, slots=True)
class MetricColumns:
    """Lines of one metric each, column by column: arrays of ``q``, ``q`` and ``d`` beside the keys."""

    times_ms: array[int]
    steps: array[int]
    keys: tuple[str, ...]
    values: array[float]

    def by_key(self) -> dict[str, list[bool] | None]:
        """Of each key which lines are its own; None: all."""
        if self.keys.count(self.keys[0]) == len(self.keys):
            return {self.keys[0]: None}
        return {key: [each == key for each in self.keys] for key in dict.fromkeys(self.keys)}


def metric_columns(rows: list[object]) -> MetricColumns | None:
    """The columns of parsed lines, where every one is a metric with one float; else None."""
    try:
        names, times, steps, keys, values = zip(*rows, strict=True)
    except (TypeError, ValueError):
        return None  # some line is an object, or has more values, or there is no line
    if (
        names.count("metric") != len(names)
        or set(map(type, values)) != {float}
        or set(map(type, times)) != {int}
        or set(map(type, steps)) != {int}
        or set(map(type, keys)) != {str}
    ):
        return None
    try:
        return MetricColumns(array("q", times), array("q", steps), keys, array("d", values))
    except OverflowError:
        return None


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
        return _in_range(row[1]), Unknown(row[0])
    time_ms, step, values = metric_row(row)
    return time_ms, Metrics(step, dict(values))


def metric_row(row: list[Any]) -> tuple[int, int, list[tuple[str, float]]]:
    """Time, step, and pairs of key and value of a positional metric line.

    Raises:
        ValueError: it does not look like one.
    """
    if len(row) < 5 or len(row) % 2 == 0 or type(row[1]) is not int or type(row[2]) is not int:
        raise ValueError("a metric is its time, its step, and then keys and values in turns")
    keys = row[3::2]
    if not all(type(key) is str for key in keys):
        raise ValueError("the key of a metric is text")
    values = [_to_float(value) for value in row[4::2]]
    return _in_range(row[1]), _in_range(row[2]), list(zip(keys, values, strict=True))


def _to_float(value: object) -> float:
    try:
        return decode_float(value)
    except OverflowError as error:
        raise ValueError("an integer too large for a float") from error


def _in_range(number: int) -> int:
    if not -_INT64 <= number < _INT64:
        raise ValueError("a number has at most 64 bits")
    return number


def _field(value: Mapping[str, Any], name: str, kind: type | tuple[type, ...]) -> Any:
    found = value.get(name)
    if not isinstance(found, kind) or (isinstance(found, bool) and kind is not bool):
        raise ValueError(f"{name!r} is missing or of the wrong type")
    return found


def _integer(value: Mapping[str, Any], name: str) -> int:
    return _in_range(_field(value, name, int))


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
    values = {key: _to_float(each) for key, each in _field(value, "metrics", dict).items()}
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


_ENDS: Final[dict[str, EndStatus]] = {"FINISHED": "FINISHED", "FAILED": "FAILED", "KILLED": "KILLED"}


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
