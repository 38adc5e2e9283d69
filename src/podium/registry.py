"""The registry of the default workspace: versions, aliases, gates, history.

Names only: what each function does, and what it raises, is written at the method of `Registry` it stands for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal, SupportsFloat

from podium.current import default_workspace

if TYPE_CHECKING:
    from podium.commits.facts import Commit, ModelVersion, RegisteredModel
    from podium.commits.gate import Verdict
    from podium.commits.registry import Registry
    from podium.commits.source import ModelLike, VersionLike
    from podium.table import Table

__all__ = [
    "Registry",
    "alias_at",
    "check",
    "delete_alias",
    "delete_model",
    "delete_tag",
    "delete_version",
    "get_model",
    "get_version",
    "history",
    "log_metrics",
    "models",
    "quarantine",
    "register",
    "release",
    "resolve",
    "rollback",
    "set_alias",
    "set_gate",
    "set_note",
    "set_tag",
    "versions",
]


if not TYPE_CHECKING:  # or checkers would take every misspelt name for one that this makes

    def __getattr__(name: str) -> object:
        if name == "Registry":
            from podium.commits.registry import Registry

            return Registry
        raise AttributeError(f"module 'podium.registry' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)


def register(
    source: ModelLike,
    name: str,
    *,
    gate: str | None = None,
    alias: str | None = None,
    tags: Mapping[str, object] | None = None,
    note: str | None = None,
    why: str | None = None,
    force: bool = False,
) -> ModelVersion:
    """Make a version of a model: its bytes, its run's facts, and perhaps an alias, in one commit.

    As `Registry.register`.
    """
    return default_workspace().registry.register(
        source, name, gate=gate, alias=alias, tags=tags, note=note, why=why, force=force
    )


def check(source: ModelLike, name: str, *, gate: str | None = None, alias: str | None = None) -> Verdict:
    """What `register` would decide, without doing it; a refusal does not raise.

    As `Registry.check`.
    """
    return default_workspace().registry.check(source, name, gate=gate, alias=alias)


def set_alias(
    name: str,
    alias: str,
    version: VersionLike,
    *,
    expect: VersionLike | Literal["absent"] | None = None,
    why: str | None = None,
    force: bool = False,
    preflight: Literal["auto", "require", "skip"] = "auto",
) -> ModelVersion:
    """Point an alias at a version, if the gate of the alias lets it.

    As `Registry.set_alias`.
    """
    return default_workspace().registry.set_alias(
        name, alias, version, expect=expect, why=why, force=force, preflight=preflight
    )


def delete_alias(name: str, alias: str, *, expect: VersionLike | None = None, why: str | None = None) -> None:
    """Remove an alias.

    As `Registry.delete_alias`.
    """
    default_workspace().registry.delete_alias(name, alias, expect=expect, why=why)


def rollback(
    name: str,
    alias: str = "champion",
    *,
    to: VersionLike | None = None,
    expect: VersionLike | None = None,
    why: str | None = None,
) -> ModelVersion:
    """Point an alias at its holder before; again: one further back.

    As `Registry.rollback`.
    """
    return default_workspace().registry.rollback(name, alias, to=to, expect=expect, why=why)


def set_gate(name: str, alias: str, gate: str | None, *, why: str | None = None) -> RegisteredModel:
    """Set the standing gate of an alias; None removes it.

    As `Registry.set_gate`.
    """
    return default_workspace().registry.set_gate(name, alias, gate, why=why)


def log_metrics(name: str, version: VersionLike, metrics: Mapping[str, SupportsFloat]) -> ModelVersion:
    """Record an evaluation made after registering; gates read it from then on.

    As `Registry.log_metrics`.
    """
    return default_workspace().registry.log_metrics(name, version, metrics)


def resolve(uri: str) -> str:
    """The pinned URI behind one that can move: ``"models:/fraud@champion"`` is ``"models:/fraud/3"``.

    As `Registry.resolve`.
    """
    return default_workspace().registry.resolve(uri)


def get_model(name: str) -> RegisteredModel:
    """What is known of a model.

    As `Registry.get_model`.
    """
    return default_workspace().registry.get_model(name)


def get_version(name: str, version: VersionLike = "latest") -> ModelVersion:
    """What is known of a version.

    As `Registry.get_version`.
    """
    return default_workspace().registry.get_version(name, version)


def models(
    filter: str = "",  # noqa: A002 - the name the contract gives
    *,
    order_by: str | Sequence[str] = (),
    limit: int | None = None,
) -> Table[RegisteredModel]:
    """The models that match a filter.

    As `Registry.models`.
    """
    return default_workspace().registry.models(filter, order_by=order_by, limit=limit)


def versions(
    name: str | None = None,
    filter: str = "",  # noqa: A002 - the name the contract gives
    *,
    order_by: str | Sequence[str] = (),
    limit: int | None = None,
) -> Table[ModelVersion]:
    """The versions that match a filter, of one model or of all.

    As `Registry.versions`.
    """
    return default_workspace().registry.versions(name, filter, order_by=order_by, limit=limit)


def history(name: str, alias: str | None = None) -> Table[Commit]:
    """The commits of a model, or of one of its aliases, newest first; refusals too.

    As `Registry.history`.
    """
    return default_workspace().registry.history(name, alias)


def alias_at(name: str, alias: str, time: datetime | str) -> ModelVersion | None:
    """The version an alias pointed to at some time; None: it pointed to none.

    As `Registry.alias_at`.
    """
    return default_workspace().registry.alias_at(name, alias, time)


def set_tag(name: str, key: str, value: object, *, version: VersionLike | None = None) -> None:
    """Set a tag of a model, or of a version.

    As `Registry.set_tag`.
    """
    default_workspace().registry.set_tag(name, key, value, version=version)


def delete_tag(name: str, key: str, *, version: VersionLike | None = None) -> None:
    """Delete a tag; absent: nothing.

    As `Registry.delete_tag`.
    """
    default_workspace().registry.delete_tag(name, key, version=version)


def set_note(name: str, text: str, *, version: VersionLike | None = None) -> None:
    """Set the note of a model, or of a version.

    As `Registry.set_note`.
    """
    default_workspace().registry.set_note(name, text, version=version)


def quarantine(name: str, version: VersionLike, *, why: str) -> ModelVersion:
    """Take a version out of use; no alias may point to it.

    As `Registry.quarantine`.
    """
    return default_workspace().registry.quarantine(name, version, why=why)


def release(name: str, version: VersionLike, *, why: str) -> ModelVersion:
    """End a quarantine.

    As `Registry.release`.
    """
    return default_workspace().registry.release(name, version, why=why)


def delete_version(name: str, version: VersionLike, *, why: str) -> None:
    """Delete a version; its number is never used again.

    As `Registry.delete_version`.
    """
    default_workspace().registry.delete_version(name, version, why=why)


def delete_model(name: str, *, why: str) -> None:
    """Delete a model that has no aliases.

    As `Registry.delete_model`.
    """
    default_workspace().registry.delete_model(name, why=why)
