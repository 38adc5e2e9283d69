"""What each verb decides, given what a model is: pure functions from states to drafts.

Each takes the state now and the state when the call first looked; where another call's commit came between, it is
asked again. So a verdict always belongs to the state it is committed on, and a verb that replaces what it saw is
refused when that has moved.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from podium.commits.facts import ModelVersion
from podium.commits.fold import AliasStack, ModelState, VersionState
from podium.commits.gate import GateFacts, Verdict, evaluate_gate
from podium.commits.naming import check_same_store, find_version, number_of, require_model
from podium.commits.protocol import Decide, Draft, Nothing, NotPublished, object_name
from podium.commits.source import VersionLike
from podium.commits.vocabulary import (
    Body,
    DeleteAlias,
    DeleteModel,
    DeleteTag,
    DeleteVersion,
    LogMetrics,
    Quarantine,
    Register,
    Release,
    RollBack,
    SetAlias,
    SetGate,
    SetNote,
    SetTag,
)
from podium.errors import (
    AliasMoved,
    AliasNotFound,
    GateRefused,
    NothingToRollBack,
    PreflightFailed,
    Quarantined,
    Refused,
    VersionNotFound,
    near_names,
)

__all__ = [
    "Expectation",
    "Expected",
    "NotFlown",
    "NotVerified",
    "Preflight",
    "check_usable",
    "deciding_alias",
    "deciding_delete_alias",
    "deciding_delete_model",
    "deciding_delete_tag",
    "deciding_delete_version",
    "deciding_gate",
    "deciding_log_metrics",
    "deciding_note",
    "deciding_quarantine",
    "deciding_register",
    "deciding_release",
    "deciding_rollback",
    "deciding_tag",
    "expectation",
    "verdict_of",
]

Expected: TypeAlias = VersionLike | Literal["absent"] | None


@dataclass(frozen=True, slots=True)
class Preflight:
    """How loading a version aside went.

    Attributes:
        text: "passed", "skipped: ...", "failed: ...".
        error: what to raise if it must not be passed over; None if it may.
    """

    text: str
    error: PreflightFailed | None = None


class NotFlown(Exception):
    """An alias would move to a version that was not loaded aside yet: do that, then decide again."""


class NotVerified(Exception):
    """An alias would go back to a version whose bytes were not verified yet: do that, then decide again.

    Attributes:
        version: which.
    """

    def __init__(self, version: int) -> None:
        super().__init__(version)
        self.version = version


@dataclass(frozen=True, slots=True)
class Expectation:
    """Where a caller has seen an alias point.

    Attributes:
        asked: as they wrote it.
        version: the version meant; None: no version holds the alias.
        possible: False: what they named is not there, so it cannot hold anything.
    """

    asked: object
    version: int | None
    possible: bool = True


def expectation(seen: ModelState, name: str, expect: Expected) -> Expectation | None:
    """What ``expect`` means, told once, from the state at a call's first look: "latest" must not move under it.

    Raises:
        AliasNotFound: it names an alias that there is not.
        Invalid: it names a version of another model or store, or nothing.
    """
    if expect is None:
        return None
    if expect == "absent":
        return Expectation(expect, None)
    number = number_of(name, expect)
    if number is not None:
        if isinstance(expect, ModelVersion) and number in seen.versions:
            check_same_store(seen.versions[number], expect)
        return Expectation(expect, number)
    try:
        return Expectation(expect, find_version(seen, name, expect).version)
    except VersionNotFound:
        return Expectation(expect, None, possible=False)


def deciding_register(
    body: Register,
    *,
    gate: str | None,
    candidate: GateFacts,
    preflight: Preflight | None,
    force: bool,
    published: frozenset[str],
) -> Decide:
    """A version, and its alias, if the gates let it.

    Args:
        body: all but version, alias' former holder, object, verdict and preflight.
        gate: of this call.
        candidate: what the gates may know of it.
        preflight: how it went; None: it was not flown, and an alias that would move asks for it.
        force: whether a gate that does not hold is overruled.
        published: the names its bytes were put under.

    The decision raises `NotFlown` and `NotPublished` where it lacks what must come first; neither is asked of a
    candidate that its gate refuses.
    """

    def decide(state: ModelState, first: ModelState) -> Draft[Body]:
        verdict = verdict_of(state, gate, body.alias, candidate)
        holder = None if body.alias is None else state.aliases.get(body.alias)
        asked = replace(body, from_version=holder, verdict=verdict)
        refused = _refused(verdict, force, "the candidate")
        if refused is not None:
            return Draft(asked, refusal=refused)
        if body.alias is not None:
            if preflight is None:
                raise NotFlown
            asked = replace(asked, preflight=preflight.text)
            if preflight.error is not None:
                return Draft(asked, refusal=preflight.error)
        object_key = object_name(body.sha256[:32], state)
        if object_key not in published:
            raise NotPublished(object_key)
        return Draft(
            replace(asked, version=state.next_version, object_key=object_key),
            forced=_overruled(verdict, force),
        )

    return decide


def verdict_of(
    state: ModelState, gate: str | None, alias: str | None, candidate: GateFacts
) -> Verdict | None:
    """What the gate of a call and the standing gate of an alias say together; None where there is neither."""
    standing = state.gates.get(alias) if alias is not None else None
    gates = list(dict.fromkeys(each for each in (gate, standing) if each is not None))
    if not gates:
        return None

    def incumbent(held: str) -> GateFacts | None:
        version = state.aliases.get(held)
        return None if version is None else state.versions[version].gate_facts

    verdicts = [evaluate_gate(each, candidate, incumbent) for each in gates]
    if len(verdicts) == 1:
        return verdicts[0]
    checks = [check for verdict in verdicts for check in verdict]
    return Verdict(" AND ".join(f"({each})" for each in gates), checks, holds=all(map(bool, verdicts)))


def _refused(verdict: Verdict | None, force: bool, what: str) -> GateRefused | None:
    if verdict is None or verdict or force:
        return None
    return GateRefused(
        f"{what} does not pass its gate; nothing was changed, and the refusal is in the history.\n{verdict!r}\n"
        "Train a better one, change the gate, or overrule it with force=True and a reason (why=...).",
        verdict=verdict,
    )


def _overruled(verdict: Verdict | None, force: bool) -> bool:
    return force and verdict is not None and not verdict


def deciding_alias(
    name: str,
    alias: str,
    number: int,
    *,
    expect: Expectation | None,
    preflight: Preflight | None,
    force: bool,
) -> Decide:
    """An alias to a version, if it points where the caller saw it and the alias's gate lets it.

    The decision raises `NotFlown` where the alias would move and ``preflight`` is None.
    """

    def decide(state: ModelState, first: ModelState) -> Draft[Body] | Nothing:
        require_model(state, name)
        version = find_version(state, name, number)
        holder = state.aliases.get(alias)
        _check_expected(state, name, alias, expect, f"to version {number}")
        if holder == number:
            return Nothing()
        check_usable(version, name, f"alias {alias!r} cannot point to it")
        verdict = verdict_of(state, None, alias, version.gate_facts)
        body = SetAlias(alias, number, holder, verdict=verdict)
        refused = _refused(verdict, force, f"version {number} of model {name!r} for alias {alias!r}")
        if refused is not None:
            return Draft(body, refusal=refused)
        if preflight is None:
            raise NotFlown
        body = replace(body, preflight=preflight.text)
        if preflight.error is not None:
            return Draft(body, refusal=preflight.error)
        return Draft(body, forced=_overruled(verdict, force))

    return decide


def check_usable(version: VersionState, name: str, consequence: str) -> None:
    """Raise `Quarantined` where a version may not be used."""
    if version.quarantined is not None:
        raise Quarantined(
            f"version {version.version} of model {name!r} is quarantined (commit {version.quarantined}): "
            f"{consequence}. Its history says why; release it first.",
            commit=version.quarantined,
        )


def _check_expected(
    state: ModelState, name: str, alias: str, expect: Expectation | None, whereto: str
) -> None:
    if expect is None:
        return
    holder = state.aliases.get(alias)
    # What the caller expects to be there and is not even a version: it moved, from wherever they read.
    if not expect.possible or holder != expect.version:
        raise _moved(state, name, alias, whereto, expect.asked, expect.version)


def _moved(
    state: ModelState, name: str, alias: str, whereto: str, expect: object, expected: int | None
) -> AliasMoved:
    found = state.aliases.get(alias)
    commit = state.moved.get(alias)
    now = f"it points to version {found}" if found is not None else "nothing holds it"
    look = f"Look at version {found}" if found is not None else "See the history"
    expecting = f"expect={found}" if found is not None else 'expect="absent"'
    nothing_left = found is None and not whereto.startswith("to")
    again = "leave it: there is nothing to move" if nothing_left else f"pass {expecting}"
    return AliasMoved(
        f"cannot move alias {alias!r} of model {name!r} {whereto}: you expected {expect!r}, and now {now}"
        f"{' after it moved away and back' if found is not None and found == expected else ''}"
        f"{f' (commit {commit})' if commit is not None else ''}. "
        f"{look}, then try again, or {again}.",
        expected=expected,
        found=found,
        commit=commit,
    )


def deciding_delete_alias(name: str, alias: str, *, expect: Expectation | None) -> Decide:
    """No alias any more, if it points where it did at the first look."""

    def decide(state: ModelState, first: ModelState) -> Draft[Body]:
        require_model(state, name)
        _check_expected(state, name, alias, expect, "away")
        _check_unmoved(state, first, name, alias, "away")
        return Draft(DeleteAlias(alias, _holder(state, name, alias)))

    return decide


def _holder(state: ModelState, name: str, alias: str) -> int:
    holder = state.aliases.get(alias)
    if holder is None:
        raise AliasNotFound(
            f"model {name!r} has no alias {alias!r}.", name=alias, near=near_names(alias, state.aliases)
        )
    return holder


def _check_unmoved(state: ModelState, first: ModelState, name: str, alias: str, whereto: str) -> None:
    seen = first.aliases.get(alias)
    # By the stack: away and back is a move, and what lies below the alias is another version then.
    if seen is not None and (
        alias not in state.aliases or state.stacks.get(alias) != first.stacks.get(alias)
    ):
        raise _moved(state, name, alias, whereto, seen, seen)


def deciding_rollback(
    name: str,
    alias: str,
    *,
    to: VersionLike | None,
    expect: Expectation | None,
    seen: ModelState | None = None,
    verified: frozenset[int] | None = None,
) -> Callable[[ModelState, ModelState], Draft[RollBack]]:
    """An alias back to its holder before, if it points where it did at the first look.

    Args:
        name: the model.
        alias: which.
        to: an earlier holder; None is the nearest.
        expect: where the alias has to point.
        seen: the state when the caller first looked, where that was before this decision's own first look.
        verified: the versions whose bytes were verified; the decision raises `NotVerified` for any other. None: all.
    """

    def decide(state: ModelState, first: ModelState) -> Draft[RollBack]:
        require_model(state, name)
        _check_expected(state, name, alias, expect, "back")
        _check_unmoved(state, first if seen is None else seen, name, alias, "back")
        holder = _holder(state, name, alias)
        stack = state.stacks.get(alias, AliasStack())
        target = _before(state, stack) if to is None else _named_holder(state, stack, name, alias, to)
        if target is None:
            raise NothingToRollBack(
                f"alias {alias!r} of model {name!r} points to version {holder} and has no earlier holder to go back "
                "to: those before were rolled back from, quarantined or deleted, or there were none. "
                "Set the alias to the version you want."
            )
        if verified is not None and target not in verified:
            raise NotVerified(target)
        return Draft(RollBack(alias, target, holder))

    return decide


def _before(state: ModelState, stack: AliasStack) -> int | None:
    """The nearest holder below the present one that may hold the alias again."""
    *earlier, present = stack.holders
    passed_over = stack.rolled_back | {present}
    return next(
        (each for each in reversed(earlier) if each not in passed_over and state.versions[each].usable), None
    )


def _named_holder(state: ModelState, stack: AliasStack, name: str, alias: str, to: VersionLike) -> int:
    version = find_version(state, name, to)
    if version.version == stack.holders[-1] or version.version not in stack.ever:
        was = "holds it now" if version.version == stack.holders[-1] else "never held it"
        held = ", ".join(map(str, sorted(stack.ever - {stack.holders[-1]}))) or "none"
        raise NothingToRollBack(
            f"alias {alias!r} of model {name!r} cannot go back to version {version.version}, which {was}. "
            f"Earlier holders: {held}."
        )
    check_usable(version, name, f"alias {alias!r} cannot go back to it")
    return version.version


def deciding_gate(name: str, alias: str, gate: str | None) -> Decide:
    """A standing gate, or none."""

    def decide(state: ModelState, first: ModelState) -> Draft[Body] | Nothing:
        require_model(state, name)
        return Nothing() if state.gates.get(alias) == gate else Draft(SetGate(alias, gate))

    return decide


def deciding_log_metrics(name: str, version: VersionLike, metrics: Mapping[str, float]) -> Decide:
    """More metrics of a version."""

    def decide(state: ModelState, first: ModelState) -> Draft[Body] | Nothing:
        number = _fixed(state, first, name, version).version
        return Draft(LogMetrics(number, metrics)) if metrics else Nothing()

    return decide


def _fixed(state: ModelState, first: ModelState, name: str, version: VersionLike) -> VersionState:
    """The version that was meant at the first look: "latest" does not become another between two attempts."""
    require_model(state, name)
    seen = first if first.exists else state
    return find_version(state, name, find_version(seen, name, version).version)


def deciding_tag(name: str, key: str, value: str, version: VersionLike | None) -> Decide:
    """A tag of the model or of a version."""

    def decide(state: ModelState, first: ModelState) -> Draft[Body] | Nothing:
        require_model(state, name)
        if version is None:
            return Nothing() if state.tags.get(key) == value else Draft(SetTag(key, value))
        found = _fixed(state, first, name, version)
        return Nothing() if found.tags.get(key) == value else Draft(SetTag(key, value, found.version))

    return decide


def deciding_delete_tag(name: str, key: str, version: VersionLike | None) -> Decide:
    """One tag less; absent: nothing."""

    def decide(state: ModelState, first: ModelState) -> Draft[Body] | Nothing:
        require_model(state, name)
        if version is None:
            return Draft(DeleteTag(key)) if key in state.tags else Nothing()
        found = _fixed(state, first, name, version)
        return Draft(DeleteTag(key, found.version)) if key in found.tags else Nothing()

    return decide


def deciding_note(name: str, text: str, version: VersionLike | None) -> Decide:
    """A note of the model or of a version."""

    def decide(state: ModelState, first: ModelState) -> Draft[Body] | Nothing:
        require_model(state, name)
        if version is None:
            return Nothing() if state.note == text else Draft(SetNote(text))
        found = _fixed(state, first, name, version)
        return Nothing() if found.note == text else Draft(SetNote(text, found.version))

    return decide


def deciding_quarantine(name: str, version: VersionLike) -> Decide:
    """No alias may point to the version."""

    def decide(state: ModelState, first: ModelState) -> Draft[Body] | Nothing:
        found = _fixed(state, first, name, version)
        if found.quarantined is not None:
            return Nothing()
        _refuse_held(state, name, found.version, "quarantined")
        return Draft(Quarantine(found.version))

    return decide


def _refuse_held(state: ModelState, name: str, version: int, done: str) -> None:
    holders = state.holders_of(version)
    if holders:
        aliases = ", ".join(repr(each) for each in sorted(holders))
        raise Refused(
            f"version {version} of model {name!r} cannot be {done}: {aliases} points to it. "
            "Point the alias elsewhere first (set_alias, rollback or delete_alias)."
        )


def deciding_release(name: str, version: VersionLike) -> Decide:
    """The quarantine of a version ends."""

    def decide(state: ModelState, first: ModelState) -> Draft[Body] | Nothing:
        found = _fixed(state, first, name, version)
        return Draft(Release(found.version)) if found.quarantined is not None else Nothing()

    return decide


def deciding_delete_version(name: str, version: VersionLike) -> Decide:
    """The version is gone."""

    def decide(state: ModelState, first: ModelState) -> Draft[Body]:
        found = _fixed(state, first, name, version)
        _refuse_held(state, name, found.version, "deleted")
        return Draft(DeleteVersion(found.version))

    return decide


def deciding_delete_model(name: str) -> Decide:
    """The model is gone."""

    def decide(state: ModelState, first: ModelState) -> Draft[Body]:
        require_model(state, name)
        if state.aliases:
            aliases = ", ".join(repr(each) for each in sorted(state.aliases))
            raise Refused(
                f"model {name!r} cannot be deleted while it has aliases: {aliases}. Delete them first."
            )
        return Draft(DeleteModel())

    return decide
