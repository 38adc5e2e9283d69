"""What came of moving things between stores: plain counts, and what stood in the way."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CopyReport", "SyncReport"]


@dataclass(frozen=True, slots=True)
class CopyReport:
    """What came of a copy.

    Attributes:
        copied: how many values were brought over: logs, files, versions.
        skipped: how many were there already.
        waiting: how many could not be brought over; doing it again goes on with them.
        problems: why, one line each.
    """

    copied: int = 0
    skipped: int = 0
    waiting: int = 0
    problems: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether all of it is there."""
        return not self.waiting and not self.problems


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What came of sending what waited on this machine.

    Attributes:
        copied: how many logs and files are wholly in the store now that were not before.
        skipped: how many logs are still being written; what they hold so far is sent.
        waiting: how many logs and files are not wholly there.
        waiting_bytes: their size.
        problems: why, one line each.
    """

    copied: int = 0
    skipped: int = 0
    waiting: int = 0
    waiting_bytes: int = 0
    problems: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether nothing waits."""
        return not self.waiting and not self.problems
