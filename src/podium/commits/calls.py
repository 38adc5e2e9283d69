"""What one call of the registry does to a store, from its first look to its last write.

Generators of store operations, as in `protocol.py`, of which they are made: `Histories` drives them, and the model
checker runs these very functions. No store, no clock.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from dataclasses import replace

from podium.commits.index import decode_index, encode_index, index_key, is_due
from podium.commits.protocol import History, Outcome, Put, Steps, catch_up, fetch
from podium.errors import HistoryReplaced

__all__ = ["glance", "look", "write"]


def glance(known: History) -> Steps[History]:
    """The model as it is now, perhaps without metrics: from what was seen before, else from ``index.json``."""
    if not known.state.revision:
        known = yield from _from_index(known)
    return (yield from catch_up(known))


def look(known: History) -> Steps[History]:
    """The whole history as it is now; empty if there never was one.

    Raises:
        HistoryReplaced: it is not the one that was seen before.
    """
    whole = yield from _whole(known)
    return (yield from catch_up(whole))


def write(known: History, committing: Callable[[History], Steps[Outcome]]) -> Steps[Outcome]:
    """Commit, then refresh the index.

    Args:
        known: what this process knows; a state continued from the index is read whole first.
        committing: what commits, from a whole history.

    Raises:
        As ``committing``; once its commit stands, nothing any more.
    """
    whole = yield from _whole(known)
    outcome = yield from committing(whole)
    if outcome.record is not None:
        yield from _refresh_index(outcome.history)
    return outcome


def _from_index(empty: History) -> Steps[History]:
    """Begin where the index ends, if the commit it names is there byte for byte; else at the first commit."""
    data = yield from fetch(index_key(empty.folder))
    state = None if data is None else decode_index(data, name=empty.name)
    if state is None:
        return empty
    last = yield from fetch(empty.key_of(state.revision))
    if last is None or hashlib.sha256(last).hexdigest() != state.head:
        return empty
    return replace(empty, state=state, last=last)


def _whole(known: History) -> Steps[History]:
    """Read from the first commit what was only glanced at so far; it must be the same history."""
    before = known.state
    if before.whole:
        return known
    history = yield from catch_up(History(known.folder, known.name))
    if history.state.history_id != before.history_id or history.state.revision < before.revision:
        raise HistoryReplaced(
            f"the history of model {known.name!r} was replaced since this process saw it (a store was restored, "
            "or another copied over it). If that was meant, start the process again.",
            key=str(known.folder),
            model=known.name,
            expected=f"history {before.history_id} of {before.revision} commits",
            found=f"history {history.state.history_id} of {history.state.revision} commits",
        )
    return history


def _refresh_index(history: History) -> Steps[None]:
    """The commit stands: whatever happens here, the call has succeeded. The index is a view, and asked for once."""
    data = encode_index(history.state)
    if is_due(history.state.revision, len(data)):
        with contextlib.suppress(OSError):
            yield Put(index_key(history.folder), data)
