"""Histories made by hand: bodies in, records and states out. No store."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from podium.commits.fold import ModelState, fold
from podium.commits.vocabulary import Body, CommitRecord, Register, encode_commit

__all__ = ["folded", "record", "registered"]

HISTORY = "0" * 32


def registered(version: int | None, alias: str | None = None, *, content: str = "a") -> Register:
    """A version; None: a refused one."""
    sha256 = hashlib.sha256(content.encode()).hexdigest()
    key = None if version is None else f"{sha256[:32]}.0"
    return Register(version, key, sha256, 10, "json", "data", alias=alias)


def record(
    body: Body, revision: int = 1, previous: str | None = None, *, refused: bool = False
) -> CommitRecord:
    """A commit of the model "fraud"."""
    return CommitRecord(
        model="fraud",
        history_id=HISTORY,
        revision=revision,
        previous=previous,
        commit_id=f"{revision:032}",
        time_ms=1_000 * revision,
        user="ada",
        host="here",
        why="",
        body=body,
        refused=refused,
    )


def folded(bodies: Sequence[Body], state: ModelState | None = None) -> ModelState:
    """The state after these decisions, each a commit of its own."""
    state = ModelState() if state is None else state
    for body in bodies:
        made = record(body, state.revision + 1, state.head or None)
        state = fold(state, [(made, hashlib.sha256(encode_commit(made)).hexdigest())])
    return state
