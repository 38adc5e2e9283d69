"""A run says where it came from, without secrets."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from podium import Workspace
from podium.identity import user_name
from podium.workspace.surroundings import surroundings


def test_no_value_of_the_environment_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    monkeypatch.setenv("SLURM_JOB_ID", "4711")

    facts = surroundings()

    assert "hunter2" not in str(facts)
    assert facts["slurm_job_id"] == "4711"


def test_the_actor_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PODIUM_USER", "deploy-bot")
    assert user_name() == "deploy-bot"
    monkeypatch.delenv("PODIUM_USER")
    assert user_name()


def test_a_rank_that_was_set_after_the_first_run_was_never_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace(tmp_path / "store")
    with workspace.start_run("before") as before:
        pass

    monkeypatch.setenv("RANK", "3")
    with workspace.start_run("after") as after:
        pass

    assert "rank" not in before.environment
    assert after.environment["rank"] == "3"


def _start_as_rank(store: Path, rank: int) -> None:
    os.environ["RANK"] = str(rank)
    with Workspace(store).start_run(f"rank {rank}"):
        pass


def test_forked_ranks_each_record_their_own(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with Workspace(store).start_run("parent"):
        pass
    fork = multiprocessing.get_context("fork")
    ranks = [fork.Process(target=_start_as_rank, args=(store, rank)) for rank in range(2)]

    for each in ranks:
        each.start()
    for each in ranks:
        each.join(60)

    runs = {run.run_name: run.environment.get("rank") for run in Workspace(store).search_runs()}
    assert runs == {"parent": None, "rank 0": "0", "rank 1": "1"}
