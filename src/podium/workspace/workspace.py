"""One store, its runs, its registry, its models: what everything public is a method of, or a function on the default.

Resolves what users call a run or a model to what the layers below work on. Holds no global state.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import time
import warnings
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

from podium.errors import (
    Conflict,
    ExperimentNotFound,
    Invalid,
    PodiumWarning,
    RunNotFound,
    StoreUnavailable,
    did_you_mean,
    near_names,
)
from podium.identity import host_name, user_name
from podium.ids import new_run_id
from podium.runs.events import Deleted, Note, Start, Tags, check_key
from podium.runs.experiments import (
    FoundExperiment,
    edit_experiment,
    ensure_experiment,
    experiments,
    read_experiment,
)
from podium.runs.finding import FoundRun, find_run
from podium.runs.layout import RunKeys, check_run_id, experiment_folder
from podium.runs.living import living_writers
from podium.runs.locking import machine
from podium.runs.reader import read_run, status_of
from podium.runs.spool import area_of
from podium.runs.writer import Writer, flush_open_writers
from podium.stores.contract import Store
from podium.stores.header import read_header
from podium.stores.keys import Key
from podium.stores.places import Place, claim, find_place, may_run_code
from podium.table import Table
from podium.times import time_of
from podium.workspace import endings, open_runs, two_lines
from podium.workspace.active import ActiveRun, checked_note, tag_texts
from podium.workspace.experiments import checked_experiment, default_experiment
from podium.workspace.facts import Experiment
from podium.workspace.names import name_of
from podium.workspace.redaction import redacted_url
from podium.workspace.reports import CopyReport, SyncReport
from podium.workspace.run import Run, RunLike, Runs, RunSource, facts_of
from podium.workspace.starting import make_room
from podium.workspace.surroundings import surroundings
from podium.workspace.switches import is_on

if TYPE_CHECKING:
    from podium.commits.registry import Registry
    from podium.commits.source import ModelLike, ModelSource
    from podium.models.home import Home
    from podium.models.info import ModelInfo
    from podium.models.live import LiveModel
    from podium.models.model import Model
    from podium.runs.fold import RunState
    from podium.search.comparing import Comparison
    from podium.search.index import Index
    from podium.stores.keys import Key
    from podium.workspace.model_places import ModelPlaces

__all__ = ["Workspace"]

StrPath: TypeAlias = str | os.PathLike[str]


class Workspace:
    """A store and everything in it. Leaving ``with`` closes it, and ends the runs it started that are still open.

    Args:
        store: a folder, a URL or a store; ``"memory:"`` is a new one each time. None: what ``PODIUM_STORE`` names, else
            the nearest ``.podium`` here or above, else ``./.podium``, which the first write makes.
        read_only: refuse every change.

    Raises:
        Invalid: no store goes by this URL.
        StoreError: the store cannot be opened. One that was written by a newer podium is refused at its first use.
    """

    url: str

    def __init__(self, store: StrPath | Store | None = None, *, read_only: bool = False) -> None:
        self._read_only = read_only
        self._place: Place | None = None
        if is_on("PODIUM_DISABLED") and store is None:
            store = "memory:"
        if store is None or isinstance(store, str | os.PathLike):
            self._place = find_place(store)
            self._store = self._place.open()
            self.url = redacted_url(self._place.url)
        elif not isinstance(store, Store):
            raise Invalid(
                f"{store!r:.100} is no store: give a folder, a URL or an object with the verbs of a store."
            )
        else:
            self._store = store
            self.url = redacted_url(str(getattr(store, "root", "") or f"{type(store).__name__}:"))
        self._claimed = False
        self._is_known = False
        self._experiments: set[str] = set()
        self._registry: Registry | None = None
        # In the order of starting. Weak: who ends his runs need not keep them until the workspace is closed.
        self._started: weakref.WeakValueDictionary[int, ActiveRun] = weakref.WeakValueDictionary()
        self._count = itertools.count()
        self._index: Index | None = None

    @property
    def _named_as(self) -> str | None:
        """What opens this store in another process; None where nothing does."""
        if self._place is None:
            root = getattr(self._store, "root", None)
            return str(root) if isinstance(root, Path) else None
        return None if self._place.url.startswith("memory:") else self._place.url

    @property
    def registry(self) -> Registry:
        """Its models, their versions and aliases."""
        self._check_known()
        if self._registry is None:
            from podium.commits.registry import Registry

            self._registry = Registry(
                self._store,
                find_source=self._model_source,
                claim=self._claim,
                trusted=self._trusted,
                fetch=self._models.fetched,
                read_only=self._read_only,
            )
            self._registry._home = self._home()
        return self._registry

    def _home(self) -> Home:
        """What the facts read here remember of this workspace: enough to open it again, and no secret."""
        from podium.models.home import Home

        named = self._named_as
        if named is None or redacted_url(named) != named:
            return Home(self._store, None)
        return Home(self._store, self._place or Place(named, "named"))

    def _home_of_model(self, model: ModelLike) -> Workspace:
        """The workspace a model is looked for in: text means this one, an object remembers its own."""
        from podium.models.home import home_of

        home = home_of(model)
        if home is None or home.store is self._store:
            return self
        if home.store is None and not _can_be_opened(home.place):
            return (
                self  # pickled on another machine, or in memory: the SHA-256 tells whether the bytes are here
            )
        if home.place is not None and home.place.url == self._named_as:
            return self
        place = home.place
        other = Workspace(
            home.store if place is None or home.store is not None else place.url, read_only=True
        )
        other._place = place
        return self if _same_place(other._store, self._store) else other

    # --- starting runs -----------------------------------------------------------------------------------------------

    def start_run(
        self,
        run_name: str | None = None,
        *,
        experiment: str | None = None,
        run_id: str | None = None,
        resume: Literal["must", "allow"] = "must",
        nested: bool = False,
        parent: RunLike | None = None,
        tags: Mapping[str, object] | None = None,
        note: str | None = None,
        enabled: bool = True,
        system_metrics: bool = False,
        strict: bool | None = None,
    ) -> ActiveRun:
        """Start a run, or go on with one. It is current inside ``with``.

        Args:
            run_name: its title; None: one is made up.
            experiment: None: that of the parent, else what `track.set_experiment` said, else "default".
            run_id: go on with this run.
            resume: "must": it has to be there; "allow": it is made if it is not, under this name of your own
                (``[a-z0-9][a-z0-9_-]{0,63}``), and many processes may hold it.
            nested: a child of the current run, if there is one.
            parent: a child of this run.
            tags: as `ActiveRun.set_tags`.
            note: as `ActiveRun.set_note`.
            enabled: False: every call works, and nothing is kept.
            system_metrics: log processor, memory, disk and network every ten seconds.
            strict: raise what the world decides (a full disk) instead of counting it; None: as ``PODIUM_STRICT`` says.

        Raises:
            RunActive: a run of this context is open.
            RunNotFound: ``run_id`` is not there and must be.
            Conflict: ``run_id`` belongs to another experiment.
            Invalid: a name that cannot be; ``read_only``.
            StoreError: the run cannot be begun.
            MissingExtra: ``system_metrics`` without psutil.
        """
        self._check_writable()
        if resume not in ("must", "allow"):
            raise Invalid(f"resume={resume!r}: give 'must' or 'allow'.")
        inherited = os.environ.get("PODIUM_RUN_ID") if run_id is None else None
        if inherited:
            run_id, resume = inherited, "allow"
        _check_start(run_name, experiment, run_id, tags, note, system_metrics=system_metrics)
        parent_run = self._parent(nested=nested, parent=parent)
        if inherited:
            del os.environ["PODIUM_RUN_ID"]
        if not enabled or self._is_disabled(parent_run):
            return self._disabled_run(run_name, experiment=experiment, tags=tags, note=note)
        chosen = experiment is not None
        if experiment is None:
            experiment = parent_run.experiment if parent_run is not None else default_experiment()
        now_ms = time.time_ns() // 1_000_000
        found, joined = self._joined(run_id, resume, experiment if chosen else None)
        if found is None:
            self._ensure(experiment, now_ms)
            found = FoundRun(RunKeys.of(experiment, run_id or new_run_id(now_ms)))
        run = self._begin(
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
        if tags:
            run.set_tags(tags)
        if note is not None:
            run.set_note(note)
        if system_metrics:
            run._sample_system()
        return run

    def _start_implicit_run(self) -> ActiveRun:
        """The run that is started because something was logged and none was current; ended with the script."""
        run = self.start_run()
        run._make_current(implicit=True)
        return run

    def _parent(self, *, nested: bool, parent: RunLike | None) -> Run | None:
        named = None if parent is None else (parent if isinstance(parent, Run) else self.get_run(parent))
        parent_run_id = make_room(nested=nested, parent_run_id=None if named is None else named.run_id)
        if named is not None or parent_run_id is None:
            return named
        seat = open_runs.current()
        return None if seat is None else seat.run

    def _is_disabled(self, parent: Run | None) -> bool:
        """Whether nothing of a new run is to be kept: nothing of any is, or nothing of its parent."""
        if isinstance(parent, ActiveRun) and not parent.enabled:
            return True
        # A throw-away store may keep it: what is logged can be read again in this process.
        return is_on("PODIUM_DISABLED") and not self.url.startswith("memory:")

    def _disabled_run(
        self,
        run_name: str | None = None,
        *,
        experiment: str | None = None,
        tags: Mapping[str, object] | None = None,
        note: str | None = None,
    ) -> ActiveRun:
        """A run on which every call works, in a store of its own that nobody else sees."""
        keys = RunKeys.of(
            checked_experiment(experiment or default_experiment()), new_run_id(time.time_ns() // 1_000_000)
        )
        start = Start("session", keys.experiment, run_name=run_name or name_of(keys.run_id), user=user_name())
        run = self._begin_aside(keys, start)
        self._started[next(self._count)] = run
        if tags:
            run.set_tags(tags)
        if note is not None:
            run.set_note(note)
        return run

    def _begin_aside(self, keys: RunKeys, start: Start) -> ActiveRun:
        """A run in a store that nobody else sees."""
        from podium.stores.memory import MemoryStore

        aside = Workspace(MemoryStore())
        return aside._begin(FoundRun(keys), None, start, is_creator=True, strict=False, enabled=False)

    def _joined(
        self, run_id: str | None, resume: Literal["must", "allow"], experiment: str | None
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

    def _begin(
        self,
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
            home=self,
            is_session=start.kind == "session",
            is_creator=is_creator,
            resumed=resumed,
            enabled=enabled,
        )
        if start.kind == "session":
            endings.install()
            self._started[next(self._count)] = run
            if enabled:
                two_lines.say_where(self.url, found.keys.experiment)
                run._watch_code()
        return run

    def _has_ended_session(self, found: FoundRun, joined: RunState) -> bool:
        living = set(living_writers(self._store, found, joined))
        return any(log.is_session and log.writer_id not in living for log in joined.logs.values())

    def amend_run(self, run: RunLike) -> ActiveRun:
        """Open a run to add metrics, tags, artifacts or models; its status and times stay.

        Where ``PODIUM_DISABLED`` is set every call works, and nothing is kept.

        Raises:
            RunNotFound: there is none.
        """
        home = self._home_of(run)
        if home is not self:
            return home.amend_run(_id_of(run))
        self._check_writable()
        found = find_run(self._store, _id_of(run))
        start = Start("edit", found.keys.experiment, user=user_name(), host=host_name(), machine=machine())
        if self._is_disabled(None):
            return self._begin_aside(found.keys, start)
        self._claim()
        return self._begin(
            found, read_run(self._store, found), start, is_creator=False, strict=is_on("PODIUM_STRICT")
        )

    def _home_of(self, run: RunLike) -> Workspace:
        """The workspace a run belongs to: an id is one of this one's, an object remembers its own."""
        store = run._source.store if isinstance(run, Run) else self._store
        return self if store is self._store or _same_place(store, self._store) else Workspace(store)

    # --- reading runs ------------------------------------------------------------------------------------------------

    def get_run(self, run_id: str) -> Run:
        """A run as it is now. Params that its writers logged with different values are warned about.

        Args:
            run_id: the id, or the first 8 or more characters of it.

        Raises:
            RunNotFound: none, or several, have it.
        """
        if isinstance(run_id, Run):
            run_id = run_id.run_id
        self._check_known()
        found = find_run(self._store, run_id)
        state = read_run(self._store, found)
        _warn_of_conflicts(found.run_id, state)
        _warn_of_bad_lines(found.run_id, state)
        return self._run(found, state)

    def _run(self, found: FoundRun, state: RunState | None = None) -> Run:
        state = read_run(self._store, found) if state is None else state
        return Run(
            facts_of(found, state, status_of(self._store, found, state)), RunSource(self._store, found)
        )

    def search_runs(
        self,
        filter: str = "",  # noqa: A002 - MLflow's place and the contract's name
        *,
        experiment: str | Sequence[str] | None = None,
        order_by: str | Sequence[str] = (),
        limit: int | None = None,
        deleted: bool = False,
    ) -> Runs:
        """The runs a filter matches, the newest first.

        Args:
            filter: in the language of docs/query.md; "" is all.
            experiment: one, or several; None: all. One that does not exist has no runs, and a warning says so.
            order_by: fields, each with an optional DESC.
            limit: at most so many; None: all.
            deleted: those that were deleted, instead of those that were not.

        Raises:
            QueryError: filter or order do not parse.
            Invalid: the limit is no count.
        """
        from podium.search.goals import known_goal
        from podium.search.grammar import parse_filter, parse_order
        from podium.search.selecting import check_limit
        from podium.workspace.searched import SearchedRun

        if not isinstance(filter, str):
            raise TypeError(
                f"search_runs takes a filter first, not {filter!r}. podium has no experiment ids; write "
                'search_runs("metrics.f1 > 0.9", experiment="fraud").'
            )
        most = check_limit(limit)
        expr, order = parse_filter(filter), parse_order(order_by)
        names = [experiment] if isinstance(experiment, str) else experiment
        self._check_known()
        found = self._runs_index().search(
            expr,
            order,
            now=datetime.now(UTC),
            goal_of=known_goal,
            experiments=names,
            deleted=deleted,
            limit=most,
        )
        for name in found.unknown:
            hint = did_you_mean(near_names(name, found.experiments))
            warnings.warn(f"there is no experiment {name!r}.{hint}", PodiumWarning, stacklevel=2)
        return Runs([SearchedRun(self._store, row) for row in found.rows])

    def compare(self, runs: Sequence[RunLike]) -> Comparison:
        """What differs between runs: params, metrics, tags and environment.

        Args:
            runs: runs, or their ids; a table of runs as well.

        Returns:
            A row for each difference, with a value for each run; its smallest and largest number are marked, the best
            where the goal of a metric is known.

        Raises:
            RunNotFound: an id is that of no run.
            TypeError: one run, or its id, instead of several.
        """
        from podium.search.comparing import Compared, compare

        if isinstance(runs, str | Run):
            raise TypeError(f"compare takes several runs, not {runs!r}. Write compare([one, other]).")
        several = [each if isinstance(each, Run) else self.get_run(each) for each in runs]
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
                for run in several
            ]
        )

    def _runs_index(self) -> Index:
        if self._index is None:
            from podium.search.index import Index

            self._index = Index(self._store)
        return self._index

    # --- deleting, restoring, experiments ----------------------------------------------------------------------------

    def delete_run(self, run: RunLike) -> None:
        """Mark a run as deleted: searches pass over it, and it can be restored; again: nothing.

        Raises:
            RunNotFound: there is none.
            StoreError: it could not be recorded.
        """
        self._mark_run(run, deleted=True)

    def restore_run(self, run: RunLike) -> None:
        """Take back `delete_run`; of a run that is not deleted: nothing.

        Raises:
            RunNotFound: there is none.
            StoreError: it could not be recorded.
        """
        self._mark_run(run, deleted=False)

    def _mark_run(self, run: RunLike, *, deleted: bool) -> None:
        home = self._home_of(run)
        if home is not self:
            home._mark_run(_id_of(run), deleted=deleted)
            return
        self._check_writable()
        found = find_run(self._store, _id_of(run))
        state = read_run(self._store, found)
        if state.deleted is deleted:
            return
        start = Start("edit", found.keys.experiment, user=user_name(), host=host_name(), machine=machine())
        writer = Writer(self._store, found.keys, start, joined=state, strict=True)
        try:
            writer.append(Deleted(deleted))
        finally:
            writer.end()

    def experiments(
        self,
        filter: str = "",  # noqa: A002 - MLflow's place and the contract's name
        *,
        deleted: bool = False,
    ) -> Table[Experiment]:
        """The experiments a filter matches, the newest first.

        Args:
            filter: over name, start_time, runs, note and tags; "" is all.
            deleted: those that were deleted, instead of those that were not.

        Raises:
            QueryError: the filter does not parse.
        """
        from podium.search import EXPERIMENTS, matches, parse_filter, parse_order, sort
        from podium.workspace.subjects import subject_of_experiment

        if not isinstance(filter, str):
            raise TypeError(
                f'experiments takes a filter, which is text, not {filter!r}. Write experiments("runs > 10").'
            )
        expr, order = parse_filter(filter, fields=EXPERIMENTS), parse_order((), fields=EXPERIMENTS)
        now = datetime.now(UTC)
        self._check_known()
        found = (
            Experiment(
                name=each.name,
                start_time=time_of(each.time_ms),
                runs=each.runs,
                tags=each.tags,
                note=each.note,
                deleted=each.deleted,
            )
            for each in self._runs_index().experiments()
        )
        kept = [
            each
            for each in found
            if each.deleted is deleted and matches(expr, subject_of_experiment(each), now=now)
        ]
        return Table(sort(kept, order, subject_of_experiment))

    def delete_experiment(self, name: str) -> None:
        """Mark an experiment and with it all its runs as deleted; again: nothing.

        Searches pass over them, no run is started in it, and it can be restored.

        Raises:
            ExperimentNotFound: there is none.
            StoreError: it could not be recorded.
        """
        self._edit_experiment(name, Deleted(deleted=True))

    def restore_experiment(self, name: str) -> None:
        """Take back `delete_experiment`; runs that were deleted by themselves stay so.

        Raises:
            ExperimentNotFound: there is none.
            StoreError: it could not be recorded.
        """
        self._edit_experiment(name, Deleted(deleted=False))

    def set_experiment_tags(self, name: str, tags: Mapping[str, object | None]) -> None:
        """Set tags of an experiment; None deletes one.

        Raises:
            ExperimentNotFound: there is none.
            Invalid, TypeError: a key that can never be right.
            StoreError: it could not be recorded.
        """
        texts = {check_key(key, "tag"): None if value is None else str(value) for key, value in tags.items()}
        if texts:
            self._edit_experiment(name, Tags(texts))

    def set_experiment_note(self, name: str, text: str) -> None:
        """Set the note of an experiment.

        Raises:
            ExperimentNotFound: there is none.
            StoreError: it could not be recorded.
        """
        if not isinstance(text, str):
            raise TypeError(f"a note is text, not {type(text).__name__}.")
        self._edit_experiment(name, Note(text))

    def _edit_experiment(self, name: str, change: Tags | Note | Deleted) -> None:
        self._check_writable()
        there = {each.name: each for each in experiments(self._store)}
        found = there.get(checked_experiment(name))
        if found is None:
            near = near_names(name, there)
            raise ExperimentNotFound(f"there is no experiment {name!r}.", name=name, near=near)
        if isinstance(change, Deleted):
            self._experiments.discard(name)
            if read_experiment(self._store, found).deleted is change.deleted:
                return
        edit_experiment(self._store, found, change, user=user_name(), host=host_name())

    # --- models ------------------------------------------------------------------------------------------------------

    def load_model(
        self,
        model: ModelLike,
        *,
        native_type: type[Any] | None = None,
        trust: bool | None = None,
        strict_environment: bool = False,
        allow_offline: bool = False,
        verify_signature: str | None = None,
    ) -> Model[Any]:
        """Load a model, every file held against its SHA-256.

        Args:
            model: ``models:/<name>@<alias>``, ``models:/<name>/<version>``, ``runs:/<run id>/<path>``, a path, a
                ModelInfo or a ModelVersion.
            native_type: what ``model.native`` has to be.
            trust: whether its code may be run; None: as this workspace is trusted.
            strict_environment: refuse where packages differ.
            allow_offline: where the store does not answer, load the version that its alias or number meant when this
                machine last read it, if it was loaded here before; a `PodiumWarning` says how old that is. Without
                effect for stores on this machine.
            verify_signature: refuse what this key did not sign.

        Raises:
            NotFound, Corrupt, UntrustedModel, Quarantined, MissingExtra, EnvironmentMismatch, TypeError, Invalid
        """
        from podium.models.home import at_home
        from podium.models.loading import load_directory

        self._refuse_unsigned(verify_signature)
        home = self._home_of_model(model)
        if home is not self:
            return home.load_model(
                model,
                native_type=native_type,
                trust=trust,
                strict_environment=strict_environment,
                allow_offline=allow_offline,
            )
        found = self._models.place(model, allow_offline=allow_offline)
        loaded: Model[Any] = load_directory(
            found.folder,
            native_type=native_type,
            uri=found.uri,
            name=found.name,
            version=found.version,
            run_id=found.run_id,
            manifest=found.manifest,
            trusted=found.manifest is not None and self._trusted(),
            trust=trust,
            trust_path=self._named_as if found.manifest is not None else None,
            strict_environment=strict_environment,
        )
        if found.manifest is not None:
            at_home(loaded.info, self._home())
        return loaded

    def model_info(self, model: ModelLike) -> ModelInfo:
        """What is known of a model without loading it.

        Raises:
            NotFound, Corrupt, Invalid
        """
        from podium.models.home import at_home
        from podium.models.loading import model_info_of

        home = self._home_of_model(model)
        if home is not self:
            return home.model_info(model)
        found = self._models.place(model)
        info = model_info_of(
            found.folder, uri=found.uri, name=found.name, run_id=found.run_id, manifest=found.manifest
        )
        return at_home(info, self._home()) if found.manifest is not None else info

    def live(
        self,
        uri: str,
        *,
        poll_s: float = 5.0,
        check: Callable[[Model[Any]], object] | None = None,
        on_swap: Callable[[Model[Any], Model[Any]], object] | None = None,
        on_failure: Callable[[Exception], object] | None = None,
        shadow: str | None = None,
        trust: bool | None = None,
        verify_signature: str | None = None,
    ) -> LiveModel:
        """A model that follows its alias: it is loaded now, and again whenever the alias moves.

        Args:
            uri: ``models:/<name>@<alias>`` or ``models:/<name>/latest``.
            poll_s: how often the alias is read; a store that fails is given up, and told of, after so long, at least
                1 s and at most 5 s.
            check: called with a new version before it serves; raising, or returning False, refuses it.
            on_swap: called with the old and the new model.
            on_failure: called with the error of a look that failed.
            shadow: a second URI whose model predicts the same requests aside and is compared.
            trust: as `load_model`.
            verify_signature: as `load_model`.

        Raises:
            Invalid: the URI cannot move.
            NotFound, Corrupt, UntrustedModel, Quarantined, MissingExtra: as `load_model`, of the first load.
        """
        from podium.models.live import LiveModel

        self._refuse_unsigned(verify_signature)
        return LiveModel(
            self._followed(uri, trust, poll_s),
            poll_s=poll_s,
            check=check,
            on_swap=on_swap,
            on_failure=on_failure,
            shadow=None if shadow is None else self._followed(shadow, trust, poll_s),
        )

    def _followed(self, uri: str, trust: bool | None, poll_s: float) -> Any:
        from podium.commits.naming import parse_model_uri
        from podium.models.following import Followed
        from podium.models.live import look_patience_s

        if not parse_model_uri(uri).can_move:
            raise Invalid(
                f"{uri!r} always means the same version: there is nothing to follow. Use load_model."
            )
        if self._store.local_path(Key.root()) is not None:
            registry, hasty = self.registry, self.registry._within(look_patience_s(poll_s))
            return Followed(
                uri,
                lambda: registry.resolve(uri),
                lambda pinned: self.load_model(pinned, trust=trust),
                resolve_soon=lambda: hasty.resolve(uri),
            )
        return self._followed_from_afar(uri, trust, look_patience_s(poll_s))

    def _followed_from_afar(self, uri: str, trust: bool | None, patience_s: float) -> Any:
        """What is followed in a store that may be away: a server that starts meanwhile serves what was last known."""
        from podium.commits.naming import parse_model_uri
        from podium.models.following import Followed
        from podium.workspace.model_places import OFFLINE_PATIENCE_S

        first = self.registry._within(OFFLINE_PATIENCE_S)
        later = self.registry._within(min(patience_s, OFFLINE_PATIENCE_S))
        age_s: float | None = None

        def resolve() -> str:
            nonlocal age_s
            try:
                pinned = (first if age_s is None else later).resolve(uri)
            except StoreUnavailable as error:
                if age_s is not None:
                    raise  # something serves: it keeps serving, and says why it looks no further
                recalled = self._models.last_known().recall(parse_model_uri(uri).name)
                pinned = self._models.as_last_known(uri, None, error).uri
                age_s = 0.0 if recalled is None else recalled[1]
                return pinned
            age_s = 0.0
            return pinned

        return Followed(
            uri,
            resolve,
            lambda pinned: self.load_model(pinned, trust=trust, allow_offline=True),
            age_s=lambda: age_s or 0.0,
        )

    def _refuse_unsigned(self, verify_signature: str | None) -> None:
        if verify_signature is not None:
            from podium.errors import Refused

            raise Refused(
                "verify_signature was given, and no version in this store is signed: this podium cannot sign yet. "
                "Leave it out to load what the SHA-256 vouches for."
            )

    def _model_source(self, model: ModelLike) -> ModelSource:
        """What `Registry.register` copies; of a model that remembers another workspace, from there."""
        home = self._home_of_model(model)
        if home is not self:
            return replace(home._model_source(model), is_elsewhere=True)
        return self._models.source(model)

    @functools.cached_property
    def _models(self) -> ModelPlaces:
        from podium.workspace.model_places import ModelPlaces

        return ModelPlaces(
            self._store,
            self.url,
            registry=lambda: self.registry,
            get_run=self.get_run,
            trusted=self._trusted,
        )

    # --- the store ---------------------------------------------------------------------------------------------------

    def _trusted(self) -> bool:
        return self._place is None or may_run_code(self._place)

    def _check_writable(self) -> None:
        self._check_known()
        if self._read_only:
            raise Invalid("this workspace was opened with read_only=True: nothing is changed through it.")

    def _check_known(self) -> None:
        """Read nothing of a store that a newer podium wrote: what this one does not know it would leave out.

        Raises:
            StoreError: it was written by a newer podium.
            Corrupt: its ``podium.json`` makes no sense.
        """
        if not self._is_known:
            with contextlib.suppress(StoreUnavailable):  # whoever asks now will hear of it, or can do without
                self._is_known = read_header(self._store) is not None

    def _claim(self) -> None:
        if not self._claimed:
            claim(self._store)
            self._claimed = True

    def _ensure(self, experiment: str, now_ms: int) -> None:
        self._claim()
        if experiment not in self._experiments:
            ensure_experiment(self._store, experiment, now_ms)
            self._refuse_deleted(experiment)
            self._experiments.add(experiment)

    def _refuse_deleted(self, experiment: str) -> None:
        found = FoundExperiment(experiment, experiment_folder(experiment))
        if read_experiment(self._store, found).deleted:
            raise Conflict(
                f"the experiment {experiment!r} is deleted, so that nobody would see a run in it. Restore it with "
                f"restore_experiment({experiment!r}), or name another."
            )

    def copy_to(
        self,
        target: Workspace | StrPath,
        *,
        experiment: str | Sequence[str] | None = None,
        model: str | Sequence[str] | None = None,
    ) -> CopyReport:
        """Copy runs and models to another store, whichever of the two is a disk or a bucket.

        What is there already is passed over, so a copy that was broken off, or of a store that has grown, goes on where
        it stands. Artifacts and models are held against their SHA-256 on the way. A run that is being written arrives
        as it was when its turn came.

        Args:
            target: a workspace, a folder or a URL.
            experiment: only these; None: all, or none where models were named.
            model: only these, each with its whole history; None: all, or none where experiments were named.

        Returns:
            What was copied and what was there, and what could not be copied and why.

        Raises:
            Conflict: the target has a model of this name with other versions. Nothing was copied.
            ModelNotFound, Invalid: no such model; an experiment of the target has another's folder.
            StoreError: one of the stores does not answer.
        """
        from podium.workspace.copying import Copying, check_model, folder_of_model

        to = target if isinstance(target, Workspace) else Workspace(target)
        to._check_writable()
        everything = experiment is None and model is None
        wanted = self._wanted(experiment) if everything or experiment is not None else []
        names = [model] if isinstance(model, str) else list(model or ())
        names = [each.name for each in self.registry.models()] if everything else names
        for name in names:
            self.registry.get_model(name)
        checked = [check_model(self._store, to._store, folder_of_model(name), name) for name in names]
        flush_open_writers(self._store)
        to._claim()
        copying = Copying(self._store, to._store)
        for each in wanted:
            copying.experiment(each)
        for found in checked:
            copying.model(found)
        return copying.report()

    def _wanted(self, experiment: str | Sequence[str] | None) -> list[FoundExperiment]:
        """The experiments that are named, or all; one that is not there is warned about."""
        self._check_known()
        known = experiments(self._store)
        if experiment is None:
            return known
        names = [experiment] if isinstance(experiment, str) else list(experiment)
        there = {each.name: each for each in known}
        for name in names:
            if name not in there:
                hint = did_you_mean(near_names(name, there))
                warnings.warn(f"there is no experiment {name!r}.{hint}", PodiumWarning, stacklevel=3)
        return [there[name] for name in dict.fromkeys(names) if name in there]

    def sync(self, *, timeout_s: float | None = None) -> SyncReport:
        """Send what waits on this machine for this store: of this process, and of others that ended without it.

        Args:
            timeout_s: wait no longer; None: until each has been tried.

        Returns:
            What was sent and what waits still, and why. For a store on this machine nothing ever waits.

        Raises:
            StoreError: the store does not say which it is.
        """
        self._check_writable()
        if self._store.local_path(Key.root()) is not None:
            return SyncReport()
        area = area_of(self._store)
        if not area.lasting:
            area.remove()
            return SyncReport()
        sent = area.sent
        area.flush(timeout_s)
        left = area.waiting()
        return SyncReport(
            copied=area.sent - sent,
            skipped=area.being_written(),
            waiting=left.logs + left.files,
            waiting_bytes=left.size_bytes,
            problems=area.problems,
        )

    def close(self) -> None:
        """End the runs this workspace started that are still open; again: nothing."""
        self._end_runs(endings.FINISHED)
        if self._index is not None:
            self._index.close()

    def _end_runs(self, ending: endings.Ending) -> None:
        # Children before their parents.
        for run in reversed(list(self._started.values())):
            run._end_as(ending)
        self._started.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_runs(endings.ending_of(error))

    def __repr__(self) -> str:
        return f"<Workspace {self.url}>"


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


def _id_of(run: RunLike) -> str:
    if isinstance(run, Run):
        return run.run_id
    if isinstance(run, str):
        return run
    raise TypeError(f"a run is named by its id or given as a Run, not as {type(run).__name__}: {run!r:.100}")


def _same_place(one: Store, other: Store) -> bool:
    """Whether two stores are one folder of this machine."""
    roots = [store.local_path(Key.root()) for store in (one, other)]
    return None not in roots and len({os.path.realpath(str(root)) for root in roots}) == 1


def _warn_of_conflicts(run_id: str, state: RunState) -> None:
    """Between writers the first value of a param stands; whoever reads the run hears of the others."""
    if not state.conflicts:
        return
    told = "; ".join(
        f"{each.key!r} is {each.kept!r}, and {' and '.join(map(repr, each.others))} came later"
        for each in state.conflicts[:3]
    )
    more = f"; and {len(state.conflicts) - 3} more" if len(state.conflicts) > 3 else ""
    warnings.warn(
        f"the writers of run {run_id} disagree about its params, and the first value stands: {told}{more}. Settle it: "
        f"amend_run({run_id!r}).log_param({state.conflicts[0].key!r}, ..., overwrite=True).",
        PodiumWarning,
        stacklevel=3,
    )


def _can_be_opened(place: Place | None) -> bool:
    """Whether a store may be where another process saw it: a folder that is not here is not."""
    return place is not None and ("://" in place.url or Path(place.url).is_dir())


def _warn_of_bad_lines(run_id: str, state: RunState) -> None:
    """A line of a log that is no event is passed over; whoever reads the run hears that something may be missing."""
    if not state.bad_lines:
        return
    logs: dict[str, list[int]] = {}
    for each in state.bad_lines:
        logs.setdefault(each.writer_id, []).append(each.line)
    told = "; ".join(
        f"{len(lines)} in the log of writer {writer_id} (line {', '.join(map(str, lines[:3]))}"
        f"{', ...' if len(lines) > 3 else ''})"
        for writer_id, lines in list(logs.items())[:3]
    )
    more = f"; and in {len(logs) - 3} logs more" if len(logs) > 3 else ""
    warnings.warn(
        f"run {run_id} has records that cannot be read and were passed over: {told}{more}. The log was damaged or "
        "edited by hand; restore it from a copy if what is missing matters.",
        PodiumWarning,
        stacklevel=3,
    )
