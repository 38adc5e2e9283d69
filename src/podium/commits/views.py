"""From what a model is to what its users see, and which of it they asked for. Pure but for the clock of ``-7d``."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Self

from podium.commits.facts import Commit, ModelVersion, RegisteredModel
from podium.commits.fold import ModelState, VersionState
from podium.commits.vocabulary import CommitRecord
from podium.errors import Invalid
from podium.models.home import Home, at_home
from podium.readonly import read_only
from podium.search import MODELS, VERSIONS, Field, Subject, parse_field, select
from podium.table import MISSING, Table
from podium.times import milliseconds_of, time_of

__all__ = [
    "Commits",
    "Versions",
    "commit_fact",
    "found_models",
    "found_versions",
    "milliseconds",
    "model_fact",
    "subject_of_version",
    "version_fact",
    "version_uri",
]


def version_uri(name: str, version: int) -> str:
    """``models:/<name>/<version>``."""
    return f"models:/{name}/{version}"


def milliseconds(time: datetime | str) -> int | float:
    """A moment as milliseconds since 1970.

    Raises:
        Invalid: text that is no time, or a time without a zone.
        TypeError: neither.
    """
    if isinstance(time, str):
        try:
            time = datetime.fromisoformat(time)
        except ValueError as error:
            raise Invalid(
                f"{time!r} is no time: write it as in 2026-11-01 or 2026-11-01T09:30:00+01:00."
            ) from error
        time = time if time.tzinfo is not None else time.replace(tzinfo=UTC)
    if not isinstance(time, datetime):
        raise TypeError(f"time is an aware datetime or ISO text, not {type(time).__name__}: {time!r}")
    if time.tzinfo is None:
        raise Invalid(f"{time!r} has no time zone: give an aware datetime, for instance datetime.now(UTC).")
    return milliseconds_of(time)


def version_fact(state: ModelState, number: int, home: Home | None = None) -> ModelVersion:
    """One version, as of a state, and where that was read."""
    version = state.versions[number]
    fact = ModelVersion(
        name=state.name,
        version=number,
        uri=version_uri(state.name, number),
        sha256=version.sha256,
        run_id=version.run_id,
        start_time=time_of(version.time_ms),
        user=version.user,
        note=version.note,
        aliases=state.holders_of(number),
        quarantined=version.quarantined is not None,
        params=read_only(version.params),
        metrics=read_only({key: facts.last for key, facts in version.metrics.items()}),
        tags=read_only(version.tags),
        verdict=version.verdict,
    )
    return at_home(fact, home)


def model_fact(state: ModelState) -> RegisteredModel:
    """The model, as of a state."""
    return RegisteredModel(
        name=state.name,
        aliases=read_only(state.aliases),
        gates=read_only(state.gates),
        latest=state.latest,
        tags=read_only(state.tags),
        note=state.note,
    )


def commit_fact(record: CommitRecord) -> Commit:
    """A commit as a line of the history."""
    body = record.body
    return Commit(
        revision=record.revision,
        verb=body.verb,
        name=record.model,
        alias=getattr(body, "alias", None),
        from_version=getattr(body, "from_version", None),
        to_version=None if body.verb == "delete_alias" else getattr(body, "version", None),
        time=time_of(record.time_ms),
        user=record.user,
        host=record.host,
        why=record.why,
        forced=record.forced,
        refused=record.refused,
        preflight=getattr(body, "preflight", None),
        verdict=getattr(body, "verdict", None),
    )


# --- searching ------------------------------------------------------------------------------------------------------


class Versions(Table[ModelVersion]):
    """Versions, whose `min` and `max` take each field that a filter takes: ``"max(metrics.f1)"`` as well."""

    def __init__(
        self,
        rows: Sequence[ModelVersion] = (),
        states: Mapping[tuple[str, int], VersionState] = MappingProxyType({}),
    ) -> None:
        super().__init__(rows)
        self._states = states

    def _with_rows(self, rows: Sequence[ModelVersion]) -> Self:
        return type(self)(rows, self._states)

    def _shown_columns(self, names: list[str], shown: list[dict[str, Any]]) -> list[str]:
        """What a version is chosen by comes first; what only tells its bytes, and takes most room, last."""
        metrics = [each for each in names if each.startswith("metrics.")]
        quarantined = ["quarantined"] if any(row["quarantined"] for row in shown) else []
        leading = ["name", "version", "aliases", *quarantined, *metrics, "start_time", "user"]
        return _ordered(names, leading, last=("sha256", "uri"), shown=shown)

    def _lookup(self, row: ModelVersion, field: str) -> object:
        return subject_of_version(row, self._states[row.name, row.version])(_field_of_version(field))


class Commits(Table[Commit]):
    """What happened to a model: what and where to comes first."""

    def _shown_columns(self, names: list[str], shown: list[dict[str, Any]]) -> list[str]:
        leading = [
            "revision",
            "verb",
            "alias",
            "from_version",
            "to_version",
            "time",
            "user",
            "refused",
            "why",
        ]
        return _ordered(names, leading, last=("host", "name"), shown=shown)


def _ordered(
    names: list[str], leading: Sequence[str], *, last: Sequence[str], shown: list[dict[str, Any]]
) -> list[str]:
    """The leading columns, then those of the others that say something, then the last."""
    others = [
        name
        for name in names
        if name not in (*leading, *last) and ("." in name or any(row.get(name) for row in shown))
    ]
    return [name for name in (*leading, *others, *last) if name in names]


@functools.lru_cache(maxsize=256)
def _field_of_version(field: str) -> Field:
    return parse_field(field, fields=VERSIONS)


def subject_of_version(fact: ModelVersion, state: VersionState) -> Subject:
    """A version as the search grammar sees it; its metrics, params and tags are what a gate sees of it."""
    facts = state.gate_facts
    return lambda of: getattr(fact, of.key, MISSING) if of.entity == "attribute" else facts.lookup(of)


def _subject_of_model(fact: RegisteredModel) -> Subject:
    return lambda of: (
        getattr(fact, of.key, MISSING) if of.entity == "attribute" else fact.tags.get(of.key, MISSING)
    )


def found_versions(
    states: Callable[[], Iterable[ModelState]],
    filter_text: str,
    order_by: str | Sequence[str],
    limit: int | None,
    home: Home | None = None,
) -> Versions:
    """The versions that match, in order; deleted ones are left out. Models are read once the question makes sense."""
    known: dict[tuple[str, int], VersionState] = {}

    def facts() -> Iterator[ModelVersion]:
        for state in states():
            for number, version in state.versions.items():
                if not version.deleted:
                    known[state.name, number] = version
                    yield version_fact(state, number, home)

    found = select(
        facts(),
        filter_text,
        order_by=order_by,
        limit=limit,
        subject_of=lambda fact: subject_of_version(fact, known[fact.name, fact.version]),
        fields=VERSIONS,
        now=datetime.now(UTC),
    )
    return Versions(found, known)


def found_models(
    states: Callable[[], Iterable[ModelState]],
    filter_text: str,
    order_by: str | Sequence[str],
    limit: int | None,
) -> Table[RegisteredModel]:
    """The models that match, in order."""

    def facts() -> Iterator[RegisteredModel]:
        for state in states():
            yield model_fact(state)

    return Table(
        select(
            facts(),
            filter_text,
            order_by=order_by,
            limit=limit,
            subject_of=_subject_of_model,
            fields=MODELS,
            now=datetime.now(UTC),
        )
    )
