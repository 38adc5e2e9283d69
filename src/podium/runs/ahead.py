"""What of a run's logs will be read, and logs of many runs read at once where each read is waited for.

The decision is that of `reader.py`, told before the first byte is read.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

from podium.errors import KeyMissing
from podium.runs.finding import FoundRun
from podium.runs.fold import RunState
from podium.runs.layout import LogName
from podium.runs.reader import chain_of
from podium.stores.contract import Store
from podium.stores.fetched import Fetched
from podium.stores.keys import Key
from podium.stores.together import ahead

__all__ = ["logs_ahead", "read_or_missing", "reads_of"]

_AT_ONCE = 32
# What is read before it is asked for, beside the one log that is next.
_AHEAD_BYTES = 16 << 20
# What a log is taken for whose name does not tell how long it is.
_UNTOLD_BYTES = 1 << 20


def reads_of(run: FoundRun, state: RunState) -> list[tuple[Key, int]]:
    """What `refresh` will read of a run's logs if all of it is there: keys, and the byte of each from which on."""
    reads = []
    for writer_id, names in run.logs.items():
        log = state.logs.get(writer_id)
        offset = 0 if log is None else log.offset
        whole = next((name for name in names if name.end is None), None)
        if whole is not None:
            reads.append((run.keys.logs / str(whole), offset))
            continue
        for (start, end), begin in chain_of([(each.start, each.end or 0) for each in names], offset).items():
            reads.append((run.keys.logs / str(LogName(run.run_id, writer_id, start, end)), begin - start))
    return reads


def logs_ahead(runs: Iterable[tuple[Store, FoundRun]]) -> Iterator[Store]:
    """For each run a store in which its logs were read from their beginning, those of many runs at once.

    A run on this machine's disk has its own store: nothing is gained by reading ahead there.

    Raises:
        StoreError: a log could not be read, when its run is next.
    """
    several = [
        (store, [] if store.local_path(run.keys.logs) is not None else reads_of(run, RunState(run.run_id)))
        for store, run in runs
    ]
    data = ahead(
        lambda read: read_or_missing(*read),
        [(store, key) for store, reads in several for key, _ in reads],
        size_of=lambda read: _size_told_by(read[1].name),
        most_bytes=_AHEAD_BYTES,
        at_once=_AT_ONCE,
    )
    with contextlib.closing(data):
        for store, reads in several:
            fetched = Fetched(store)
            for key, _ in reads:
                fetched.hold(key, 0, next(data))
            yield fetched if reads else store


def read_or_missing(store: Store, key: Key, start: int = 0) -> bytes | None:
    """The value from a byte on; None where nothing is stored."""
    try:
        return store.get(key, start)
    except KeyMissing:
        return None


def _size_told_by(name: str) -> int:
    parsed = LogName.parse(name)
    return _UNTOLD_BYTES if parsed is None or parsed.end is None else parsed.end - parsed.start
