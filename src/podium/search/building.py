"""First build."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from podium.runs.fold import Status
from podium.search.refresh import Changed


@dataclass(frozen=True, slots=True)
class Built:
    next_number: int
    left: Sequence[Changed]
    statuses: Mapping[int, Status] = field(default_factory=dict)


def build(connection: sqlite3.Connection, root: str, waiting: Sequence[Changed], folders: Mapping[str, int], places: Mapping[str, tuple[int, str]], next_number: int, *, now_ms: int) -> Built:
    return Built(next_number, waiting)
