"""A run says where it came from, without secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from podium.workspace.surroundings import commit_of, redacted_arguments, redacted_url, surroundings, user_name

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (["--lr", "0.1"], ["--lr", "0.1"]),
        (["--api-key", "hunter2", "x"], ["--api-key", "***", "x"]),
        (["--password=hunter2"], ["--password=***"]),
        (["TOKEN=hunter2"], ["TOKEN=***"]),
        (["--db", "postgres://ada:hunter2@host/db"], ["--db", "postgres://***@host/db"]),
        (["--url=https://host/?sig=abc&x=1"], ["--url=https://host/?sig=***&x=***"]),
        (["/home/ada/data.csv", "--out=/tmp/x/y"], [".../data.csv", "--out=.../y"]),
        (["--secret", "--verbose"], ["--secret", "--verbose"]),
    ],
)
def test_arguments_lose_secrets_and_folders(given: list[str], shown: list[str]) -> None:
    assert redacted_arguments(given) == shown


def test_a_url_keeps_what_is_no_secret() -> None:
    assert redacted_url("s3://key:secret@bucket/prefix?token=abc") == "s3://***@bucket/prefix?token=***"
    assert redacted_url("memory:") == "memory:"
    assert redacted_url("/a/folder?x=1") == "/a/folder?x=1"


def test_the_commit_is_read_from_gits_files(tmp_path: Path) -> None:
    git = tmp_path / ".git"
    (git / "refs" / "heads").mkdir(parents=True)
    (tmp_path / "src").mkdir()
    (git / "HEAD").write_text("ref: refs/heads/main\n")

    assert commit_of(tmp_path / "src") is None
    (git / "packed-refs").write_text(f"# pack-refs\n{COMMIT} refs/heads/main\n")
    assert commit_of(tmp_path / "src") == COMMIT
    (git / "refs" / "heads" / "main").write_text(COMMIT[::-1] + "\n")
    assert commit_of(tmp_path / "src") == COMMIT[::-1]
    (git / "HEAD").write_text(COMMIT)
    assert commit_of(tmp_path) == COMMIT


def test_what_is_no_commit_is_not_taken_for_one(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text("ref: ../../../etc/passwd\n")

    assert commit_of(tmp_path) is None


def test_no_value_of_the_environment_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    surroundings.cache_clear()

    facts = surroundings()

    assert "hunter2" not in str(facts)
    assert facts["slurm_job_id"] == "4711"
    surroundings.cache_clear()


def test_the_actor_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PODIUM_USER", "deploy-bot")
    assert user_name() == "deploy-bot"
    monkeypatch.delenv("PODIUM_USER")
    assert user_name()
