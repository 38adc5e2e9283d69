"""Read the logs of a run into a state, whatever files they lie in, and go on from where a reading stopped.

A log is one file, or parts that cover it, which may be put together while they are read. Reads only.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from podium.errors import Corrupt, KeyMissing
from podium.runs.finding import FoundRun, find_still
from podium.runs.fold import RunState, Status
from podium.runs.layout import LogName
from podium.runs.lines import whole_lines
from podium.runs.living import living_writers
from podium.stores.contract import Store
from podium.stores.together import together

__all__ = [
    "LOOKS",
    "chain_of",
    "changes_too_fast",
    "log_bytes",
    "log_pieces",
    "read_run",
    "refresh",
    "status_of",
]

LOOKS = 5
_FETCHED_AT_ONCE_BYTES = 64 << 20


def read_run(store: Store, run: FoundRun) -> RunState:
    """The run as its logs say it is now.

    Raises:
        RunNotFound: it was deleted meanwhile.
        Corrupt: its parts change faster than they can be read.
    """
    return refresh(store, run, RunState(run.run_id))


def refresh(store: Store, run: FoundRun, state: RunState) -> RunState:
    """A state with what its logs say since it was read; the same object, unless a rewind makes it be read anew."""
    for _ in range(LOOKS):
        try:
            for writer_id, names in run.logs.items():
                _read_log(store, run, writer_id, names, state)
        except KeyMissing:
            run = find_still(store, run)  # parts were put together meanwhile
            continue
        if state.needs_reread:
            state = state.reread()
            continue
        return state
    raise changes_too_fast(run)


def changes_too_fast(run: FoundRun) -> Corrupt:
    """What is raised where parts are put together faster than they can be read."""
    return Corrupt(
        f"the logs of run {run.run_id} change faster than they can be read. Try again.",
        key=str(run.keys.logs),
    )


def _read_log(store: Store, run: FoundRun, writer_id: str, names: list[LogName], state: RunState) -> None:
    log = state.logs.get(writer_id)
    offset = 0 if log is None else log.offset
    for data in log_pieces(store, run, names, offset):
        state.feed(writer_id, data)
    log = state.logs.get(writer_id)
    if log is not None and log.offset > offset:
        log.heard(time.time())


def log_bytes(store: Store, run: FoundRun, writer_id: str) -> bytes:
    """All there is of one log, whatever files it lies in."""
    return b"".join(log_pieces(store, run, run.logs[writer_id], 0))


def log_pieces(store: Store, run: FoundRun, names: list[LogName], offset: int) -> Iterator[bytes]:
    """What a log holds from ``offset`` on; each piece but the last is whole lines, wherever parts were cut."""
    for name in names:
        if name.end is None:
            yield store.get(run.keys.logs / str(name), offset)
            return
    parts = [(name.start, name.end or 0) for name in names]
    fetched = _fetched(store, run, names[0].writer_id, parts, offset)
    torn = b""
    while True:
        covering = [(start, end) for start, end in parts if start <= offset < end]
        if not covering:
            return  # what follows a hole comes when the hole is filled
        start, end = part = max(covering, key=lambda part: part[1])
        name = LogName(run.run_id, names[0].writer_id, start, end)
        data = fetched.pop(part, None) or store.get(run.keys.logs / str(name), offset - start)
        data = data[: end - offset]
        offset += len(data)
        if offset < end:
            parts.remove(part)  # shorter than its name says: a copy of it is under way
        data = torn + data
        whole = whole_lines(data)
        yield data[:whole]
        torn = data[whole:]


def _fetched(
    store: Store, run: FoundRun, writer_id: str, parts: list[tuple[int, int]], offset: int
) -> dict[tuple[int, int], bytes]:
    """The parts that will be read, each from where it is read on, at once: what a network holds up waits together."""
    chain = chain_of(parts, offset)
    if len(chain) < 2 or max(end for _, end in chain) - offset > _FETCHED_AT_ONCE_BYTES:
        return {}

    def fetch(part: tuple[int, int]) -> bytes:
        return store.get(run.keys.logs / str(LogName(run.run_id, writer_id, *part)), chain[part] - part[0])

    return dict(zip(chain, together(fetch, chain), strict=True))


def chain_of(parts: list[tuple[int, int]], offset: int) -> dict[tuple[int, int], int]:
    """The parts that are read from ``offset`` on, each with the byte of the log from which it is."""
    chain: dict[tuple[int, int], int] = {}
    while covering := [(start, end) for start, end in parts if start <= offset < end]:
        part = max(covering, key=lambda part: part[1])
        chain[part], offset = offset, part[1]
    return chain


def status_of(store: Store, run: FoundRun, state: RunState) -> Status:
    """The status of a run, with its writers asked; the state then holds what they wrote last."""
    living = living_writers(store, run, state)
    if len(living) < len(state.open_logs()):
        # A lock is free now, and its writer may have ended the log since it was read: only what it holds tells.
        # One that lived when it was first asked counts, for what it did since was not read.
        state = refresh(store, run, state)
        living += living_writers(store, run, state)
    return state.status(living)
