"""Tests of code that uses the functions of `track`: each has a store of its own, and leaves nothing behind."""

import os

from podium import registry, testing, track


def nightly() -> str:
    """The code under test; it names no workspace."""
    with track.start_run(experiment="nightly") as run:
        track.log_metric("auc", 0.9)
        registry.register(run.log_model({"w": 1}), "ranker", alias="champion")
    return run.run_id


def test_the_nightly_job_registers_a_champion() -> None:
    with testing.isolated() as workspace:
        run_id = nightly()
        assert workspace.get_run(run_id).metrics == {"auc": 0.9}
        assert workspace.registry.get_version("ranker", "@champion").version == 1


test_the_nightly_job_registers_a_champion()
test_the_nightly_job_registers_a_champion()
assert os.listdir() == []
assert len(track.search_runs()) == 0
