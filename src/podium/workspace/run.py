"""What a run was when it was read, and the tables of such runs.

A `Run` never changes; `podium.workspace.active.ActiveRun` is one that looks anew each time it is asked.
"""

from __future__ import annotations

import copy
import functools
import html
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from podium.errors import ArtifactNotFound, Conflict, near_names
from podium.runs.ahead import logs_ahead
from podium.runs.columns import read_columns
from podium.runs.finding import FoundRun
from podium.search.goals import Goal, known_goal
from podium.table import Table
from podium.times import time_of
from podium.workspace.facts import Artifact, Dataset, MetricSummary, ParamValue, Status
from podium.workspace.history import History, Series

if TYPE_CHECKING:
    from podium.commits.gate import Verdict
    from podium.models.info import ModelInfo
    from podium.runs import events
    from podium.runs.fold import MetricRecord, RunState
    from podium.search.expressions import Field
    from podium.search.rows import Metric
    from podium.stores.contract import Store

__all__ = ["Run", "RunFacts", "RunLike", "RunSource", "Runs", "facts_of", "summary_of"]


@dataclass(frozen=True, slots=True)
class RunSource:
    """Where a run lies; not part of what it is."""

    store: Store
    found: FoundRun


@dataclass(frozen=True, slots=True)
class RunFacts:
    """The values behind a `Run`; `Run` says what they mean. ``state`` gives the fold of its logs."""

    run_id: str
    run_name: str
    experiment: str
    status: Status
    start_time: datetime
    end_time: datetime | None
    user: str
    parent_run_id: str | None
    note: str
    params: Mapping[str, ParamValue]
    summary: Mapping[str, MetricSummary]
    tags: Mapping[str, str]
    environment: Mapping[str, str]
    error: str | None
    deleted: bool
    dropped: int
    state: Callable[[], RunState] = field(repr=False, compare=False)


def facts_of(found: FoundRun, state: RunState, status: Status, *, dropped: int | None = None) -> RunFacts:
    """The facts a folded run comes to.

    Args:
        found: the run.
        state: the fold of its logs.
        status: with its writers asked.
        dropped: events this process knows to be lost; the logs say so once writing works again.
    """
    first = state.first
    ending = state.ending()
    goals = state.goals
    end_ms = None if status == "RUNNING" else state.end_ms()
    return RunFacts(
        run_id=found.run_id,
        run_name=first.run_name if first else "",
        experiment=first.experiment if first else found.keys.experiment,
        status=status,
        start_time=time_of(state.start_ms),
        end_time=None if end_ms is None else time_of(end_ms),
        user=first.user if first else "",
        parent_run_id=first.parent_run_id if first else None,
        note=state.note,
        params=state.params,
        summary={
            key: summary_of(key, record, goals.get(key)) for key, record in sorted(state.metrics.items())
        },
        tags=state.tags,
        environment=dict(state.environment),
        error=ending.error if ending is not None and status != "RUNNING" else None,
        deleted=state.deleted,
        dropped=state.dropped if dropped is None else max(dropped, state.dropped),
        state=_Folded(state),
    )


def summary_of(key: str, record: MetricRecord | Metric, goal: Goal | None) -> MetricSummary:
    """What a record of a metric comes to; its goal is the one that was defined, else the one its name is known for."""
    return MetricSummary(
        last=record.last,
        last_step=record.last_step,
        min=record.min,
        min_step=record.min_step,
        max=record.max,
        max_step=record.max_step,
        count=record.count,
        goal=goal or known_goal(key),
    )


@dataclass(frozen=True, slots=True)
class _Folded:
    """A state that is known already; a class, since runs are pickled."""

    state: RunState

    def __call__(self) -> RunState:
        return self.state


class Run:
    """One run, as it was when it was read.

    Two runs are equal if they have the same id and say the same. Its mappings are copies: what is done to one does not
    change the run, and each can be written as JSON.
    """

    _noun: ClassVar[str] = "Run"

    def __init__(self, facts: RunFacts, source: RunSource) -> None:
        self._facts = facts
        self._source = source

    def _now(self) -> RunFacts:
        return self._facts

    @property
    def run_id(self) -> str:
        """A lower-case ULID, or a name of the user's own."""
        return self._facts.run_id

    @property
    def run_name(self) -> str:
        """Its title; need not be unique."""
        return self._now().run_name

    @property
    def experiment(self) -> str:
        """The experiment it belongs to."""
        return self._facts.experiment

    @property
    def status(self) -> Status:
        """RUNNING, FINISHED, FAILED, KILLED, or LOST: its process died without a word."""
        return self._now().status

    @property
    def start_time(self) -> datetime:
        """Aware UTC."""
        return self._now().start_time

    @property
    def end_time(self) -> datetime | None:
        """Aware UTC; of a LOST run when it was last heard of; None while it is RUNNING."""
        return self._now().end_time

    @property
    def user(self) -> str:
        """Who started it."""
        return self._now().user

    @property
    def parent_run_id(self) -> str | None:
        """The run it is a child of."""
        return self._now().parent_run_id

    @property
    def note(self) -> str:
        """Free text."""
        return self._now().note

    @property
    def params(self) -> Mapping[str, ParamValue]:
        """Values keep their JSON types: 0.1 comes back as 0.1."""
        return {
            key: copy.deepcopy(value) if isinstance(value, list | dict) else value
            for key, value in self._now().params.items()
        }

    @property
    def metrics(self) -> Mapping[str, float]:
        """The value of each metric at its highest step."""
        return {key: each.last for key, each in self._now().summary.items()}

    @property
    def summary(self) -> Mapping[str, MetricSummary]:
        """Of each metric last, min, max and count, with their steps."""
        return dict(self._now().summary)

    @property
    def tags(self) -> Mapping[str, str]:
        """Texts by key."""
        return dict(self._now().tags)

    @property
    def environment(self) -> Mapping[str, str]:
        """Facts about the process of its last session."""
        return dict(self._now().environment)

    @property
    def error(self) -> str | None:
        """What ended it, where something did."""
        return self._now().error

    @property
    def deleted(self) -> bool:
        """Whether it was deleted, and can be restored."""
        return self._now().deleted

    @property
    def dropped(self) -> int:
        """Events that could not be kept (a full disk)."""
        return self._now().dropped

    @property
    def datasets(self) -> Sequence[Dataset]:
        """The data it used, the first logged first."""
        return tuple(
            Dataset(each.name, each.digest, each.context, each.rows, each.schema, each.shape)
            for each in self._now().state().datasets
        )

    @property
    def models(self) -> Sequence[ModelInfo]:
        """The models it logged, the first logged first."""
        from podium.models.home import at_home, home_in
        from podium.models.info import info_from_json

        home = home_in(self._source.store)
        return tuple(
            at_home(info_from_json(model.facts, uri=self.model_uri(name), run_id=self.run_id), home)
            for name, model in self._now().state().models.items()
        )

    @property
    def verdict(self) -> Verdict | None:
        """What the gate said when autolog registered its model; None where none was asked."""
        found = self._now().state().verdict
        if found is None:
            return None
        from podium.commits.gate import verdict_from_json

        return verdict_from_json(found, key=f"the verdict of run {self.run_id}")

    def model_uri(self, name: str = "model") -> str:
        """``runs:/<run id>/<name>``."""
        return f"runs:/{self.run_id}/{name}"

    def history(self, *keys: str) -> History:
        """Every point of some metrics; no key: of all. A key without points has none."""
        return History(_series_of([self], keys))

    def _series(self, store: Store, found: FoundRun, keys: Sequence[str]) -> list[Series]:
        columns = read_columns(store, found, self._state_in(store), keys)
        return [
            Series(self.run_id, key, each.steps, each.times_ms, each.values) for key, each in columns.items()
        ]

    def _state_in(self, store: Store) -> RunState:
        """The fold of its logs; read from this store if they were not read yet."""
        del store
        return self._now().state()

    def _found(self) -> FoundRun:
        return self._source.found

    def artifacts(self, folder: str = "") -> Table[Artifact]:
        """The files it keeps, by path; those of its models too.

        Args:
            folder: only what lies in this one; "": all.
        """
        from podium.runs.artifacts import files_below

        return Table(
            [
                Artifact(each.path, each.size_bytes, each.sha256)
                for _, each in files_below(self._now().state().artifacts, folder)
            ]
        )

    def download(self, path: str, to: str | os.PathLike[str] | None = None) -> Path:
        """Bring a file or folder to this machine, each file held against its SHA-256.

        Args:
            path: of an artifact, or a folder of artifacts.
            to: where it is to be; must not exist. None: in a private cache.

        Returns:
            Where it is.

        Raises:
            ArtifactNotFound: the run keeps nothing there, or its bytes have not arrived in the store yet.
            Corrupt: the bytes are not those that were logged.
            Conflict: there is something at ``to``.
        """
        from podium.runs.artifacts import files_below, save_artifact
        from podium.stores.keys import encoded_path
        from podium.stores.measured import Measure, measure
        from podium.stores.progress import moving
        from podium.stores.together import together

        known = self._now().state().artifacts
        files = list(files_below(known, path))
        if not files:
            raise ArtifactNotFound(
                f"run {self.run_id} keeps no artifact {path!r}.", name=path, near=near_names(path, known)
            )
        single = path.strip("/") in known
        target = _cached_place(self.run_id, path) if to is None else Path(to)
        if to is not None and os.path.lexists(target):
            raise Conflict(f"there is something at {str(target)!r} already. Name a place that is free.")

        may_come = self._may_come()
        total_bytes = sum(artifact.size_bytes for _, artifact in files)
        with moving(f"fetching {path or self.run_id}", total_bytes) as meter:

            def bring(file: tuple[str, events.Artifact]) -> None:
                below, artifact = file
                # The log may come from a stranger: what its paths say stays inside the target.
                place = target if single else target.joinpath(*encoded_path(below))
                kept = Measure(artifact.size_bytes, artifact.sha256)
                if to is None and place.is_file() and measure(place) == kept:
                    meter.add(artifact.size_bytes)  # fetched before, and still what it was
                    return
                save_artifact(self._source.store, self._source.found.keys, artifact, place, may_come=may_come)

            together(bring, files)
        return target

    def _may_come(self) -> bool:
        """Whether what is listed may not be in the store yet: elsewhere, and not all of its logs have an end."""
        from podium.stores.keys import Key

        elsewhere = self._source.store.local_path(Key.root()) is None
        return elsewhere and any(log.end is None for log in self._now().state().logs.values())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Run):
            return NotImplemented
        return self.run_id == other.run_id and self._now() == other._now()

    def __hash__(self) -> int:
        return hash(self.run_id)

    def __repr__(self) -> str:
        facts = self._now()
        return f"<{self._noun} {facts.run_name!r} {facts.run_id} {facts.status} in {facts.experiment!r}>"

    def _repr_html_(self) -> str:
        return f"<code>{html.escape(repr(self))}</code>"


RunLike: TypeAlias = str | Run
"""A run, or its id."""


def _cached_place(run_id: str, path: str) -> Path:
    from podium.models.cache import default_cache_folder
    from podium.stores.keys import encoded_path

    root = default_cache_folder().parent / "artifacts"
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    return root.joinpath(run_id, *encoded_path(path.strip("/")))


_ATTRIBUTES = (
    "run_id",
    "run_name",
    "experiment",
    "status",
    "start_time",
    "end_time",
    "user",
    "parent_run_id",
)


class Runs(Table[Run]):
    """Runs, in an order that is always the same."""

    def history(self, *keys: str) -> History:
        """Every point of some metrics of all these runs, one long table; no key: of all metrics."""
        return History(_series_of(list(self), keys))

    def _lookup(self, row: Any, field: str) -> object:
        from podium.workspace.subjects import subject_of

        return subject_of(row)(_parsed(field))

    def _columns(self, row: Any) -> dict[str, Any]:
        facts: RunFacts = row._now()
        return {
            **{name: getattr(facts, name) for name in _ATTRIBUTES},
            **{f"metrics.{key}": each.last for key, each in facts.summary.items()},
            **{f"params.{key}": value for key, value in sorted(facts.params.items())},
            **{f"tags.{key}": value for key, value in facts.tags.items()},
        }

    def _column_names(self, dicts: list[dict[str, Any]]) -> list[str]:
        # Also where there are no runs: whoever filters the frame finds its columns.
        names = list(dict.fromkeys([*_ATTRIBUTES, *super()._column_names(dicts)]))
        kinds = ("metrics.", "params.", "tags.")
        return [each for each in names if not each.startswith(kinds)] + [
            each for kind in kinds for each in sorted(names) if each.startswith(kind)
        ]

    def _shown_columns(self, names: list[str], shown: list[dict[str, Any]]) -> list[str]:
        """What differs, then metrics, then what tells the runs apart: a narrow terminal has no room for the rest."""
        params = [each for each in names if each.startswith("params.")]
        differing = [
            name
            for name in ("experiment", "status", "user", *params)
            if len({repr(row.get(name)) for row in shown}) > 1
        ]
        if len(shown) == 1:
            differing = params
        metrics = [each for each in names if each.startswith("metrics.")]
        return list(dict.fromkeys(["run_name", *differing, *metrics, "status", "start_time", "run_id"]))


def _series_of(runs: Sequence[Run], keys: Sequence[str]) -> list[Series]:
    """The points of runs, one after the other; of those in a bucket many logs are read at once, and each once."""
    found = [run._found() for run in runs]
    stores = logs_ahead((run._source.store, each) for run, each in zip(runs, found, strict=True))
    return [
        series
        for run, each, store in zip(runs, found, stores, strict=True)
        for series in run._series(store, each, keys)
    ]


@functools.lru_cache(maxsize=256)
def _parsed(field: str) -> Field:
    from podium.search.grammar import parse_field

    return parse_field(field)
