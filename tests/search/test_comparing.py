"""What differs between runs and versions, and only that."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from podium import Workspace, track
from podium.errors import RunNotFound, VersionNotFound
from podium.search.comparing import Compared, Comparison, compare
from podium.search.goals import Goal
from podium.types import Difference

NAN = math.nan


def rows(*compared: Compared) -> list[tuple[object, ...]]:
    return [(row.kind, row.key, row.values, row.min, row.max, row.best) for row in compare(compared)]


def test_only_what_differs_is_there_params_first() -> None:
    one = Compared("one", {"lr": 0.1, "seed": 1}, {"loss": 0.5}, {"team": "x"}, {"python": "3.11"})
    two = Compared("two", {"lr": 0.2, "seed": 1}, {"loss": 0.4}, {"team": "x"}, {"python": "3.12"})

    assert rows(one, two) == [
        ("param", "lr", (0.1, 0.2), 0, 1, None),
        ("metric", "loss", (0.5, 0.4), 1, 0, 1),
        ("environment", "python", ("3.11", "3.12"), None, None, None),
    ]


@pytest.mark.parametrize(
    ("one", "other", "differ"),
    [
        (1, 1.0, False),
        (1, True, True),
        ("1", 1, True),
        (NAN, NAN, False),
        ([1, 2], [1, 2.0], False),
        ({"a": 1}, {"a": 2}, True),
        (None, "None", True),
        (0.1 + 0.2, 0.3, True),
    ],
)
def test_values_are_equal_as_params_are(one: object, other: object, differ: bool) -> None:
    assert bool(rows(Compared("a", {"p": one}), Compared("b", {"p": other}))) is differ


def test_what_one_lacks_differs_from_what_is_none() -> None:
    assert rows(Compared("a", {"p": None}), Compared("b")) == [("param", "p", (None, None), None, None, None)]
    assert rows(Compared("a"), Compared("b")) == []


def test_the_best_is_marked_only_where_the_goal_is_known() -> None:
    values = [{"m": 1.0, "f1": 1.0, "loss": 1.0}, {"m": 2.0, "f1": 2.0, "loss": 2.0}]
    plain = [Compared(str(at), metrics=each) for at, each in enumerate(values)]
    told = [Compared(str(at), metrics=each, goals={"m": "min"}) for at, each in enumerate(values)]
    goals: tuple[Goal, Goal] = ("min", "max")
    torn = [Compared(goal, metrics=each, goals={"m": goal}) for each, goal in zip(values, goals, strict=True)]

    assert {row[1]: row[5] for row in rows(*plain)} == {"m": None, "f1": 1, "loss": 0}
    assert {row[1]: row[5] for row in rows(*told)}["m"] == 0
    assert {row[1]: row[5] for row in rows(*torn)}["m"] is None


def test_nan_and_bools_are_neither_smallest_nor_largest() -> None:
    three = [Compared(str(at), metrics={"loss": each}) for at, each in enumerate((NAN, 3.0, 2.0))]
    bools = [Compared(str(at), {"p": each}) for at, each in enumerate((True, 5, 7))]

    assert rows(*three) == [("metric", "loss", three_values(three), 2, 1, 2)]
    assert rows(*bools)[0][3:] == (1, 2, None)


def three_values(compared: list[Compared]) -> tuple[float, ...]:
    return tuple(each.metrics["loss"] for each in compared)


def test_it_shows_itself_with_a_column_for_each() -> None:
    shown = compare(
        [
            Compared("lr=0.1", {"lr": 0.1}, {"f1": 0.5, "m": 1.0}),
            Compared("lr=0.2", {"lr": 0.2}, {"f1": 0.9, "m": 2.0}),
        ]
    )

    assert repr(shown).splitlines() == [
        "kind    key  lr=0.1  lr=0.2",
        "param   lr   0.1 v   0.2 ^",
        "metric  f1   0.5     0.9 *",
        "metric  m    1 v     2 ^",
    ]
    assert repr(compare([])) == "Comparison: no rows"
    assert isinstance(shown[1:], Comparison)
    assert shown[1:].to_dicts()[0]["lr=0.2"] == 0.9


def test_names_that_two_have_are_told_apart_and_nothing_is_taken_for_markup() -> None:
    shown = compare(
        [Compared("<b>a", {"p": "<script>"}), Compared("<b>a", {"p": 2}), Compared("kind", {"p": 3})]
    )

    assert list(shown.to_dicts()[0]) == ["kind", "key", "<b>a", "<b>a (2)", "kind (2)", "min", "max", "best"]
    assert "<script>" not in shown._repr_html_()
    assert "&lt;b&gt;a" in shown._repr_html_()


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "store")


def test_runs_are_compared_by_object_by_id_and_as_a_table(workspace: Workspace) -> None:
    for lr in (0.1, 0.2):
        with workspace.start_run(f"lr={lr}", tags={"team": "fraud"}) as run:
            run.log_params({"lr": lr, "depth": 6})
            run.log_metrics({"f1": lr, "speed": lr})
            run.define_metric("speed", goal="max")
    found = workspace.search_runs(order_by="params.lr")

    comparison = workspace.compare(found)

    assert [(row.kind, row.key, row.values, row.best) for row in comparison] == [
        ("param", "lr", (0.1, 0.2), None),
        ("metric", "f1", (0.1, 0.2), 1),
        ("metric", "speed", (0.1, 0.2), 1),
    ]
    assert workspace.compare([found[0].run_id, found[1]]) == comparison
    assert isinstance(comparison[0], Difference)
    with pytest.raises(TypeError, match=r"compare\(\[one, other\]\)"):
        workspace.compare(found[0].run_id)
    with pytest.raises(RunNotFound):
        workspace.compare(["01kapgsxk0e7n3x5v8h2m4q6ab"])


def test_track_compares_runs_of_the_default_workspace() -> None:
    for lr in (1, 2):
        with track.start_run():
            track.log_param("lr", lr)

    assert [row.key for row in track.compare(track.search_runs())] == ["lr"]


def test_versions_are_compared_by_number_and_alias(workspace: Workspace) -> None:
    for lr in (0.1, 0.2, 0.3):
        with workspace.start_run() as run:
            run.log_param("lr", lr)
            run.log_metric("f1", lr)
            run.log_model({"threshold": lr})
        workspace.registry.register(run.model_uri(), "fraud", alias="candidate")
    registry = workspace.registry

    assert [(row.key, row.values, row.best) for row in registry.compare("fraud", 1, "@candidate")] == [
        ("lr", (0.1, 0.3), None),
        ("f1", (0.1, 0.3), 1),
    ]
    assert registry.compare("fraud")[0].values == (0.1, 0.2, 0.3)
    assert list(registry.compare("fraud", 1, 2).to_dicts()[0])[2:4] == ["v1", "v2"]
    with pytest.raises(VersionNotFound):
        registry.compare("fraud", 9)


# --- tables of runs ---------------------------------------------------------------------------------------------------


def test_a_table_of_runs_shows_what_differs_then_metrics_and_how_many_more(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    for number in range(50):
        with workspace.start_run(f"r{number}", tags={"team": "fraud", "part": number % 2}) as run:
            run.log_params({"lr": number / 10, "depth": 6})
            run.log_metric("loss", 1.0)

    head, *lines = repr(workspace.search_runs()).splitlines()

    assert head.split() == ["run_name", "params.lr", "metrics.loss", "status", "start_time", "run_id"]
    assert len(lines) == 11
    assert lines[-1] == "... and 40 more"


def test_a_table_of_runs_opens_no_log(workspace: Workspace, tmp_path: Path) -> None:
    for number in range(3):
        with workspace.start_run(f"<i>{number}") as run:
            run.log_params({"lr": number})
            run.log_metric("loss", 1.0)
    found = workspace.search_runs(order_by="params.lr DESC")
    for log in (tmp_path / "store").glob("experiments/*/runs/*/*.jsonl"):
        log.unlink()

    assert "&lt;i&gt;2" in found._repr_html_()
    assert found.max("params.lr").run_name == "<i>2"
    assert len(found.to_pandas()) == 3
    assert workspace.compare(found)[0].values == (2, 1, 0)
    with pytest.raises(RunNotFound):
        found[0].artifacts()
