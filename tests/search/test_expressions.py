"""The tree: written and read again it is the same; NOT leaves it without changing its meaning."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from podium.search import RUNS, Field, fields_of, parse_filter, parse_gate, parse_order, push_not, to_text
from podium.search.expressions import (
    And,
    Comparison,
    Expr,
    InList,
    IsNull,
    Kind,
    Linear,
    Literal,
    Not,
    Op,
    Or,
    OrderKey,
    all_of,
    any_of,
)
from podium.search.fieldnames import is_alias_name

keys = st.text(min_size=1, max_size=12) | st.sampled_from(
    ["f1", "val/loss", "a.b", "a-1", "x y", "a`b", "a.", "NOT", "1"]
)
metrics = st.builds(Field, st.just("metrics"), keys, st.sampled_from([None, "min", "max", "count", "best"]))
params = st.builds(Field, st.sampled_from(["params", "tags", "environment"]), keys)
numbers = st.integers(-(10**17), 10**17) | st.floats(allow_nan=False)
texts = st.text(max_size=12) | st.sampled_from(["it's", "C:\\", "\\'", "\\\\'", "a\\b", "'", '"', "''", "\\"])
moments = st.datetimes(min_value=datetime(1900, 1, 1), timezones=st.just(UTC))
order_ops = st.sampled_from([Op.EQ, Op.NE, Op.GT, Op.GE, Op.LT, Op.LE])
text_ops = st.sampled_from([Op.EQ, Op.NE, Op.LIKE, Op.NOT_LIKE, Op.ILIKE, Op.NOT_ILIKE])
in_ops = st.sampled_from([Op.IN, Op.NOT_IN])


def _linear(of: Field, scale: float, offset: float) -> Field | Linear:
    return of if scale == 1 and offset == 0 else Linear(of, scale, offset)


finite = st.integers(-1000, 1000) | st.floats(allow_nan=False, allow_infinity=False)
linears = st.builds(_linear, metrics | params, finite, finite)
leaves = st.one_of(
    st.builds(
        lambda f, op, v: Comparison(f, op, Literal(v), Kind.NUMBER), metrics | params, order_ops, numbers
    ),
    st.builds(lambda f, op, g: Comparison(f, op, g, Kind.NUMBER), metrics, order_ops, linears),
    st.builds(lambda f, op, v: Comparison(f, op, Literal(v), Kind.TEXT), params, text_ops, texts),
    st.builds(lambda f, op, v: Comparison(f, op, v, Kind.ANY), params, order_ops, params),
    st.builds(
        lambda f, op, v: Comparison(f, op, InList(tuple(map(Literal, v))), Kind.ANY),
        params,
        in_ops,
        st.lists(texts | numbers | st.booleans(), min_size=1, max_size=4),
    ),
    st.builds(
        lambda op, v: Comparison(Field("attribute", "start_time"), op, Literal(v), Kind.TIME),
        order_ops,
        moments,
    ),
    st.builds(IsNull, metrics | params, st.booleans()),
)
exprs: st.SearchStrategy[Expr] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: all_of(tuple(parts))),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: any_of(tuple(parts))),
    ),
    max_leaves=8,
)


@settings(max_examples=300)
@given(exprs)
@example(Comparison(Field("params", "a"), Op.EQ, Literal("C:\\"), Kind.TEXT))
@example(Comparison(Field("metrics", "a"), Op.EQ, Literal(float("inf")), Kind.NUMBER))
def test_a_tree_that_is_written_and_read_again_is_the_same_tree(expr: Expr) -> None:
    again = parse_filter(to_text(expr))

    assert again == expr
    assert again is not None
    assert to_text(again) == to_text(expr)  # tells 1 from true, which are equal in Python


@pytest.mark.parametrize("alias", ["champion", "1st", "metrics", "a-b", "tag", "é", "-x"])
@pytest.mark.parametrize("key", ["f1", "a b", "x.y."])
def test_an_alias_of_any_name_is_written_so_that_it_is_read_again(alias: str, key: str) -> None:
    gate = Comparison(Field("metrics", "f1"), Op.GT, Field("metrics", key, owner=alias), Kind.NUMBER)

    assert is_alias_name(alias)
    assert parse_gate(to_text(gate)) == gate


@settings(max_examples=100)
@given(metrics | params, st.booleans())
def test_an_order_that_is_written_and_read_again_is_the_same_order(of: Field, descending: bool) -> None:
    key = OrderKey(of, descending)

    assert parse_order(to_text(key)) == (key,)


def test_pushing_not_turns_each_operator_into_its_opposite_and_and_into_or() -> None:
    expr = parse_filter(
        "NOT (metrics.a > 1 AND (params.b LIKE 'x%' OR tags.c IS NULL) AND NOT run_id IN ('r'))"
    )
    assert expr is not None

    assert to_text(push_not(expr)) == (
        "metrics.a <= 1 OR params.b NOT LIKE 'x%' AND tags.c IS NOT NULL OR run_id IN ('r')"
    )


def _has_not(expr: Expr) -> bool:
    match expr:
        case Not():
            return True
        case And(parts) | Or(parts):
            return any(map(_has_not, parts))
        case _:
            return False


@settings(max_examples=100)
@given(exprs)
def test_what_was_pushed_has_no_not_and_the_same_fields_and_pushes_back(expr: Expr) -> None:
    pushed = push_not(expr)

    assert not _has_not(pushed)
    assert fields_of(pushed) == fields_of(expr)
    assert push_not(Not(Not(expr))) == pushed
    assert push_not(Not(push_not(Not(expr)))) == pushed


def test_not_of_one_dataset_is_none_of_them_and_says_so() -> None:
    expr = parse_filter("NOT dataset.name = 'x'", fields=RUNS)
    assert expr is not None

    pushed = push_not(expr)

    assert isinstance(pushed, Comparison)
    assert (pushed.op, pushed.every) == (Op.NE, True)
    assert to_text(pushed) == "NOT dataset.name = 'x'"


def test_positions_are_no_part_of_what_a_query_means() -> None:
    assert parse_filter("metrics.a>1") == parse_filter("   metric.a   >   1")


def test_the_same_moment_in_another_zone_is_the_same_query() -> None:
    local = datetime(2026, 11, 1, 2, tzinfo=UTC)
    assert parse_filter(f"start_time > '{local.isoformat()}'") == parse_filter(
        "start_time > '2026-11-01T03:00+01:00'"
    )
