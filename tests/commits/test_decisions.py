"""What each verb decides, asked again where another commit came between."""

from __future__ import annotations

import pytest

from podium.commits import decisions
from podium.commits.decisions import Expectation, NotFlown, NotVerified, Preflight, expectation
from podium.commits.fold import ModelState
from podium.commits.gate import GateFacts
from podium.commits.protocol import Decide, Draft, Nothing, NotPublished
from podium.commits.vocabulary import (
    Body,
    DeleteAlias,
    LogMetrics,
    Quarantine,
    Register,
    RollBack,
    SetAlias,
    SetGate,
    SetTag,
    Sweep,
)
from podium.errors import (
    AliasMoved,
    AliasNotFound,
    GateRefused,
    ModelNotFound,
    NothingToRollBack,
    PreflightFailed,
    Quarantined,
    Refused,
)
from tests.commits.histories import folded, registered

PASSED = Preflight("passed")
FAILED = Preflight("failed: no", PreflightFailed("no", version=2))
BODY = registered(None, "champion")
KEY = f"{BODY.sha256[:32]}.0"
ONE = folded(
    [registered(1, "champion"), registered(2), LogMetrics(1, {"f1": 0.9}), LogMetrics(2, {"f1": 0.8})]
)
GATED = folded([SetGate("champion", "metrics.f1 > champion.metrics.f1")], ONE)


def register(
    state: ModelState,
    *,
    gate: str | None = None,
    preflight: Preflight | None = PASSED,
    force: bool = False,
    published: frozenset[str] = frozenset({KEY}),
    **metrics: float,
) -> Draft[Body]:
    decide = decisions.deciding_register(
        BODY,
        gate=gate,
        candidate=GateFacts(metrics),
        preflight=preflight,
        force=force,
        published=published,
    )
    return drafted(decide, state)


def set_alias(
    state: ModelState,
    number: int,
    *,
    expect: Expectation | None = None,
    preflight: Preflight | None = PASSED,
    force: bool = False,
) -> Draft[Body]:
    decide = decisions.deciding_alias(
        "fraud", "champion", number, expect=expect, preflight=preflight, force=force
    )
    return drafted(decide, state)


def drafted(decide: Decide, state: ModelState, first: ModelState | None = None) -> Draft[Body]:
    draft = decide(state, state if first is None else first)
    assert isinstance(draft, Draft)
    return draft


# --- register --------------------------------------------------------------------------------------------------------


def test_a_version_and_its_alias_are_one_decision() -> None:
    body = register(ONE).body
    assert isinstance(body, Register)
    assert (body.version, body.alias, body.from_version, body.object_key) == (3, "champion", 1, KEY)
    assert body.preflight == "passed"


def test_the_gate_of_the_call_and_the_standing_gate_must_both_hold() -> None:
    draft = register(GATED, gate="metrics.f1 >= 0.5", f1=0.85)

    assert isinstance(draft.refusal, GateRefused)
    assert [check.outcome for check in draft.refusal.verdict] == ["holds", "fails"]
    assert register(GATED, gate="metrics.f1 >= 0.5", f1=0.95).refusal is None
    assert register(GATED, gate="metrics.f1 >= 0.99", f1=0.95).refusal is not None


def test_a_gate_is_evaluated_anew_on_the_state_it_is_committed_on() -> None:
    better = folded([LogMetrics(1, {"f1": 0.99})], GATED)

    assert register(GATED, f1=0.95).refusal is None
    assert isinstance(register(better, f1=0.95).refusal, GateRefused)


def test_force_overrules_a_gate_and_is_noted_only_where_there_was_something_to_overrule() -> None:
    assert register(GATED, force=True, f1=0.1).forced
    assert not register(GATED, force=True, f1=0.95).forced


def test_a_refused_candidate_needs_neither_flight_nor_bytes() -> None:
    draft = register(GATED, preflight=None, published=frozenset(), f1=0.1)
    assert isinstance(draft.refusal, GateRefused)
    assert isinstance(draft.body, Register)
    assert (draft.body.version, draft.body.object_key) == (None, None)


def test_a_candidate_that_passes_is_flown_then_published_then_decided() -> None:
    with pytest.raises(NotFlown):
        register(ONE, preflight=None, published=frozenset())
    with pytest.raises(NotPublished) as raised:
        register(ONE, published=frozenset())
    assert raised.value.name == KEY


def test_a_flight_that_failed_is_a_refusal_that_force_does_not_overrule() -> None:
    draft = register(GATED, preflight=FAILED, force=True, published=frozenset(), f1=0.1)
    assert isinstance(draft.refusal, PreflightFailed)
    assert not draft.forced
    assert isinstance(draft.body, Register)
    assert draft.body.preflight == "failed: no"


def test_bytes_that_were_swept_are_asked_for_under_their_next_name() -> None:
    with pytest.raises(NotPublished) as raised:
        register(folded([Sweep((KEY,))], ONE))
    assert raised.value.name == KEY[:-1] + "1"


# --- set_alias -------------------------------------------------------------------------------------------------------


def test_an_alias_that_points_there_already_is_nothing_to_do_and_no_flight() -> None:
    decide = decisions.deciding_alias("fraud", "champion", 1, expect=None, preflight=None, force=False)
    assert isinstance(decide(ONE, ONE), Nothing)


def test_an_alias_that_would_move_asks_for_a_flight_once_all_else_is_said() -> None:
    with pytest.raises(NotFlown):
        set_alias(ONE, 2, preflight=None)
    with pytest.raises(AliasMoved):
        set_alias(ONE, 2, preflight=None, expect=Expectation("absent", None))
    assert isinstance(set_alias(GATED, 2, preflight=None).refusal, GateRefused)
    with pytest.raises(Quarantined):
        set_alias(folded([Quarantine(2)], ONE), 2, preflight=None)


def test_an_alias_that_moved_to_the_version_meanwhile_and_away_again_is_flown_first() -> None:
    # What pointed there at the first look was not loaded; now it would be moved there.
    moved_away = folded([SetAlias("champion", 2, 1)], ONE)
    with pytest.raises(NotFlown):
        set_alias(moved_away, 1, preflight=None)


@pytest.mark.parametrize(
    ("expect", "refused"),
    [
        (None, False),
        (1, False),
        ("1", False),
        ("@champion", False),
        (2, True),
        (7, True),
        ("absent", True),
        ("latest", True),
    ],
)
def test_an_alias_moves_only_from_where_it_is_expected(expect: int | str | None, refused: bool) -> None:
    expected = expectation(ONE, "fraud", expect)
    if not refused:
        assert isinstance(set_alias(ONE, 2, expect=expected).body, SetAlias)
        return
    with pytest.raises(AliasMoved, match=r"now it points to version 1.*expect=1") as raised:
        set_alias(ONE, 2, expect=expected)
    assert raised.value.found == 1


def test_what_is_expected_is_told_once_however_often_it_is_decided() -> None:
    seen = expectation(ONE, "fraud", "@champion")
    moved = folded([SetAlias("champion", 2, 1)], ONE)

    with pytest.raises(AliasMoved):
        set_alias(moved, 1, expect=seen)


def test_an_expected_version_that_there_is_not_is_a_move_and_an_alias_that_there_is_not_a_mistake() -> None:
    no_versions = ModelState()
    assert expectation(no_versions, "fraud", "latest") == Expectation("latest", None, possible=False)
    with pytest.raises(AliasNotFound):
        expectation(ONE, "fraud", "@nobody")


# --- delete_alias, rollback ------------------------------------------------------------------------------------------


def test_an_alias_that_moved_during_the_call_is_neither_deleted_nor_rolled_back() -> None:
    first = folded([SetAlias("champion", 2, 1)], ONE)
    moved = folded([SetAlias("champion", 1, 2)], first)

    for decide in (
        decisions.deciding_delete_alias("fraud", "champion", expect=None),
        decisions.deciding_rollback("fraud", "champion", to=None, expect=None),
    ):
        with pytest.raises(AliasMoved):
            decide(moved, first)


def test_away_and_back_is_a_move_too() -> None:
    first = folded([SetAlias("champion", 2, 1)], ONE)
    back = folded([SetAlias("champion", 1, 2), SetAlias("champion", 2, 1)], first)
    decide = decisions.deciding_rollback("fraud", "champion", to=None, expect=None)

    with pytest.raises(AliasMoved, match="after it moved away and back"):
        decide(back, first)


def test_a_commit_of_another_alias_does_not_disturb_a_rollback() -> None:
    first = folded([SetAlias("champion", 2, 1)], ONE)
    later = folded([SetAlias("candidate", 2), SetTag("a", "b")], first)
    draft = decisions.deciding_rollback("fraud", "champion", to=None, expect=None)(later, first)
    assert draft.body == RollBack("champion", 1, 2)


def test_a_rollback_counts_from_where_its_caller_looked_and_verifies_where_it_goes() -> None:
    seen = folded([SetAlias("champion", 2, 1)], ONE)
    moved = folded([SetAlias("champion", 1, 2)], seen)

    with pytest.raises(AliasMoved):
        decisions.deciding_rollback("fraud", "champion", to=None, expect=None, seen=seen)(moved, moved)
    unverified = decisions.deciding_rollback("fraud", "champion", to=None, expect=None, verified=frozenset())
    with pytest.raises(NotVerified) as raised:
        unverified(seen, seen)
    assert raised.value.version == 1


def test_a_rollback_needs_an_alias_and_a_holder_before() -> None:
    decide = decisions.deciding_rollback("fraud", "champion", to=None, expect=None)
    without = folded([DeleteAlias("champion", 1)], ONE)
    with pytest.raises(NothingToRollBack, match="no earlier holder"):
        decide(ONE, ONE)
    with pytest.raises(AliasNotFound):
        decide(without, without)


def test_a_deleted_alias_that_is_set_again_remembers_its_holders() -> None:
    state = folded([DeleteAlias("champion", 1), SetAlias("champion", 2)], ONE)
    draft = decisions.deciding_rollback("fraud", "champion", to=None, expect=None)(state, state)
    assert draft.body == RollBack("champion", 1, 2)


@pytest.mark.parametrize("to", [2, 1])
def test_a_rollback_does_not_go_to_a_quarantined_version_nor_to_the_present_one(to: int) -> None:
    state = folded([SetAlias("champion", 2, 1), SetAlias("champion", 1, 2), Quarantine(2)], ONE)
    with pytest.raises(Quarantined if to == 2 else NothingToRollBack):
        decisions.deciding_rollback("fraud", "champion", to=to, expect=None)(state, state)


# --- the others ------------------------------------------------------------------------------------------------------


def test_latest_does_not_become_another_version_between_two_attempts() -> None:
    later = folded([registered(3)], ONE)
    draft = drafted(decisions.deciding_tag("fraud", "k", "v", "latest"), later, ONE)
    assert draft.body == SetTag("k", "v", 2)


def test_what_an_alias_holds_is_neither_quarantined_nor_deleted() -> None:
    for decide in (decisions.deciding_quarantine("fraud", 1), decisions.deciding_delete_version("fraud", 1)):
        with pytest.raises(Refused, match="'champion' points to it"):
            decide(ONE, ONE)
    with pytest.raises(Refused, match="'champion'"):
        decisions.deciding_delete_model("fraud")(ONE, ONE)


@pytest.mark.parametrize(
    "decide",
    [
        decisions.deciding_gate("fraud", "champion", "metrics.f1 > champion.metrics.f1"),
        decisions.deciding_log_metrics("fraud", 1, {}),
        decisions.deciding_delete_tag("fraud", "absent", None),
        decisions.deciding_delete_tag("fraud", "absent", 1),
        decisions.deciding_note("fraud", "", None),
        decisions.deciding_release("fraud", 1),
    ],
)
def test_what_is_so_already_is_no_commit(decide: Decide) -> None:
    assert isinstance(decide(GATED, GATED), Nothing)


@pytest.mark.parametrize(
    "decide",
    [
        decisions.deciding_gate("fraud", "champion", None),
        decisions.deciding_delete_model("fraud"),
        decisions.deciding_tag("fraud", "a", "b", None),
        decisions.deciding_delete_alias("fraud", "champion", expect=None),
        decisions.deciding_quarantine("fraud", 1),
    ],
)
def test_nothing_is_decided_about_a_model_that_is_not_there(decide: Decide) -> None:
    with pytest.raises(ModelNotFound):
        decide(ModelState(), ModelState())
