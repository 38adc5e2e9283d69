"""What the registry knows, as frozen facts for its users.

Made from the fold of a model's commits; hold no store and no way to change anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from podium.commits.gate import Verdict
from podium.models.home import Home
from podium.strictjson import JsonValue
from podium.table import Shown

__all__ = ["Commit", "ModelVersion", "ParamValue", "RegisteredModel"]

ParamValue: TypeAlias = JsonValue
"""A JSON value: text, number, bool, None, or lists and mappings of these."""


@dataclass(frozen=True, slots=True)
class ModelVersion(Shown):
    """One version of a registered model, as of when it was read.

    Attributes:
        name: the model.
        version: from 1, without gaps, never reused.
        uri: ``models:/<name>/<version>``.
        sha256: of the manifest of its bytes, 64 hex digits.
        run_id: the run that made it, or None.
        start_time: when it was registered, UTC.
        user: who registered it.
        note: free text.
        aliases: those that point to it.
        quarantined: whether no alias may point to it.
        params: of its run, with their types.
        metrics: of its run, and those logged to the version since, which win.
        tags: of its run, those given at registering, and those set since, which win.
        verdict: of the gate it passed, or None.
        signed_by: who signed it, or None.
    """

    name: str
    version: int
    uri: str
    sha256: str
    run_id: str | None
    start_time: datetime
    user: str
    note: str
    aliases: frozenset[str]
    quarantined: bool
    params: Mapping[str, ParamValue] = field(repr=False)
    metrics: Mapping[str, float] = field(repr=False)
    tags: Mapping[str, str] = field(repr=False)
    verdict: Verdict | None = field(default=None, repr=False)
    signed_by: str | None = None
    _home: Home | None = field(default=None, init=False, repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"

    def __repr__(self) -> str:
        aliases = "".join(f" @{alias}" for alias in sorted(self.aliases))
        return f"<ModelVersion {self}{aliases}{' quarantined' if self.quarantined else ''}>"


@dataclass(frozen=True, slots=True)
class RegisteredModel(Shown):
    """One registered model, as of when it was read.

    Attributes:
        name: the model.
        aliases: alias to version.
        gates: alias to its standing gate.
        latest: the highest version that is neither deleted nor quarantined; 0 if there is none.
        tags: of the model.
        note: free text.
    """

    name: str
    aliases: Mapping[str, int]
    gates: Mapping[str, str]
    latest: int
    tags: Mapping[str, str]
    note: str

    def __repr__(self) -> str:
        aliases = "".join(f" @{alias}=v{version}" for alias, version in sorted(self.aliases.items()))
        return f"<RegisteredModel {self.name}, latest v{self.latest}{aliases}>"


@dataclass(frozen=True, slots=True)
class Commit(Shown):
    """One line of a model's history.

    Attributes:
        revision: from 1, without gaps.
        verb: "register", "set_alias", "rollback" ...
        name: the model.
        alias: the alias it is about, or None.
        from_version: where the alias pointed before, or None.
        to_version: where it points after, or the version the commit is about, or None.
        time: UTC, never before the commit's predecessor.
        user: who did it.
        host: on which machine.
        why: the reason given, or "".
        forced: whether a gate was overruled.
        refused: whether it was refused; then nothing but this record changed.
        preflight: "passed", "skipped: ...", or None where there was none to make.
        verdict: of the gate, or None.
    """

    revision: int
    verb: str
    name: str
    alias: str | None
    from_version: int | None
    to_version: int | None
    time: datetime
    user: str
    host: str
    why: str
    forced: bool
    refused: bool
    preflight: str | None
    verdict: Verdict | None = field(repr=False)
