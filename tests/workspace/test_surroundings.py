"""A run says where it came from, without secrets."""

from __future__ import annotations

import pytest

from podium.workspace.surroundings import _process_facts, surroundings, user_name


def test_no_value_of_the_environment_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    _process_facts.cache_clear()

    facts = surroundings()

    assert "hunter2" not in str(facts)
    assert facts["slurm_job_id"] == "4711"
    _process_facts.cache_clear()


def test_the_actor_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PODIUM_USER", "deploy-bot")
    assert user_name() == "deploy-bot"
    monkeypatch.delenv("PODIUM_USER")
    assert user_name()
