"""What git says of the folder a run is started in: commit, branch, and what was changed since.

Commit and branch are read from git's files, which takes microseconds. What was changed takes git itself as long as the
repository is large, so it is asked beside the run and never waited for at a start. The repository's own configuration
gets to run nothing: no external diff, no text conversion, no monitor. Knows no run and no store.
"""

from __future__ import annotations

import math
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from podium.workspace.redaction import redacted_text

__all__ = ["Changes", "Checkout", "ask_changes", "checkout_here", "checkout_of"]

MOST_BYTES = 200_000
_PATIENCE_S = 30.0
_FRESH_S = 30.0
_COMMIT = re.compile(r"[0-9a-f]{40,64}")


@dataclass(frozen=True, slots=True)
class Checkout:
    """What is checked out.

    Attributes:
        root: the folder of the work tree.
        commit: its hash, "" before the first.
        branch: "" where none is checked out.
    """

    root: Path
    commit: str
    branch: str


def checkout_of(folder: Path) -> Checkout | None:
    """What is checked out where ``folder`` lies, or None where git knows nothing of it."""
    try:
        folder = folder.resolve()
        root = next((each for each in (folder, *folder.parents) if (each / ".git").exists()), None)
        return None if root is None else _checkout(root)
    except (OSError, ValueError):  # no permission, no text, no folder: as if there were no repository
        return None


class _Here:
    """The last look at this process's folder: a sweep of short runs looks once a second, not once a run."""

    folder = ""
    looked_s = -math.inf
    found: Checkout | None = None


_here = _Here()


def checkout_here() -> Checkout | None:
    """What is checked out where this process is, as of a second ago at most."""
    try:
        folder = os.getcwd()
    except OSError:  # it was removed
        return None
    now_s = time.monotonic()
    if folder != _here.folder or now_s - _here.looked_s > 1.0:
        _here.found = checkout_of(Path(folder))
        _here.folder, _here.looked_s = folder, now_s
    return _here.found


def _checkout(root: Path) -> Checkout | None:
    git = root / ".git"
    if git.is_file():  # a worktree or submodule
        git = root / git.read_text().partition(":")[2].strip()
    if not (git / "HEAD").is_file():
        return None
    head = (git / "HEAD").read_text().strip()
    if not head.startswith("ref:"):
        return Checkout(root, head, "") if _COMMIT.fullmatch(head) else None
    reference = head.partition(":")[2].strip()
    if ".." in reference.split("/") or not reference.startswith("refs/"):
        return None
    return Checkout(root, _commit_of(git, reference), reference.removeprefix("refs/heads/"))


def _commit_of(git: Path, reference: str) -> str:
    shared = git / "commondir"
    for place in [git, git / shared.read_text().strip()] if shared.is_file() else [git]:
        if (place / reference).is_file():
            commit = (place / reference).read_text().strip()
            return commit if _COMMIT.fullmatch(commit) else ""
        packed = place / "packed-refs"
        for line in packed.read_text().splitlines() if packed.is_file() else []:
            commit, _, name = line.partition(" ")
            if name == reference and _COMMIT.fullmatch(commit):
                return commit
    return ""


class Changes:
    """The changes of a work tree, while git is asked for them and after.

    Attributes:
        diff: what was changed since the commit, in git's format, without secrets; "" where nothing was. None until it
            is known, and where git does not say.
        cut: whether there was more than is kept.
    """

    def __init__(self, root: Path) -> None:
        self.diff: str | None = None
        self.cut: bool = False
        self._root = root
        self._asked_at = time.monotonic()
        self._guard = threading.Lock()
        self._waiting: list[Callable[[Changes], None]] | None = []
        self._thread = threading.Thread(target=self._answer, name="podium-git", daemon=True)
        self._thread.start()

    @property
    def is_fresh(self) -> bool:
        """Whether this is young enough for another run to share it."""
        return time.monotonic() - self._asked_at < _FRESH_S

    def wait(self, timeout_s: float) -> bool:
        """Wait until git has answered; False where it has not in time."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def then(self, tell: Callable[[Changes], None]) -> None:
        """Call ``tell`` as soon as git has answered, in another thread; at once where it has."""
        with self._guard:
            if self._waiting is not None:
                self._waiting.append(tell)
                return
        tell(self)

    def _answer(self) -> None:
        self._ask()
        with self._guard:
            waiting, self._waiting = self._waiting or [], None
        for tell in waiting:
            tell(self)

    def _ask(self) -> None:
        program = shutil.which("git")
        if program is None:
            return
        try:
            git = subprocess.Popen(  # noqa: S603 - a fixed command; only the folder varies
                [
                    program, "-C", str(self._root), "--no-optional-locks", "--no-pager",
                    "-c", "core.fsmonitor=false", "-c", "core.untrackedCache=false",
                    "diff", "--no-ext-diff", "--no-textconv", "--no-color", "--submodule=short", "HEAD", "--",
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"},
            )  # fmt: skip
        except OSError:
            return  # it cannot be run
        stop = threading.Timer(_PATIENCE_S, git.kill)
        stop.daemon = True
        stop.start()
        with git:
            found = git.stdout.read(MOST_BYTES + 1) if git.stdout is not None else b""
            if len(found) > MOST_BYTES:
                git.kill()
        stop.cancel()
        if git.returncode == 0 or len(found) > MOST_BYTES:
            self.cut = len(found) > MOST_BYTES
            self.diff = redacted_text(found[:MOST_BYTES].decode("utf-8", "replace"))


class _Asked:
    """The last question of this process, for runs that start close together."""

    root: Path | None = None
    pid = 0
    changes: Changes | None = None


_asked = _Asked()
_lock = threading.Lock()


def ask_changes(root: Path) -> Changes:
    """Ask git what was changed in a work tree; returns at once. Runs that start close together share the answer."""
    with _lock:
        known = _asked.changes
        if known is None or _asked.root != root or _asked.pid != os.getpid() or not known.is_fresh:
            known = Changes(root)
            _asked.root, _asked.pid, _asked.changes = root, os.getpid(), known
        return known


def _forget() -> None:
    global _lock  # noqa: PLW0603 - the parent may have held it at the fork
    _lock = threading.Lock()
    _asked.changes = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
