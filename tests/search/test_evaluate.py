"""What a query means for a row, and the order rows come in."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podium.search import (
    EXPERIMENTS,
    MODELS,
    RUNS,
    VERSIONS,
    Family,
    Subject,
    aggregate_of,
    matches,
    parse_filter,
    parse_order,
    push_not,
    sort,
)
from podium.search.expressions import Expr, Not
from podium.table import MISSING
from tests.search.conftest import NOW

Found = Callable[..., bool]
MakeSubject = Callable[[Mapping[str, object]], Subject]

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize("operator", ["=", "!=", ">", ">=", "<", "<="])
def test_a_metric_that_is_not_there_never_matches_whatever_the_operator(found: Found, operator: str) -> None:
    assert not found(f"metrics.a {operator} 1", {})
    assert not found(f"NOT metrics.a {operator} 1", {})
    assert not found(f"metrics.a {operator} metrics.b", {"metrics.b": 1.0})
    assert not found(f"metrics.b {operator} 2 * metrics.a", {"metrics.b": 1.0})


@pytest.mark.parametrize(
    ("query", "nan", "inf", "minus_inf", "five"),
    [
        ("metrics.m != 1", True, True, True, True),
        ("metrics.m = 5", False, False, False, True),
        ("metrics.m < 6", False, False, True, True),
        ("metrics.m > 4", False, True, False, True),
        ("metrics.m >= 5", False, True, False, True),
        ("NOT metrics.m > 4", False, False, True, False),
        ("NOT metrics.m = 5", True, True, True, False),
        ("metrics.m IN (5, 6)", False, False, False, True),
        ("metrics.m NOT IN (5, 6)", True, True, True, False),
        ("metrics.m IS NOT NULL", True, True, True, True),
    ],
)
def test_nan_matches_only_unequal_and_infinities_are_numbers(
    found: Found, query: str, nan: bool, inf: bool, minus_inf: bool, five: bool
) -> None:
    rows = [{"metrics.m": value} for value in (NAN, INF, -INF, 5.0)]

    assert [found(query, row) for row in rows] == [nan, inf, minus_inf, five]


@pytest.mark.parametrize(
    ("query", "value", "matched"),
    [
        # with a quoted text: the text that MLflow would have stored
        ("params.p = '0.1'", 0.1, True),
        ("params.p = '0.10'", 0.1, False),
        ("params.p = 'True'", True, True),
        ("params.p = 'true'", True, False),
        ("params.p = 'None'", None, True),
        ("params.p = '1e-05'", 0.00001, True),
        ("params.p = '[1, 2]'", [1, 2], True),
        ("params.p != 'adam'", "sgd", True),
        ("params.p LIKE 'Ad_m%'", "Adamax", True),
        ("params.p LIKE 'ad%'", "Adam", False),
        ("params.p ILIKE 'AD%'", "adam", True),
        ("params.p NOT LIKE '%x%'", "adam", True),
        ("params.p LIKE '1%'", 128, True),
        ("params.p LIKE 'a.c'", "abc", False),
        ("params.p LIKE '%\n%'", "a\nb", True),
        # with a number: the number it is or spells
        ("params.p < 0.1", 0.05, True),
        ("params.p < 0.1", "0.05", True),
        ("params.p = 4", "4.0", True),
        ("params.p = 4", 4, True),
        ("params.p > 1", "10", True),
        ("params.p = 1", True, False),
        ("params.p != 1", True, True),
        ("params.p > 0", "auto", False),
        ("params.p <= 0", "auto", False),
        ("params.p != 0", "auto", True),
        ("params.p > 0", "1_000", False),
        ("params.p = 5", None, False),
        ("params.p IN (4, 6)", "6", True),
        ("params.p IN (4, 'auto')", "auto", True),
        ("params.p NOT IN (4, 'auto')", 5, True),
        # with true and false: a bool or its name
        ("params.p = true", True, True),
        ("params.p = TRUE", "True", True),
        ("params.p = false", True, False),
        ("params.p != true", "adam", True),
        ("params.p = true", 1, False),
        # being there
        ("params.p IS NULL", None, False),
        ("params.p IS NOT NULL", "", True),
    ],
)
def test_a_param_is_compared_as_what_it_is_compared_with(
    found: Found, query: str, value: object, matched: bool
) -> None:
    assert found(query, {"params.p": value}) is matched


def test_an_integer_too_large_for_a_float_is_still_a_number(found: Found) -> None:
    assert found("params.p > 1e308 and 2 * params.p > 1 and 0.5 * params.p > 1", {"params.p": 10**400})
    assert found("params.p < -1e308 and 0.5 * params.p < 1", {"params.p": -(10**400)})


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        (4, "4.0", True),
        ("4", "4.0", False),
        (0.1, 0.1, True),
        (True, "True", True),
        (1, True, False),
        ("x", "x", True),
    ],
)
def test_two_params_are_compared_as_numbers_if_either_is_one_else_as_texts(
    found: Found, left: object, right: object, equal: bool
) -> None:
    row = {"params.a": left, "tags.b": right}

    assert found("params.a = tags.b", row) is equal
    assert found("tags.b != params.a", row) is not equal


def test_null_asks_whether_something_is_there(found: Found) -> None:
    row = {"tags.a": "x", "end_time": None, "run_id": "r"}

    assert found("tags.a IS NOT NULL and tags.b IS NULL", row)
    assert found("end_time IS NULL and parent_run_id IS NULL and metrics.f1 IS NULL", row)
    assert found("NOT tags.b IS NOT NULL and NOT (tags.a IS NULL)", row)
    assert not found("end_time < 5 or end_time >= 5 or parent_run_id != 'x'", row)
    assert found("dataset.name IS NULL", {"dataset.name": ()})


def test_attributes_are_compared_as_texts_and_with_lists(found: Found) -> None:
    row = {"status": "FINISHED", "run_id": "r1", "run_name": "lr=0.1", "deleted": False, "dropped": 0}

    assert found("status = 'FINISHED' and attributes.`Run name` ILIKE 'LR%'", row)
    assert not found("status = 'finished'", row)
    assert found("run_id IN ('r0', 'r1') and run_id NOT IN ('r2')", row)
    assert found("deleted = false and deleted != true and dropped = 0", row)
    assert not found("run_id NOT IN ('r2')", {"run_id": None})
    assert found("run_name = params.title", {"run_name": "x", "params.title": "x"})


def test_times_are_iso_text_milliseconds_or_ago(found: Found) -> None:
    start = datetime(2026, 11, 17, 12, 0, 0, 250_000, tzinfo=UTC)
    milliseconds = round(start.timestamp() * 1000)

    for value in (start, milliseconds):
        row = {"start_time": value, "end_time": NOW}
        assert found(f"start_time = {milliseconds} and created >= {milliseconds}", row)
        assert found("start_time > -7d and start_time < -167.99h and start_time > -2w", row)
        assert not found("start_time > -6d", row)
        assert found("start_time > '2026-11-17' and start_time < '2026-11-18'", row)
        assert found("start_time = '2026-11-17T13:00:00.250+01:00'", row)
        assert found("start_time IN ('2026-11-17T12:00:00.250Z', 5)", row)
        assert found("end_time - 604799750 >= start_time and end_time > start_time", row)


def test_ago_is_before_the_now_that_is_passed_in(subject: MakeSubject) -> None:
    row, query = subject({"start_time": NOW - timedelta(minutes=3)}), parse_filter("start_time > -5m")

    assert matches(query, row, now=NOW)
    assert not matches(query, row, now=NOW + timedelta(minutes=3))


def test_sides_are_scaled_and_shifted(found: Found) -> None:
    row = {"metrics.a": 0.9, "metrics.b": 0.8, "min(metrics.a)": 0.5, "count(metrics.a)": 10}

    assert found("metrics.a > metrics.b + 0.05 and metrics.a < 1.2 * metrics.b and 1 - metrics.a < 0.15", row)
    assert found("min(metrics.a) < metrics.a - 0.3 and count(metrics.a) = 10 and 0.4 < min(metrics.a)", row)
    assert not found("max(metrics.a) > 0", row)


def test_a_run_matches_if_one_of_its_datasets_does_and_not_asks_all_of_them(found: Found) -> None:
    row = {"dataset.name": ("iris", "digits"), "dataset.context": ("train", "eval")}

    assert found("dataset.name = 'iris' and dataset.name = 'digits'", row)
    assert found("dataset.name != 'iris'", row)  # digits is not, as in MLflow
    assert not found("NOT dataset.name = 'iris'", row)
    assert found("NOT dataset.name = 'wine' and NOT dataset.name IN ('a', 'b')", row)
    assert found("dataset.context LIKE 'ev%' and NOT dataset.context ILIKE 'X%'", row)
    assert not found("dataset.name = 'x'", {}) and not found("NOT dataset.name = 'x'", {})  # noqa: PT018
    assert found("dataset.name = 'iris'", {"dataset.name": "iris"})


def test_aliases_contain_or_do_not(found: Found) -> None:
    champion, plain = {"aliases": frozenset({"champion", "prod"})}, {"aliases": frozenset[str]()}

    for fields in (VERSIONS, MODELS):
        assert found("aliases = 'champion' and aliases LIKE 'pr%'", champion, fields)
        assert not found("aliases != 'champion'", champion, fields)
        assert not found("aliases = 'champion'", plain, fields)
        assert found("aliases != 'champion' and NOT aliases IN ('a') and aliases NOT LIKE '%'", plain, fields)
        assert found("NOT aliases != 'champion'", champion, fields)
    assert found("aliases = 'champion'", {"aliases": {"champion": 3}}, MODELS)


def test_a_version_is_a_number_also_when_it_is_quoted(found: Found) -> None:
    assert found("version_number = '3' and version > 2 and version IN ('3')", {"version": 3}, VERSIONS)


def test_an_empty_filter_finds_everything(found: Found) -> None:
    assert found("", {})
    assert found("  and ", {})


def test_and_binds_tighter_than_or(found: Found) -> None:
    row = {"metrics.a": 1}

    assert found("metrics.a = 1 OR metrics.a = 2 AND metrics.a = 3", row)
    assert not found("(metrics.a = 1 OR metrics.a = 2) AND metrics.a = 3", row)


def test_a_pattern_of_many_wildcards_does_not_hang(found: Found) -> None:
    pattern = "%a" * 60 + "%b"

    assert not found(f"params.p LIKE '{pattern}'", {"params.p": "a" * 5000})
    assert found(f"params.p LIKE '{pattern}'", {"params.p": "a" * 60 + "b"})


def _like_by_definition(text: str, pattern: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == "%":
        return any(_like_by_definition(text[at:], pattern[1:]) for at in range(len(text) + 1))
    return bool(text) and pattern[0] in ("_", text[0]) and _like_by_definition(text[1:], pattern[1:])


@settings(max_examples=300)
@given(st.text("ab.", max_size=8), st.text("ab.%_", max_size=6))
def test_like_is_what_its_definition_says(found: Found, text: str, pattern: str) -> None:
    assert found(f"params.p LIKE '{pattern}'", {"params.p": text}) is _like_by_definition(text, pattern)


comparisons = st.sampled_from(
    [
        "metrics.a > 1",
        "metrics.a = 1",
        "metrics.a <= metrics.b",
        "2 * metrics.b + 1 != metrics.a",
        "params.p = 'x'",
        "params.p < 2",
        "params.p LIKE '%x'",
        "params.p IN ('x', 1)",
        "tags.t IS NULL",
        "dataset.name = 'd'",
        "params.p = tags.t",
    ]
)
queries = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        inner.map(lambda one: f"NOT ({one})"),
        st.tuples(inner, inner).map(lambda two: f"({two[0]}) AND ({two[1]})"),
        st.tuples(inner, inner).map(lambda two: f"({two[0]}) OR ({two[1]})"),
    ),
    max_leaves=8,
)
values = st.sampled_from([0, 1.0, 2, 3.5, NAN, INF, -INF])
rows = st.fixed_dictionaries(
    {},
    optional={
        "metrics.a": values,
        "metrics.b": values,
        "params.p": st.sampled_from([1, "1", "x", True, None, "2.5", NAN]),
        "tags.t": st.sampled_from(["x", "1", "2.5"]),
        "dataset.name": st.lists(st.sampled_from(["d", "e"]), max_size=2).map(tuple),
    },
)
whole_rows = st.fixed_dictionaries(
    {
        "metrics.a": st.sampled_from([0, 1.0, 2, 3.5, INF]),
        "metrics.b": st.sampled_from([0, 1.0, 2, -INF]),
        "params.p": st.sampled_from([1, "1", "2.5", -3]),
        "tags.t": st.sampled_from(["x", "1", "2.5"]),
        "dataset.name": st.lists(st.sampled_from(["d", "e"]), min_size=1, max_size=2).map(tuple),
    }
)


def _parsed(query: str) -> Expr:
    expr = parse_filter(query)
    assert expr is not None
    return expr


@settings(max_examples=300)
@given(queries, rows)
def test_a_query_and_the_same_with_not_pushed_down_find_the_same_rows(
    subject: MakeSubject, query: str, row: Mapping[str, object]
) -> None:
    expr = _parsed(query)

    for each in (expr, Not(expr)):
        assert matches(each, subject(row), now=NOW) is matches(push_not(each), subject(row), now=NOW)


@settings(max_examples=200)
@given(queries, whole_rows)
def test_where_every_field_is_there_and_no_nan_not_is_plain_negation(
    subject: MakeSubject, query: str, row: Mapping[str, object]
) -> None:
    expr = _parsed(query)

    assert matches(Not(expr), subject(row), now=NOW) is not matches(expr, subject(row), now=NOW)


@settings(max_examples=200)
@given(queries, rows)
def test_no_row_is_found_by_a_query_and_by_its_opposite(
    subject: MakeSubject, query: str, row: Mapping[str, object]
) -> None:
    expr = _parsed(query)

    assert not (matches(expr, subject(row), now=NOW) and matches(Not(expr), subject(row), now=NOW))


@dataclass(frozen=True)
class Facts:
    last: float = 3.0
    min: float = 1.0
    max: float = 5.0
    count: int = 7
    goal: str | None = None


def test_best_is_known_only_where_the_goal_is() -> None:
    assert [aggregate_of(Facts(), name) for name in (None, "last", "min", "max", "count")] == [
        3.0,
        3.0,
        1.0,
        5.0,
        7,
    ]
    assert aggregate_of(Facts(), "best") is MISSING
    assert aggregate_of(Facts(goal="min"), "best") == 1.0
    assert aggregate_of(Facts(goal="max"), "best") == 5.0


# --- order ---------------------------------------------------------------------------------------------------


def _sorted(
    rows: list[dict[str, object]], order: object, make: MakeSubject, fields: Family = RUNS
) -> list[object]:
    keys = parse_order(order, fields=fields) if isinstance(order, str) else ()
    return [row["id"] for row in sort(rows, keys, make, fields=fields)]


def test_nan_then_what_is_missing_comes_last_in_both_directions(subject: MakeSubject) -> None:
    rows: list[dict[str, object]] = [
        {"id": "missing"},
        {"id": "nan", "metrics.m": NAN},
        {"id": "inf", "metrics.m": INF},
        {"id": "-inf", "metrics.m": -INF},
        {"id": "1", "metrics.m": 1},
        {"id": "2.5", "metrics.m": 2.5},
    ]

    assert _sorted(rows, "metrics.m", subject) == ["-inf", "1", "2.5", "inf", "nan", "missing"]
    assert _sorted(rows, "metrics.m DESC", subject) == ["inf", "2.5", "1", "-inf", "nan", "missing"]


def test_numbers_come_before_texts_and_texts_sort_as_texts(subject: MakeSubject) -> None:
    rows: list[dict[str, object]] = [
        {"id": str(at), "params.p": value}
        for at, value in enumerate(["2", "10", 10, 2, "a", True, None, 1.5])
    ]

    assert _sorted(rows, "params.p", subject) == ["7", "3", "2", "1", "0", "6", "5", "4"]
    assert _sorted(rows, "params.p DESC", subject) == ["4", "5", "6", "0", "1", "2", "3", "7"]


def test_what_is_equal_comes_newest_first_then_by_id(subject: MakeSubject) -> None:
    rows: list[dict[str, object]] = [
        {"id": name, "run_id": name, "start_time": NOW + timedelta(minutes=at), "metrics.m": 1}
        for name, at in [("b", 1), ("c", 2), ("a", 1), ("d", 0)]
    ]

    for order in (None, "metrics.m", "metrics.m DESC", "metrics.other", "tags.x DESC"):
        assert _sorted(rows, order, subject) == ["c", "a", "b", "d"]
    assert _sorted(rows, "start_time", subject) == ["d", "a", "b", "c"]
    assert _sorted(rows, "run_id DESC", subject) == ["d", "c", "b", "a"]


def test_other_families_have_an_order_of_their_own(subject: MakeSubject) -> None:
    models: list[dict[str, object]] = [{"id": name, "name": name} for name in ("zed", "E1", "e2", "Default")]
    versions: list[dict[str, object]] = [
        {"id": f"{name}{number}", "name": name, "version": number, "start_time": NOW}
        for name, number in [("a", 2), ("b", 1), ("a", 10)]
    ]
    experiments: list[dict[str, object]] = [
        {"id": at, "name": str(at), "start_time": NOW + timedelta(minutes=at)} for at in range(3)
    ]

    assert _sorted(models, None, subject, MODELS) == ["Default", "E1", "e2", "zed"]
    assert _sorted(versions, None, subject, VERSIONS) == ["a10", "a2", "b1"]
    assert _sorted(experiments, None, subject, EXPERIMENTS) == [2, 1, 0]


def test_a_second_key_orders_what_the_first_leaves_equal(subject: MakeSubject) -> None:
    rows: list[dict[str, object]] = [
        {"id": f"{a}{b}", "metrics.a": a, "params.b": b} for a, b in itertools.product((1, 2), (1, 2))
    ]

    assert _sorted(rows, "metrics.a DESC, params.b", subject) == ["21", "22", "11", "12"]


sortable = st.lists(
    st.fixed_dictionaries(
        {"start_time": st.integers(0, 2)},
        optional={
            "metrics.m": values,
            "params.p": st.sampled_from([1, "1", 10, "10", "x", True, NAN, None]),
        },
    ),
    max_size=8,
)


@settings(max_examples=200)
@given(
    sortable,
    st.randoms(use_true_random=False),
    st.sampled_from(["metrics.m", "params.p DESC, metrics.m", ""]),
)
def test_an_order_is_total_and_does_not_depend_on_the_order_rows_came_in(
    subject: MakeSubject, facts: list[dict[str, object]], random: object, order: str
) -> None:
    rows = [{**row, "run_id": f"r{at}", "id": at} for at, row in enumerate(facts)]
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis does not export the type of its Random

    once = _sorted(rows, order or None, subject)

    assert _sorted(shuffled, order or None, subject) == once
    assert sorted(once, key=str) == sorted((row["id"] for row in rows), key=str)
