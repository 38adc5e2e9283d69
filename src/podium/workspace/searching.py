"""Which runs and experiments of a store a filter matches, and what differs between runs: questions in, tables out.

No index is opened and none is asked before the question is known to make sense. Changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from podium.search import EXPERIMENTS, check_limit, parse_filter, parse_order, select
from podium.search.comparing import Compared, Comparison, compare
from podium.search.goals import known_goal
from podium.table import Table
from podium.times import time_of
from podium.workspace.caveats import warn_of_unknown
from podium.workspace.facts import Experiment
from podium.workspace.run import Run, Runs
from podium.workspace.searched import SearchedRun
from podium.workspace.subjects import subject_of_experiment

if TYPE_CHECKING:
    from podium.search.index import Index
    from podium.stores.contract import Store

__all__ = ["compare_runs", "find_experiments", "find_runs"]


def find_runs(
    store: Store,
    index: Callable[[], Index],
    filter_text: str,
    *,
    experiments: Sequence[str] | None,
    order_by: str | Sequence[str],
    limit: int | None,
    deleted: bool,
) -> Runs:
    """As `Workspace.search_runs` says, which calls this at once: its caller is shown where a name is unknown.

    Args:
        store: the runs' own, for what the index does not know of them.
        index: opens the index.
        filter_text: a filter.
        experiments: names; None: all.
        order_by: fields.
        limit: at most so many.
        deleted: those that were, instead of those that were not.
    """
    if not isinstance(filter_text, str):
        raise TypeError(
            f"search_runs takes a filter first, not {filter_text!r}. podium has no experiment ids; write "
            'search_runs("metrics.f1 > 0.9", experiment="fraud").'
        )
    most = check_limit(limit)
    expr, order = parse_filter(filter_text), parse_order(order_by)
    found = index().search(
        expr,
        order,
        now=datetime.now(UTC),
        goal_of=known_goal,
        experiments=experiments,
        deleted=deleted,
        limit=most,
    )
    warn_of_unknown(found.unknown, found.experiments)
    return Runs([SearchedRun(store, row) for row in found.rows])


def find_experiments(index: Callable[[], Index], filter_text: str, *, deleted: bool) -> Table[Experiment]:
    """As `Workspace.experiments` says."""
    if not isinstance(filter_text, str):
        raise TypeError(
            f'experiments takes a filter, which is text, not {filter_text!r}. Write experiments("runs > 10").'
        )
    return Table(
        select(
            (each for each in _experiments_in(index) if each.deleted is deleted),
            filter_text,
            order_by=(),
            limit=None,
            subject_of=subject_of_experiment,
            fields=EXPERIMENTS,
            now=datetime.now(UTC),
        )
    )


def _experiments_in(index: Callable[[], Index]) -> Iterator[Experiment]:
    for each in index().experiments():
        yield Experiment(
            name=each.name,
            start_time=time_of(each.time_ms),
            runs=each.runs,
            tags=each.tags,
            note=each.note,
            deleted=each.deleted,
        )


def compare_runs(runs: Sequence[Run]) -> Comparison:
    """As `Workspace.compare` says."""
    return compare(
        [
            Compared(
                run.run_name or run.run_id,
                run.params,
                run.metrics,
                run.tags,
                run.environment,
                {key: each.goal for key, each in run.summary.items() if each.goal is not None},
            )
            for run in runs
        ]
    )
