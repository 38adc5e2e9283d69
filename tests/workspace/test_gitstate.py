"""What a run knows of the code it ran, from real repositories."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from podium.workspace import gitstate
from podium.workspace.gitstate import Changes, ask_changes, checkout_of

COMMIT = "0123456789abcdef0123456789abcdef01234567"
PATIENCE_S = 30.0


class Repository:
    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.email", "ada@example.org")
        self.git("config", "user.name", "Ada")
        self.write("train.py", "lr = 0.1\n")
        self.commit("first")

    def git(self, *arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(self.root), *arguments], check=True, capture_output=True, text=True
        ).stdout.strip()

    def write(self, name: str, text: str) -> None:
        (self.root / name).write_text(text)

    def commit(self, message: str) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)

    def changes(self) -> Changes:
        changes = Changes(self.root)
        assert changes.wait(PATIENCE_S)
        return changes


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    if shutil.which("git") is None:
        pytest.skip("there is no git on this machine")
    return Repository(tmp_path / "project")


def test_commit_and_branch_are_those_git_names(repository: Repository) -> None:
    (repository.root / "src").mkdir()

    found = checkout_of(repository.root / "src")

    assert found is not None
    assert found.root == repository.root.resolve()
    assert (found.commit, found.branch) == (repository.git("rev-parse", "HEAD"), "main")


def test_a_branch_with_a_slash_packed_refs_and_a_detached_head(repository: Repository) -> None:
    repository.git("checkout", "-q", "-b", "feature/deep")
    head = repository.git("rev-parse", "HEAD")
    repository.git("pack-refs", "--all")

    packed = checkout_of(repository.root)
    repository.git("checkout", "-q", "--detach")
    detached = checkout_of(repository.root)

    assert packed is not None
    assert detached is not None
    assert (packed.commit, packed.branch) == (head, "feature/deep")
    assert (detached.commit, detached.branch) == (head, "")


def test_a_worktree_has_a_branch_of_its_own(repository: Repository, tmp_path: Path) -> None:
    repository.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))

    found = checkout_of(tmp_path / "side")

    assert found is not None
    assert (found.commit, found.branch) == (repository.git("rev-parse", "HEAD"), "side")


def test_before_the_first_commit_there_is_a_branch_and_no_commit(tmp_path: Path) -> None:
    if shutil.which("git") is None:
        pytest.skip("there is no git on this machine")
    subprocess.run(["git", "init", "-q", "-b", "main", str(tmp_path)], check=True)

    found = checkout_of(tmp_path)

    assert found is not None
    assert (found.commit, found.branch) == ("", "main")


def test_outside_of_any_repository_there_is_nothing(tmp_path: Path) -> None:
    assert checkout_of(tmp_path) is None
    assert checkout_of(tmp_path / "is not there") is None


@pytest.mark.parametrize("head", ["ref: ../../../etc/passwd", "ref: refs/../../x", "hello", "", "ref:"])
def test_a_head_that_is_none_is_not_followed(tmp_path: Path, head: str) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text(head)

    assert checkout_of(tmp_path) is None


def test_nothing_changed_is_an_empty_diff(repository: Repository) -> None:
    assert repository.changes().diff == ""


def test_the_diff_holds_what_was_changed_staged_or_not_and_applies(
    repository: Repository, tmp_path: Path
) -> None:
    repository.write("train.py", "lr = 0.2\n")
    repository.write("new.py", "depth = 6\n")
    repository.git("add", "new.py")

    diff = repository.changes().diff

    assert diff is not None
    assert "+lr = 0.2" in diff
    assert "+depth = 6" in diff
    repository.git("stash", "-q")
    (tmp_path / "saved.diff").write_text(diff)
    repository.git("apply", str(tmp_path / "saved.diff"))
    assert (repository.root / "train.py").read_text() == "lr = 0.2\n"


def test_secrets_in_the_diff_are_blotted_out(repository: Repository) -> None:
    repository.write("train.py", 'password = "hunter2"\n')

    diff = repository.changes().diff

    assert diff is not None
    assert "hunter2" not in diff
    assert "password" in diff


def test_a_large_diff_is_cut(repository: Repository) -> None:
    repository.write("train.py", "x = 1\n" * 100_000)

    changes = repository.changes()

    assert changes.cut
    assert changes.diff is not None
    assert len(changes.diff) == gitstate.MOST_BYTES


def test_the_configuration_of_a_repository_runs_nothing(repository: Repository, tmp_path: Path) -> None:
    trap, sprung = tmp_path / "trap.sh", tmp_path / "sprung"
    trap.write_text(f"#!/bin/sh\ntouch {sprung}\n")
    trap.chmod(0o755)
    repository.write("train.py", "lr = 0.3\n")
    repository.write(".gitattributes", "*.py diff=trap\n")
    repository.git("config", "diff.external", str(trap))
    repository.git("config", "diff.trap.textconv", str(trap))
    repository.git("config", "diff.trap.command", str(trap))
    repository.git("config", "core.fsmonitor", str(trap))
    repository.git("config", "core.pager", str(trap))

    diff = repository.changes().diff

    assert diff is not None
    assert "+lr = 0.3" in diff
    assert not sprung.exists()


def test_without_git_nothing_is_known(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert repository.changes().diff is None


def test_git_that_hangs_is_not_waited_for(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    monkeypatch.setattr(gitstate, "_PATIENCE_S", 0.2)

    changes = Changes(repository.root)

    assert not changes.wait(0)
    assert changes.wait(PATIENCE_S)
    assert changes.diff is None


def test_runs_that_start_close_together_ask_once(repository: Repository) -> None:
    assert ask_changes(repository.root) is ask_changes(repository.root)
    assert ask_changes(repository.root) is not ask_changes(repository.root / "elsewhere")
