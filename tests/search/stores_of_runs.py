"""Stores whose logs a test writes itself, and the answers that come from folding every one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from podium.runs.codec import encode
from podium.runs.events import Event
from podium.runs.experiments import experiments
from podium.runs.finding import runs_of
from podium.runs.layout import RunKeys
from podium.runs.reader import read_run, status_of
from podium.search import OrderKey, matches, sort
from podium.search.expressions import Expr
from podium.stores.contract import Store
from podium.workspace.run import Run, RunSource, facts_of
from podium.workspace.subjects import subject_of

__all__ = ["WRITER", "facts_by_id", "folded_runs", "lines", "put_log", "search_by_folding"]

WRITER = "aaaaaaaaaa"


def lines(*events: Event | tuple[int, Event], begins_ms: int = 1_000) -> bytes:
    """A log; an event without a time comes a millisecond after the one before."""
    timed: list[tuple[int, Event]] = []
    for event in events:
        timed.append(event if isinstance(event, tuple) else (begins_ms + len(timed), event))
    return b"".join(encode(event, time_ms) for time_ms, event in timed)


def put_log(store: Store, experiment: str, run_id: str, data: bytes, writer_id: str = WRITER) -> None:
    store.put(RunKeys.of(experiment, run_id).log(writer_id), data)


def folded_runs(store: Store) -> list[Run]:
    """Every run, from its logs alone."""
    runs = []
    for experiment in experiments(store):
        for found in runs_of(store, experiment):
            state = read_run(store, found)
            runs.append(Run(facts_of(found, state, status_of(store, found, state)), RunSource(store, found)))
    return runs


def search_by_folding(
    runs: Sequence[Run], expr: Expr | None, order: Sequence[OrderKey], now: datetime, limit: int | None = None
) -> list[str]:
    """Ids of the runs that match, by the first evaluator."""
    kept = [run for run in runs if not run.deleted and matches(expr, subject_of(run), now=now)]
    return [run.run_id for run in sort(kept, order, subject_of)[:limit]]


def facts_by_id(runs: Sequence[Run]) -> Mapping[str, object]:
    """What each run says, by the place of its logs: a copy may lie in two experiments."""
    return {f"{run._source.found.keys.logs}/{run.run_id}": run._now() for run in runs}
