"""What a gate lets through, why not, and what is remembered of it."""

from __future__ import annotations

import json
import math
import pickle
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podium.commits.gate import (
    Check,
    GateFacts,
    Verdict,
    evaluate_gate,
    gate_aliases,
    verdict_from_json,
    verdict_to_json,
)
from podium.errors import Corrupt, GateRefused, QueryError
from podium.search import parse_gate
from podium.strictjson import canonical, loads

NAN = math.nan


def _nobody(alias: str) -> GateFacts | None:
    return None


def _verdict(
    gate: str,
    candidate: GateFacts,
    champion: GateFacts | None = None,
) -> Verdict:
    return evaluate_gate(gate, candidate, {"champion": champion}.get)


def _outcomes(verdict: Verdict) -> list[str]:
    return [check.outcome for check in verdict]


BETTER = "metrics.f1 > champion.metrics.f1 + 0.005"


@pytest.mark.parametrize(
    ("candidate", "champion", "outcome", "passes"),
    [
        ({"f1": 0.9}, {"f1": 0.8}, "holds", True),
        ({"f1": 0.9}, {"f1": 0.899}, "fails", False),
        ({}, {"f1": 0.8}, "missing", False),
        ({"f1": 0.9}, {}, "missing", False),
        ({"f1": NAN}, {"f1": 0.8}, "nan", False),
        ({"f1": 0.9}, {"f1": NAN}, "nan", False),
        ({"f1": 0.9}, None, "no incumbent", True),
        ({}, None, "missing", False),
        ({"f1": NAN}, None, "nan", False),
        ({"f1": NAN}, {}, "missing", False),
        ({"f1": math.inf}, {"f1": 0.8}, "holds", True),
    ],
)
def test_each_outcome_of_a_comparison_with_an_incumbent(
    candidate: dict[str, float], champion: dict[str, float] | None, outcome: str, passes: bool
) -> None:
    verdict = _verdict(BETTER, GateFacts(candidate), None if champion is None else GateFacts(champion))

    assert _outcomes(verdict) == [outcome]
    assert bool(verdict) is passes


@pytest.mark.parametrize("operator", ["=", "!=", ">", ">=", "<", "<=", "IN"])
@pytest.mark.parametrize("negation", ["", "NOT "])
def test_a_missing_or_nan_value_of_the_candidate_fails_whatever_the_operator_and_under_not(
    operator: str, negation: str
) -> None:
    gate = f"{negation}metrics.m {operator} {'(1, 2)' if operator == 'IN' else '1'}"

    assert _outcomes(_verdict(gate, GateFacts())) == ["missing"]
    assert _outcomes(_verdict(gate, GateFacts({"m": NAN}))) == ["nan"]
    assert not _verdict(gate, GateFacts())
    assert not _verdict(gate, GateFacts({"m": NAN}))


def test_not_is_pushed_to_the_comparisons_and_the_checks_say_so() -> None:
    verdict = _verdict("NOT (metrics.a > 1 OR params.b = 'x')", GateFacts({"a": 1.0}, {"b": "y"}))

    assert [check.text for check in verdict] == ["metrics.a <= 1", "params.b != 'x'"]
    assert verdict


def test_a_gate_about_an_incumbent_alone_holds_where_there_is_none() -> None:
    for gate in (
        "champion.metrics.f1 > 0.9",
        "champion.tags.frozen IS NULL",
        "NOT champion.tags.frozen = 'yes'",
    ):
        verdict = _verdict(gate, GateFacts())
        assert _outcomes(verdict) == ["no incumbent"]
        assert verdict
    assert _outcomes(_verdict("champion.metrics.f1 > 0.9", GateFacts(), GateFacts())) == ["missing"]
    assert _outcomes(_verdict("champion.metrics.f1 > 0.9", GateFacts(), GateFacts({"f1": 0.8}))) == ["fails"]


def test_of_two_incumbents_the_one_that_exists_must_have_its_value() -> None:
    gate = "champion.metrics.f1 > canary.metrics.f1"
    holders = {"champion": GateFacts({"f1": 0.9}), "canary": None}
    lacking = {"champion": GateFacts(), "canary": None}

    assert _outcomes(evaluate_gate(gate, GateFacts(), holders.get)) == ["no incumbent"]
    assert _outcomes(evaluate_gate(gate, GateFacts(), lacking.get)) == ["missing"]


def test_the_tree_decides_and_every_comparison_is_made() -> None:
    facts = GateFacts({"a": 1.0, "b": 2.0})

    either = _verdict("metrics.a = 1 OR metrics.b = 1 AND metrics.c = 1", facts)
    both = _verdict("(metrics.a = 1 OR metrics.b = 1) AND metrics.c = 1", facts)

    assert _outcomes(either) == _outcomes(both) == ["holds", "fails", "missing"]
    assert (bool(either), bool(both)) == (True, False)


@pytest.mark.parametrize(
    ("gate", "params", "outcome"),
    [
        ("params.p = 4", 4, "holds"),
        ("params.p = 4", "4", "holds"),
        ("params.p = 4", "4.0", "holds"),
        ("params.p = 4", True, "nan"),
        ("params.p != 4", "auto", "nan"),
        ("params.p = '4'", 4, "holds"),
        ("params.p = 'auto'", "auto", "holds"),
        ("params.p = true", True, "holds"),
        ("params.p = true", "adam", "fails"),
        ("params.p IN ('a', 4)", "4", "holds"),
        ("params.p = champion.params.p", 4, "holds"),
        ("params.p = champion.params.p", "4.0", "holds"),
        ("params.p > champion.params.p", "auto", "nan"),
        ("params.p IS NOT NULL", None, "holds"),
        ("params.q IS NULL", 1, "holds"),
        ("params.p IS NULL", 1, "fails"),
        ("NOT params.p IS NULL", 1, "holds"),
        ("champion.params.p IS NULL", 1, "fails"),
    ],
)
def test_params_are_compared_as_what_they_are_compared_with(gate: str, params: object, outcome: str) -> None:
    verdict = _verdict(gate, GateFacts(params={"p": params}), GateFacts(params={"p": 4}))

    assert _outcomes(verdict) == [outcome]


def test_an_integer_too_large_for_a_float_is_shown_as_infinite() -> None:
    verdict = _verdict("params.p < 0.5", GateFacts(params={"p": -(10**400)}))

    assert list(verdict) == [Check("params.p < 0.5", -math.inf, 0.5, "holds")]


@dataclass(frozen=True)
class Known:
    last: float
    min: float
    max: float
    count: int
    goal: str | None


def test_aggregates_read_what_is_known_of_a_metric_and_are_missing_where_nothing_is() -> None:
    candidate = GateFacts({"loss": 0.5}, summaries={"loss": Known(0.5, 0.1, 0.9, 12, "min")})
    champion = GateFacts({"loss": 0.2}, summaries={"loss": Known(0.2, 0.2, 0.9, 9, None)})

    assert _verdict(
        "best(metrics.loss) < min(champion.metrics.loss) and count(metrics.loss) > 10", candidate, champion
    )
    assert _verdict("last(metrics.loss) = 0.5 and metrics.loss = 0.5", candidate)
    assert _outcomes(_verdict("metrics.loss < best(champion.metrics.loss)", candidate, champion)) == [
        "missing"
    ]
    assert _outcomes(_verdict("min(metrics.loss) < 1", GateFacts({"loss": 0.5}))) == ["missing"]


def test_a_check_shows_both_sides_as_they_were_compared() -> None:
    facts = GateFacts({"f1": 0.9}, {"p": True, "q": "x"}, {"t": "y"})
    verdict = _verdict(
        "metrics.f1 > champion.metrics.f1 + 0.5 and params.p = true and tags.t IN ('y', 'z') and tags.u IS NULL",
        facts,
        GateFacts({"f1": 0.25}),
    )

    assert list(verdict) == [
        Check("metrics.f1 > champion.metrics.f1 + 0.5", 0.9, 0.75, "holds"),
        Check("params.p = true", "True", "True", "holds"),
        Check("tags.t IN ('y', 'z')", "y", "('y', 'z')", "holds"),
        Check("tags.u IS NULL", None, None, "holds"),
    ]


def test_a_verdict_prints_as_a_table_whole_and_to_the_digit_that_decided() -> None:
    verdict = _verdict(
        "metrics.accuracy_balanced > champion.metrics.accuracy_balanced",
        GateFacts({"accuracy_balanced": 0.9}),
        GateFacts({"accuracy_balanced": 0.90000001}),
    )

    assert repr(verdict) == (
        "gate does not hold: metrics.accuracy_balanced > champion.metrics.accuracy_balanced\n"
        "text                                                            left  right       outcome\n"
        "metrics.accuracy_balanced > champion.metrics.accuracy_balanced  0.9   0.90000001  fails"
    )
    assert "<p>gate does not hold: metrics.accuracy_balanced &gt; " in verdict._repr_html_()
    assert repr(_verdict("metrics.a > 1 or metrics.b > 1", GateFacts({"a": 2.0}))).startswith("gate holds: ")


def test_a_gate_s_aliases_are_known_and_each_is_asked_once() -> None:
    gate = "metrics.a > champion.metrics.a and metrics.b > champion.metrics.b or `1st`.tags.x = tags.x"
    asked: list[str] = []

    def holder(alias: str) -> GateFacts | None:
        asked.append(alias)
        return None

    evaluate_gate(gate, GateFacts(), holder)

    assert gate_aliases(gate) == gate_aliases(parse_gate(gate)) == {"champion", "1st"}
    assert sorted(asked) == ["1st", "champion"]
    assert gate_aliases("metrics.a > 1") == frozenset()


def test_a_gate_that_does_not_parse_is_a_query_error_and_not_a_verdict() -> None:
    with pytest.raises(QueryError):
        evaluate_gate("accuracy > 0.9", GateFacts(), _nobody)


def test_a_tree_may_be_given_instead_of_text() -> None:
    verdict = evaluate_gate(parse_gate("metric.a>1"), GateFacts({"a": 2.0}), _nobody)

    assert verdict
    assert verdict.gate == "metrics.a > 1"


def test_a_part_of_a_verdict_still_says_whether_the_whole_gate_held() -> None:
    verdict = _verdict("metrics.a > 1 and metrics.b > 1", GateFacts({"a": 2.0}))

    assert isinstance(verdict[:1], Verdict)
    assert [check.outcome for check in verdict[:1]] == ["holds"]
    assert not verdict[:1]


# --- as JSON -------------------------------------------------------------------------------------------------

sides = st.none() | st.floats() | st.text(max_size=8) | st.just("NaN")
checks = st.builds(
    Check, st.text(max_size=12), sides, sides, st.sampled_from(["holds", "fails", "missing", "nan"])
)


@settings(max_examples=200)
@given(st.text(max_size=20), st.lists(checks, max_size=4), st.booleans())
def test_a_verdict_comes_back_from_json_exactly(gate: str, rows: list[Check], holds: bool) -> None:
    verdict = Verdict(gate, rows, holds=holds)
    data = canonical(verdict_to_json(verdict))

    again = verdict_from_json(loads(data))

    assert again == verdict
    assert bool(again) is holds
    assert canonical(verdict_to_json(again)) == data
    assert [type(check.left) for check in again] == [type(check.left) for check in verdict]


def test_what_a_newer_podium_recorded_is_carried_along_and_its_decision_stands() -> None:
    recorded = {
        "gate": "metrics.f1 ≳ champion.metrics.f1",
        "holds": True,
        "p_value": 0.01,
        "checks": [
            {
                "text": "...",
                "left": 0.9,
                "right": {"$float": "NaN"},
                "outcome": "within noise",
                "samples": [1, 2],
            }
        ],
    }

    verdict = verdict_from_json(recorded)

    assert verdict
    assert _outcomes(verdict) == ["within noise"]
    assert json.loads(canonical(verdict_to_json(verdict))) == recorded
    assert json.loads(canonical(verdict_to_json(verdict[:]))) == recorded


@pytest.mark.parametrize(
    "recorded",
    [
        None,
        [],
        {},
        {"gate": "x", "holds": 1, "checks": []},
        {"gate": "x", "holds": True, "checks": {}},
        {"gate": "x", "holds": True, "checks": [5]},
        {"gate": "x", "holds": True, "checks": [{"text": "t", "outcome": None}]},
        {"gate": "x", "holds": True, "checks": [{"text": "t", "outcome": "holds", "left": [1]}]},
        {"gate": "x", "holds": True, "checks": [{"text": "t", "outcome": "holds", "left": True}]},
    ],
)
def test_json_that_is_no_verdict_is_corrupt_and_says_where(recorded: object) -> None:
    with pytest.raises(Corrupt, match="commit 7") as caught:
        verdict_from_json(recorded, key="commit 7")

    assert caught.value.expected


def test_a_refusal_pickles_with_its_verdict() -> None:
    verdict = _verdict("metrics.a > 1", GateFacts({"a": NAN}))
    error = GateRefused("refused", verdict=verdict)

    again = pickle.loads(pickle.dumps(error))

    assert again.verdict == verdict
    assert not again.verdict
