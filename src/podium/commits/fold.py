"""What a model is after a number of commits: a pure fold.

Bodies carry outcomes, so nothing is decided here; the one rule this module keeps is its invariant: no alias points at
a version that is missing, deleted or quarantined. A history that says otherwise was not written by podium.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import assert_never

from podium.commits.gate import GateFacts, Verdict
from podium.commits.vocabulary import (
    CommitRecord,
    DeleteAlias,
    DeleteModel,
    DeleteTag,
    DeleteVersion,
    LogMetrics,
    MetricFacts,
    Quarantine,
    Register,
    Release,
    RollBack,
    SetAlias,
    SetGate,
    SetNote,
    SetTag,
    Sweep,
)
from podium.errors import Corrupt
from podium.strictjson import JsonValue

__all__ = ["AliasStack", "ModelState", "VersionState", "alias_move", "fold"]


@dataclass(frozen=True, slots=True)
class VersionState:
    """One version.

    Attributes:
        version: its number.
        object_key: ``<digest>.<times swept>``.
        sha256: of its manifest.
        time_ms: when it was registered.
        user: who registered it.
        run_id: the run that made it.
        flavor: of the model.
        trust: "data" or "code".
        size_bytes: of its files.
        params: of the run.
        metrics: of the run, then those logged since.
        tags: of the run, then those set since.
        note: free text.
        verdict: of the gate it passed.
        quarantined: the revision that quarantined it, or None.
        deleted: whether it is gone.
    """

    version: int
    object_key: str
    sha256: str
    time_ms: int = 0
    user: str = ""
    run_id: str | None = None
    flavor: str = ""
    trust: str = "code"
    size_bytes: int = 0
    params: Mapping[str, JsonValue] = field(default_factory=dict)
    metrics: Mapping[str, MetricFacts] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    verdict: Verdict | None = None
    quarantined: int | None = None
    deleted: bool = False

    @property
    def usable(self) -> bool:
        """Whether an alias may point to it."""
        return not self.deleted and self.quarantined is None

    @property
    def gate_facts(self) -> GateFacts:
        """What a gate may know of it."""
        return GateFacts(
            metrics={key: facts.last for key, facts in self.metrics.items()},
            params=self.params,
            tags=self.tags,
            summaries=self.metrics,
        )


@dataclass(frozen=True, slots=True)
class AliasStack:
    """Where an alias has pointed: setting pushes, rolling back pops.

    Attributes:
        holders: versions, the present holder last; kept when the alias is deleted.
        rolled_back: versions that were rolled back from, until the alias is set to them again.
        ever: every version that ever held the alias.
    """

    holders: tuple[int, ...] = ()
    rolled_back: frozenset[int] = frozenset()
    ever: frozenset[int] = frozenset()

    def pushed(self, version: int) -> AliasStack:
        """The alias was set to a version."""
        return AliasStack((*self.holders, version), self.rolled_back - {version}, self.ever | {version})

    def popped_to(self, version: int) -> AliasStack:
        """The alias went back to a version: all above its last place in the stack counts as rolled back."""
        if version in self.holders[:-1]:
            place = len(self.holders) - 2 - self.holders[:-1][::-1].index(version)
            above = self.holders[place + 1 :]
            return AliasStack(
                self.holders[: place + 1], (self.rolled_back | set(above)) - {version}, self.ever
            )
        # It held the alias and was rolled back from; the user names it all the same.
        rolled_back = (self.rolled_back | set(self.holders[-1:])) - {version}
        return AliasStack((*self.holders[:-1], version), rolled_back, self.ever)


@dataclass(frozen=True, slots=True)
class ModelState:
    """A model after ``revision`` commits.

    Attributes:
        name: the true name; "" before the first commit.
        history_id: of its history; "" before the first commit.
        revision: how many commits there are.
        head: SHA-256 of the bytes of the last commit; "" before the first.
        time_ms: of the last commit.
        versions: all there ever were, by number.
        aliases: alias to version.
        stacks: alias to where it has pointed.
        moved: alias to the revision that moved or removed it last.
        gates: alias to standing gate.
        tags: of the model.
        note: of the model.
        deleted: whether the model was deleted and nothing registered since.
        swept: digest to how often its object was swept.
        whole: folded from the first commit; False: continued from ``index.json``, which has no metrics, params,
            stacks or moves.
    """

    name: str = ""
    history_id: str = ""
    revision: int = 0
    head: str = ""
    time_ms: int = 0
    versions: Mapping[int, VersionState] = field(default_factory=dict)
    aliases: Mapping[str, int] = field(default_factory=dict)
    stacks: Mapping[str, AliasStack] = field(default_factory=dict)
    moved: Mapping[str, int] = field(default_factory=dict)
    gates: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    deleted: bool = False
    swept: Mapping[str, int] = field(default_factory=dict)
    whole: bool = True

    @property
    def exists(self) -> bool:
        """Whether there is anything to see: a version was registered, and the model not deleted since."""
        return bool(self.versions) and not self.deleted

    @property
    def next_version(self) -> int:
        """The number the next version gets."""
        return len(self.versions) + 1

    @property
    def latest(self) -> int:
        """The highest version neither deleted nor quarantined; 0 if there is none."""
        return max((number for number, version in self.versions.items() if version.usable), default=0)

    def holders_of(self, version: int) -> frozenset[str]:
        """The aliases that point to a version."""
        return frozenset(alias for alias, held in self.aliases.items() if held == version)


class _Draft:
    """A state while several commits are applied: its mappings may be changed in place."""

    def __init__(self, state: ModelState) -> None:
        self.state = state
        self.versions = dict(state.versions)
        self.aliases = dict(state.aliases)
        self.stacks = dict(state.stacks)
        self.moved = dict(state.moved)
        self.gates = dict(state.gates)
        self.tags = dict(state.tags)
        self.swept = dict(state.swept)
        self.note = state.note
        self.deleted = state.deleted

    def apply(self, record: CommitRecord) -> None:
        if record.refused:
            return
        match record.body:
            case Register() as body:
                self._register(record, body)
            case SetAlias(alias, version):
                self.aliases[alias] = version
                self.stacks[alias] = self.stacks.get(alias, AliasStack()).pushed(version)
            case RollBack(alias, version):
                self.aliases[alias] = version
                self.stacks[alias] = self.stacks.get(alias, AliasStack()).popped_to(version)
            case DeleteAlias(alias):
                self.aliases.pop(alias, None)
            case SetGate(alias, None):
                self.gates.pop(alias, None)
            case SetGate(alias, str(gate)):
                self.gates[alias] = gate
            case LogMetrics(version, metrics):
                known = self.versions[version].metrics
                logged = {key: _with_point(known.get(key), value) for key, value in metrics.items()}
                self._change(version, metrics={**known, **logged})
            case SetTag(key, value, None):
                self.tags[key] = value
            case SetTag(key, value, int(version)):
                self._change(version, tags={**self.versions[version].tags, key: value})
            case DeleteTag(key, None):
                self.tags.pop(key, None)
            case DeleteTag(key, int(version)):
                tags = self.versions[version].tags
                self._change(version, tags={each: value for each, value in tags.items() if each != key})
            case SetNote(note, None):
                self.note = note
            case SetNote(note, int(version)):
                self._change(version, note=note)
            case Quarantine(version):
                self._change(version, quarantined=record.revision)
            case Release(version):
                self._change(version, quarantined=None)
            case DeleteVersion(version):
                self._change(version, deleted=True)
            case DeleteModel():
                for version in self.versions:
                    self._change(version, deleted=True)
                self.aliases, self.gates, self.tags, self.stacks = {}, {}, {}, {}
                self.note, self.deleted = "", True
            case Sweep(objects):
                for each in objects:
                    digest, _, times = each.partition(".")
                    self.swept[digest] = max(self.swept.get(digest, 0), int(times) + 1)
            case SetGate() | SetTag() | DeleteTag() | SetNote():
                raise ValueError(f"{record.body.verb} of {record.body}")
            case _:
                assert_never(record.body)

    def note_move(self, record: CommitRecord) -> None:
        move = alias_move(record)
        if move is not None:
            self.moved[move[0]] = record.revision

    def _register(self, record: CommitRecord, body: Register) -> None:
        if body.version is None or body.object_key is None or body.version != len(self.versions) + 1:
            raise ValueError(f"version {body.version} after {len(self.versions)} versions")
        self.deleted = False
        self.versions[body.version] = VersionState(
            version=body.version,
            object_key=body.object_key,
            sha256=body.sha256,
            time_ms=record.time_ms,
            user=record.user,
            run_id=body.run_id,
            flavor=body.flavor,
            trust=body.trust,
            size_bytes=body.size_bytes,
            params=body.params,
            metrics=body.metrics,
            tags=body.tags,
            note=body.note,
            verdict=body.verdict,
        )
        if body.alias is not None:
            self.aliases[body.alias] = body.version
            self.stacks[body.alias] = self.stacks.get(body.alias, AliasStack()).pushed(body.version)

    def _change(self, version: int, **changes: object) -> None:
        self.versions[version] = replace(self.versions[version], **changes)  # type: ignore[arg-type]  # fields of VersionState

    def check(self) -> None:
        for alias, version in self.aliases.items():
            held = self.versions.get(version)
            if held is None or not held.usable:
                raise ValueError(f"alias {alias!r} points at version {version}, which it may not")


def _with_point(known: MetricFacts | None, value: float) -> MetricFacts:
    if known is None:
        return MetricFacts(last=value, min=value, max=value, count=1)
    least = _chosen(min, known.min, value)
    return MetricFacts(value, least, _chosen(max, known.max, value), known.count + 1, known.goal)


def _chosen(choose: Callable[[list[float]], float], *values: float) -> float:
    """The least or the greatest; NaN is neither, unless there is nothing else."""
    return choose([each for each in values if not math.isnan(each)] or [math.nan])


def fold(state: ModelState, commits: Iterable[tuple[CommitRecord, str]]) -> ModelState:
    """The state after more commits.

    Args:
        state: where to begin; ``ModelState()`` is before the first commit.
        commits: what follows, each with the SHA-256 of its bytes; that they follow was checked by the reader.

    Raises:
        Corrupt: a commit that is whole says what cannot be, so it was not written by podium.
    """
    draft = _Draft(state)
    record, head = None, state.head
    for record, head in commits:  # noqa: B007 - the last of both is what is kept
        try:
            draft.apply(record)
            draft.note_move(record)
            draft.check()
        except (ValueError, KeyError) as error:
            raise Corrupt(
                f"commit {record.revision} of model {record.model!r} cannot follow the one before: {error}. "
                "Restore the model's folder from a copy.",
                key=f"commit {record.revision}",
            ) from error
    if record is None:
        return state
    return ModelState(
        name=record.model,
        history_id=record.history_id,
        revision=record.revision,
        head=head,
        time_ms=record.time_ms,
        versions=draft.versions,
        aliases=draft.aliases,
        stacks=draft.stacks,
        moved=draft.moved,
        gates=draft.gates,
        tags=draft.tags,
        note=draft.note,
        deleted=draft.deleted,
        swept=draft.swept,
        whole=state.whole,
    )


def alias_move(record: CommitRecord) -> tuple[str, int | None] | None:
    """Which alias a commit moved, and whereto (None: removed); None if it moved no single alias."""
    if record.refused:
        return None
    match record.body:
        case Register(alias=str(alias), version=version):
            return alias, version
        case SetAlias(alias, version) | RollBack(alias, version):
            return alias, version
        case DeleteAlias(alias):
            return alias, None
        case _:
            return None
