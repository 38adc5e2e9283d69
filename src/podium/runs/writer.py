"""Append what happens to a run's log: the line is in the file before the call returns.

The hot path is `Writer.log_metric`: one dict look-up, one f-string, one ``os.write`` under a re-entrant lock (a SIGTERM
handler that ends the run may interrupt it in the same thread). Everything unusual (a new key, a number of another type,
a full disk, a fork, an ended log) leaves it by one slow path. What the world decides never raises: `_lost` is the one
boundary at which it is counted and warned about once, unless the run is strict.

A forked child's file is closed right after the fork, so that its first write fails and opens a log of its own; a
surviving worker cannot keep a dead run alive by its parent's lock.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, SupportsFloat

from podium.errors import Invalid, ParamConflict, PodiumWarning, StoreError, StoreUnavailable
from podium.ids import new_writer_id
from podium.runs import logfile
from podium.runs.beating import forget, keep_beating, no_fork, note_open, note_sealed, open_writers
from podium.runs.codec import encode
from podium.runs.equality import same_value
from podium.runs.events import (
    Beat,
    Dropped,
    End,
    EndStatus,
    Event,
    Metrics,
    Params,
    Rewind,
    Start,
    check_key,
)
from podium.runs.fold import RunState
from podium.runs.layout import RunKeys
from podium.runs.lines import INT64
from podium.runs.locking import hold, is_lockable
from podium.runs.metric_lines import float_text, key_text
from podium.runs.points import ms_of, step_of, value_of
from podium.runs.spool import Area, Spooled, area_of, known_areas
from podium.stores.contract import Store
from podium.stores.wholefile import new_temporary

__all__ = ["Opening", "Writer", "flush_open_writers"]

_SYNC_S = 30.0
_write = os.write
_now_ns = time.time_ns


class _Series:
    """What the hot path keeps of one metric: its key as JSON text, and the step that comes next."""

    __slots__ = ("next_step", "text")

    def __init__(self, text: str, next_step: int) -> None:
        self.text = text
        self.next_step = next_step


@dataclass(frozen=True, slots=True)
class Opening:
    """The first event of a log as it was written: what, when, and how long its line is."""

    start: Start
    time_ms: int
    size_bytes: int


class Writer:
    """One process's pen for one run.

    All methods may be called from any thread, from a signal handler, and in a forked child (which then writes a log of
    its own, as an edit). After `end` they write to a new edit log, and a `PodiumWarning` says so once.
    """

    def __init__(
        self,
        store: Store,
        keys: RunKeys,
        start: Start,
        *,
        joined: RunState | None = None,
        strict: bool = False,
        sync_s: float = _SYNC_S,
        clock_ns: Callable[[], int] = _now_ns,
    ) -> None:
        """Open a log and write its first line.

        Args:
            store: where the run lies.
            keys: of the run.
            start: the first event; says whether this is a session or an edit.
            joined: the run as it was read, where this writer joins one; steps and params go on from there.
            strict: raise what the world decides, instead of counting and warning.
            sync_s: what was logged is on the disk itself (``fsync``) so long after, at the latest, give or take the few
                seconds between two looks; it is in the file at once, which outlives the process but not the machine.
            clock_ns: the time, for tests.

        Raises:
            StoreUnavailable: the log cannot be made.
        """
        self._fd = -1
        self.keys = keys
        self.strict = strict
        self.writer_id: str = ""
        self.dropped: int = 0
        self._store = store
        self._start = start
        self._sync_s = sync_s
        self._synced = (time.monotonic(), 0)
        self._path = ""
        self._clock_ns = clock_ns
        self._lock = threading.RLock()
        self._area: Area | None = None  # where the log waits, if the store is on no disk of this machine
        # Whether the next write has to mend something first: a torn line, or a loss nobody was told of.
        self._rough = False
        self._unreported = 0
        self._latest_ms = 0
        self._warned_lost = False
        self._warned_late = False
        self._warned_removed = False
        self._ended = False
        self._owner_pid = os.getpid()
        self._series: dict[str, _Series] = {}
        self._params: dict[str, Any] = {}
        if joined is not None:
            self._join(joined)
        try:
            self._open(self._start)
        except OSError as error:
            if isinstance(error, StoreError):
                raise
            raise StoreUnavailable(
                f"cannot begin the log of run {keys.run_id}: {error}. Nothing was started; mend that, or use "
                "another store."
            ) from error
        keep_beating()

    opening: Opening

    def _join(self, joined: RunState) -> None:
        self._start = replace(self._start, after=joined.clock_ms + 1)
        self._latest_ms = joined.clock_ms + 1
        self._params = dict(joined.params)
        for key, record in joined.metrics.items():
            self._series[key] = _Series(key_text(key), record.last_step + 1)

    def _open(self, start: Start) -> None:
        with no_fork():
            self._open_guarded(start)
            note_open(self)

    def __del__(self, _is_finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        """Whoever drops a log without ending it keeps neither its descriptor nor its lock."""
        if _is_finalizing():
            return  # both go with the process, and the names below are gone
        forget(self)
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.close(self._fd)

    def _open_guarded(self, start: Start) -> None:
        writer_id = new_writer_id()
        key = self.keys.log(writer_id)
        path = self._store.local_path(key)
        spooled = None
        if path is None:
            area = self._spool_area()
            path = spooled = area.log_path(self.keys, writer_id)
            if is_lockable():
                # Under another name until it is locked: who finds a spooled log without a lock sends and forgets it.
                path = Path(new_temporary(str(spooled.parent)))
        fd = logfile.make(path)
        locked = (is_lockable() and hold(fd)) and spooled is None
        start, now_ms = replace(start, locked=locked), self._now_ms()
        first = encode(start, now_ms)
        try:
            if _write(fd, first) != len(first):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # no log without its first line
            if spooled is not None and path != spooled:
                os.rename(path, spooled)
                path = spooled
        except OSError:
            os.close(fd)
            with contextlib.suppress(OSError):
                os.unlink(path)
            raise
        self.writer_id, self._fd = writer_id, fd
        self.opening = Opening(start, now_ms, len(first))
        self._path = os.fspath(path)
        self._rough = self._unreported > 0

    def _spool_area(self) -> Area:
        if self._area is None:
            self._area = area_of(self._store)
        self._area.start()
        return self._area

    @property
    def files_store(self) -> Store:
        """What the files of this run are put into: the store, or the spool where that may be slow or away."""
        area = self._area
        return Spooled(area) if area is not None and area.lasting else self._store

    # --- the hot path ---------------------------------------------------------------------------------------------

    def log_metric(
        self, key: str, value: SupportsFloat, step: int | None = None, *, time: datetime | None = None
    ) -> None:
        """Log one value; ``step`` None is one after this key's last, from 0.

        Expose this bound method as it is: a frame around it costs as much as a third of it.

        Raises:
            TypeError, Invalid: key, value, step or time can never be right.
            StoreUnavailable: it could not be kept, and the run is strict.
        """
        with self._lock:
            series = self._series.get(key)
            if (
                series is None
                or type(value) is not float
                or value - value != 0.0
                or (step is not None and (type(step) is not int or not -INT64 <= step < INT64))
                or time is not None
            ):
                self._log_slowly({key: value}, step, time)
                return
            if step is None:
                step = series.next_step
            now_ms = self._clock_ns() // 1_000_000
            if now_ms > self._latest_ms:  # noqa: PLR1730 - max() costs three times as much
                self._latest_ms = now_ms
            line = f'["metric",{now_ms},{step},{series.text},{value!r}]\n'.encode()
            try:
                try:
                    if self._rough or _write(self._fd, line) != len(line):
                        self._write_line(line, torn=not self._rough)
                except StoreUnavailable:
                    raise  # told already
                except OSError:
                    self._write_line(line)
            except PodiumWarning:  # made an error by ``-W error``; the line is kept, or counted
                series.next_step = max(series.next_step, step + 1)
                raise
            if step >= series.next_step:
                series.next_step = step + 1

    def log_metrics(
        self, metrics: Mapping[str, SupportsFloat], step: int | None = None, *, time: datetime | None = None
    ) -> None:
        """Log several values, those of one step in one line. Raises as `log_metric`."""
        with self._lock:
            self._log_slowly(metrics, step, time)

    def _log_slowly(
        self, metrics: Mapping[str, SupportsFloat], step: int | None, at: datetime | None
    ) -> None:
        if not hasattr(metrics, "items"):  # a Series of pandas has them, and is no Mapping
            raise TypeError(f"metrics come as a mapping of key to number, not as {type(metrics).__name__}.")
        values = {check_key(key, "metric"): value_of(key, value) for key, value in metrics.items()}
        given = None if step is None else step_of(step)
        at_ms = None if at is None else ms_of(at)
        by_step: dict[int, dict[str, float]] = {}
        for key, value in values.items():
            series = self._series.get(key)
            if series is None:
                series = self._series[key] = _Series(key_text(key), 0)
            this = series.next_step if given is None else given
            by_step.setdefault(this, {})[key] = value
            series.next_step = max(series.next_step, this + 1)
        said: PodiumWarning | None = None
        for this, together in by_step.items():
            try:
                if at_ms is None:
                    pairs = "".join(
                        f",{self._series[key].text},{float_text(v)}" for key, v in together.items()
                    )
                    self._write_line(f'["metric",{self._now_ms()},{this}{pairs}]\n'.encode())
                else:
                    self.append(Metrics(this, together, at_ms))
            except PodiumWarning as error:  # made an error by ``-W error``: first all is written
                said = error
        if said is not None:
            raise said

    # --- all other events -----------------------------------------------------------------------------------------

    def append(self, event: Event) -> bool:
        """Write one event.

        Returns:
            Whether it is kept; if not, that is counted.

        Raises:
            TypeError, ValueError: something in it is no JSON value.
            StoreUnavailable: it could not be kept, and the run is strict.
        """
        with self._lock:
            return self._write_line(encode(event, self._now_ms()))

    def _now_ms(self) -> int:
        now_ms = self._clock_ns() // 1_000_000
        self._latest_ms = max(self._latest_ms, now_ms)
        return now_ms

    def append_unless_ended(self, event: Event) -> bool:
        """Write one event if the log is still open; False where it is not. For what comes from beside the run."""
        with self._lock:
            if self._ended or self._fd < 0:
                return False
            self.append(event)
            return True

    def log_params(self, params: Mapping[str, Any], *, overwrite: bool = False) -> None:
        """Log params; one that has this very value already is not written again.

        Raises:
            ParamConflict: one has another value, and ``overwrite`` is False; then none is written.
        """
        with self._lock:
            new = {
                check_key(key, "param"): value
                for key, value in params.items()
                if key not in self._params or not same_value(self._params[key], value)
            }
            for key, value in new.items():
                if key in self._params and not overwrite:
                    old = self._params[key]
                    raise ParamConflict(
                        f"param {key!r} of run {self.keys.run_id} is {old!r} and cannot become {value!r}: a param says "
                        "what a run was started with. Log a new run, a metric for what changes, or pass overwrite=True "
                        "(the old value stays in the log).",
                        key=key,
                        old=old,
                        new=value,
                    )
            if not new:
                return
            # Also where this writer knows no value: another may have logged one that it never read.
            try:
                kept = self.append(Params(new, overwrite))
            except PodiumWarning:  # made an error by ``-W error``
                if not self._rough:
                    self._params.update(new)
                raise
            if kept:
                self._params.update(new)

    def rewind(self, to_step: int) -> None:
        """Hide the points of earlier sessions after ``to_step``; counting goes on behind it."""
        with self._lock:
            to_step = step_of(to_step)
            self.append(Rewind(to_step))
            for series in self._series.values():
                series.next_step = min(series.next_step, max(to_step + 1, 0))

    def beat(self) -> None:
        """Say that this writer lives; nothing where the log has ended, or is a parent process's."""
        with self._lock:
            if self._fd >= 0 and not self._ended:
                self._write_line(encode(Beat(), self._now_ms()))

    # --- the end --------------------------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether it has a log at this moment: after the end, and in a forked child, the first write opens one."""
        return self._fd >= 0

    @property
    def ended(self) -> bool:
        """Whether `end` was called."""
        return self._ended

    def flush(self, timeout_s: float | None = None) -> bool:
        """Bring everything to the disk, and to the store where that is elsewhere; who logs meanwhile is not held up.

        Args:
            timeout_s: how long to wait for a store that is elsewhere; the disk is waited for as long as it takes.

        Returns:
            True if all of it is there.

        Raises:
            TypeError, Invalid: that is no time to wait.
        """
        _check_timeout(timeout_s)
        self.mend_if_removed()
        try:
            self._sync()
        except OSError as error:
            with self._lock:
                self._lost(0, error)
            return False
        # Without the lock: what is logged meanwhile does not wait for a store.
        sent = self._area is None or self._area.flush(timeout_s)
        if not sent and self.strict:
            raise self._not_sent()
        return sent and self._unreported == 0

    def _not_sent(self) -> StoreUnavailable:
        area = self._area
        assert area is not None  # noqa: S101 - it refused something
        why = "; ".join(area.problems[:1]) or "the store has not answered yet"
        return StoreUnavailable(
            f"not all of run {self.keys.run_id} is in the store: {why} {area.waiting()} wait in {area.folder}."
        )

    def _sync(self) -> None:
        """Bring the open log to the disk.

        By a descriptor of its own, which holds no lock: the log's may be closed in this moment, and a child that is
        forked in it would keep a copy of the lock.
        """
        try:
            if self._fd < 0:
                return
            fd = os.open(self._path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
        except FileNotFoundError:  # sealed and sent, or the store was moved
            with self._lock:
                if self._fd >= 0:
                    os.fsync(self._fd)
            return
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def end(
        self, status: EndStatus = "FINISHED", error: str | None = None, traceback: str | None = None
    ) -> None:
        """Write the last event and seal the log; again: nothing."""
        with self._lock:
            if self._ended:
                return
            # Not marked as ended before: a signal handler that interrupts this has to say itself how it ended.
            try:
                if self._fd >= 0:
                    self._write_line(encode(End(status, error, traceback), self._now_ms()), is_end=True)
            except PodiumWarning:  # made an error by ``-W error``: the loss is counted
                self._ended = True
                self._seal()
                raise
            try:
                self.mend_if_removed()
            finally:
                self._ended = True
                self._seal()

    def sync_if_due(self, now_s: float) -> bool:
        """Bring what was logged to the disk, if that is due; who logs meanwhile is not held up.

        Args:
            now_s: seconds that only grow.

        Returns:
            Whether it was due.
        """
        last_s, last_ms = self._synced
        latest_ms = self._latest_ms
        if self._fd < 0 or latest_ms == last_ms or now_s - last_s < self._sync_s:
            return False
        self._synced = (now_s, latest_ms)
        try:
            self._sync()
        except OSError as error:
            with self._lock:
                self._lost(0, error)
        return True

    def _seal(self) -> None:
        fd, self._fd = self._fd, -1
        if fd < 0:
            return
        note_sealed(self)
        try:
            os.fsync(fd)
        except OSError as error:
            self._lost(0, error)
        finally:
            os.close(fd)  # and with it the lock
        self._send_off()

    def _send_off(self) -> None:
        """The log is sealed: let it be sent. Only a store that no other process can reach is waited for."""
        area = self._area
        if area is None:
            return
        if area.lasting:
            area.ask()
        elif not area.flush():
            if self.strict:
                raise self._not_sent()
        else:
            area.remove()
            self._area = None

    # --- the slow way out of every write ----------------------------------------------------------------------------

    def _write_line(self, line: bytes, *, torn: bool = False, is_end: bool = False) -> bool:
        """Write a line; where it came back short the next one begins with a newline.

        Args:
            line: with its newline.
            torn: a first attempt to write this very line came back short.
            is_end: it says how the run ended, which counts only in the log that is open.

        Returns:
            Whether it is kept.
        """
        if torn:
            self._lost(1, None)
            return False
        before = self._fd
        try:
            if self._fd < 0:
                self._reopen()
            mending = self._mending() if self._rough else b""
            data = mending + line
            # Nothing between reading the descriptor and the call: a signal handler could close it there, and
            # whoever opens a file next would get its number.
            written = _write(self._fd, data)
        except OSError as error:
            if before >= 0 > self._fd:  # a signal handler ended the run in this very call
                return is_end or self._write_line(line)
            self._lost(1, error)
            return False
        if mending and written >= len(mending):
            self._unreported = 0  # told: the report itself is in the log
        if written != len(data):
            self._lost(1, None)
            return False
        self._rough = False
        if self._ended:
            self._warn_late()
        return True

    def _mending(self) -> bytes:
        """What comes before the next line: an end to a torn one, and how much is missing."""
        if not self._unreported:
            return b"\n"
        return b"\n" + encode(Dropped(self._unreported), self._now_ms())

    def _reopen(self) -> None:
        """A log of one's own, as an edit: after a fork, or after the end.

        Raises:
            OSError: it cannot be made.
        """
        # Its stamps come after all this writer wrote before, also within one millisecond.
        after = max(self._latest_ms, self._now_ms()) + 1
        self._latest_ms = after
        self._open(replace(self._start, kind="edit", parent_run_id=None, environment={}, after=after))
        keep_beating()

    def _warn_late(self) -> None:
        """Said once, and after the line is in the file: who makes an error of it (``-W error``) loses nothing."""
        if not self._warned_late:
            self._warned_late = True
            warnings.warn(
                f"something was logged to run {self.keys.run_id} after its end; it is kept, as an amendment.",
                PodiumWarning,
                stacklevel=5,
            )

    # --- a log that was removed -------------------------------------------------------------------------------------

    def mend_if_removed(self) -> None:
        """Write the log anew where somebody removed it (and perhaps the store) while it was written.

        Nothing a log call does shows that: the file goes on without a name, and with the process it is gone. Where it
        cannot be written anew its lines are counted as lost, and the next one opens another log.

        Raises:
            StoreUnavailable: it could not be, and the run is strict.
        """
        with self._lock:
            fd = self._fd
            # A spooled log is left to its sender, who knows what has arrived.
            if fd < 0 or self._area is not None or not logfile.is_removed(fd):
                return
            try:
                with no_fork():
                    logfile.remake(self._path, fd, locked=self.opening.start.locked)
            except OSError as error:
                lines = sum(chunk.count(b"\n") for chunk in logfile.contents(fd))
                self._fd = -1
                note_sealed(self)
                os.close(fd)
                self._lost(lines, error)
                return
            if not self._warned_removed:
                self._warned_removed = True
                warnings.warn(
                    f"the log of run {self.keys.run_id} was removed while it was written, and was written anew to "
                    f"{self._path}; files of the run that were removed with it are lost. End the run before its "
                    "store is removed. This is said once.",
                    PodiumWarning,
                    stacklevel=4,
                )

    def count_lost(self, events: int = 1) -> None:
        """Something of the run that is no line could not be kept; the next line tells it to readers of the log."""
        with self._lock:
            self.dropped += events
            self._unreported += events
            self._rough = True

    def _lost(self, events: int, error: OSError | None) -> None:
        """The one boundary at which training goes on although something could not be kept."""
        self.dropped += events
        self._unreported += events
        self._rough = True
        why = f": {error}" if error is not None else ": the disk took only part of it (it is full?)"
        if self.strict:
            raise StoreUnavailable(f"run {self.keys.run_id} could not keep what was logged{why}.") from error
        if not self._warned_lost:
            self._warned_lost = True
            warnings.warn(
                f"run {self.keys.run_id} could not keep what was logged{why}. Training goes on; what is lost is "
                "counted in run.dropped, and this is said once.",
                PodiumWarning,
                stacklevel=5,
            )

    # --- fork -------------------------------------------------------------------------------------------------------

    def after_fork(self) -> None:
        """In the child: leave the parent's log, so that the first write opens one of its own."""
        self._lock = threading.RLock()  # whoever held it does not exist here
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.close(self._fd)
            self._fd = -1
        if self._area is not None and not self._area.lasting:
            self._area = None  # the parent's, who removes it
        self._unreported = 0
        note_sealed(self)

    @property
    def is_inherited(self) -> bool:
        """Whether this is a forked process and the run was begun or joined by its parent."""
        return self._owner_pid != os.getpid()


def flush_open_writers(store: Store) -> None:
    """Send what this process has spooled for a store, so that a reader in it sees all of it."""
    for area in known_areas(store):
        area.flush()
    for each in open_writers():
        if each._store is store and each._area is not None and not each._area.lasting:
            each.flush()


def _check_timeout(timeout_s: object) -> None:
    if timeout_s is None:
        return
    if isinstance(timeout_s, bool) or not isinstance(timeout_s, int | float):
        raise TypeError(
            f"timeout_s={timeout_s!r}: give seconds as a number, or None to wait as long as it takes."
        )
    if not timeout_s >= 0:
        raise Invalid(f"timeout_s={timeout_s!r}: give seconds from 0, or None to wait as long as it takes.")
