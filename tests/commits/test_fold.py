"""A model is a fold over its commits."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from podium.commits import decisions
from podium.commits.fold import AliasStack, ModelState, alias_move, fold
from podium.commits.gate import GateFacts
from podium.commits.protocol import Decide, Draft
from podium.commits.vocabulary import (
    Body,
    CommitRecord,
    DeleteAlias,
    DeleteModel,
    DeleteVersion,
    LogMetrics,
    Quarantine,
    Release,
    RollBack,
    SetAlias,
    SetGate,
    SetTag,
    Sweep,
    decode_commit,
)
from podium.errors import Corrupt, PodiumError
from tests.commits.histories import folded, record, registered


def specified_history(specified: Callable[[str], bytes]) -> list[tuple[CommitRecord, str]]:
    lines = specified("commits").splitlines(keepends=True)
    return [(decode_commit(line, key="format.md"), hashlib.sha256(line).hexdigest()) for line in lines]


def test_the_specified_history_folds_to_what_its_page_says(specified: Callable[[str], bytes]) -> None:
    state = fold(ModelState(), specified_history(specified))

    assert state.name == "fraud"
    assert state.aliases == {"champion": 1}
    assert state.versions[3].deleted
    assert state.versions[2].tags == {"reviewed": "yes"}
    assert state.next_version == 4
    assert state.latest == 2
    assert state.versions[2].metrics["f1"].last == 0.98
    assert state.swept == {"0123456789abcdef0123456789abcdef": 1}


def test_commits_may_be_folded_one_by_one_or_all_at_once(specified: Callable[[str], bytes]) -> None:
    commits = specified_history(specified)

    one_by_one = ModelState()
    for each in commits:
        one_by_one = fold(one_by_one, [each])

    assert one_by_one == fold(ModelState(), commits)


@pytest.mark.parametrize(
    "impossible",
    [
        SetAlias("champion", 9),
        RollBack("champion", 3, 1),
        SetAlias("champion", 2),
        DeleteVersion(1),
        Quarantine(1),
        registered(5),
        registered(None),
        LogMetrics(9, {"f1": 1.0}),
        DeleteVersion(9),
    ],
    ids=str,
)
def test_a_history_whose_alias_points_where_it_may_not_is_corrupt(impossible: Body) -> None:
    # champion is 1; 2 is quarantined, 3 deleted.
    state = folded([registered(1, "champion"), registered(2), registered(3), Quarantine(2), DeleteVersion(3)])
    with pytest.raises(Corrupt, match="commit 6 of model 'fraud' cannot follow"):
        folded([impossible], state)


def test_a_refusal_changes_nothing_but_the_revision() -> None:
    before = folded([registered(1, "champion")])

    after = fold(before, [(record(SetAlias("champion", 9), 2, before.head, refused=True), "head")])

    assert (after.aliases, after.versions, after.stacks) == (before.aliases, before.versions, before.stacks)
    assert after.revision == 2


def test_a_deleted_model_keeps_its_numbers_and_forgets_the_rest() -> None:
    made: list[Body] = [
        registered(1, "champion"),
        SetGate("champion", "metrics.f1 > 0"),
        SetTag("owner", "ada"),
    ]
    state = folded([*made, DeleteAlias("champion", 1), DeleteModel()])

    assert not state.exists
    assert (state.gates, state.tags, state.stacks) == ({}, {}, {})
    again = folded([registered(2)], state)
    assert again.exists
    assert [number for number, each in again.versions.items() if not each.deleted] == [2]


def test_quarantine_names_its_commit_until_it_is_released() -> None:
    state = folded([registered(1), Quarantine(1)])
    assert state.versions[1].quarantined == 2
    assert state.latest == 0
    assert folded([Release(1)], state).latest == 1


def test_a_sweep_moves_a_digest_to_its_next_name_and_never_back() -> None:
    digest = "a" * 32
    assert folded([registered(1), Sweep((f"{digest}.0",))]).swept == {digest: 1}
    assert folded([registered(1), Sweep((f"{digest}.4",)), Sweep((f"{digest}.1",))]).swept == {digest: 5}


def test_a_metric_logged_later_is_the_last_value_and_widens_what_is_known() -> None:
    state = folded([registered(1), *(LogMetrics(1, {"f1": value}) for value in (0.5, 0.9, math.nan, 0.7))])

    facts = state.versions[1].metrics["f1"]
    assert (facts.last, facts.min, facts.max, facts.count) == (0.7, 0.5, 0.9, 4)


def test_nan_is_least_and_greatest_only_where_there_is_nothing_else() -> None:
    state = folded([registered(1), LogMetrics(1, {"f1": math.nan})])
    assert math.isnan(state.versions[1].metrics["f1"].min)

    facts = folded([LogMetrics(1, {"f1": 0.5})], state).versions[1].metrics["f1"]
    assert (facts.min, facts.max, facts.count) == (0.5, 0.5, 2)


@pytest.mark.parametrize(
    ("body", "move"),
    [
        (registered(1, "champion"), ("champion", 1)),
        (registered(1), None),
        (SetAlias("champion", 2), ("champion", 2)),
        (RollBack("champion", 1, 2), ("champion", 1)),
        (DeleteAlias("champion", 1), ("champion", None)),
        (SetGate("champion", None), None),
    ],
    ids=str,
)
def test_which_alias_a_commit_moved(body: Body, move: tuple[str, int | None] | None) -> None:
    assert alias_move(record(body)) == move
    assert alias_move(record(body, refused=True)) is None


def test_an_alias_stack_says_what_was_rolled_back_until_it_is_set_again() -> None:
    stack = AliasStack().pushed(1).pushed(2).pushed(3).popped_to(1)
    assert (stack.holders, stack.rolled_back) == ((1,), frozenset({2, 3}))
    assert stack.pushed(3).rolled_back == frozenset({2})
    named = stack.popped_to(2)  # it had been rolled back from, and is named all the same
    assert (named.holders[-1], named.rolled_back) == (2, frozenset({1, 3}))


class _Decisions(RuleBasedStateMachine):
    """Whatever users ask for, in whatever order: what is decided can be folded, and the promises hold."""

    def __init__(self) -> None:
        super().__init__()
        self.state = ModelState()

    def decide(self, deciding: Decide) -> None:
        try:
            draft = deciding(self.state, self.state)
        except PodiumError:
            return
        if isinstance(draft, Draft) and draft.refusal is None:
            before = self.state
            self.state = folded([draft.body], before)
            assert len(self.state.versions) - len(before.versions) in (0, 1)
            assert {number for number, each in before.versions.items() if each.deleted} <= {
                number for number, each in self.state.versions.items() if each.deleted
            }

    @rule(alias=st.sampled_from([None, "a", "b"]))
    def register(self, alias: str | None) -> None:
        body = registered(None, alias)
        key = f"{body.sha256[:32]}.0"
        flown = decisions.Preflight("passed")
        self.decide(
            decisions.deciding_register(
                body,
                gate=None,
                candidate=GateFacts(),
                preflight=flown,
                force=False,
                published=frozenset({key}),
            )
        )

    @precondition(lambda self: self.state.versions)
    @rule(alias=st.sampled_from(["a", "b"]), version=st.integers(1, 6))
    def set_alias(self, alias: str, version: int) -> None:
        flown = decisions.Preflight("passed")
        self.decide(
            decisions.deciding_alias("fraud", alias, version, expect=None, preflight=flown, force=False)
        )

    @rule(alias=st.sampled_from(["a", "b"]), to=st.none() | st.integers(1, 6))
    def roll_back(self, alias: str, to: int | None) -> None:
        holder = self.state.aliases.get(alias)
        self.decide(decisions.deciding_rollback("fraud", alias, to=to, expect=None))
        if to is not None and self.state.aliases.get(alias) != holder:
            assert self.state.aliases[alias] == to

    @rule(alias=st.sampled_from(["a", "b"]))
    def delete_alias(self, alias: str) -> None:
        self.decide(decisions.deciding_delete_alias("fraud", alias, expect=None))

    @rule(version=st.integers(1, 6))
    def quarantine(self, version: int) -> None:
        self.decide(decisions.deciding_quarantine("fraud", version))

    @rule(version=st.integers(1, 6))
    def release(self, version: int) -> None:
        self.decide(decisions.deciding_release("fraud", version))

    @rule(version=st.integers(1, 6))
    def delete_version(self, version: int) -> None:
        self.decide(decisions.deciding_delete_version("fraud", version))

    @rule()
    def delete_model(self) -> None:
        self.decide(decisions.deciding_delete_model("fraud"))

    @invariant()
    def versions_are_gap_free(self) -> None:
        assert sorted(self.state.versions) == list(range(1, len(self.state.versions) + 1))

    @invariant()
    def every_alias_points_at_a_usable_version(self) -> None:
        for version in self.state.aliases.values():
            assert self.state.versions[version].usable

    @invariant()
    def the_top_of_a_stack_is_its_holder(self) -> None:
        for alias, version in self.state.aliases.items():
            stack = self.state.stacks[alias]
            assert stack.holders[-1] == version
            assert version not in stack.rolled_back
            assert set(stack.holders) <= stack.ever


TestDecisions = _Decisions.TestCase
TestDecisions.settings = settings(max_examples=60, stateful_step_count=30)
