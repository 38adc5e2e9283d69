"""Runs and experiments that are deleted are passed over, and can be had back; what experiments say of themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from podium import Workspace, track
from podium.errors import Conflict, ExperimentNotFound, Invalid, QueryError, RunNotFound
from podium.stores import MemoryStore


@pytest.fixture(params=["disk", "memory"])
def workspace(request: pytest.FixtureRequest, tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "store") if request.param == "disk" else Workspace(MemoryStore())


def make_run(workspace: Workspace, name: str, experiment: str = "fraud") -> str:
    with workspace.start_run(name, experiment=experiment) as run:
        run.log_metric("loss", 0.5)
    return run.run_id


def names(workspace: Workspace, *, deleted: bool = False, experiment: str | None = None) -> set[str]:
    return {run.run_name for run in workspace.search_runs(deleted=deleted, experiment=experiment)}


# Runs -----------------------------------------------------------------------------------------------------------------


def test_a_deleted_run_is_passed_over_by_searches_and_still_found_by_its_id(workspace: Workspace) -> None:
    gone, _ = make_run(workspace, "gone"), make_run(workspace, "kept")

    workspace.delete_run(gone)

    assert names(workspace) == {"kept"}
    assert names(workspace, deleted=True) == {"gone"}
    run = workspace.get_run(gone)
    assert run.deleted
    assert (run.status, run.metrics) == ("FINISHED", {"loss": 0.5})


def test_a_restored_run_is_found_again_as_it_was(workspace: Workspace) -> None:
    run_id = make_run(workspace, "back")
    before = workspace.get_run(run_id)

    workspace.delete_run(before)
    workspace.restore_run(before)

    assert names(workspace) == {"back"}
    after = workspace.get_run(run_id)
    assert (after.deleted, after.end_time, after.status) == (False, before.end_time, before.status)


def test_deleting_and_restoring_again_and_again_ends_as_was_said_last(workspace: Workspace) -> None:
    run_id = make_run(workspace, "often")

    for _ in range(3):
        workspace.delete_run(run_id)
        workspace.delete_run(run_id)
        workspace.restore_run(run_id)
    workspace.delete_run(run_id)

    assert workspace.get_run(run_id).deleted


def test_a_run_that_is_not_there_cannot_be_deleted(workspace: Workspace) -> None:
    with pytest.raises(RunNotFound):
        workspace.delete_run("01jd0000000000000000000000")
    with pytest.raises(RunNotFound):
        workspace.restore_run("01jd0000000000000000000000")


def test_a_run_that_is_open_can_be_deleted_and_goes_on(workspace: Workspace) -> None:
    with workspace.start_run("open") as run:
        workspace.delete_run(run)
        run.log_metric("loss", 0.25)

    assert names(workspace) == set()
    assert workspace.get_run(run.run_id).metrics == {"loss": 0.25}


def test_a_workspace_that_only_reads_deletes_nothing(tmp_path: Path) -> None:
    run_id = make_run(Workspace(tmp_path), "kept")
    reader = Workspace(tmp_path, read_only=True)

    for forbidden in (reader.delete_run, reader.restore_run):
        with pytest.raises(Invalid, match="read_only"):
            forbidden(run_id)
    for also in (reader.delete_experiment, reader.restore_experiment):
        with pytest.raises(Invalid, match="read_only"):
            also("fraud")
    assert names(reader) == {"kept"}


# Experiments ----------------------------------------------------------------------------------------------------------


def test_experiments_are_listed_with_what_is_known_of_them(workspace: Workspace) -> None:
    make_run(workspace, "a")
    workspace.delete_run(make_run(workspace, "b"))
    make_run(workspace, "c", experiment="churn")
    workspace.set_experiment_tags("fraud", {"team": "risk", "year": 2026})
    workspace.set_experiment_note("fraud", "cards only")

    found = {each.name: each for each in workspace.experiments()}

    assert found.keys() == {"fraud", "churn"}
    fraud = found["fraud"]
    assert (fraud.runs, fraud.tags, fraud.note, fraud.deleted) == (
        1,
        {"team": "risk", "year": "2026"},
        "cards only",
        False,
    )
    assert fraud.start_time.tzinfo is not None
    assert (found["churn"].runs, found["churn"].tags, found["churn"].note) == (1, {}, "")


def test_experiments_are_filtered_by_what_is_known_of_them(workspace: Workspace) -> None:
    for name in ("fraud", "churn", "fraud-eu"):
        make_run(workspace, "a", experiment=name)
    make_run(workspace, "b", experiment="churn")
    workspace.set_experiment_tags("churn", {"team": "crm"})

    def filtered(text: str) -> set[str]:
        return {each.name for each in workspace.experiments(text)}

    assert filtered("name LIKE 'fraud%'") == {"fraud", "fraud-eu"}
    assert filtered("tags.team = 'crm'") == {"churn"}
    assert filtered("runs >= 2") == {"churn"}
    assert filtered("start_time > -1d") == {"fraud", "churn", "fraud-eu"}
    with pytest.raises(QueryError):
        filtered("metrics.loss < 1")


def test_a_tag_of_an_experiment_is_what_was_said_last_and_none_deletes_it(workspace: Workspace) -> None:
    make_run(workspace, "a")

    workspace.set_experiment_tags("fraud", {"team": "risk", "draft": "yes"})
    workspace.set_experiment_tags("fraud", {"team": "cards", "draft": None})

    assert workspace.experiments()[0].tags == {"team": "cards"}


def test_a_deleted_experiment_and_its_runs_are_passed_over_and_come_back_with_it(
    workspace: Workspace,
) -> None:
    make_run(workspace, "a")
    workspace.delete_run(make_run(workspace, "deleted by itself"))
    make_run(workspace, "other", experiment="churn")

    workspace.delete_experiment("fraud")

    assert [each.name for each in workspace.experiments()] == ["churn"]
    assert [each.name for each in workspace.experiments(deleted=True)] == ["fraud"]
    assert names(workspace) == {"other"}
    assert names(workspace, deleted=True) == {"a", "deleted by itself"}

    workspace.restore_experiment("fraud")

    assert {each.name for each in workspace.experiments()} == {"fraud", "churn"}
    assert names(workspace) == {"a", "other"}
    assert names(workspace, deleted=True) == {"deleted by itself"}


def test_no_run_is_started_in_a_deleted_experiment(workspace: Workspace) -> None:
    make_run(workspace, "a")
    workspace.delete_experiment("fraud")

    with pytest.raises(Conflict, match="restore_experiment"):
        workspace.start_run(experiment="fraud")

    workspace.restore_experiment("fraud")
    make_run(workspace, "b")
    assert names(workspace) == {"a", "b"}


def test_an_experiment_that_is_not_there_is_named_with_what_was_meant(workspace: Workspace) -> None:
    make_run(workspace, "a")

    for verb in (workspace.delete_experiment, workspace.restore_experiment):
        with pytest.raises(ExperimentNotFound) as caught:
            verb("fruad")
        # It was asked twice.
        assert str(caught.value) == "there is no experiment 'fruad'. Did you mean 'fraud'?"
        assert caught.value.near == ("fraud",)
    with pytest.raises(ExperimentNotFound):
        workspace.set_experiment_tags("fruad", {"a": 1})
    with pytest.raises(ExperimentNotFound):
        workspace.set_experiment_note("fruad", "x")


def test_the_functions_of_track_are_those_of_the_default_workspace() -> None:
    with track.start_run(experiment="fraud") as run:
        pass

    track.delete_run(run)
    assert [each.runs for each in track.experiments()] == [0]
    track.restore_run(run.run_id)
    track.delete_experiment("fraud")
    assert len(track.experiments(deleted=True)) == 1
    track.restore_experiment("fraud")
    assert [each.name for each in track.experiments("runs = 1")] == ["fraud"]


def test_the_table_of_experiments_shows_itself_and_turns_into_a_frame(workspace: Workspace) -> None:
    make_run(workspace, "a", experiment="<b>fraud</b>")

    table = workspace.experiments()

    assert "<b>" in repr(table)
    assert "<b>fraud" not in table._repr_html_()
    assert list(table.to_pandas()["name"]) == ["<b>fraud</b>"]
