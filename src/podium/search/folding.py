"""Runs that changed, folded again: from where they were, if all their logs only grew.

On a local disk logs are read where they lie; elsewhere what a look found new is read for many runs at once, ahead of
being folded. Knows no tables.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from podium.errors import RunNotFound
from podium.runs.ahead import read_or_missing, reads_of
from podium.runs.finding import FoundRun
from podium.runs.fold import LogState, RunState
from podium.runs.layout import EXPERIMENTS, LogName, RunKeys
from podium.runs.living import writer_lives
from podium.runs.reader import refresh as read_again
from podium.search.listing import requests_at_once
from podium.search.refresh import Changed, stamp_of
from podium.search.writing import FileRow
from podium.stores.contract import Store
from podium.stores.fetched import Fetched
from podium.stores.keys import Key
from podium.stores.together import ahead

__all__ = ["fetched_ahead", "fold"]

_READ_BYTES = 1 << 22
_TAIL_BYTES = 256
_READ = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
_LOOKS = 5
# What is read ahead of being folded, beside the one log that is next.
_AHEAD_BYTES = 16 << 20


def fold(
    store: Store, root: str | None, changed: Changed, before: RunState | None, *, now_s: float
) -> tuple[RunState, tuple[FileRow, ...], list[str]] | None:
    """Fold a run that changed: from where it was, if all its logs only grew.

    Args:
        store: where it lies.
        root: of the store, where that is on this machine's disk.
        changed: what was seen of it.
        before: the state ``changed.known`` was folded into, where that is known.
        now_s: the time by our clock, in seconds.

    Returns:
        The state, the files it was folded from, and the writers that live; None where nothing is left of it.
    """
    state = _begun_from(store, changed, before, afar=root is None)
    folded = _fold_local(root, changed, state, now_s) if root is not None else None
    if folded is None:
        folded = _fold_any(store, changed, state)
    if folded is None:
        return None
    state, files = folded
    if root is None:
        alive = [
            log.writer_id for log in state.open_logs() if writer_lives(log, None, log.clock_ms / 1000, now_s)
        ]
        return state, files, alive
    # A lock that is free now: what its writer wrote is all there, and maybe was not when the log was read.
    alive = []
    asked: set[str] = set()
    while waiting := [log for log in state.open_logs() if log.writer_id not in asked]:
        for log in waiting:
            asked.add(log.writer_id)
            if _lives(root, changed, log, now_s):
                alive.append(log.writer_id)
        if len(alive) < len(asked):
            unseen = replace(changed, known={})
            again = _fold_local(root, unseen, state, now_s) or _fold_any(store, unseen, state)
            if again is None:
                return None
            state, files = again
    return state, files, alive


def _lives(root: str, changed: Changed, log: LogState, now_s: float) -> bool:
    path = Path(root, changed.folder, str(LogName(changed.run_id, log.writer_id)))
    try:
        return writer_lives(log, path, os.lstat(path).st_mtime, now_s)
    except OSError:
        return False


def fetched_ahead(
    store: Store, several: Iterable[Changed], before: Mapping[int, RunState | None]
) -> Iterator[tuple[Changed, Fetched]]:
    """Runs that changed, each with a store that has read what `fold` needs of it, many of them at once.

    Args:
        store: that has to be listed.
        several: the runs.
        before: the states their rows were made from, by number, where they are known.

    Raises:
        StoreError: something could not be read, when its run is next.
    """
    wanted = []
    for changed in several:
        state = None if changed.number is None else before.get(changed.number)
        wanted.append((changed, _reads(changed, state)))
    reads = [read for _, each in wanted for read in each if read.size]
    data = ahead(
        lambda read: read_or_missing(store, read.key, read.start),
        reads,
        size_of=lambda read: read.size,
        most_bytes=_AHEAD_BYTES,
        at_once=requests_at_once(store),
    )
    with contextlib.closing(data):
        for changed, several_reads in wanted:
            fetched = Fetched(store)
            for read in several_reads:
                fetched.hold(read.key, read.start, next(data) if read.size else b"")
            yield changed, fetched


@dataclass(frozen=True, slots=True)
class _Read:
    """A value to be read from a byte on; about how much that is, 0 where it is known that nothing is new in it."""

    key: Key
    start: int
    size: int


def _reads(changed: Changed, before: RunState | None) -> list[_Read]:
    """What of a run will be read, as far as a listing tells."""
    grew = before is not None and _only_grew(changed, before, afar=True)
    state = before if before is not None and grew else RunState(changed.run_id)
    reads = []
    for key, start in reads_of(_found_run(changed), state):
        size, stamp = changed.files[key.name]
        was = changed.known.get(key.name) if grew else None
        if was is None or not _is_whole(key.name):
            reads.append(_Read(key, start, max(size - start, 1)))
        elif (was.size, was.stamp) == (size, stamp):
            reads.append(_Read(key, start, 0))
        else:  # whether it goes on from where it was is told by what stands before that
            begin = max(0, start - _TAIL_BYTES)
            reads.append(_Read(key, begin, size - begin))
    return reads


def _begun_from(store: Store, changed: Changed, before: RunState | None, *, afar: bool) -> RunState:
    """The state to go on from: what was folded before, where all its logs only grew."""
    if before is None or not _only_grew(changed, before, afar=afar):
        return RunState(changed.run_id)
    if afar:
        logs = _found_run(changed).keys.logs
        grown = [name for name, was in changed.known.items() if _is_whole(name) and _grew(changed, was)]
        for name in grown:
            log = before.logs.get(name.split(".")[1])
            if log is not None and _tail_afar(store, logs / name, log.offset) != changed.known[name].tail:
                return RunState(changed.run_id)
    return before


def _is_whole(name: str) -> bool:
    """Whether a file among the logs is a whole log, and no part of one."""
    parsed = LogName.parse(name)
    return parsed is not None and parsed.end is None


def _grew(changed: Changed, was: FileRow) -> bool:
    return changed.files[was.name] != (was.size, was.stamp)


def _same_file(one: str, other: str) -> bool:
    return one.partition("-")[0] == other.partition("-")[0]


def _only_grew(changed: Changed, before: RunState, *, afar: bool) -> bool:
    """Whether each file that was folded is there, unchanged or longer than it was.

    Of a file in a bucket that is longer, the bytes before where it was read to tell whether it is the same.
    """
    parts: dict[str, list[tuple[int, int]]] = {}
    for name in changed.files:
        parsed = LogName.parse(name)
        if parsed is None:
            continue
        log = before.logs.get(parsed.writer_id)
        if parsed.end is not None:
            parts.setdefault(parsed.writer_id, []).append((parsed.start, parsed.end))
        elif log is not None and name not in changed.known and changed.files[name][0] < log.offset:
            return False  # a whole log was put beside its parts, and they count no more; it is shorter
    for name, was in changed.known.items():
        now = changed.files.get(name)
        parsed = LogName.parse(name)
        if parsed is None:
            return False
        if now is None:
            # A part that went: another one holds its bytes, or the log is shorter than it was.
            log = before.logs.get(parsed.writer_id)
            if parsed.end is None or log is None or _covered(parts.get(parsed.writer_id, [])) < log.offset:
                return False
        elif now != (was.size, was.stamp) and (
            parsed.end is not None
            or now[0] <= was.size
            or not (was.tail if afar else _same_file(now[1], was.stamp))
        ):
            return False
    return bool(changed.known)


def _covered(parts: list[tuple[int, int]]) -> int:
    """How far parts cover a log from its beginning, without a hole."""
    reached = 0
    for start, end in sorted(parts):
        if start > reached:
            break
        reached = max(reached, end)
    return reached


def _fold_local(
    root: str, changed: Changed, state: RunState, now_s: float
) -> tuple[RunState, tuple[FileRow, ...]] | None:
    """Fold whole logs, read where they lie; None where they are in parts, or cannot be read like that."""
    logs = []
    for name in changed.files:
        parsed = LogName.parse(name)
        if parsed is None or parsed.end is not None:
            return None
        logs.append((name, parsed.writer_id))
    for _ in range(_LOOKS):
        files = []
        for name, writer_id in logs:
            was = changed.known.get(name)
            log = state.logs.get(writer_id)
            if (
                was is not None
                and log is not None
                and log.offset
                and changed.files[name] == (was.size, was.stamp)
            ):
                files.append(was)
                continue
            try:
                row = _fold_file(f"{root}/{changed.folder}/{name}", name, writer_id, state, was, now_s)
            except _Rewritten:
                break
            except OSError:
                return None
            files.append(row)
        else:
            if not state.needs_reread:
                return state, tuple(files)
            state = state.reread()
            continue
        state = RunState(changed.run_id)
    return None


class _Rewritten(Exception):
    """A log does not go on from where it was."""


def _fold_file(
    path: str, name: str, writer_id: str, state: RunState, was: FileRow | None, now_s: float
) -> FileRow:
    opened = os.open(path, _READ)
    try:
        status = os.fstat(opened)
        log = state.logs.get(writer_id)
        offset = 0 if log is None else log.offset
        if offset > status.st_size:
            raise _Rewritten
        if offset and was is not None and was.tail and _tail(opened, offset) != was.tail:
            raise _Rewritten
        os.lseek(opened, offset, os.SEEK_SET)
        rest, left = b"", status.st_size - offset
        if not left:
            state.feed(writer_id, b"")
        while left:
            data = os.read(opened, min(left, _READ_BYTES))
            if not data:
                break
            left -= len(data)
            data = rest + data if rest else data
            rest = data[state.feed(writer_id, data) :]
        log = state.logs[writer_id]
        if log.offset > offset:
            log.heard(now_s)
        sealed = log.end is not None and log.offset == status.st_size
        tail = 0 if sealed else _tail(opened, log.offset)
        return FileRow(name, status.st_size, stamp_of(status), sealed, tail)
    finally:
        os.close(opened)


def _tail(opened: int, offset: int) -> int:
    """A checksum of what stands before a byte: a log that goes on from there still has it."""
    start = max(0, offset - _TAIL_BYTES)
    os.lseek(opened, start, os.SEEK_SET)
    return zlib.crc32(os.read(opened, offset - start))


def _fold_any(store: Store, changed: Changed, state: RunState) -> tuple[RunState, tuple[FileRow, ...]] | None:
    """Fold logs in whatever parts they lie, through the store."""
    found = _found_run(changed)
    try:
        state = read_again(store, found, state)
    except RunNotFound:
        return None
    rows = []
    for name, (size, stamp) in changed.files.items():
        parsed = LogName.parse(name)
        if parsed is not None:
            log = state.logs.get(parsed.writer_id)
            end = size if parsed.end is None else parsed.end
            sealed = log is not None and log.end is not None and log.offset >= end
            tail = 0
            if parsed.end is None and log is not None and not sealed:
                was = changed.known.get(name)
                tail = _tail_afar(store, found.keys.logs / name, log.offset)
                if was is not None and (was.size, was.stamp) == (size, stamp):
                    tail = was.tail  # nothing of it was read
            rows.append(FileRow(name, size, stamp, sealed, tail))
    return state, tuple(rows)


def _tail_afar(store: Store, key: Key, offset: int) -> int:
    """As `_tail`, of what was read of a value; 0 where that was not read."""
    held = store.held(key) if isinstance(store, Fetched) else None
    start = max(0, offset - _TAIL_BYTES)
    if held is None or held[0] > start or held[0] + len(held[1]) < offset:
        return 0
    return zlib.crc32(held[1][start - held[0] : offset - held[0]])


def _found_run(changed: Changed) -> FoundRun:
    """The run that changed, with the files that were seen of it."""
    _, experiment, _, _ = changed.folder.split("/")
    found = FoundRun(RunKeys.within(EXPERIMENTS / experiment, experiment, changed.run_id))
    for name in changed.files:
        parsed = LogName.parse(name)
        if parsed is not None:
            found.logs.setdefault(parsed.writer_id, []).append(parsed)
    return found
