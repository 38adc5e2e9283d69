"""A run that a search found is a run: equal to the one that is read, complete, and as it was when it was found."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from podium import Workspace
from podium.errors import PodiumWarning


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    opened = Workspace(tmp_path / "store")
    with opened.start_run("first", experiment="fraud", tags={"team": "x"}, note="why") as run:
        run.log_params({"lr": 0.1, "layers": [64, 64], "clip": float("inf"), "name": "NaN"})
        for loss in (0.5, 0.25, float("nan")):
            run.log_metric("loss", loss)
        run.log_text("hello", "notes/a.txt")
        run.log_dataset([[1.0], [2.0]], "train")
        run.log_model({"threshold": 0.5})
    return opened


def test_it_equals_the_run_that_is_read(workspace: Workspace) -> None:
    (found,) = workspace.search_runs()
    read = workspace.get_run(found.run_id)

    assert repr(found) == repr(read)
    attributes = (
        "run_id",
        "run_name",
        "experiment",
        "status",
        "start_time",
        "end_time",
        "user",
        "parent_run_id",
        "note",
    )
    others = ("params", "tags", "environment", "error", "deleted", "datasets", "models", "verdict", "dropped")
    for name in (*attributes, *others):
        assert getattr(found, name) == getattr(read, name), name
    assert repr(found.summary) == repr(read.summary)
    assert repr(found.metrics) == repr(read.metrics)


def test_its_history_artifacts_and_models_come_from_its_logs(workspace: Workspace) -> None:
    (found,) = workspace.search_runs("dataset.name = 'train'")

    assert list(found.history("loss").values)[:2] == [0.5, 0.25]
    assert [each.path for each in found.artifacts("notes")] == ["notes/a.txt"]
    assert found.download("notes/a.txt").read_text() == "hello"
    assert [each.name for each in found.models] == ["model"]
    assert workspace.load_model(found.model_uri()).native == {"threshold": 0.5}


def test_it_can_be_sent_to_another_process(workspace: Workspace) -> None:
    (found,) = workspace.search_runs()

    sent = pickle.loads(pickle.dumps(found))

    assert sent.params == found.params
    assert len(sent.history("loss")) == 3


def test_it_stays_as_it_was_when_it_was_found(workspace: Workspace) -> None:
    live = workspace.start_run("live", experiment="fraud")
    live.log_metric("loss", 1.0)
    (found,) = workspace.search_runs("status = 'RUNNING'")
    live.log_metric("loss", 2.0)
    live.end()

    assert (found.status, found.metrics, found.end_time) == ("RUNNING", {"loss": 1.0}, None)
    (now,) = workspace.search_runs("run_name = 'live'")
    assert (now.status, now.metrics) == ("FINISHED", {"loss": 2.0})


def test_what_is_amended_deleted_and_restored_is_seen_by_the_next_search(workspace: Workspace) -> None:
    (found,) = workspace.search_runs()
    with workspace.amend_run(found) as amended:
        amended.set_tag("reviewed", "yes")
        amended.log_metric("loss", 0.125)
    assert [
        run.run_id for run in workspace.search_runs("tags.reviewed = 'yes' and metrics.loss = 0.125")
    ] == [found.run_id]

    workspace.delete_run(found)
    assert len(workspace.search_runs()) == 0
    assert len(workspace.search_runs(deleted=True)) == 1
    workspace.restore_run(found)
    assert len(workspace.search_runs("tags.reviewed = 'yes'")) == 1


def test_runs_of_a_deleted_experiment_are_deleted_with_it(workspace: Workspace) -> None:
    with workspace.start_run(experiment="other"):
        pass
    workspace.delete_experiment("other")

    assert [run.experiment for run in workspace.search_runs()] == ["fraud"]
    assert [run.experiment for run in workspace.search_runs(deleted=True)] == ["other"]
    assert [(each.name, each.runs) for each in workspace.experiments()] == [("fraud", 1)]
    workspace.restore_experiment("other")
    assert len(workspace.search_runs()) == 2


def test_a_read_only_workspace_searches(workspace: Workspace, tmp_path: Path) -> None:
    with Workspace(tmp_path / "store", read_only=True) as reader:
        assert len(reader.search_runs("metrics.loss != 1")) == 1


def test_an_experiment_that_is_not_there_is_warned_about_beside_those_that_are(workspace: Workspace) -> None:
    with pytest.warns(PodiumWarning, match="no experiment 'fruad'. Did you mean 'fraud'"):
        found = workspace.search_runs(experiment=["fruad", "fraud", "fraud"])

    assert len(found) == 1


def test_one_log_of_nonsense_stops_no_search(workspace: Workspace, tmp_path: Path) -> None:
    folder = next((tmp_path / "store").glob("experiments/fraud/runs/*"))
    day = folder.name
    deep = b'{"event":"params","time":3,"params":{"a":' + b"[" * 900 + b"]" * 900 + b"}}\n"
    first = workspace.search_runs()[0].run_id
    stranger = first[:-1] + ("a" if first[-1] != "a" else "b")
    (tmp_path / "store/experiments/fraud/runs" / day / f"{stranger}.zzzzzzzzzz.jsonl").write_bytes(
        b'{"event":"start","time":9223372036854775807,"kind":"session","experiment":"fraud","lease_s":1e400}\n'
        b'{"event":"params","time":1,"params":{"a":"\\udcff","\\ud800":1}}\n'
        + deep
        + b"\x00\xff\n[]\n[1]\nnull\n"
        b'{"event":"dropped","time":4,"count":9223372036854775807}\n'
        b'{"event":"dropped","time":5,"count":9223372036854775807}\n'
        b'["metric",9223372036854775807,9223372036854775807,"m",1e999]\n'
    )

    found = {run.run_id: run for run in workspace.search_runs(order_by="params.a")}

    assert set(found) == {first, stranger}
    assert found[stranger].params["a"] == "\udcff"
    assert found[stranger].start_time.year == 9999
    with pytest.warns(PodiumWarning, match="records that cannot be read"):
        assert found[stranger] == workspace.get_run(stranger)
    assert len(workspace.search_runs("metrics.m > 1e308 and dropped > 0")) == 1
    assert "stranger" not in repr(workspace.search_runs())
