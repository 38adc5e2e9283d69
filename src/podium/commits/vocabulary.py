"""What a commit can say, and its bytes.

A commit is one decision about one model. Its body carries the outcome of the decision (which version, from where to
where), so that folding a history never decides anything again. Pure: bytes in, frozen values out; no store, no clock.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

from podium.commits.gate import Verdict, verdict_from_json, verdict_to_json
from podium.errors import Corrupt, StoreError
from podium.strictjson import (
    JsonValue,
    canonical,
    decode_float,
    decode_value,
    encode_float,
    encode_value,
    loads,
)

__all__ = [
    "KNOWN_NEEDS",
    "Body",
    "CommitRecord",
    "DeleteAlias",
    "DeleteModel",
    "DeleteTag",
    "DeleteVersion",
    "LogMetrics",
    "MetricFacts",
    "Quarantine",
    "Register",
    "Release",
    "RollBack",
    "SetAlias",
    "SetGate",
    "SetNote",
    "SetTag",
    "Sweep",
    "decode_commit",
    "encode_commit",
]

FORMAT = 1
KNOWN_NEEDS: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class MetricFacts:
    """What is known of one metric of a version beside its last value.

    Attributes:
        last: the value gates read by default.
        min: the smallest.
        max: the largest.
        count: how many points.
        goal: "min", "max" or None.
    """

    last: float
    min: float
    max: float
    count: int
    goal: str | None = None


# --- how fields are written; a field without a codec is plain JSON of its own type --------------------------------


@dataclass(frozen=True, slots=True)
class _Codec:
    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]


def _values(codec: _Codec) -> _Codec:
    return _Codec(
        lambda mapping: {key: codec.encode(each) for key, each in mapping.items()},
        lambda mapping: {str(key): codec.decode(each) for key, each in dict(mapping).items()},
    )


def _metric_facts(value: Mapping[str, Any]) -> MetricFacts:
    goal = value.get("goal")
    return MetricFacts(
        last=decode_float(value["last"]),
        min=decode_float(value["min"]),
        max=decode_float(value["max"]),
        count=int(value["count"]),
        goal=None if goal is None else str(goal),
    )


def _metric_facts_json(facts: MetricFacts) -> dict[str, Any]:
    return {
        "last": encode_float(facts.last),
        "min": encode_float(facts.min),
        "max": encode_float(facts.max),
        "count": facts.count,
        "goal": facts.goal,
    }


_FLOATS = {"codec": _values(_Codec(encode_float, decode_float))}
_PARAMS = {"codec": _values(_Codec(encode_value, decode_value))}
_TEXTS = {"codec": _values(_Codec(str, str))}
_FACTS = {"codec": _values(_Codec(_metric_facts_json, _metric_facts))}
_NAMES = {"codec": _Codec(list, lambda names: tuple(map(str, names)))}
_VERDICT = {
    "codec": _Codec(
        lambda verdict: None if verdict is None else verdict_to_json(verdict),
        lambda value: None if value is None else verdict_from_json(value),
    )
}


# --- the verbs --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Register:
    """A version came to be (``version`` is None where it was refused), perhaps with an alias.

    Attributes:
        version: its number.
        object_key: ``<digest>.<times swept>``, the folder of its bytes.
        sha256: of its manifest.
        size_bytes: of all its files.
        flavor: of the model.
        trust: "data" or "code".
        run_id: the run that made it.
        source: the URI it was registered from, without a path of this machine.
        alias: which now points to it.
        from_version: where that alias pointed before.
        params: of the run.
        metrics: of the run, with what else is known of each.
        tags: of the run, and those given.
        note: free text.
        verdict: of the gate.
        preflight: how it went.
    """

    verb: ClassVar[str] = "register"
    version: int | None
    object_key: str | None
    sha256: str
    size_bytes: int
    flavor: str
    trust: str
    run_id: str | None = None
    source: str = ""
    alias: str | None = None
    from_version: int | None = None
    params: Mapping[str, JsonValue] = field(default_factory=dict, metadata=_PARAMS)
    metrics: Mapping[str, MetricFacts] = field(default_factory=dict, metadata=_FACTS)
    tags: Mapping[str, str] = field(default_factory=dict, metadata=_TEXTS)
    note: str = ""
    verdict: Verdict | None = field(default=None, metadata=_VERDICT)
    preflight: str | None = None


@dataclass(frozen=True, slots=True)
class SetAlias:
    """An alias was pointed at a version."""

    verb: ClassVar[str] = "set_alias"
    alias: str
    version: int
    from_version: int | None = None
    verdict: Verdict | None = field(default=None, metadata=_VERDICT)
    preflight: str | None = None


@dataclass(frozen=True, slots=True)
class DeleteAlias:
    """An alias was removed."""

    verb: ClassVar[str] = "delete_alias"
    alias: str
    from_version: int


@dataclass(frozen=True, slots=True)
class RollBack:
    """An alias went back to an earlier holder."""

    verb: ClassVar[str] = "rollback"
    alias: str
    version: int
    from_version: int


@dataclass(frozen=True, slots=True)
class SetGate:
    """An alias got a standing gate, or lost it."""

    verb: ClassVar[str] = "set_gate"
    alias: str
    gate: str | None


@dataclass(frozen=True, slots=True)
class LogMetrics:
    """A version was evaluated after registering."""

    verb: ClassVar[str] = "log_metrics"
    version: int
    metrics: Mapping[str, float] = field(metadata=_FLOATS)


@dataclass(frozen=True, slots=True)
class SetTag:
    """The model, or a version, got a tag."""

    verb: ClassVar[str] = "set_tag"
    key: str
    value: str
    version: int | None = None


@dataclass(frozen=True, slots=True)
class DeleteTag:
    """The model, or a version, lost a tag."""

    verb: ClassVar[str] = "delete_tag"
    key: str
    version: int | None = None


@dataclass(frozen=True, slots=True)
class SetNote:
    """The model, or a version, got a note."""

    verb: ClassVar[str] = "set_note"
    note: str
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Quarantine:
    """No alias may point to a version."""

    verb: ClassVar[str] = "quarantine"
    version: int


@dataclass(frozen=True, slots=True)
class Release:
    """A quarantine ended."""

    verb: ClassVar[str] = "release"
    version: int


@dataclass(frozen=True, slots=True)
class DeleteVersion:
    """A version is gone; its number is not given again."""

    verb: ClassVar[str] = "delete_version"
    version: int


@dataclass(frozen=True, slots=True)
class DeleteModel:
    """All versions are gone."""

    verb: ClassVar[str] = "delete_model"


@dataclass(frozen=True, slots=True)
class Sweep:
    """Objects that no version held are about to be removed; their keys are never used again."""

    verb: ClassVar[str] = "sweep"
    objects: tuple[str, ...] = field(metadata=_NAMES)


Body: TypeAlias = (
    Register
    | SetAlias
    | DeleteAlias
    | RollBack
    | SetGate
    | LogMetrics
    | SetTag
    | DeleteTag
    | SetNote
    | Quarantine
    | Release
    | DeleteVersion
    | DeleteModel
    | Sweep
)
_BODIES: dict[str, type[Body]] = {
    kind.verb: kind
    for kind in (
        Register,
        SetAlias,
        DeleteAlias,
        RollBack,
        SetGate,
        LogMetrics,
        SetTag,
        DeleteTag,
        SetNote,
        Quarantine,
        Release,
        DeleteVersion,
        DeleteModel,
        Sweep,
    )
}


@dataclass(frozen=True, slots=True)
class CommitRecord:
    """One commit.

    Attributes:
        model: the true name.
        history_id: random, the same in every commit of a history.
        revision: its number, from 1.
        previous: SHA-256 of the bytes of the commit before, None in the first.
        commit_id: random, drawn once a call: by it a call knows its own commit again.
        time_ms: never before the predecessor's.
        user: who.
        host: where.
        why: the reason given, or "".
        body: what was decided.
        forced: whether a gate was overruled.
        refused: whether it was refused.
    """

    model: str
    history_id: str
    revision: int
    previous: str | None
    commit_id: str
    time_ms: int
    user: str
    host: str
    why: str
    body: Body
    forced: bool = False
    refused: bool = False


def encode_commit(record: CommitRecord) -> bytes:
    """The bytes of a commit: canonical JSON that carries the SHA-256 of the rest of itself as ``digest``."""
    document: dict[str, Any] = {
        "format": FORMAT,
        "needs": [],
        "model": record.model,
        "history_id": record.history_id,
        "revision": record.revision,
        "previous": record.previous,
        "commit_id": record.commit_id,
        "time": record.time_ms,
        "user": record.user,
        "host": record.host,
        "why": record.why,
        "forced": record.forced,
        "refused": record.refused,
        "verb": record.body.verb,
        "body": _encode_body(record.body),
    }
    document["digest"] = hashlib.sha256(canonical(document)).hexdigest()
    return canonical(document) + b"\n"


def decode_commit(data: bytes, *, key: str) -> CommitRecord:
    """The commit behind its bytes.

    Raises:
        Corrupt: these are not the bytes that were written.
        StoreError: a newer podium wrote it, and says that this one must not pass over it.
    """
    try:
        document = loads(data)
        digest = document.pop("digest")
        if hashlib.sha256(canonical(document)).hexdigest() != digest:
            raise ValueError("its digest is not that of its content")
        unknown = sorted({str(each) for each in document["needs"]} - KNOWN_NEEDS)
        verb = document["verb"]
        if unknown or document["format"] > FORMAT or verb not in _BODIES:
            what = ", ".join(unknown) or (
                f"verb {verb!r}" if verb not in _BODIES else f"format {document['format']}"
            )
            raise StoreError(
                f"{key} was written by a newer podium and needs what this one does not know: {what}. "
                "Nothing was changed. Type: pip install --upgrade podium"
            )
        previous = document["previous"]
        return CommitRecord(
            model=str(document["model"]),
            history_id=str(document["history_id"]),
            revision=int(document["revision"]),
            previous=None if previous is None else str(previous),
            commit_id=str(document["commit_id"]),
            time_ms=int(document["time"]),
            user=str(document["user"]),
            host=str(document["host"]),
            why=str(document["why"]),
            forced=bool(document["forced"]),
            refused=bool(document["refused"]),
            body=_decode_body(_BODIES[verb], document["body"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Corrupt(
            f"the commit {key} is damaged: {error}. Restore it from a copy of the store; nothing else is lost.",
            key=key,
            expected="a commit",
            found=repr(data[:60]),
        ) from error


def _encode_body(body: Body) -> dict[str, Any]:
    document = {}
    for each in dataclasses.fields(body):
        value = getattr(body, each.name)
        codec = each.metadata.get("codec")
        document[each.name] = codec.encode(value) if codec else value
    return document


def _decode_body(kind: type[Body], document: Mapping[str, Any]) -> Body:
    values: dict[str, Any] = {}
    for each in dataclasses.fields(kind):
        if each.name not in document:
            continue  # written before the field came to be: its default is what was meant
        codec = each.metadata.get("codec")
        value = document[each.name]
        values[each.name] = codec.decode(value) if codec else _plain(each.name, value)
    return kind(**values)


def _plain(name: str, value: object) -> object:
    if value is None or isinstance(value, str | int):
        return value
    raise ValueError(f"{name} is {type(value).__name__}")
