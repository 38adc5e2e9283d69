"""Finding runs: by filter, experiment and order; tables of them sort out their best and turn into frames."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from podium import Workspace
from podium.errors import Invalid, NotFound, PodiumWarning, QueryError, RunNotFound
from podium.types import Runs

OPEN_FILES = Path("/proc/self/fd")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with Workspace(tmp_path_factory.mktemp("search") / "store") as opened:
        for number in range(6):
            _next_millisecond()
            with opened.start_run(f"run {number}", experiment="odd" if number % 2 else "even") as run:
                run.log_params({"lr": number / 10, "kind": "forest" if number < 3 else "svm"})
                run.set_tag("team", "fraud")
                for loss in (number, number + 2, number + 1):
                    run.log_metric("loss", loss)
                if number != 4:
                    run.log_metric("f1", number / 10)
        yield opened


def _next_millisecond() -> None:
    """Runs of one millisecond have no order among them but their ids."""
    begun = time.time_ns() // 1_000_000
    while time.time_ns() // 1_000_000 == begun:
        pass


def names(workspace: Workspace, text: str = "", **options: object) -> list[str]:
    return [run.run_name for run in workspace.search_runs(text, **options)]  # type: ignore[arg-type]  # of the test


def test_the_newest_come_first(workspace: Workspace) -> None:
    assert names(workspace) == [f"run {number}" for number in (5, 4, 3, 2, 1, 0)]


@pytest.mark.skipif(not OPEN_FILES.is_dir(), reason="no list of open files")
def test_whoever_leaves_a_workspace_holds_no_file_of_its_index_and_may_search_again(tmp_path: Path) -> None:
    with Workspace(tmp_path / "store") as workspace:
        with workspace.start_run("first"):
            pass
        names(workspace)
        assert _cached_files_held()

    assert not _cached_files_held()
    assert names(workspace) == ["first"]
    workspace.close()
    assert not _cached_files_held()


def _cached_files_held() -> list[str]:
    held = [os.path.realpath(each) for each in OPEN_FILES.iterdir()]
    return [each for each in held if each.startswith(os.path.realpath(os.environ["XDG_CACHE_HOME"]))]


def test_by_experiment(workspace: Workspace) -> None:
    assert names(workspace, experiment="odd") == ["run 5", "run 3", "run 1"]
    assert len(names(workspace, experiment=["odd", "even"])) == 6


def test_an_experiment_that_is_not_there_has_no_runs_and_a_warning(workspace: Workspace) -> None:
    with pytest.warns(PodiumWarning, match="no experiment 'evn'. Did you mean 'even'"):
        assert names(workspace, experiment="evn") == []


def test_by_filter_order_and_limit(workspace: Workspace) -> None:
    assert names(workspace, "params.lr < 0.25 and params.kind = 'forest'", order_by="params.lr") == [
        "run 0",
        "run 1",
        "run 2",
    ]
    assert names(workspace, order_by="metrics.f1 DESC", limit=2) == ["run 5", "run 3"]
    assert names(workspace, order_by="metrics.f1")[-1] == "run 4"
    assert names(workspace, "min(metrics.loss) >= 4 or run_name = 'run 0'", order_by="run_name") == [
        "run 0",
        "run 4",
        "run 5",
    ]
    assert names(workspace, "status = 'FINISHED' and start_time > -1d", limit=0) == []


def test_what_does_not_parse_says_where(workspace: Workspace) -> None:
    with pytest.raises(QueryError) as raised:
        workspace.search_runs("metric.f1 >> 3")

    assert raised.value.position == 11


def test_a_list_first_shows_podiums_spelling(workspace: Workspace) -> None:
    with pytest.raises(TypeError, match=r'experiment="fraud"'):
        workspace.search_runs(["0", "1"])  # type: ignore[arg-type]  # the point


def test_the_best_of_a_table(workspace: Workspace) -> None:
    runs = workspace.search_runs()

    assert runs.max("metrics.f1").run_name == "run 5"
    assert runs.min("min(metrics.loss)").run_name == "run 0"
    assert runs.max("params.lr").run_name == "run 5"
    assert runs[1:3].max("params.lr").run_name == "run 4"


def test_frames_have_attributes_then_metrics_params_and_tags(workspace: Workspace) -> None:
    frame = workspace.search_runs().to_pandas()

    assert list(frame.columns) == [
        "run_id",
        "run_name",
        "experiment",
        "status",
        "start_time",
        "end_time",
        "user",
        "parent_run_id",
        "metrics.f1",
        "metrics.loss",
        "params.kind",
        "params.lr",
        "tags.team",
    ]
    assert str(frame["start_time"].dtype).endswith("UTC]")
    assert frame["metrics.f1"].isna().sum() == 1


def test_the_best_leaves_out_what_is_missing_or_nan_and_says_when_none_is_left(tmp_path: Path) -> None:
    with Workspace(tmp_path / "store") as workspace:
        for name, loss in (("nan", math.nan), ("good", 0.5), ("none", None)):
            with workspace.start_run(name) as run:
                if loss is not None:
                    run.log_metric("loss", loss)
        runs = workspace.search_runs()

        assert runs.max("metrics.loss").run_name == "good"
        assert runs.min("min(metrics.loss)").run_name == "good"
        with pytest.raises(NotFound, match=r"none of the 3 rows .* Did you mean 'metrics\.loss'"):
            runs.min("metrics.lss")
        without = workspace.search_runs("run_name != 'good'")
        assert len(without) == 2
        with pytest.raises(NotFound, match="none of the 2 rows"):
            without.max("metrics.loss")


def test_no_runs_still_are_a_table_and_a_frame(tmp_path: Path) -> None:
    with Workspace(tmp_path / "store") as workspace:
        none = workspace.search_runs()

    assert (len(none), none.to_dicts(), repr(none)) == (0, [], "Runs: no rows")
    assert "<table>" in none._repr_html_()
    assert "run_id" in none.to_pandas().columns
    assert "run_id" in none.to_polars().columns
    assert len(none.history()) == 0


def test_a_slice_is_runs_with_all_they_can_do(workspace: Workspace) -> None:
    some = workspace.search_runs(order_by="run_name")[:2]

    assert isinstance(some, Runs)
    assert [run.run_name for run in some] == ["run 0", "run 1"]
    assert {point.run_id for point in some.history("loss")} == {run.run_id for run in some}
    assert [row["params.lr"] for row in some.to_dicts()] == [0.0, 0.1]
    assert some.to_polars()["metrics.f1"].to_list() == [0.0, 0.1]


def test_a_terminal_shows_a_line_a_run_and_a_notebook_the_same(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    runs = workspace.search_runs(order_by="run_name", limit=2)

    head, *lines = repr(runs).splitlines()

    told_apart = ["status", "start_time", "run_id"]
    assert head.split() == [
        "run_name",
        "experiment",
        "params.lr",
        "metrics.f1",
        "metrics.loss",
        *told_apart,
    ]
    assert len(lines) == 2
    assert runs._repr_html_().count("<tr>") == 3


def test_a_table_shows_the_params_that_differ_and_of_one_run_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    with Workspace(tmp_path / "store") as workspace:
        for lr in (0.1, 0.2):
            with workspace.start_run(f"lr={lr}") as run:
                run.log_params({"lr": lr, "depth": 6})
        runs = workspace.search_runs()

    assert repr(runs).splitlines()[0].split()[:3] == ["run_name", "params.lr", "status"]
    assert repr(runs[:1]).splitlines()[0].split()[:3] == ["run_name", "params.depth", "params.lr"]


def test_a_narrow_terminal_still_shows_names_params_and_metrics(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")

    head, *_, more = repr(workspace.search_runs(limit=2)).splitlines()

    assert "metrics.loss" in head
    assert more.startswith("... and ")


def test_the_history_of_many_runs_is_one_long_table(workspace: Workspace) -> None:
    history = workspace.search_runs(experiment="odd").history("loss")

    assert len(history) == 9
    assert list(history.to_pandas().columns) == ["run_id", "key", "step", "time", "value"]


def test_a_run_is_found_by_the_beginning_of_its_id(tmp_path: Path) -> None:
    with Workspace(tmp_path / "store") as workspace:
        with workspace.start_run() as run:
            pass
        assert workspace.get_run(run.run_id[:20]).run_id == run.run_id
        with pytest.raises(RunNotFound):
            workspace.get_run(run.run_id[:7])


@pytest.mark.parametrize("limit", [1.5, "3", True, -1])
def test_a_limit_that_is_no_count_was_an_error_of_a_slice(tmp_path: Path, limit: Any) -> None:
    with pytest.raises((TypeError, Invalid), match="limit"):
        Workspace(tmp_path / "store").search_runs(limit=limit)


def test_a_filter_is_text_for_runs_and_experiments_alike(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "store")
    nothing: Any = None

    for verb in (workspace.search_runs, workspace.experiments):
        with pytest.raises(TypeError, match="filter"):
            verb(nothing)
