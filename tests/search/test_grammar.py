"""Which texts are queries, what they mean as trees, and what the errors say."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podium.errors import QueryError
from podium.search import (
    EXPERIMENTS,
    GATE,
    MODELS,
    RUNS,
    VERSIONS,
    Family,
    Field,
    parse_field,
    parse_filter,
    parse_gate,
    parse_order,
    to_text,
)
from podium.search.grammar import MAX_COMPARISONS, MAX_DEPTH, MAX_FILTER_CHARACTERS, MAX_GATE_CHARACTERS


def _normal(query: str, fields: Family = RUNS) -> str:
    expr = parse_filter(query, fields=fields)
    return "" if expr is None else to_text(expr)


@pytest.mark.parametrize(
    ("query", "means"),
    [
        # entities and their aliases
        ("metric.a = 1", "metrics.a = 1"),
        ("param.a = '1'", "params.a = '1'"),
        ("parameter.a = '1' and parameters.b = '2'", "params.a = '1' AND params.b = '2'"),
        ("tag.a != 'x'", "tags.a != 'x'"),
        ("attributes.status = 'FAILED'", "status = 'FAILED'"),
        ("attribute.status = 'FAILED'", "status = 'FAILED'"),
        ("attr.status = 'FAILED'", "status = 'FAILED'"),
        ("run.status = 'FAILED'", "status = 'FAILED'"),
        ("status='FAILED'", "status = 'FAILED'"),
        (
            "datasets.name = 'd' AND dataset.context LIKE 't%'",
            "dataset.name = 'd' AND dataset.context LIKE 't%'",
        ),
        ("dataset.digest IN ('a', 'b')", "dataset.digest IN ('a', 'b')"),
        # attributes and their aliases
        ("user_id = 'ada'", "user = 'ada'"),
        ("created > 5 and Created < 9", "start_time > 5 AND start_time < 9"),
        ("attributes.created != 7", "start_time != 7"),
        ("attributes.`Run name` = 'x'", "run_name = 'x'"),
        ("`Run Name` = 'x'", "run_name = 'x'"),
        ("attributes.'run name' ILIKE 'X%'", "run_name ILIKE 'X%'"),
        ('"Run name" = "x"', "run_name = 'x'"),
        ("end_time >= 1763885728123", "end_time >= 1763885728123"),
        ("run_id IN ('x')", "run_id IN ('x')"),
        ("run_id NOT IN ('x', 'y')", "run_id NOT IN ('x', 'y')"),
        ('run_id not in ("x")', "run_id NOT IN ('x')"),
        # keys
        ("metrics.`m m` > 0", "metrics.`m m` > 0"),
        ('metrics."m m" > 0', "metrics.`m m` > 0"),
        ("metrics.'m m' > 0", "metrics.`m m` > 0"),
        ("tags.mlflow.runName = 'x'", "tags.mlflow.runName = 'x'"),
        ("tags.t.dot = 'x'", "tags.t.dot = 'x'"),
        ("params.`a.b` = 'x'", "params.a.b = 'x'"),
        # values
        ('params.quote = "it\'s"', "params.quote = 'it''s'"),
        ("params.path = 'C:\\new\\dir'", "params.path = 'C:\\new\\dir'"),
        ("params.path = 'C:\\'", "params.path = 'C:\\\\'"),
        ("params.empty = ''", "params.empty = ''"),
        ("params.a = '' and params.b = ''", "params.a = '' AND params.b = ''"),
        ("metrics.a > 1e0", "metrics.a > 1.0"),
        ("metrics.a > -1", "metrics.a > -1"),
        ("metrics.a>-.5", "metrics.a > -0.5"),
        ("metrics.a >= 1.50", "metrics.a >= 1.5"),
        ("metrics.a<=2E-3", "metrics.a <= 0.002"),
        # NULL
        ("params.a IS NULL", "params.a IS NULL"),
        ("tags.a is not null", "tags.a IS NOT NULL"),
        # the joints
        ("", ""),
        ("   ", ""),
        ("metrics.a > 1 and", "metrics.a > 1"),
        ("metrics.a > 1 AND metrics.b > 1 aNd", "metrics.a > 1 AND metrics.b > 1"),
        ("metrics.a > 1 metrics.b > 2", "metrics.a > 1 AND metrics.b > 2"),
        ("metrics.a > 1\n\tAnD\nmetrics.b > 2", "metrics.a > 1 AND metrics.b > 2"),
    ],
)
def test_what_is_valid_in_mlflow_means_the_same(query: str, means: str) -> None:
    assert _normal(query) == means


@pytest.mark.parametrize(
    ("fields", "query", "means"),
    [
        (EXPERIMENTS, "name LIKE 'fr%' and creation_time > 5", "name LIKE 'fr%' AND start_time > 5"),
        (
            EXPERIMENTS,
            "attribute.name ILIKE 'x' and tag.k IS NOT NULL",
            "name ILIKE 'x' AND tags.k IS NOT NULL",
        ),
        (MODELS, "name IN ('a', 'b') and tags.k != 'v'", "name IN ('a', 'b') AND tags.k != 'v'"),
        (MODELS, "attribute.name NOT IN ('a')", "name NOT IN ('a')"),
        (VERSIONS, "name = 'a' and version_number >= 2", "name = 'a' AND version >= 2"),
        (VERSIONS, "version_number = '2'", "version = 2"),
        (VERSIONS, "run_id NOT IN ('r') and tags.k LIKE 'v'", "run_id NOT IN ('r') AND tags.k LIKE 'v'"),
        (VERSIONS, "creation_timestamp > 5", "start_time > 5"),
        (VERSIONS, "aliases != 'a' NOT quarantined = true", "aliases != 'a' AND NOT quarantined = true"),
        (VERSIONS, "metrics.f1 > 0.9 and params.lr < 0.1", "metrics.f1 > 0.9 AND params.lr < 0.1"),
    ],
)
def test_experiments_models_and_versions_have_the_fields_mlflow_gives_them_and_podium_s(
    fields: Family, query: str, means: str
) -> None:
    assert _normal(query, fields) == means


@pytest.mark.parametrize(
    ("query", "means"),
    [
        ("metrics.a == 1", "metrics.a = 1"),
        ("metrics.a-b:c/d.e_f > 1", "metrics.a-b:c/d.e_f > 1"),
        (
            "metrics.a > 1 OR metrics.b > 1 AND metrics.c > 1",
            "metrics.a > 1 OR metrics.b > 1 AND metrics.c > 1",
        ),
        (
            "(metrics.a > 1 OR metrics.b > 1) metrics.c > 1",
            "(metrics.a > 1 OR metrics.b > 1) AND metrics.c > 1",
        ),
        ("((metrics.a > 1))", "metrics.a > 1"),
        ("not not (metrics.a > 1)", "NOT NOT metrics.a > 1"),
        (
            "params.a NOT LIKE 'x' and params.b not ilike 'y'",
            "params.a NOT LIKE 'x' AND params.b NOT ILIKE 'y'",
        ),
        ("params.q = 'it''s' and params.r = 'it\\'s'", "params.q = 'it''s' AND params.r = 'it''s'"),
        ("params.`a``b` = 'x'", "params.`a``b` = 'x'"),
        ("last(metrics.a) > MIN( metrics.a )", "metrics.a > min(metrics.a)"),
        ("best(metrics.a) = max(metrics.a)", "best(metrics.a) = max(metrics.a)"),
        ("count(metrics.a) >= 10", "count(metrics.a) >= 10"),
        ("metrics.a + 0.1 > 2 * metrics.b - 1", "metrics.a + 0.1 > 2 * metrics.b - 1"),
        ("metrics.b*2+1 < metrics.a", "2 * metrics.b + 1 < metrics.a"),
        ("1e999 * metrics.a > 0 * metrics.b + 1", "1e999 * metrics.a > 0 * metrics.b + 1"),
        ("1 - metrics.a < 0.1", "-1 * metrics.a + 1 < 0.1"),
        ("-metrics.a < 2 + 3", "-1 * metrics.a < 5"),
        ("metrics.a + 0 > 1 * metrics.b", "metrics.a > metrics.b"),
        ("0.9 < metrics.f1", "metrics.f1 > 0.9"),
        ("metrics.a-1 > 2", "metrics.a-1 > 2"),
        ("metrics.a -1 > 2", "metrics.a - 1 > 2"),
        ("start_time > -7d", "start_time > -7d"),
        ("start_time > - 1.5h", "start_time > -1.5h"),
        ("start_time = '2026-11-01'", "start_time = '2026-11-01T00:00:00+00:00'"),
        ("end_time - 3600000 > start_time", "end_time - 3600000 > start_time"),
        ("end_time < '2026-11-01T12:00:00+02:00'", "end_time < '2026-11-01T10:00:00+00:00'"),
        ("params.lr < 0.1 and params.depth IN (4, 6)", "params.lr < 0.1 AND params.depth IN (4, 6)"),
        ("params.debug = TRUE and tags.x != false", "params.debug = true AND tags.x != false"),
        (
            "metrics.a IS NULL and parent_run_id IS NOT NULL",
            "metrics.a IS NULL AND parent_run_id IS NOT NULL",
        ),
        ("experiment = 'fraud' and deleted = false", "experiment = 'fraud' AND deleted = false"),
        ("run_id IN ('a', 'b',)", "run_id IN ('a', 'b')"),
        ("environment.host = 'gpu1'", "environment.host = 'gpu1'"),
        ("metrics.größe > 1", "metrics.größe > 1"),
    ],
)
def test_what_podium_adds(query: str, means: str) -> None:
    assert _normal(query) == means


@pytest.mark.parametrize(
    ("gate", "means"),
    [
        ("metrics.f1 > champion.metrics.f1 + 0.005", "metrics.f1 > champion.metrics.f1 + 0.005"),
        ("metric.f1 > champion.metric.f1", "metrics.f1 > champion.metrics.f1"),
        ("metrics.rmse <= 1.1 * champion.metrics.rmse", "metrics.rmse <= 1.1 * champion.metrics.rmse"),
        ("champion.metrics.`m m` < metrics.`m m`", "champion.metrics.`m m` < metrics.`m m`"),
        ("metrics.params.x > 0", "metrics.params.x > 0"),
        ("`metrics`.metrics.f1 > 0", "`metrics`.metrics.f1 > 0"),
        ("`1st-try`.params.a = params.a", "`1st-try`.params.a = params.a"),
        ("run.metrics.f1 < metrics.f1", "run.metrics.f1 < metrics.f1"),
        ("min(champion.metrics.loss) > min(metrics.loss)", "min(champion.metrics.loss) > min(metrics.loss)"),
        ("a-b.tags.x = 'y' or tags.x IS NULL", "a-b.tags.x = 'y' OR tags.x IS NULL"),
    ],
)
def test_a_gate_names_the_candidate_s_facts_and_those_of_holders_of_aliases(gate: str, means: str) -> None:
    assert to_text(parse_gate(gate)) == means


def test_a_field_is_the_key_by_which_a_row_is_asked() -> None:
    assert parse_field("metrics.rmse") == Field("metrics", "rmse")
    assert parse_field("last(metrics.rmse)") == Field("metrics", "rmse")
    assert parse_field("min(metrics.`a b`)") == Field("metrics", "a b", "min")
    assert parse_field("created") == Field("attribute", "start_time")
    assert parse_field("champion.metrics.f1", fields=GATE) == Field("metrics", "f1", owner="champion")
    assert str(parse_field("max( metric.loss )")) == "max(metrics.loss)"
    with pytest.raises(QueryError, match="one field and nothing else"):
        parse_field("metrics.a DESC")


def test_an_order_is_one_text_or_several() -> None:
    assert [to_text(key) for key in parse_order("metrics.f1 DESC")] == ["metrics.f1 DESC"]
    assert [to_text(key) for key in parse_order(["params.a", "Created desc", "min(metrics.x) asc"])] == [
        "params.a ASC",
        "start_time DESC",
        "min(metrics.x) ASC",
    ]
    assert parse_order("metrics.a, tags.`b c` DESC") == parse_order(["metrics.a", "tags.`b c` DESC"])
    assert parse_order(()) == ()
    assert parse_order(["metrics.a", "metrics.a"])  # the second decides nothing


@pytest.mark.parametrize(
    "order", ["", "metrics.a BAD", "metrics.a DESC ASC", "dataset.name", "foo.a", "metrics.a,", "5"]
)
def test_an_order_that_names_no_order_is_refused(order: str) -> None:
    with pytest.raises(QueryError):
        parse_order(order)


@pytest.mark.parametrize(
    "query",
    [
        "metrics.a > 1;",
        "metrics.a > 1 -- x",
        "metrics.a <> 1",
        "metrics.a BETWEEN 1 AND 2",
        "PARAMS.a = '1'",
        "params . a = '1'",
        "metrics.a = '1'",
        "metrics.a = nan",
        "metrics.a > inf",
        "metrics.a LIKE 'x'",
        "status = 1",
        "status > 'A'",
        "params.a > 'x'",
        "foo.a = 1",
        "Name = 'x'",
        "Status = 'x'",
        "'1' = '2'",
        "params.a RLIKE 'x'",
        "params.a = 'x",
        "metrics. > 1",
        "metrics.`` > 1",
        "run_id IN ()",
        "run_id IN 'x'",
        "run_id IN ('x'",
        "run_id IN (metrics.a)",
        "start_time > 'yesterday'",
        "start_time > 7d",
        "metrics.a > 1 OR",
        "OR metrics.a > 1",
        "NOT",
        "()",
        "(metrics.a > 1",
        "metrics.a > 1)",
        "metrics.a",
        "metrics.a >",
        "= 1",
        "min(params.a) > 1",
        "min(min(metrics.a)) > 1",
        "avg(metrics.a) > 1",
        "metrics.a + metrics.b > 1",
        "metrics.a / 2 > 1",
        "status + 1 > 2",
        "'x' LIKE params.a",
        "params.a LIKE params.b",
        "params.a IS 5",
        "5 IS NULL",
        "0 < metrics.a < 1",
        "metrics.a > 1 && metrics.b > 1",
        "!metrics.a",
        "metrics.a = true",
        "deleted = 'yes'",
        "deleted > true",
        "dataset.size > 1",
        "dataset.name = dataset.digest",
        "metrics.a > 5x",
        "metrics.`a`b > 1",
        "metrics.a.`b` > 1",
        "champion.metrics.a > 1",
        "metrics.a = 1 = 2",
        "(metrics.a) > 1",
        "1e999 * 0 < metrics.a",
        "metrics.a > --1",
        "`a`.metrics.x > 1",
        "metrics.a > 1 AND OR",
    ],
)
def test_what_is_no_query_is_refused(query: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse_filter(query)

    error = caught.value
    assert error.text == query
    assert 0 <= error.position <= len(query)
    problem, line, caret, expected = str(error).split("\n")
    assert problem
    assert line == f"  {query}"
    assert caret == " " * (2 + error.position) + "^"
    assert expected.endswith((".", "?"))


@pytest.mark.parametrize(
    ("fields", "query", "instead"),
    [
        (RUNS, "artifact_uri = 'x'", "run_id or experiment"),
        (RUNS, "experiment_id = '1'", "experiment = 'fraud'"),
        (RUNS, "attributes.lifecycle_stage = 'deleted'", "deleted=True"),
        (EXPERIMENTS, "experiment_id IN ('1')", "name = 'fraud'"),
        (VERSIONS, "current_stage = 'Production'", "aliases = 'champion'"),
        (VERSIONS, "source_path LIKE 's3%'", "sha256"),
        (MODELS, "last_updated_timestamp > 5", "search versions"),
    ],
)
def test_what_podium_does_not_have_is_refused_with_what_to_ask_instead(
    fields: Family, query: str, instead: str
) -> None:
    with pytest.raises(QueryError, match="in podium") as caught:
        parse_filter(query, fields=fields)

    assert instead in str(caught.value)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (
            "metrics.a >",
            "the query ends here\n  metrics.a >\n             ^\nexpected a field, a number or a quoted text.",
        ),
        (
            "metrcs.a > 1",
            "'metrcs' is nothing a run has\n  metrcs.a > 1\n  ^\nexpected metrics.<key>, params.<key>, tags.<key>, "
            "attributes.<key>, dataset.<key>, environment.<key>, or an attribute without a dot. "
            "Did you mean 'metrics' or 'metric' or 'parameters'?",
        ),
        (
            "start_time > '1 Nov'",
            "'1 Nov' is no time\n  start_time > '1 Nov'\n               ^\nexpected '2026-11-01', "
            "'2026-11-01T12:30:00+01:00', -7d (seven days ago) or milliseconds since 1970.",
        ),
        (
            "tags.a = 'x'\nAND\ttags.b < 5 OR 5",
            "the query ends here\n  tags.a = 'x' AND tags.b < 5 OR 5\n                                  ^\nexpected an "
            "operator: = != > >= < <= [NOT] LIKE, [NOT] ILIKE, [NOT] IN, IS [NOT] NULL, or + - *.",
        ),
        (
            "metrics.损失 > 'x'",
            "a number cannot be compared with a text\n  metrics.损失 > 'x'\n                 ^\n"
            "expected a number without quotes: metrics.损失 is a number.",
        ),
    ],
)
def test_an_error_shows_the_place_and_what_was_expected(query: str, message: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse_filter(query)

    assert str(caught.value) == message


def test_the_caret_stands_below_its_place_in_a_long_query_too() -> None:
    query = " AND ".join(f"metrics.m{at} > 0" for at in range(200)) + " AND foo > 1"

    with pytest.raises(QueryError) as caught:
        parse_filter(query)

    _, line, caret, _ = str(caught.value).split("\n")
    assert len(line) < 90
    assert line[caret.index("^") :].startswith("foo > 1")
    assert caught.value.position == query.index("foo")


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        ("", "let everything through"),
        ("accuracy > 0.9", "expected metrics.accuracy"),
        ("champion.f1 > 0.9", "champion.metrics.<key>"),
        ("metrcs.f1 > 0.9", "did you mean 'metrics'"),
        ("v3.metrics.f1 > 0.9", "cannot be an alias"),
        ("latest.metrics.f1 > 0.9", "cannot be an alias"),
        ("`a b`.metrics.f1 > 0.9", "cannot be an alias"),
        ("status = 'FINISHED'", "names no fact that a gate reads"),
        ("metrics.f1 > 0.9 AND start_time > -7d", "names no fact that a gate reads"),
        ("metrics.f1 > champion.metrics.f1 + champion.metrics.f2", "two fields on one side"),
    ],
)
def test_a_gate_that_reads_anything_else_is_refused(gate: str, said: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse_gate(gate)

    assert said in str(caught.value)


def test_a_query_has_a_greatest_length_depth_and_number_of_comparisons() -> None:
    one = "metrics.a > 1"
    assert parse_filter("(" * MAX_DEPTH + one + ")" * MAX_DEPTH) is not None
    assert parse_filter(" ".join([one] * MAX_COMPARISONS)) is not None

    for query, said in [
        ("(" * (MAX_DEPTH + 1) + one + ")" * (MAX_DEPTH + 1), "nested"),
        ("NOT " * (MAX_DEPTH + 1) + one, "nested"),
        (" ".join([one] * (MAX_COMPARISONS + 1)), "comparisons"),
        (one.ljust(MAX_FILTER_CHARACTERS + 1), "characters"),
        ("(" * MAX_FILTER_CHARACTERS, "nested"),
        ("NOT " * (MAX_FILTER_CHARACTERS // 4), "nested"),
        ("-" * MAX_FILTER_CHARACTERS, "does not belong"),
        ("metrics.a > " + "- " * 20_000 + "1", "does not belong"),
        ("min(" * 20_000, "a function inside"),
    ]:
        with pytest.raises(QueryError, match=said):
            parse_filter(query)
    with pytest.raises(QueryError, match="characters"):
        parse_gate(one.ljust(MAX_GATE_CHARACTERS + 1))


def test_a_long_sum_and_a_huge_number_are_read() -> None:
    assert _normal("metrics.a > " + " + ".join(["1"] * 5000)) == "metrics.a > 5000"
    assert _normal("metrics.a > " + "9" * 5000) == "metrics.a > 1e999"
    assert _normal("metrics.a > -1e999") == "metrics.a > -1e999"
    assert parse_filter(_normal("metrics.a > " + " * ".join(["99999999"] * 9))) is not None


PIECES = [
    "metrics.a",
    "params.`x y`",
    "status",
    "champion.metrics.f1",
    "min(",
    "(",
    ")",
    "AND",
    "OR",
    "NOT",
    "IN",
    "IS",
    "NULL",
    "LIKE",
    "ILIKE",
    "=",
    "!=",
    ">",
    "<=",
    "+",
    "-",
    "*",
    ",",
    "1",
    "-2.5e3",
    "7d",
    "'x'",
    '"y"',
    "'",
    "`",
    "true",
    "start_time",
    "'2026-11-01'",
    "dataset.name",
    "deleted",
    ".",
    "\\",
    "\\'",
    "1e999",
    "0",
    ";",
    "é",
    "metrics.",
    "aliases",
    "\n",
]


hostile = st.one_of(
    st.text(max_size=60),
    st.lists(st.sampled_from(PIECES), max_size=25).map(" ".join),
    st.lists(st.sampled_from(PIECES), max_size=9).map("".join),
)


@settings(max_examples=300)
@given(hostile)
def test_any_text_is_a_query_or_a_query_error(text: str) -> None:
    for fields in (RUNS, EXPERIMENTS, VERSIONS, MODELS, GATE):
        try:
            expr = parse_filter(text, fields=fields)
        except QueryError as error:
            expr, position = None, error.position
            assert 0 <= position <= len(text)
        if expr is not None:
            assert parse_filter(to_text(expr), fields=fields) == expr


@settings(max_examples=100)
@given(hostile)
def test_any_text_is_an_order_and_a_field_or_a_query_error(text: str) -> None:
    for parse in (parse_order, parse_field):
        with contextlib.suppress(QueryError):
            parse(text)


def test_what_is_no_text_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="a query is text, not int"):
        parse_filter(5)  # type: ignore[arg-type]  # what a caller without a type checker may do
