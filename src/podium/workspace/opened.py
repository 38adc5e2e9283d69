"""The runs that a workspace opens: new ones, ones to go on with, amendments, and ones of which nothing is kept.

What the arguments alone decide raises before anything is begun or ended. Which run is current, and whether one may
start here at all, is decided in `starting`; what is logged to a run is the run's business.
"""

from __future__ import annotations

import itertools
import os
import time
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias

from podium.errors import Conflict, Invalid, RunNotFound
from podium.identity import host_name, user_name
from podium.ids import new_run_id
from podium.runs.events import Start
from podium.runs.finding import FoundRun, find_run
from podium.runs.layout import RunKeys, check_run_id
from podium.runs.living import living_writers
from podium.runs.locking import machine
from podium.runs.reader import read_run
from podium.runs.writer import Writer
from podium.workspace import endings, open_runs, two_lines
from podium.workspace.active import ActiveRun, checked_note, tag_texts
from podium.workspace.edits import edit_of
from podium.workspace.experiments import checked_experiment, default_experiment
from podium.workspace.names import name_of
from podium.workspace.run import Run, RunLike
from podium.workspace.starting import make_room
from podium.workspace.surroundings import surroundings
from podium.workspace.switches import is_on

if TYPE_CHECKING:
    from podium.runs.fold import RunState
    from podium.stores.contract import Store
    from podium.workspace.access import Access
    from podium.workspace.workspace import Workspace

__all__ = ["OpenedRuns"]

_Resume: TypeAlias = Literal["must", "allow"]


class OpenedRuns:
    """Opens the runs of one workspace, and ends those that are left open.

    Its methods are given the workspace, which a run remembers as its home: held here, the two would keep each other
    alive.
    """

    def __init__(self, store: Store, access: Access) -> None:
        self._store = store
        self._access = access
        # In the order of starting. Weak: who ends his runs need not keep them until the workspace is closed.
        self._started: weakref.WeakValueDictionary[int, ActiveRun] = weakref.WeakValueDictionary()
        self._count = itertools.count()

    def start(
        self,
        home: Workspace,
        run_name: str | None,
        *,
        experiment: str | None,
        run_id: str | None,
        resume: _Resume,
        nested: bool,
        parent: RunLike | None,
        tags: Mapping[str, object] | None,
        note: str | None,
        enabled: bool,
        system_metrics: bool,
        strict: bool | None,
    ) -> ActiveRun:
        """As `Workspace.start_run` says."""
        self._access.check_writable()
        if resume not in ("must", "allow"):
            raise Invalid(f"resume={resume!r}: give 'must' or 'allow'.")
        inherited = os.environ.get("PODIUM_RUN_ID") if run_id is None else None
        if inherited:
            run_id, resume = inherited, "allow"
        _check_start(run_name, experiment, run_id, tags, note, system_metrics=system_metrics)
        parent_run = _parent(home, nested=nested, parent=parent)
        if inherited:
            del os.environ["PODIUM_RUN_ID"]
        if not enabled or _is_disabled(home, parent_run):
            return self.disabled(run_name, experiment=experiment, tags=tags, note=note)
        chosen = experiment is not None
        if experiment is None:
            experiment = parent_run.experiment if parent_run is not None else default_experiment()
        now_ms = _now_ms()
        found, joined = self._joined(run_id, resume, experiment if chosen else None)
        if found is None:
            self._access.ensure_experiment(experiment, now_ms)
            found = FoundRun(RunKeys.of(experiment, run_id or new_run_id(now_ms)))
        run = self._open(
            home,
            found,
            joined,
            Start(
                kind="session",
                experiment=found.keys.experiment,
                run_name=run_name or name_of(found.run_id),
                user=user_name(),
                host=host_name(),
                parent_run_id=parent_run.run_id if parent_run is not None else None,
                environment=surroundings(),
                machine=machine(),
            ),
            is_creator=run_id is None,
            strict=is_on("PODIUM_STRICT") if strict is None else strict,
        )
        _say(run, tags, note)
        if system_metrics:
            run._sample_system()
        return run

    def amend(self, home: Workspace, run_id: str) -> ActiveRun:
        """As `Workspace.amend_run` says."""
        self._access.check_writable()
        found = find_run(self._store, run_id)
        start = edit_of(found.keys.experiment)
        if _is_disabled(home, None):
            return _kept_nowhere(found.keys, start)
        self._access.claim()
        return self._open(
            home, found, read_run(self._store, found), start, is_creator=False, strict=is_on("PODIUM_STRICT")
        )

    def disabled(
        self,
        run_name: str | None = None,
        *,
        experiment: str | None = None,
        tags: Mapping[str, object] | None = None,
        note: str | None = None,
    ) -> ActiveRun:
        """A run on which every call works, and of which nothing is kept."""
        keys = RunKeys.of(checked_experiment(experiment or default_experiment()), new_run_id(_now_ms()))
        start = Start("session", keys.experiment, run_name=run_name or name_of(keys.run_id), user=user_name())
        run = _kept_nowhere(keys, start)
        self._started[next(self._count)] = run
        _say(run, tags, note)
        return run

    def end(self, ending: endings.Ending) -> None:
        """End those that are still open."""
        # Children before their parents.
        for run in reversed(list(self._started.values())):
            run._end_as(ending)
        self._started.clear()

    def _joined(
        self, run_id: str | None, resume: _Resume, experiment: str | None
    ) -> tuple[FoundRun | None, RunState | None]:
        """The run to go on with and what it says; (None, None) where a new one begins."""
        if run_id is None:
            return None, None
        try:
            found = find_run(self._store, run_id)
        except RunNotFound:
            if resume == "must":
                raise
            return None, None
        if found.run_id != run_id and resume == "allow":
            return None, None  # a prefix of another run's id is a name of its own here
        if experiment is not None and experiment != found.keys.experiment:
            raise Conflict(
                f"run {found.run_id} belongs to experiment {found.keys.experiment!r}, not to {experiment!r}. "
                "Leave experiment out to go on with it, or give another run_id."
            )
        return found, read_run(self._store, found)

    def _open(
        self,
        home: Workspace,
        found: FoundRun,
        joined: RunState | None,
        start: Start,
        *,
        is_creator: bool,
        strict: bool,
        enabled: bool = True,
    ) -> ActiveRun:
        resumed = joined is not None and self._has_ended_session(found, joined)
        writer = Writer(self._store, found.keys, start, joined=joined, strict=strict)
        run = ActiveRun(
            self._store,
            found,
            writer,
            home=home,
            is_session=start.kind == "session",
            is_creator=is_creator,
            resumed=resumed,
            enabled=enabled,
        )
        if start.kind == "session":
            endings.install()
            self._started[next(self._count)] = run
            if enabled:
                two_lines.say_where(home.url, found.keys.experiment)
                run._watch_code()
        return run

    def _has_ended_session(self, found: FoundRun, joined: RunState) -> bool:
        living = set(living_writers(self._store, found, joined))
        return any(log.is_session and log.writer_id not in living for log in joined.logs.values())


def _kept_nowhere(keys: RunKeys, start: Start) -> ActiveRun:
    """A run in a store of its own that nobody else sees."""
    from podium.stores.memory import MemoryStore
    from podium.workspace.workspace import Workspace

    aside = Workspace(MemoryStore())
    return aside._opened._open(
        aside, FoundRun(keys), None, start, is_creator=True, strict=False, enabled=False
    )


def _check_start(
    run_name: str | None,
    experiment: str | None,
    run_id: str | None,
    tags: Mapping[str, object] | None,
    note: str | None,
    *,
    system_metrics: bool,
) -> None:
    """Raise what can be known before anything is begun or ended: a call that raises has done nothing."""
    if run_name is not None and not isinstance(run_name, str):
        raise TypeError(f"run_name is text, not {type(run_name).__name__}: {run_name!r:.100}")
    if experiment is not None:
        checked_experiment(experiment)
    if run_id is not None:
        check_run_id(run_id)
    tag_texts(tags or {})
    if note is not None:
        checked_note(note)
    if system_metrics:
        from podium.workspace.system_metrics import check_available

        check_available()


def _parent(home: Workspace, *, nested: bool, parent: RunLike | None) -> Run | None:
    """The run that the new one is a child of; makes room for it."""
    named = None if parent is None else (parent if isinstance(parent, Run) else home.get_run(parent))
    parent_run_id = make_room(nested=nested, parent_run_id=None if named is None else named.run_id)
    if named is not None or parent_run_id is None:
        return named
    seat = open_runs.current()
    return None if seat is None else seat.run


def _is_disabled(home: Workspace, parent: Run | None) -> bool:
    """Whether nothing of a new run is to be kept: nothing of any is, or nothing of its parent."""
    if isinstance(parent, ActiveRun) and not parent.enabled:
        return True
    # A throw-away store may keep it: what is logged can be read again in this process.
    return is_on("PODIUM_DISABLED") and not home.url.startswith("memory:")


def _say(run: ActiveRun, tags: Mapping[str, object] | None, note: str | None) -> None:
    if tags:
        run.set_tags(tags)
    if note is not None:
        run.set_note(note)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
