"""Runs and models from one store to another: all of it, once, verified."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from podium import Workspace, save_model
from podium.errors import Conflict, ModelNotFound, StoreUnavailable
from podium.stores import Key, LocalStore, Store
from podium.stores.remote import RemoteStore
from podium.testing import Fail, FaultyStore


def fill(workspace: Workspace, folder: Path, runs: int = 3) -> list[str]:
    ids = []
    for number in range(runs):
        with workspace.start_run(experiment="fraud" if number % 2 else "churn", tags={"n": number}) as run:
            for step in range(20):
                run.log_metric("loss", number + step / 100)
            run.log_text(f"run {number}", "notes/a.txt")
            run.log_model({"value": number})
        ids.append(run.run_id)
    for value in range(2):
        source = folder / f"model-{os.urandom(4).hex()}"
        save_model({"value": value}, source)
        workspace.registry.register(source, "fraud", alias="champion", why=f"value {value}")
    workspace.registry.delete_version("fraud", 1, why="old")
    return ids


def assert_same(one: Workspace, other: Workspace, ids: list[str]) -> None:
    for run_id in ids:
        here, there = one.get_run(run_id), other.get_run(run_id)
        assert (here.params, here.metrics, here.tags, here.status) == (
            there.params,
            there.metrics,
            there.tags,
            there.status,
        )
        assert here.experiment == there.experiment
        assert there.download("notes/a.txt").read_bytes() == here.download("notes/a.txt").read_bytes()
        assert other.load_model(there.model_uri()).native == one.load_model(here.model_uri()).native
    assert one.registry.history("fraud").to_dicts() == other.registry.history("fraud").to_dicts()
    assert other.load_model("models:/fraud@champion").native == {"value": 1}


@pytest.fixture(params=["disk to bucket", "bucket to disk", "bucket to bucket", "disk to disk"])
def stores(request: pytest.FixtureRequest, bucket: str, tmp_path: Path) -> tuple[Workspace, Workspace]:
    source, target = str(request.param).split(" to ")
    places: dict[str, Callable[[str], Workspace]] = {
        "disk": lambda name: Workspace(tmp_path / name),
        "bucket": lambda name: Workspace(f"{bucket}/{name}"),
    }
    return places[source]("source"), places[target]("target")


def test_everything_arrives_and_a_second_copy_has_nothing_to_do(
    stores: tuple[Workspace, Workspace], tmp_path: Path
) -> None:
    source, target = stores
    ids = fill(source, tmp_path)

    report = source.copy_to(target)
    again = source.copy_to(target)

    assert report
    assert report.skipped == 0
    assert (again.copied, again.problems) == (0, ())
    assert again.skipped > 0
    assert_same(source, target, ids)


def test_what_was_added_since_is_copied_alone(stores: tuple[Workspace, Workspace], tmp_path: Path) -> None:
    source, target = stores
    ids = fill(source, tmp_path, runs=1)
    source.copy_to(target)
    source.amend_run(ids[0]).log_metric("f1", 0.9)
    with source.start_run(experiment="fraud") as more:
        more.log_metric("loss", 1.0)
    source.registry.set_tag("fraud", "owner", "ada")

    report = source.copy_to(target)

    assert report.problems == ()
    assert target.get_run(ids[0]).metrics["f1"] == 0.9
    assert target.get_run(more.run_id).metrics["loss"] == 1.0
    assert target.registry.get_model("fraud").tags == {"owner": "ada"}


def test_a_run_that_is_written_arrives_as_it_was_and_grows_with_the_next_copy(
    stores: tuple[Workspace, Workspace],
) -> None:
    source, target = stores
    with source.start_run() as run:
        run.log_metric("loss", 1.0)
        source.copy_to(target)
        assert target.get_run(run.run_id).summary["loss"].count == 1
        run.log_metric("loss", 2.0)
    source.copy_to(target)

    arrived = target.get_run(run.run_id)
    assert (arrived.summary["loss"].count, arrived.status) == (2, "FINISHED")


def test_two_stores_of_runs_merge(stores: tuple[Workspace, Workspace]) -> None:
    source, target = stores
    for workspace in stores:
        with workspace.start_run(experiment="fraud"):
            pass

    source.copy_to(target)

    assert len(target.search_runs(experiment="fraud")) == 2


def test_a_model_of_the_same_name_with_other_versions_is_a_conflict_and_nothing_is_copied(
    stores: tuple[Workspace, Workspace], tmp_path: Path
) -> None:
    source, target = stores
    ids = fill(source, tmp_path, runs=1)
    save_model({"value": 9}, tmp_path / "other")
    target.registry.register(tmp_path / "other", "fraud")

    with pytest.raises(Conflict, match="with other versions"):
        source.copy_to(target)

    assert target.load_model("models:/fraud/1").native == {"value": 9}
    assert [each.run_id for each in target.search_runs()] == []
    assert source.copy_to(target, experiment="churn")
    assert [each.run_id for each in target.search_runs()] == ids


def test_a_target_that_is_ahead_is_left_alone(stores: tuple[Workspace, Workspace], tmp_path: Path) -> None:
    source, target = stores
    fill(source, tmp_path, runs=0)
    source.copy_to(target, model="fraud")
    target.registry.set_tag("fraud", "owner", "ada")

    report = source.copy_to(target, model="fraud")

    assert (report.copied, report.problems) == (0, ())
    assert target.registry.get_model("fraud").tags == {"owner": "ada"}


def test_only_what_is_named_is_copied(tmp_path: Path) -> None:
    source, target = Workspace(tmp_path / "source"), Workspace(tmp_path / "target")
    fill(source, tmp_path)

    source.copy_to(target, experiment="fraud")
    assert [each.name for each in target.experiments()] == ["fraud"]
    assert [*target.registry.models()] == []

    with pytest.raises(ModelNotFound):
        source.copy_to(target, model="nothing")


def test_a_damaged_artifact_is_reported_and_not_copied(tmp_path: Path) -> None:
    source, target = Workspace(tmp_path / "source"), Workspace(tmp_path / "target")
    with source.start_run() as run:
        run.log_text("as it was", "a.txt")
        run.log_text("whole", "b.txt")
    (damaged,) = (tmp_path / "source").rglob("a.txt")
    damaged.write_text("as it is!")

    report = source.copy_to(target)

    assert not report
    assert "a.txt is not the file that was kept" in report.problems[0]
    assert target.get_run(run.run_id).download("b.txt").read_text() == "whole"
    assert not [*(tmp_path / "target").rglob("a.txt")]


@pytest.mark.parametrize("operation", range(1, 40, 3))
def test_a_copy_that_breaks_off_anywhere_is_gone_on_with(tmp_path: Path, operation: int) -> None:
    source = Workspace(tmp_path / "source")
    ids = fill(source, tmp_path, runs=2)
    inner: Store = LocalStore(tmp_path / "target")
    target = Workspace(FaultyStore(inner, {operation: Fail()}))

    try:
        source.copy_to(target)
    except StoreUnavailable:
        report = source.copy_to(Workspace(tmp_path / "target"))
        assert report.problems == ()

    assert_same(source, Workspace(tmp_path / "target"), ids)


def test_a_copy_in_a_bucket_is_one_part_a_log(bucket: str, tmp_path: Path) -> None:
    source = Workspace(tmp_path / "source")
    fill(source, tmp_path, runs=1)

    source.copy_to(bucket)

    names = [entry.key.name for entry in RemoteStore(bucket).list(Key.parse("experiments/churn/runs"))]
    assert len(names) == 1
    assert ".jsonl.0-" in names[0]
