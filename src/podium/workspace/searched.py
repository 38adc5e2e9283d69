"""A run that a search found: its facts come from the index, all else from its logs, when it is asked for."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from podium.runs.finding import FoundRun
from podium.runs.layout import EXPERIMENTS, LogName, RunKeys
from podium.runs.reader import read_run
from podium.times import time_of
from podium.workspace.run import Run, RunFacts, RunSource, summary_of

if TYPE_CHECKING:
    from podium.runs.fold import RunState
    from podium.search.rows import FoundRow
    from podium.stores.contract import Store

__all__ = ["SearchedRun"]


class SearchedRun(Run):
    """A `Run` as it was when the search looked; of a hundred thousand only those that are looked at are made."""

    def __init__(self, store: Store, row: FoundRow) -> None:
        self._store = store
        self._row = row

    @functools.cached_property
    def _facts(self) -> RunFacts:  # type: ignore[override]  # an attribute that is made when it is read
        row, facts = self._row, self._row.facts
        return RunFacts(
            run_id=row.run_id,
            run_name=facts.run_name,
            experiment=facts.experiment,
            status=row.status,
            start_time=time_of(facts.start_ms),
            end_time=None if row.end_ms is None else time_of(row.end_ms),
            user=facts.user,
            parent_run_id=facts.parent_run_id,
            note=facts.note,
            params=facts.params,
            summary={key: summary_of(key, each, each.goal) for key, each in facts.metrics.items()},
            tags=facts.tags,
            environment=facts.environment,
            error=row.error,
            deleted=facts.deleted,
            dropped=facts.dropped,
            state=self._logs,
        )

    @functools.cached_property
    def _logs(self) -> _FromLogs:
        return _FromLogs(self._source)

    def _state_in(self, store: Store) -> RunState:
        return self._logs(store)

    @functools.cached_property
    def _source(self) -> RunSource:  # type: ignore[override]  # as above
        row = self._row
        keys = RunKeys.within(EXPERIMENTS / row.folder, row.experiment, row.run_id)
        found = FoundRun(keys)
        for suffix in row.facts.logs:
            name = LogName.parse(f"{row.run_id}.{suffix}")
            if name is not None:
                found.logs.setdefault(name.writer_id, []).append(name)
        return RunSource(self._store, found)


@dataclass
class _FromLogs:
    """The fold of a run's logs, read when it is first asked for."""

    source: RunSource
    state: RunState | None = None

    def __call__(self, store: Store | None = None) -> RunState:
        if self.state is None:
            self.state = read_run(store or self.source.store, self.source.found)
        return self.state
