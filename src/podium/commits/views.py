"""From what a model is to what its users see, and which of it they asked for. Pure but for the clock of ``-7d``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from podium.commits.facts import Commit, ModelVersion, RegisteredModel
from podium.commits.fold import ModelState
from podium.commits.vocabulary import CommitRecord
from podium.errors import Invalid
from podium.search import Family, Field, matches, parse_filter, parse_order, sort
from podium.table import MISSING

__all__ = ["commit_fact", "milliseconds", "model_fact", "select", "version_fact", "version_uri"]


def version_uri(name: str, version: int) -> str:
    """``models:/<name>/<version>``."""
    return f"models:/{name}/{version}"


def _time(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, UTC)


def milliseconds(time: datetime | str) -> float:
    """A moment as milliseconds since 1970.

    Raises:
        Invalid: text that is no time, or a time without a zone.
    """
    if isinstance(time, str):
        try:
            time = datetime.fromisoformat(time)
        except ValueError as error:
            raise Invalid(
                f"{time!r} is no time: write it as in 2026-11-01 or 2026-11-01T09:30:00+01:00."
            ) from error
        time = time if time.tzinfo is not None else time.replace(tzinfo=UTC)
    if time.tzinfo is None:
        raise Invalid(f"{time!r} has no time zone: give an aware datetime, for instance datetime.now(UTC).")
    return time.timestamp() * 1000


def version_fact(state: ModelState, number: int) -> ModelVersion:
    """One version, as of a state."""
    version = state.versions[number]
    return ModelVersion(
        name=state.name,
        version=number,
        uri=version_uri(state.name, number),
        sha256=version.sha256,
        run_id=version.run_id,
        start_time=_time(version.time_ms),
        user=version.user,
        note=version.note,
        aliases=state.holders_of(number),
        quarantined=version.quarantined is not None,
        params=dict(version.params),
        metrics={key: facts.last for key, facts in version.metrics.items()},
        tags=dict(version.tags),
        verdict=version.verdict,
    )


def model_fact(state: ModelState) -> RegisteredModel:
    """The model, as of a state."""
    return RegisteredModel(
        name=state.name,
        aliases=dict(state.aliases),
        gates=dict(state.gates),
        latest=state.latest,
        tags=dict(state.tags),
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
        time=_time(record.time_ms),
        user=record.user,
        host=record.host,
        why=record.why,
        forced=record.forced,
        refused=record.refused,
        preflight=getattr(body, "preflight", None),
        verdict=getattr(body, "verdict", None),
    )


Fact = TypeVar("Fact", RegisteredModel, ModelVersion)


def select(
    facts: list[Fact],
    family: Family,
    filter_text: str,
    order_by: str | Sequence[str],
    limit: int | None,
) -> list[Fact]:
    """The facts that match, in order."""
    if limit is not None and (isinstance(limit, bool) or limit < 0):
        raise Invalid(f"limit={limit!r}: give a number from 0, or None for all.")
    expr = parse_filter(filter_text, fields=family)
    order = parse_order(order_by, fields=family)
    now = datetime.now(UTC)
    kept = [each for each in facts if matches(expr, _subject(each), now=now)]
    return sort(kept, order, _subject, fields=family)[:limit]


def _subject(fact: RegisteredModel | ModelVersion) -> Callable[[Field], object]:
    def value(of: Field) -> object:
        if of.entity == "attribute":
            return getattr(fact, of.key, MISSING)
        mapping = getattr(fact, of.entity, None)
        if not isinstance(mapping, Mapping) or of.aggregate is not None:
            return MISSING
        return mapping.get(of.key, MISSING)

    return value
