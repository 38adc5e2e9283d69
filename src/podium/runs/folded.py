"""A folded run as text, and back: so that a reader goes on from the byte where another one stopped.

What a state keeps of most events is the event itself and its stamp; those are written as the log has them, and applied
again. Folding the rest of the logs into what comes back gives the run that folding all of them gives. Pure. Never
written into a store: a state is a view of the logs, for the eyes of the podium that wrote it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from podium.runs.codec import decode, encode
from podium.runs.events import Deleted, End, Event, Goal, Note, Params, Start, Tags, Verdict
from podium.runs.fold import BadLine, LogState, MetricRecord, RunState, Stamp
from podium.strictjson import decode_float, encode_float

__all__ = ["logs_from_text", "logs_to_text", "state_from_text", "state_to_text"]

_dumps = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def state_to_text(state: RunState) -> str:
    """The whole state; its logs too. One that has to be read anew is not asked for: its rewinds would be lost."""
    fields = {
        "run_id": state.run_id,
        "rewinds": _rewinds_out(state.rewinds),
        "bad_lines": [[each.writer_id, each.line] for each in state.bad_lines],
        "metrics": {key: _record_out(record) for key, record in state.metrics.items()},
    }
    events = ",".join(
        f"[{stamp[0]},{_dumps(stamp[1])},{stamp[2]},{_line(event)}]" for stamp, event in _stamped(state)
    )
    return f'{_dumps(fields)[:-1]},"logs":{logs_to_text(state)},"events":[{events}]}}'


def state_from_text(text: str) -> RunState:
    """The state that `state_to_text` was given."""
    fields: dict[str, Any] = json.loads(text)
    state = RunState(fields["run_id"], rewinds=frozenset(_rewinds_in(fields["rewinds"])))
    for clock_ms, writer_id, line, event in fields["events"]:
        state.apply(LogState(writer_id, lines=line, clock_ms=clock_ms), decode(event)[1])
    state.bad_lines.extend(BadLine(*each) for each in fields["bad_lines"])
    state.metrics.update({key: _record_in(record) for key, record in fields["metrics"].items()})
    state.logs.update(_logs_in(fields["logs"]))
    return state


def logs_to_text(state: RunState) -> str:
    """Of each log how far it was folded, and what decides the run's status."""
    logs = ",".join(
        f"[{_dumps(_log_out(log))},{'null' if log.start is None else _line(log.start)},"
        f"{'null' if log.end is None else _line(log.end)}]"
        for log in state.logs.values()
    )
    return f"[{logs}]"


def logs_from_text(run_id: str, text: str) -> RunState:
    """A state that knows nothing but its logs: enough to say the run's status."""
    return RunState(run_id, logs=_logs_in(json.loads(text)))


def _log_out(log: LogState) -> list[Any]:
    return [
        log.writer_id,
        log.offset,
        log.lines,
        log.clock_ms,
        log.begun,
        log.ended,
        log.dropped,
        dict(log.environment),
        log.heard_s,
        log.grew,
    ]


def _logs_in(rows: Iterable[Any]) -> dict[str, LogState]:
    logs = {}
    for (
        writer_id,
        offset,
        lines,
        clock_ms,
        begun,
        ended,
        dropped,
        environment,
        heard_s,
        grew,
    ), *ends in rows:
        start, end = (None if line is None else decode(line)[1] for line in ends)
        logs[writer_id] = LogState(
            writer_id,
            offset,
            lines,
            clock_ms,
            start=start if isinstance(start, Start) else None,
            begun=_stamp(begun),
            end=end if isinstance(end, End) else None,
            ended=_stamp(ended),
            environment=environment,
            dropped=dropped,
            heard_s=heard_s,
            grew=grew,
        )
    return logs


def _line(event: Event) -> str:
    return encode(event, 0).decode()[:-1]


def _stamped(state: RunState) -> Iterator[tuple[Stamp, Event]]:
    for key, values in state._params.items():
        for found in values.values():
            yield found.stamp, Params({key: found.value})
    for key, overwrite in state._overwrites.items():
        yield overwrite.stamp, Params({key: overwrite.value}, overwrite=True)
    for key, tag in state._tags.items():
        yield tag.stamp, Tags({key: tag.value})
    for key, goal in state._goals.items():
        yield goal.stamp, Goal(key, goal.value)
    for kept in (state._artifacts, state._models, state._datasets):
        for each in kept.values():
            yield each.stamp, each.value
    if state._note is not None:
        yield state._note.stamp, Note(state._note.value)
    if state._verdict is not None:
        yield state._verdict.stamp, Verdict(state._verdict.value)
    if state._deleted is not None:
        yield state._deleted.stamp, Deleted(state._deleted.value)


def _stamp(row: Any) -> Stamp:
    clock_ms, writer_id, line = row
    return clock_ms, writer_id, line


def _rewinds_out(rewinds: Iterable[tuple[Stamp, int]]) -> list[Any]:
    return [[*begun, to_step] for begun, to_step in sorted(rewinds)]


def _rewinds_in(rows: Iterable[Any]) -> set[tuple[Stamp, int]]:
    return {((clock_ms, writer_id, line), to_step) for clock_ms, writer_id, line, to_step in rows}


def _record_out(record: MetricRecord) -> list[Any]:
    return [
        encode_float(record.last),
        record.last_step,
        record.last_stamp,
        encode_float(record.min),
        record.min_at,
        encode_float(record.max),
        record.max_at,
        record.count,
    ]


def _record_in(row: Any) -> MetricRecord:
    last, last_step, last_stamp, lowest, (min_step, min_stamp), highest, (max_step, max_stamp), count = row
    return MetricRecord(
        decode_float(last),
        last_step,
        _stamp(last_stamp),
        decode_float(lowest),
        (min_step, _stamp(min_stamp)),
        decode_float(highest),
        (max_step, _stamp(max_stamp)),
        count,
    )
