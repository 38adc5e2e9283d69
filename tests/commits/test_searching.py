"""Versions are searched as runs are: one grammar, and the same answer about the same facts."""

from __future__ import annotations

from pathlib import Path

import pytest

from podium import Workspace
from podium.commits.facts import ModelVersion
from podium.errors import Invalid, NotFound, QueryError
from podium.table import Table
from podium.workspace.run import Runs

F1 = {
    "steady": (0.6, 0.7, 0.75),
    "peaked": (0.5, 0.9, 0.4),
    "fell": (0.85, 0.8, 0.3),
    "nan": (0.7, float("nan")),
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, dict[str, str]]:
    """A store where each run made one version; and the name of the run each version comes from, by run id."""
    workspace = Workspace(tmp_path_factory.mktemp("searching") / "store")
    names = {}
    for name, values in F1.items():
        with workspace.start_run(name, experiment="e", tags={"kind": name[0]}) as run:
            run.log_param("width", len(name))
            for value in values:
                run.log_metric("f1", value)
                run.log_metric("cost", 1 - value)
            run.log_metric("only_" + name, 1.0)
            info = run.log_model({"name": name})
        workspace.registry.register(info, "m")
        names[run.run_id] = name
    return workspace, names


FILTERS = [
    "metrics.f1 > 0.5",
    "last(metrics.f1) > 0.5",
    "max(metrics.f1) > 0.8",
    "min(metrics.f1) < 0.5",
    "count(metrics.f1) >= 3",
    "count(metrics.f1) = 2",
    "best(metrics.f1) > 0.8",
    "best(metrics.only_fell) > 0",
    "max(metrics.f1) IS NULL",
    "max(metrics.only_steady) IS NOT NULL",
    "NOT max(metrics.f1) > 0.8",
    "max(metrics.f1) > 0.8 AND params.width > 4 OR tags.kind = 'n'",
    "max(metrics.f1) - 0.1 > 0.75",
    "metrics.f1 != 0.75",
]
ORDERS = [
    "max(metrics.f1)",
    "min(metrics.f1) DESC",
    "count(metrics.f1) DESC",
    "best(metrics.f1)",
    "metrics.f1 DESC",
]
FIELDS = [
    "max(metrics.f1)",
    "min(metrics.f1)",
    "metrics.f1",
    "count(metrics.f1)",
    "best(metrics.f1)",
    "params.width",
]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("filter_text", ["", *FILTERS])
def test_runs_and_their_versions_answer_alike(
    found: tuple[Workspace, dict[str, str]], filter_text: str, order: str
) -> None:
    workspace, names = found

    runs = workspace.search_runs(filter_text, order_by=[order, "start_time"])
    versions = workspace.registry.versions("m", filter_text, order_by=[order, "start_time"])

    assert [names[str(each.run_id)] for each in versions] == [names[each.run_id] for each in runs]


def test_the_filters_tell_the_runs_apart(found: tuple[Workspace, dict[str, str]]) -> None:
    workspace, names = found

    def answer(filter_text: str) -> set[str]:
        return {names[str(each.run_id)] for each in workspace.registry.versions("m", filter_text)}

    assert answer("max(metrics.f1) > 0.8") == {"peaked", "fell"}
    assert answer("count(metrics.f1) = 2") == {"nan"}
    assert answer("best(metrics.only_fell) > 0") == set()  # no goal is known for such a name


@pytest.mark.parametrize("field", FIELDS)
def test_the_best_version_is_that_of_the_best_run(
    found: tuple[Workspace, dict[str, str]], field: str
) -> None:
    workspace, names = found
    runs: Runs = workspace.search_runs(order_by="start_time")
    versions: Table[ModelVersion] = workspace.registry.versions("m", order_by="start_time")

    assert names[str(versions.max(field).run_id)] == names[runs.max(field).run_id]
    assert names[str(versions[1:].min(field).run_id)] == names[runs[1:].min(field).run_id]


def test_a_field_without_its_kind_is_answered_with_the_way_to_write_it(
    found: tuple[Workspace, dict[str, str]],
) -> None:
    workspace, _ = found
    for table in (workspace.search_runs(), workspace.registry.versions("m")):
        with pytest.raises(QueryError, match=r"no attribute 'loss'(.|\n)*metrics\.<key>"):
            table.max("loss")
        with pytest.raises(NotFound, match="none of the 4 rows"):
            table.max("metrics.never")


def test_a_metric_logged_to_a_version_since_counts_as_a_point(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "store")
    with workspace.start_run() as run:
        run.log_metric("f1", 0.5)
        workspace.registry.register(run.log_model({}), "m")

    workspace.registry.log_metrics("m", 1, {"f1": 0.9})
    workspace.registry.log_metrics("m", 1, {"f1": 0.7})

    (version,) = workspace.registry.versions("m", "max(metrics.f1) = 0.9 AND count(metrics.f1) = 3")
    assert version.metrics == {"f1": 0.7}


@pytest.mark.parametrize("limit", [1.5, -1, True, "3"], ids=repr)
def test_a_limit_that_is_no_count_is_refused_alike(
    found: tuple[Workspace, dict[str, str]], limit: int
) -> None:
    workspace, _ = found
    for search in (workspace.search_runs, workspace.registry.models, workspace.registry.versions):
        with pytest.raises(Invalid, match=r"limit=.*: give a whole number from 0, or None for all"):
            search(limit=limit)


def test_a_filter_that_is_no_text_is_refused_alike(found: tuple[Workspace, dict[str, str]]) -> None:
    workspace, _ = found
    registry = workspace.registry
    for search in (workspace.search_runs, registry.models, lambda none: registry.versions("m", none)):
        with pytest.raises(TypeError, match="filter"):
            search(None)  # type: ignore[arg-type]  # the point
