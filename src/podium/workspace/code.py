"""What a session notes about the code it runs while it runs: what git says was changed, what was imported later.

Beside the run: nothing here is waited for at its start, and for a moment only at its end. What git cannot tell is left
out without a word, and what cannot be kept is counted by the run. Knows a run only as the two functions that keep
something of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from podium.runs.events import Environment
from podium.workspace.gitstate import Changes, ask_changes, checkout_here
from podium.workspace.surroundings import packages

__all__ = ["DIFF", "PATIENCE_S", "Code"]

DIFF = "podium/git.diff"
PATIENCE_S = 1.0


class Code:
    """The code of one session."""

    def __init__(
        self, note: Callable[[Environment], object], keep_file: Callable[[str, bytes], object]
    ) -> None:
        """Ask git; returns at once.

        Args:
            note: keeps facts, as long as the session is open.
            keep_file: keeps a file among its artifacts, as long as the session is open.
        """
        self._note = note
        self._keep_file = keep_file
        self._known: Mapping[str, str] = packages()
        checkout = checkout_here()
        self._changes: Changes | None = None
        if checkout is not None and checkout.commit:
            self._changes = ask_changes(checkout.root)
            self._changes.then(self._tell)

    def _tell(self, changes: Changes) -> None:
        if changes.diff is None:
            return
        if changes.diff:
            self._keep_file(DIFF, changes.diff.encode("utf-8", "surrogatepass"))
        self._note(Environment({"git_dirty": "yes" if changes.diff else "no"}))

    def finish(self, timeout_s: float) -> None:
        """Note what was imported since the start, and give git this long to answer."""
        new = {name: version for name, version in packages().items() if self._known.get(name) != version}
        if new:
            self._note(Environment(new))
        if self._changes is not None and timeout_s > 0:
            self._changes.wait(timeout_s)
