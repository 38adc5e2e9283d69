"""What callers of the registry pass, checked and brought into form. Pure but for who the caller is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import SupportsFloat

from podium.commits.gate import GateFacts
from podium.commits.protocol import LocalFile, ObjectFiles
from podium.commits.source import ModelSource
from podium.commits.vocabulary import MetricFacts, Register
from podium.errors import Invalid

__all__ = [
    "actor",
    "candidate_facts",
    "check_force",
    "check_gate",
    "check_why",
    "free_text",
    "key_text",
    "number",
    "object_files",
    "register_body",
]


def register_body(
    found: ModelSource, alias: str | None, tags: Mapping[str, object] | None, note: str | None
) -> Register:
    """What is registered, as a commit says it; the decision adds version, object, verdict and preflight."""
    given = {key_text(key, "tag"): free_text(str(value)) for key, value in (tags or {}).items()}
    return Register(
        version=None,
        object_key=None,
        sha256=found.manifest.sha256,
        size_bytes=found.manifest.size_bytes,
        flavor=found.info.flavor,
        trust=found.info.trust,
        run_id=found.run_id,
        # A path, or the URL of one, says where it lay on one machine: stores never know that.
        source=found.info.uri if found.info.uri.startswith(("runs:/", "models:/")) else "",
        alias=alias,
        params=dict(found.params),
        metrics={key: _metric_facts(found, key, value) for key, value in found.metrics.items()},
        tags={**found.tags, **given},
        note=free_text(note or ""),
    )


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
    """Raise `QueryError` for a gate that does not parse."""
    if gate is not None:
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


def key_text(key: object, what: str) -> str:
    """The key of a tag or metric, if it can be one."""
    if not isinstance(key, str) or not key:
        raise Invalid(f"the key of a {what} is a text that is not empty, not {key!r}.")
    return free_text(key)


def free_text(text: object) -> str:
    """A text that has bytes: lone surrogates become question marks."""
    if not isinstance(text, str):
        raise TypeError(f"a text is needed, not {type(text).__name__}: {text!r}")
    return text.encode("utf-8", "replace").decode()  # a lone surrogate has no bytes


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


def actor() -> str:
    """Who acts: ``PODIUM_USER``, else the login name."""
    named = os.environ.get("PODIUM_USER")
    if named:
        return free_text(named)
    import getpass

    try:
        return free_text(getpass.getuser())
    except (OSError, KeyError, ImportError):
        return "unknown"
