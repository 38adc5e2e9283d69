"""What a run is, from the events of its logs: a pure fold.

Logs may be folded in any order and in pieces; the result is the same run. An event's stamp is (largest time so far in
its log, writer id, line number): tags and notes keep the largest stamp, params the smallest (an ``overwrite`` the
largest), the latest metric the highest step and then the largest stamp. Must never read a clock, a file or a store;
which writers are alive is told.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, groupby
from operator import itemgetter
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from podium.runs.codec import decode
from podium.runs.equality import spelled
from podium.runs.events import (
    Artifact,
    Dataset,
    Deleted,
    Dropped,
    End,
    Environment,
    Event,
    Extreme,
    Goal,
    Metrics,
    Model,
    Note,
    Params,
    Rewind,
    Start,
    Tags,
    Verdict,
)
from podium.runs.lines import BAD_LINE, EMPTY_LINE, line_chunks, parse_lines, whole_lines
from podium.runs.metric_lines import MetricColumns, metric_columns, metric_row

__all__ = ["BadLine", "Conflict", "LogState", "MetricRecord", "RunState", "Stamp", "Status"]

Stamp: TypeAlias = tuple[int, str, int]
Status: TypeAlias = Literal["RUNNING", "FINISHED", "FAILED", "KILLED", "LOST"]
"""How a run is, or how it ended; LOST: it stopped without a word."""
Value = TypeVar("Value")

# From bad to good: what the run is called when several of its sessions ended differently.
_WORST_FIRST: tuple[Status, ...] = ("FAILED", "KILLED", "LOST", "FINISHED")
_ONE_METRIC = 5  # elements of the line of one metric


@dataclass(frozen=True, slots=True)
class Stamped(Generic[Value]):
    """A value and the stamp of the event it came with."""

    stamp: Stamp
    value: Value


@dataclass(frozen=True, slots=True, order=True)
class BadLine:
    """A line that is no event: where it is, in which log."""

    writer_id: str
    line: int


@dataclass(frozen=True, slots=True)
class Conflict:
    """A param that writers logged with different values; the first stays."""

    key: str
    kept: Any
    others: tuple[Any, ...]


@dataclass(slots=True)
class MetricRecord:
    """What is kept of the points of one metric."""

    last: float
    last_step: int
    last_stamp: Stamp
    min: float
    min_at: tuple[int, Stamp]
    max: float
    max_at: tuple[int, Stamp]
    count: int = 0

    def add(self, value: float, step: int, stamp: Stamp) -> None:
        """One point more."""
        self.count += 1
        if (step, stamp) >= (self.last_step, self.last_stamp):
            self.last, self.last_step, self.last_stamp = value, step, stamp
        here = (step, stamp)
        if math.isnan(value):  # no extreme, unless there is nothing else
            if math.isnan(self.min) and here < self.min_at:
                self.min_at = self.max_at = here
            return
        if math.isnan(self.min):
            self.min, self.min_at, self.max, self.max_at = value, here, value, here
        self.min, self.min_at = min((self.min, self.min_at), (value, here))
        if value > self.max or (value == self.max and here < self.max_at):
            self.max, self.max_at = value, here

    @property
    def min_step(self) -> int:
        """The step of the smallest value; of equals the lowest."""
        return self.min_at[0]

    @property
    def max_step(self) -> int:
        """The step of the largest value; of equals the lowest."""
        return self.max_at[0]


@dataclass(slots=True)
class LogState:
    """How far one log was folded, and what it says of its session.

    Attributes:
        writer_id: whose it is.
        offset: bytes folded so far, all of them whole lines.
        lines: lines folded so far.
        clock_ms: largest time so far.
        start: its first event; None while the log has none.
        begun: stamp of that.
        end: its last event, None while it has none.
        ended: stamp of that.
        environment: facts about the process, those of the start and what was added.
        dropped: events it says could not be kept.
        heard_s: when it was last seen to grow, by the clock of whoever reads; he tells. 0: never.
        grew: whether it was seen to grow after it had been read once.
    """

    writer_id: str
    offset: int = 0
    lines: int = 0
    clock_ms: int = 0
    start: Start | None = None
    begun: Stamp = (0, "", 0)
    end: End | None = None
    ended: Stamp = (0, "", 0)
    environment: Mapping[str, str] = field(default_factory=dict)
    dropped: int = 0
    heard_s: float = 0.0
    grew: bool = False

    def heard(self, now_s: float) -> None:
        """It has grown, says a reader whose clock shows this."""
        self.grew = self.heard_s > 0
        self.heard_s = now_s

    @property
    def is_session(self) -> bool:
        """Whether it decides the run's status."""
        return self.start is not None and self.start.kind == "session"


@dataclass(slots=True)
class RunState:
    """Everything the logs of one run say.

    Attributes:
        run_id: the run.
        logs: by writer id.
        rewinds: known from an earlier reading: (stamp of the log's start, step). See `needs_reread`.
    """

    run_id: str
    rewinds: frozenset[tuple[Stamp, int]] = frozenset()
    logs: dict[str, LogState] = field(default_factory=dict)
    bad_lines: list[BadLine] = field(default_factory=list)
    metrics: dict[str, MetricRecord] = field(default_factory=dict)
    _found_rewinds: set[tuple[Stamp, int]] = field(default_factory=set)
    _params: dict[str, dict[str, Stamped[Any]]] = field(default_factory=dict)
    _overwrites: dict[str, Stamped[Any]] = field(default_factory=dict)
    _tags: dict[str, Stamped[str | None]] = field(default_factory=dict)
    _goals: dict[str, Stamped[Extreme]] = field(default_factory=dict)
    _artifacts: dict[str, Stamped[Artifact]] = field(default_factory=dict)
    _models: dict[str, Stamped[Model]] = field(default_factory=dict)
    _datasets: dict[tuple[str, str, str], Stamped[Dataset]] = field(default_factory=dict)
    _note: Stamped[str] | None = None
    _verdict: Stamped[Mapping[str, Any]] | None = None
    _deleted: Stamped[bool] | None = None

    # --- folding -------------------------------------------------------------------------------------------------

    def feed(self, writer_id: str, data: bytes) -> int:
        """Fold the next bytes of a log, as far as they are whole lines.

        Args:
            writer_id: whose log.
            data: the bytes that follow what was folded of it before.

        Returns:
            How many bytes were folded; what is left is torn, or still being written.
        """
        whole = whole_lines(data)
        log = self.logs.get(writer_id) or LogState(writer_id)
        self.logs[writer_id] = log
        for chunk in line_chunks(data):
            # Between its first lines and its last a log is metrics, and those are folded by columns.
            for shape, rows in groupby(parse_lines(chunk), _shape):
                self._fold_rows(log, list(rows), by_columns=shape == _ONE_METRIC and not self.rewinds)
        log.offset += whole
        self.bad_lines.sort()
        return whole

    def _fold_rows(self, log: LogState, rows: list[object], *, by_columns: bool) -> None:
        columns = metric_columns(rows) if by_columns else None
        if columns is not None:
            self._fold_columns(log, columns)
            return
        for value in rows:
            log.lines += 1
            self._fold_line(log, value)

    def begin(self, writer_id: str, start: Start, time_ms: int, size_bytes: int) -> None:
        """Fold the first line of a new log from what was written, without reading it.

        Args:
            writer_id: whose log.
            start: its first event.
            time_ms: of that.
            size_bytes: of its line.
        """
        log = self.logs[writer_id] = LogState(writer_id, offset=size_bytes, lines=1, clock_ms=time_ms)
        self.apply(log, start)

    def _fold_line(self, log: LogState, value: object) -> None:
        if value is EMPTY_LINE:
            return  # what a write that came back short left behind
        try:
            if value is BAD_LINE:
                raise ValueError("no JSON")
            if type(value) is list and value and value[0] == "metric":
                time_ms, step, pairs = metric_row(value)
                log.clock_ms = max(log.clock_ms, time_ms)
                self._fold_points(log, step, pairs)
                return
            time_ms, event = decode(value)
            if isinstance(event, Params):
                for each in event.params.values():
                    if isinstance(each, list | dict):
                        spelled(each)
        except (ValueError, RecursionError):  # a value nested deeper than Python goes is no event either
            self.bad_lines.append(BadLine(log.writer_id, log.lines))
            return
        log.clock_ms = max(log.clock_ms, time_ms)
        self.apply(log, event)

    def apply(self, log: LogState, event: Event) -> None:
        """Fold one event whose time the log's clock has taken already."""
        stamp = (log.clock_ms, log.writer_id, log.lines)
        match event:
            case Metrics(step, values):
                self._fold_points(log, step, values.items())
            case Params(params, overwrite):
                for key, value in params.items():
                    self._fold_param(key, value, stamp, overwrite=overwrite)
            case Tags(tags):
                for key, text in tags.items():
                    self._tags[key] = _later(self._tags.get(key), Stamped(stamp, text))
            case Note(text):
                self._note = _later(self._note, Stamped(stamp, text))
            case Artifact(path):
                self._artifacts[path] = _later(self._artifacts.get(path), Stamped(stamp, event))
            case Model(name):
                self._models[name] = _later(self._models.get(name), Stamped(stamp, event))
            case Dataset(name, digest, context):
                identity = (name, digest, context)
                self._datasets[identity] = _earlier(self._datasets.get(identity), Stamped(stamp, event))
            case Goal(key, goal):
                self._goals[key] = _later(self._goals.get(key), Stamped(stamp, goal))
            case Rewind(to_step):
                self._found_rewinds.add((log.begun, to_step))
            case Verdict(verdict):
                self._verdict = _later(self._verdict, Stamped(stamp, verdict))
            case Deleted(deleted):
                self._deleted = _later(self._deleted, Stamped(stamp, deleted))
            case Environment(environment):
                log.environment = {**log.environment, **environment}
            case Dropped(count):
                log.dropped += count
            case Start() if log.start is None:
                log.clock_ms = max(log.clock_ms, event.after)
                log.start, log.begun = event, (log.clock_ms, log.writer_id, log.lines)
                log.environment = {**event.environment, **log.environment}
            case End():
                log.end, log.ended = event, stamp
            case _:
                return  # a beat, a second start, an event of a newer podium

    def _fold_columns(self, log: LogState, columns: MetricColumns) -> None:
        """Lines that are all alike, as if one by one: only the points that a record can keep are looked at."""
        clocks = tuple(accumulate(columns.times_ms, max, initial=log.clock_ms))[1:]
        for key, at in _places(columns.keys).items():
            pick = itemgetter(*at) if len(at) > 1 else lambda column, only=at[0]: (column[only],)
            whole = len(at) == len(clocks)
            steps: Sequence[int] = columns.steps if whole else pick(columns.steps)
            values: Sequence[float] = columns.values if whole else pick(columns.values)
            highest = max(steps)
            last = len(steps) - 1 - (0 if steps[-1] == highest else steps[::-1].index(highest))
            low, high = _lowest(values, steps, min(values)), _lowest(values, steps, max(values))
            here = {
                each: (steps[each], (clocks[at[each]], log.writer_id, log.lines + at[each] + 1))
                for each in (last, low, high)
            }
            record = self.metrics.get(key)
            if record is None:
                record = MetricRecord(
                    values[last], *here[last], values[low], here[low], values[high], here[high]
                )
                self.metrics[key] = record
                record.count = len(steps)
            else:
                for each in sorted(here):
                    record.add(values[each], *here[each])
                record.count += len(steps) - len(here)
        log.lines += len(clocks)
        log.clock_ms = clocks[-1]

    def _fold_points(self, log: LogState, step: int, pairs: Iterable[tuple[str, float]]) -> None:
        if self.rewinds and self.hides(log, step):
            return
        stamp = (log.clock_ms, log.writer_id, log.lines)
        for key, value in pairs:
            self._fold_point(key, value, step, stamp)

    def _fold_point(self, key: str, value: float, step: int, stamp: Stamp) -> None:
        record = self.metrics.get(key)
        if record is None:
            here = (step, stamp)
            record = self.metrics[key] = MetricRecord(value, step, stamp, value, here, value, here)
        record.add(value, step, stamp)

    def _fold_param(self, key: str, value: Any, stamp: Stamp, *, overwrite: bool) -> None:
        found = Stamped(stamp, value)
        if overwrite:
            self._overwrites[key] = _later(self._overwrites.get(key), found)
            return
        values = self._params.setdefault(key, {})
        text = spelled(value)
        values[text] = _earlier(values.get(text), found)

    def hides(self, log: LogState, step: int) -> bool:
        """Whether a rewind of a log that began later hides a point of this log."""
        return any(step > to_step and log.begun < begun for begun, to_step in self.rewinds)

    @property
    def needs_reread(self) -> bool:
        """Whether a rewind was found that this reading did not know: fold again, from ``reread``."""
        return not self._found_rewinds <= self.rewinds

    def reread(self) -> RunState:
        """An empty state of the same run that knows the rewinds found so far."""
        return RunState(self.run_id, rewinds=self.rewinds | frozenset(self._found_rewinds))

    # --- what it says --------------------------------------------------------------------------------------------

    @property
    def clock_ms(self) -> int:
        """Largest time of all logs: a writer that joins starts its clock after it."""
        return max((log.clock_ms for log in self.logs.values()), default=0)

    @property
    def params(self) -> dict[str, Any]:
        """Of each param the value that stands."""
        kept = {key: min(values.values(), key=_stamp).value for key, values in self._params.items()}
        return {**kept, **{key: found.value for key, found in self._overwrites.items()}}

    @property
    def conflicts(self) -> tuple[Conflict, ...]:
        """The params that writers logged with different values, by key."""
        found = []
        for key, values in sorted(self._params.items()):
            if len(values) > 1 and key not in self._overwrites:
                kept, *others = sorted(values.values(), key=_stamp)
                found.append(Conflict(key, kept.value, tuple(each.value for each in others)))
        return tuple(found)

    @property
    def tags(self) -> dict[str, str]:
        """The tags that are set, by key."""
        return {key: found.value for key, found in sorted(self._tags.items()) if found.value is not None}

    @property
    def note(self) -> str:
        """The note; "" where there is none."""
        return "" if self._note is None else self._note.value

    @property
    def goals(self) -> dict[str, Extreme]:
        """The goals that were defined, by metric."""
        return {key: found.value for key, found in self._goals.items()}

    @property
    def artifacts(self) -> dict[str, Artifact]:
        """The files kept, by path; those of models too."""
        files: dict[str, Stamped[Artifact]] = dict(self._artifacts)
        for name, found in self._models.items():
            for each in found.value.files:
                path = f"{name}/{each.path}"
                entry = Artifact(path, f"{found.value.key}/{each.path}", each.size_bytes, each.sha256)
                files[path] = _later(files.get(path), Stamped(found.stamp, entry))
        return {path: files[path].value for path in sorted(files)}

    @property
    def models(self) -> dict[str, Model]:
        """The models kept, by name, the first logged first."""
        return {
            name: found.value for name, found in sorted(self._models.items(), key=lambda item: item[1].stamp)
        }

    @property
    def datasets(self) -> tuple[Dataset, ...]:
        """The datasets used, the first logged first."""
        return tuple(found.value for found in sorted(self._datasets.values(), key=_stamp))

    @property
    def verdict(self) -> Mapping[str, Any] | None:
        """The last verdict about this run, as JSON."""
        return None if self._verdict is None else self._verdict.value

    @property
    def deleted(self) -> bool:
        """Whether it is marked as deleted."""
        return self._deleted is not None and self._deleted.value

    @property
    def dropped(self) -> int:
        """Events its logs say could not be kept."""
        return sum(log.dropped for log in self.logs.values())

    @property
    def first(self) -> Start | None:
        """How the run began: its first session, else its first log."""
        log = self._first_log()
        return None if log is None else log.start

    @property
    def start_ms(self) -> int:
        """When the run began."""
        log = self._first_log()
        return 0 if log is None else log.begun[0]

    def _first_log(self) -> LogState | None:
        begun = [log for log in self.logs.values() if log.start is not None]
        return min(begun, key=lambda log: (not log.is_session, log.begun), default=None)

    @property
    def environment(self) -> Mapping[str, str]:
        """Of the session that began last."""
        last = self._last_session()
        return {} if last is None else last.environment

    def _last_session(self) -> LogState | None:
        return max(
            (log for log in self.logs.values() if log.is_session), key=lambda log: log.begun, default=None
        )

    def _deciding(self) -> list[LogState]:
        """The last session to start, and those still open at that moment: an attempt that was over does not count.

        One without an end was open as long as it wrote: a run that was lost and then resumed is not lost.
        """
        last = self._last_session()
        if last is None:
            return []
        return [
            log
            for log in self.logs.values()
            if log.is_session and (log is last or _last_sign(log) > last.begun)
        ]

    def open_logs(self) -> list[LogState]:
        """The sessions without an end: whether their writers live has to be asked."""
        return [log for log in self.logs.values() if log.is_session and log.end is None]

    def status(self, alive: Iterable[str] = ()) -> Status:
        """How the run is, or how it ended.

        Args:
            alive: ids of the writers that live; a session of none of them that has no end is lost.
        """
        living = set(alive)
        if any(log.writer_id in living for log in self.open_logs()):
            return "RUNNING"
        ends = {"LOST" if log.end is None else log.end.status for log in self._deciding()}
        return next((status for status in _WORST_FIRST if status in ends), "LOST")

    def ending(self) -> End | None:
        """The end event that decides the status, None where none does."""
        ends = [log for log in self._deciding() if log.end is not None]
        worst = min(
            ends,
            key=lambda log: (_WORST_FIRST.index(log.end.status if log.end else "LOST"), log.ended),
            default=None,
        )
        return None if worst is None else worst.end

    def end_ms(self) -> int | None:
        """When the last deciding session ended or was last heard of; None where there is none."""
        return max((log.clock_ms for log in self._deciding()), default=None)


def _places(keys: tuple[str, ...]) -> dict[str, Sequence[int]]:
    """At which places each key is."""
    if keys.count(keys[0]) == len(keys):
        return {keys[0]: range(len(keys))}
    places: dict[str, list[int]] = {}
    for at, key in enumerate(keys):
        places.setdefault(key, []).append(at)
    return dict(places)


def _shape(row: object) -> int:
    """Lines of one shape can be folded together: arrays of one length; all else is 0."""
    return len(row) if type(row) is list else 0


def _lowest(values: Sequence[float], steps: Sequence[int], extreme: float) -> int:
    """Where a value lies that is there; of several the first of the lowest step."""
    if values.count(extreme) == 1:
        return values.index(extreme)
    return min((at for at, value in enumerate(values) if value == extreme), key=lambda at: (steps[at], at))


def _last_sign(log: LogState) -> Stamp:
    """Stamp of the end of a session, or of the last that is known of it."""
    return (log.clock_ms, log.writer_id, log.lines) if log.end is None else log.ended


def _stamp(found: Stamped[Any]) -> Stamp:
    return found.stamp


def _later(one: Stamped[Value] | None, other: Stamped[Value]) -> Stamped[Value]:
    return other if one is None or other.stamp >= one.stamp else one


def _earlier(one: Stamped[Value] | None, other: Stamped[Value]) -> Stamped[Value]:
    return other if one is None or other.stamp < one.stamp else one
