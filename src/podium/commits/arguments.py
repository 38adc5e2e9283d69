"""What callers of the registry pass, checked and brought into form. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import SupportsFloat

from podium.commits.gate import GateFacts
from podium.commits.protocol import LocalFile, ObjectFiles
from podium.commits.source import ModelSource
from podium.commits.vocabulary import MetricFacts, Register
from podium.runs.events import check_key

__all__ = [
    "candidate_facts",
    "check_filter",
    "check_force",
    "check_gate",
    "check_why",
    "free_text",
    "metric_values",
    "number",
    "object_files",
    "optional_text",
    "register_body",
    "tag_texts",
    "text_of",
]


def register_body(
    found: ModelSource, alias: str | None, tags: Mapping[str, object] | None, note: str | None
) -> Register:
    """What is registered, as a commit says it; the decision adds version, object, verdict and preflight."""
    return Register(
        version=None,
        object_key=None,
        sha256=found.manifest.sha256,
        size_bytes=found.manifest.size_bytes,
        flavor=found.info.flavor,
        trust=found.info.trust,
        run_id=found.run_id,
        source=_source_text(found),
        alias=alias,
        params=dict(found.params),
        metrics={key: _metric_facts(found, key, value) for key, value in found.metrics.items()},
        tags={**found.tags, **tag_texts(tags)},
        note=optional_text(note, "note"),
    )


def _source_text(found: ModelSource) -> str:
    """What it was made from. A path, or the URL of one, says where it lay on one machine: stores never know that."""
    # The id of a run means that run wherever it is read; a number of a version means another one in another store.
    lasting = "runs:/" if found.is_elsewhere else ("runs:/", "models:/")
    return found.info.uri if found.info.uri.startswith(lasting) else ""


def _metric_facts(found: ModelSource, key: str, value: float) -> MetricFacts:
    summary = found.summaries.get(key)
    if summary is None:
        return MetricFacts(value, value, value, 1)
    return MetricFacts(summary.last, summary.min, summary.max, summary.count, summary.goal)


def candidate_facts(body: Register) -> GateFacts:
    """What a gate may know of what is registered."""
    return GateFacts(
        metrics={key: facts.last for key, facts in body.metrics.items()},
        params=body.params,
        tags=body.tags,
        summaries=body.metrics,
    )


def object_files(found: ModelSource, object_key: str) -> ObjectFiles:
    """The bytes of a model, on their way into the store under a name."""
    return ObjectFiles(
        name=object_key,
        files={
            file.path: LocalFile(found.folder / file.path, file.size, file.sha256)
            for file in found.manifest.files
        },
        sizes={file.path: file.size for file in found.manifest.files},
        manifest=found.manifest.to_bytes(),
    )


def check_gate(gate: str | None) -> None:
    """Raise `QueryError` for a gate that does not parse, `TypeError` for one that is no text."""
    if gate is not None:
        text_of(gate, "gate")
        from podium.search import parse_gate

        parse_gate(gate)


def check_force(force: bool, why: object) -> None:
    """Raise `TypeError` for a force without a reason."""
    if force and (not isinstance(why, str) or not why.strip()):
        raise TypeError("force=True overrules a gate and needs a reason that is kept: pass why='...'.")


def check_why(why: object, verb: str) -> None:
    """Raise `TypeError` where a reason is missing."""
    if not isinstance(why, str) or not why.strip():
        raise TypeError(f"{verb} needs a reason that is kept for ever: pass why='...'.")


def check_filter(filter_text: object, verb: str) -> None:
    """Raise `TypeError` for a filter that is no text."""
    if not isinstance(filter_text, str):
        raise TypeError(
            f'the filter of {verb} is text, not {filter_text!r}; leave it out, or give "", for all.'
        )


def free_text(text: str) -> str:
    """A text that has bytes: lone surrogates become question marks."""
    return text.encode("utf-8", "replace").decode()


def text_of(text: object, what: str) -> str:
    """What is given as a text.

    Raises:
        TypeError: it is none.
    """
    if not isinstance(text, str):
        raise TypeError(f"{what} is text, not {type(text).__name__}: {text!r:.100}")
    return free_text(text)


def optional_text(text: object, what: str) -> str:
    """What is given as a text; None is none.

    Raises:
        TypeError: it is something else.
    """
    return "" if text is None else text_of(text, what)


def metric_values(metrics: Mapping[str, SupportsFloat]) -> dict[str, float]:
    """Metrics as they are kept.

    Raises:
        TypeError, Invalid: a key or value can never be right, or this is no mapping.
    """
    if not hasattr(metrics, "items"):  # a Series of pandas has them, and is no Mapping
        raise TypeError(f"metrics come as a mapping of key to number, not as {type(metrics).__name__}.")
    return {check_key(key, "metric"): number(key, value) for key, value in metrics.items()}


def tag_texts(tags: Mapping[str, object] | None) -> dict[str, str]:
    """Tags as they are kept.

    Raises:
        TypeError, Invalid: a key can never be right, or this is no mapping.
    """
    if tags is None:
        return {}
    if not isinstance(tags, Mapping):
        raise TypeError(f"tags come as a mapping of key to value, not as {type(tags).__name__}.")
    return {check_key(key, "tag"): free_text(str(value)) for key, value in tags.items()}


def number(key: str, value: SupportsFloat) -> float:
    """A metric's value as a float.

    Raises:
        TypeError: it is none; text is not read as one.
    """
    no_number = TypeError(f"metric {key!r} is {value!r}, which is no number.")
    if isinstance(value, str | bytes):
        raise no_number
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise no_number from error
