"""All points of a run's metrics, in columns: by step, then in the order they were logged.

Reads the logs anew, chunk by chunk, since a state keeps only the last point and the extremes. Makes no frame and no
array of a framework.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import compress

from podium.errors import KeyMissing
from podium.runs.codec import decode
from podium.runs.events import Metrics
from podium.runs.finding import FoundRun, find_still
from podium.runs.fold import LogState, RunState, Stamp
from podium.runs.layout import LogName
from podium.runs.lines import BAD_LINE, EMPTY_LINE, line_chunks, parse_lines
from podium.runs.metric_lines import MetricColumns, metric_columns, metric_row
from podium.runs.reader import LOOKS, changes_too_fast, log_pieces
from podium.stores.contract import Store

__all__ = ["Columns", "read_columns"]


@dataclass(slots=True)
class Columns:
    """All points of one metric of one run, by step, then stamp.

    Attributes:
        steps: array of ``q``.
        times_ms: array of ``q``.
        values: array of ``d``.
    """

    steps: array[int] = field(default_factory=lambda: array("q"))
    times_ms: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))

    def extend(self, more: Columns) -> None:
        """Add points at the end."""
        self.steps.extend(more.steps)
        self.times_ms.extend(more.times_ms)
        self.values.extend(more.values)


def read_columns(
    store: Store, run: FoundRun, state: RunState, keys: Iterable[str] = ()
) -> dict[str, Columns]:
    """Every point of some metrics, in columns.

    Args:
        store: where.
        run: the run.
        state: as `read_run` gave it; its rewinds hide points.
        keys: which metrics; none: all.

    Returns:
        Columns by key, in the order the keys were asked for, else by key. A key without points has empty ones.
    """
    wanted = tuple(dict.fromkeys(keys))
    for _ in range(LOOKS):
        try:
            return _columns_of(store, run, state, wanted)
        except KeyMissing:
            run = find_still(store, run)  # parts were put together meanwhile
    raise changes_too_fast(run)


def _columns_of(store: Store, run: FoundRun, state: RunState, wanted: tuple[str, ...]) -> dict[str, Columns]:
    gathered: dict[str, list[tuple[Stamp, Columns]]] = {}
    for writer_id, names in run.logs.items():
        log = state.logs.get(writer_id)
        if log is None:
            continue
        for key, columns in _log_columns(store, run, names, log, state, frozenset(wanted)).items():
            gathered.setdefault(key, []).append((log.begun, columns))
    order = wanted or tuple(sorted(gathered))
    return {key: _merged(gathered.get(key, [])) for key in order}


def _log_columns(
    store: Store, run: FoundRun, names: list[LogName], log: LogState, state: RunState, wanted: frozenset[str]
) -> dict[str, Columns]:
    found: dict[str, Columns] = {}
    for data in log_pieces(store, run, names, 0):
        for chunk in line_chunks(data):
            rows = parse_lines(chunk)
            columns = None if state.rewinds else metric_columns(rows)
            if columns is not None:
                _add_columns(found, columns, wanted)
            else:
                _add_each(found, rows, wanted, log, state)
    return found


def _add_columns(found: dict[str, Columns], columns: MetricColumns, wanted: frozenset[str]) -> None:
    """Take a chunk whose lines are all alike."""
    for key, mine in columns.by_key().items():
        if not wanted or key in wanted:
            target = found.setdefault(key, Columns())
            target.steps.extend(columns.steps if mine is None else compress(columns.steps, mine))
            target.times_ms.extend(columns.times_ms if mine is None else compress(columns.times_ms, mine))
            target.values.extend(columns.values if mine is None else compress(columns.values, mine))


def _add_each(
    found: dict[str, Columns], rows: list[object], wanted: frozenset[str], log: LogState, state: RunState
) -> None:
    """Take a chunk line by line; what is no metric, and bad lines, are passed over."""
    for row in rows:
        if row is BAD_LINE or row is EMPTY_LINE:
            continue
        try:
            if type(row) is list:
                if not row or row[0] != "metric":
                    continue
                time_ms, step, pairs = metric_row(row)
            else:
                time_ms, event = decode(row)
                if not isinstance(event, Metrics):
                    continue
                step, pairs = event.step, list(event.values.items())
                time_ms = time_ms if event.at is None else event.at
        except ValueError:
            continue
        if state.rewinds and state.hides(log, step):
            continue
        for key, value in pairs:
            if not wanted or key in wanted:
                columns = found.get(key) or found.setdefault(key, Columns())
                columns.steps.append(step)
                columns.times_ms.append(time_ms)
                columns.values.append(value)


def _merged(pieces: list[tuple[Stamp, Columns]]) -> Columns:
    """The points of all logs by step, those of one step as they were logged."""
    if not pieces:
        return Columns()
    (_, whole), *more = sorted(pieces, key=lambda piece: piece[0])
    for _, columns in more:
        whole.extend(columns)
    steps = whole.steps.tolist()
    if steps == sorted(steps):
        return whole
    order = sorted(range(len(steps)), key=steps.__getitem__)
    return Columns(
        array("q", map(steps.__getitem__, order)),
        array("q", map(whole.times_ms.__getitem__, order)),
        array("d", map(whole.values.__getitem__, order)),
    )
