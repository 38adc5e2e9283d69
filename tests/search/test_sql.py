"""The two evaluators mean the same: a query finds the same runs, in the same order, in SQL and over facts in memory."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from podium.runs.events import (
    Dataset,
    Deleted,
    Dropped,
    End,
    EndStatus,
    Event,
    Goal,
    Metrics,
    Note,
    Params,
    Start,
    Tags,
)
from podium.search import parse_filter, parse_order
from podium.search import sql as sql_module
from podium.search.goals import known_goal
from podium.search.index import Index
from podium.stores.memory import MemoryStore
from tests.search.conftest import NOW
from tests.search.stores_of_runs import folded_runs, lines, put_log, search_by_folding

NAN, INF = math.nan, math.inf
Facts = Mapping[str, Any]

numbers = st.sampled_from(
    [0.0, -0.0, 1.0, 2.5, 5.0, -1.5, 0.1 + 0.2, 1e308, -1e308, 5e-324, 2.0**53, NAN, INF, -INF]
)
integers = st.sampled_from(
    [0, 1, 2, -3, 2**53 + 1, 2**53, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 10**400, -(10**400)]
)
texts = st.sampled_from(
    [
        "",
        "x",
        "X",
        "adam",
        "Adamax",
        "1",
        " 1 ",
        "2.50",
        "0.30000000000000004",
        "1e308",
        "1e309",
        "nan",
        "inf",
        "9007199254740993",
        "1_000",
        "٣",
        "true",
        " TRUE\n",
        "False",
        "None",
        "it's",
        'a"b',
        "a%b_c",
        "a*b?c[d",
        "a\x00b",
        "a\x00",
        "\ud800",
        "a\udcffz",
        "İ",
        "ß",
        "Σς",
        "\U0001f40d",
        "\uffff",
        "x'); DROP TABLE runs; --",
    ]
)
values = st.one_of(
    numbers,
    integers,
    texts,
    st.booleans(),
    st.none(),
    st.sampled_from([[1, 2.0], {"a": [True, None]}, [], {}, [NAN]]),
)
# Mostly the same few, so that a query meets what it asks for.
keys = st.sampled_from(
    ["a"] * 6 + ["b", "b", "loss", "loss", "x y", "val/loss", "a`b", "\ud800", "neg_loss", "A"]
)

facts_of_runs = st.fixed_dictionaries(
    {
        "params": st.dictionaries(keys, values, max_size=3),
        "metrics": st.dictionaries(keys, st.lists(numbers, min_size=1, max_size=3), max_size=3),
        "tags": st.dictionaries(keys, texts, max_size=2),
        "environment": st.dictionaries(keys, texts, max_size=1),
        "datasets": st.lists(st.tuples(texts, texts, st.sampled_from(["train", "eval"])), max_size=2),
        "goals": st.dictionaries(keys, st.sampled_from(["min", "max"]), max_size=1),
        "start_ms": st.sampled_from([0, 1, 5, 1_795_521_600_000, 1_795_000_000_250]),
        "status": st.sampled_from(["FINISHED", "FAILED", "KILLED", None]),
        "run_name": texts,
        "user": texts,
        "note": texts,
        "error": st.none() | texts,
        "parent": st.none() | texts,
        "deleted": st.booleans(),
        "dropped": st.sampled_from([0, 0, 3, 2**63 - 1]),
    }
)


def events_of(facts: Facts) -> list[Event]:
    events: list[Event] = [
        Start(
            "session",
            "fraud",
            run_name=facts["run_name"],
            user=facts["user"],
            parent_run_id=facts["parent"],
            environment=facts["environment"],
        )
    ]
    events += [Goal(key, goal) for key, goal in facts["goals"].items()]
    events += [Params({key: value}) for key, value in facts["params"].items()]
    events += [
        Metrics(step, {key: value})
        for key, points in facts["metrics"].items()
        for step, value in enumerate(points)
    ]
    events += [Tags({key: text}) for key, text in facts["tags"].items()]
    events += [Dataset(name, digest, context) for name, digest, context in facts["datasets"]]
    if facts["note"]:
        events.append(Note(facts["note"]))
    # Twice the largest count is more than SQLite's integers hold.
    events += [Dropped(facts["dropped"])] * 2
    if facts["deleted"]:
        events.append(Deleted(deleted=True))
    status: EndStatus | None = facts["status"]
    if status is not None:
        events.append(End(status, facts["error"]))
    return events


def store_of(runs: list[Facts]) -> MemoryStore:
    store = MemoryStore()
    for at, facts in enumerate(runs):
        put_log(store, "fraud", f"run-{at}", lines(*events_of(facts), begins_ms=facts["start_ms"]))
    return store


# --- queries ----------------------------------------------------------------------------------------------------------


def quoted(text: str) -> str:
    out = []
    for at, character in enumerate(text):
        out.append("''" if character == "'" else character)
        if character == "\\" and (at + 1 == len(text) or text[at + 1] == "'"):
            out.append("\\")
    return "'" + "".join(out) + "'"


def keyed(entity: str, key: str) -> str:
    return f"{entity}.`{key.replace('`', '``')}`"


literal_numbers = st.sampled_from(
    [
        "0",
        "1",
        "2.5",
        "-1.5",
        "5",
        "1e308",
        "-1e999",
        "1e999",
        "0.3",
        "0.30000000000000004",
        "9007199254740993",
        "3e0",
    ]
)
literal_texts = texts.map(quoted)
patterns = st.sampled_from(
    [
        "%",
        "_",
        "",
        "a%",
        "%x",
        "%A%",
        "a_b",
        "%\x00%",
        "a\x00_",
        "%i̇%",
        "i%",
        "%ß",
        "%\udcff%",
        "A%B*C",
        "a*%",
        "%[d%",
        "Ad%m%",
    ]
).map(quoted)
metric_fields = st.tuples(st.sampled_from(["", "min", "max", "last", "count", "best"]), keys).map(
    lambda two: f"{two[0]}({keyed('metrics', two[1])})" if two[0] else keyed("metrics", two[1])
)
any_fields = st.tuples(st.sampled_from(["params", "tags", "environment"]), keys).map(lambda two: keyed(*two))
text_fields = st.sampled_from(
    ["run_id", "run_name", "experiment", "status", "user", "parent_run_id", "note", "error"]
)
dataset_fields = st.sampled_from(["dataset.name", "dataset.digest", "dataset.context"])
time_fields = st.sampled_from(["start_time", "end_time"])
comparing = st.sampled_from(["=", "!=", ">", ">=", "<", "<="])
equating = st.sampled_from(["=", "!="])
matching = st.sampled_from(["LIKE", "ILIKE", "NOT LIKE", "NOT ILIKE"])
within = st.sampled_from(["IN", "NOT IN"])
sides = st.one_of(
    metric_fields,
    any_fields,
    st.tuples(st.sampled_from(["2 *", "0 *", "-1 *", "1e308 *"]), metric_fields | any_fields).map(" ".join),
    st.tuples(metric_fields | any_fields, st.sampled_from(["+ 1", "- 0.5", "+ 1e308"])).map(" ".join),
    st.tuples(st.just("1 -"), metric_fields).map(" ".join),
)


def spaced(*parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*parts).map(" ".join)


def listed(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(inner, min_size=1, max_size=3).map(lambda each: f"({', '.join(each)})")


bools = st.sampled_from(["true", "false"])
comparisons = st.one_of(
    spaced(sides, comparing, literal_numbers),
    spaced(literal_numbers, comparing, sides),
    spaced(sides, comparing, sides),
    spaced(any_fields, equating, literal_texts),
    spaced(any_fields, equating, bools),
    spaced(any_fields, equating, any_fields),
    spaced(any_fields, equating, text_fields),
    spaced(any_fields, equating, st.just("deleted")),
    spaced(any_fields, matching, patterns),
    spaced(any_fields, within, listed(literal_texts | literal_numbers | bools)),
    spaced(metric_fields, within, listed(literal_numbers)),
    spaced(text_fields, equating, literal_texts),
    spaced(text_fields, equating, text_fields),
    spaced(text_fields, matching, patterns),
    spaced(text_fields, within, listed(literal_texts)),
    spaced(dataset_fields, equating, literal_texts | any_fields | text_fields),
    spaced(dataset_fields, matching, patterns),
    spaced(dataset_fields, within, listed(literal_texts)),
    spaced(time_fields, comparing, st.sampled_from(["-1d", "'2026-11-24'", "5", "1795000000250", "-1e9w"])),
    spaced(time_fields, comparing, time_fields),
    spaced(st.just("end_time - 3 >"), time_fields),
    spaced(st.just("dropped"), comparing, st.sampled_from(["0", "6", "1e18", "18446744073709551614"])),
    spaced(st.just("deleted"), equating, bools),
    spaced(sides, st.just("> dropped")),
    spaced(
        st.one_of(metric_fields, any_fields, text_fields, dataset_fields, time_fields),
        st.sampled_from(["IS NULL", "IS NOT NULL"]),
    ),
)
queries = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        inner.map(lambda one: f"NOT ({one})"),
        st.tuples(inner, inner).map(lambda two: f"({two[0]}) AND ({two[1]})"),
        st.tuples(inner, inner).map(lambda two: f"({two[0]}) OR ({two[1]})"),
    ),
    max_leaves=6,
)
orders = st.lists(
    st.tuples(
        st.one_of(
            metric_fields,
            any_fields,
            text_fields,
            time_fields,
            st.sampled_from(["deleted", "dropped"]),
        ),
        st.sampled_from(["", "ASC", "DESC"]),
    ).map(" ".join),
    max_size=3,
)


def by_index(store: MemoryStore, query: str, order: list[str], limit: int | None = None) -> list[str]:
    index = Index(store)
    try:
        found = index.search(
            parse_filter(query), parse_order(order), now=NOW, goal_of=known_goal, limit=limit
        )
        return [row.run_id for row in found.rows]
    finally:
        index.close()


@settings(max_examples=400)
@given(st.lists(facts_of_runs, max_size=5), queries, orders)
def test_sql_finds_what_folding_and_evaluating_finds_in_the_same_order(
    runs: list[Facts], query: str, order: list[str]
) -> None:
    store = store_of(runs)

    expected = search_by_folding(folded_runs(store), parse_filter(query), parse_order(order), NOW)

    assert by_index(store, query, order) == expected


PLAIN: Facts = {
    "params": {},
    "metrics": {},
    "tags": {},
    "environment": {},
    "datasets": [],
    "goals": {},
    "start_ms": 0,
    "status": "FINISHED",
    "run_name": "",
    "user": "",
    "note": "",
    "error": None,
    "parent": None,
    "deleted": False,
    "dropped": 0,
}


@settings(max_examples=300)
@given(st.lists(values, min_size=1, max_size=8), queries.filter(lambda each: "`a`" in each), st.booleans())
@example([NAN, None, 1, "1", True, "x", INF, -INF, "\ud800"], "params.`a` != 1", True)
def test_one_param_of_every_type(several: list[Any], query: str, descending: bool) -> None:
    store = store_of(
        [{**PLAIN, "params": {"a": each, "b": several[0]}, "metrics": {"a": [1.0]}} for each in several]
    )
    order = ["params.a DESC" if descending else "params.a"]

    expected = search_by_folding(folded_runs(store), parse_filter(query), parse_order(order), NOW)

    assert by_index(store, query, order) == expected


@pytest.mark.parametrize("limit", [0, 1, 3, 100, 2**70])
def test_a_limit_takes_the_first_of_the_order(limit: int) -> None:
    store = store_of([{**PLAIN, "metrics": {"a": [float(at % 3)]}} for at in range(7)])
    order = ["metrics.a DESC"]

    assert by_index(store, "", order, limit) == by_index(store, "", order)[:limit]


@pytest.mark.parametrize(
    "query",
    [
        " OR ".join(f"metrics.m{at} > 0" for at in range(100)),  # more fields than SQLite joins
        " AND ".join(f"params.a != '{at}'" for at in range(999)),  # more comparisons than a statement is deep
        "run_id IN (" + ", ".join(f"'run-{at}'" for at in range(1, 6_500)) + ")",  # more values than it binds
        "params.a NOT IN (" + ", ".join(map(str, range(1, 9_000))) + ")",
        "NOT (" * 25 + "params.a = 0" + ")" * 25,
        "params.a LIKE '" + "%a" * 200 + "%b'",
    ],
    ids=["fields", "comparisons", "ids", "numbers", "depth", "pattern"],
)
def test_what_sqlite_cannot_say_is_answered_all_the_same(query: str) -> None:
    store = store_of([{**PLAIN, "params": {"a": at}, "metrics": {f"m{at}": [1.0]}} for at in range(3)])

    expected = search_by_folding(folded_runs(store), parse_filter(query), (), NOW)

    assert by_index(store, query, []) == expected


def test_nothing_a_user_wrote_becomes_part_of_the_statement() -> None:
    hostile = "x'); DROP TABLE runs; --"
    selection = sql_module.selection(
        parse_filter(
            f"params.`{hostile}` = {quoted(hostile)} or run_name LIKE {quoted(hostile)} "
            f"or tags.a IN ({quoted(hostile)})"
        ),
        parse_order([f"params.`{hostile}` DESC"]),
        key_of=lambda entity, name: 7,
        goal_of=known_goal,
        now_ms=0,
        deleted=False,
    )

    assert "DROP" not in selection.sql
    assert selection.sql.count("?") == len(selection.values)
