"""Where a query is valid in MLflow too, podium finds what MLflow's own store finds, in the same order.

MLflow is asked in a process of its own: in this environment if it is installed here, else in the one whose Python
``PODIUM_TEST_MLFLOW_PYTHON`` names.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from podium.runs.events import Dataset, End, Event, Metrics, Params, Start, Tags
from podium.search import parse_filter, parse_order
from podium.search.goals import known_goal
from podium.search.index import Index
from podium.stores.memory import MemoryStore
from tests.search.conftest import NOW
from tests.search.stores_of_runs import lines, put_log

PYTHON = os.environ.get("PODIUM_TEST_MLFLOW_PYTHON") or (
    sys.executable if importlib.util.find_spec("mlflow") else ""
)

pytestmark = pytest.mark.skipif(
    not PYTHON,
    reason="needs MLflow 3: install it here, or let PODIUM_TEST_MLFLOW_PYTHON name a Python that has it",
)

INF = "inf"
RUNS: list[dict[str, Any]] = [
    {
        "run_name": f"run {at}",
        "user": ("ada", "Bob")[at % 2],
        "start_ms": 1_000 + at * 10,
        "end_ms": 2_000 + at,
        "status": ("FINISHED", "FAILED", "KILLED")[at % 3],
        "metrics": metrics,
        "params": params,
        "tags": tags,
        "datasets": datasets,
    }
    for at, (metrics, params, tags, datasets) in enumerate(
        [
            (
                {"m": [1.0, 5.0], "a b": [1.0]},
                {"p": "adam", "lr": "0.1"},
                {"t": "x"},
                [["iris", "d1", "train"]],
            ),
            ({"m": ["nan"]}, {"p": "Adam", "lr": "10"}, {"t": "X", "t.dot": "y"}, [["iris", "d2", "eval"]]),
            ({"m": [INF]}, {"p": "sgd", "lr": "2"}, {}, [["iris", "d1", "train"], ["wine", "d3", "train"]]),
            ({"m": ["-inf"], "n": [0.5]}, {"p": "it's"}, {"t": ""}, []),
            (
                {"m": [2.0, 1.0], "n": [1.0]},
                {"lr": "1e-3", "p": "a%b_c"},
                {"t": "y"},
                [["digits", "d4", "eval"]],
            ),
            ({"n": [2.0]}, {}, {"t": "z", "a b": "q"}, []),
            ({}, {"p": "ADAMAX"}, {}, []),
            ({"m": [1.0], "n": ["nan"]}, {"p": "adam"}, {"t": "x"}, []),
        ]
    )
]

PIECES = [
    *(
        f"metrics.m {op} {value}"
        for op, value in itertools.product(("=", "!=", ">", ">=", "<", "<="), ("1", "5.0", "-1e3"))
    ),
    "metric.n >= 0.5",
    "metrics.`a b` = 1",
    'metrics."a b" > 0',
    "params.p = 'adam'",
    "params.p != 'adam'",
    "param.p LIKE 'a%'",
    "params.p LIKE '%d_m'",
    "params.p ILIKE 'ADAM%'",
    'parameters.p = "it\'s"',
    "params.p LIKE 'a%b_c'",
    "params.lr = '10'",
    "params.lr IS NULL",
    "params.lr IS NOT NULL",
    "tags.t = 'x'",
    "tag.t != 'x'",
    "tags.t IS NULL",
    "tags.t IS NOT NULL",
    "tags.t ILIKE 'X'",
    "tags.t.dot = 'y'",
    "tags.`a b` = 'q'",
    "tags.t = ''",
    "status = 'FINISHED'",
    "attributes.status != 'FINISHED'",
    "attr.status LIKE 'F%'",
    "run_name = 'run 3'",
    "run.run_name LIKE 'run%'",
    "attributes.`Run name` ILIKE 'RUN 1'",
    "user_id = 'ada'",
    "start_time > 1030",
    "attributes.start_time <= 1050",
    "created != 1010",
    "end_time >= 2004",
    "dataset.name = 'iris'",
    "dataset.name != 'iris'",
    "datasets.digest = 'd1'",
    "dataset.context LIKE '%al'",
    "dataset.name IN ('wine', 'digits')",
]
ORDERS = [
    [],
    ["metrics.m"],
    ["metrics.m DESC"],
    ["metrics.n ASC", "metrics.m DESC"],
    ["params.p"],
    ["params.lr DESC"],
    ["tags.t DESC"],
    ["tag.t"],
    ["start_time ASC"],
    ["attributes.run_name DESC"],
    ["status", "metrics.m"],
    ["end_time DESC"],
    ["user_id", "created ASC"],
]


def queries() -> list[tuple[str, list[str]]]:
    chosen = random.Random(10)
    asked: list[tuple[str, list[str]]] = [("", order) for order in ORDERS]
    asked += [(piece, chosen.choice(ORDERS)) for piece in PIECES]
    asked += [
        (
            f" {chosen.choice(('AND', 'and'))} ".join(chosen.sample(PIECES, chosen.choice((2, 2, 3)))),
            chosen.choice(ORDERS),
        )
        for _ in range(250)
    ]
    return asked


def store_of_runs() -> MemoryStore:
    store = MemoryStore()
    for facts in RUNS:
        events: list[Event] = [
            Start("session", "fraud", run_name=facts["run_name"], user=facts["user"]),
            *(
                Metrics(step, {key: float(value)})
                for key, points in facts["metrics"].items()
                for step, value in enumerate(points)
            ),
            Params(facts["params"]),
            Tags(facts["tags"]),
            *(Dataset(name, digest, context) for name, digest, context in facts["datasets"]),
        ]
        timed = [(facts["start_ms"], event) for event in events]
        log = lines(*timed, (facts["end_ms"], End(facts["status"])))
        put_log(store, "fraud", facts["run_name"].replace(" ", "-"), log)
    return store


def test_every_query_finds_what_mlflow_finds_in_the_same_order() -> None:
    asked = queries()
    told = subprocess.run(
        [PYTHON, str(Path(__file__).with_name("mlflow_answers.py"))],
        input=json.dumps({"runs": RUNS, "queries": asked}),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
    )
    assert told.returncode == 0, told.stderr[-2000:]
    answers = json.loads(told.stdout)
    index = Index(store_of_runs())

    wrong = {}
    for (text, order), expected in zip(asked, answers, strict=True):
        assert expected is not None, f"MLflow refuses {text!r} ordered by {order}"
        found = index.search(parse_filter(text), parse_order(order), now=NOW, goal_of=known_goal).rows
        if [row.facts.run_name for row in found] != expected:
            wrong[text, *order] = ([row.facts.run_name for row in found], expected)

    index.close()
    assert wrong == {}
    assert sum(bool(each) for each in answers) > 150  # most queries find something
