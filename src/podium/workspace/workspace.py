"""One store, its runs, its registry, its models: what everything public is a method of, or a function on the default.

Resolves what users call a run or a model to what the layers below work on. Holds no global state.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

from podium.errors import Invalid
from podium.runs.events import Deleted, Note, Tags, check_key
from podium.runs.experiments import FoundExperiment, experiments
from podium.runs.finding import find_run
from podium.runs.reader import read_run, status_of
from podium.runs.spool import area_of
from podium.runs.writer import flush_open_writers
from podium.stores.contract import Store
from podium.stores.keys import Key
from podium.stores.places import Place, find_place, may_run_code
from podium.stores.together import together
from podium.table import Table
from podium.workspace import endings
from podium.workspace.access import Access
from podium.workspace.active import ActiveRun, checked_note
from podium.workspace.caveats import warn_of_bad_lines, warn_of_conflicts, warn_of_unknown
from podium.workspace.edits import change_experiment, experiment_named, mark_run
from podium.workspace.facts import Experiment
from podium.workspace.homes import id_of, other_home_of_model, other_store_of_run, same_place
from podium.workspace.opened import OpenedRuns
from podium.workspace.redaction import redacted_url
from podium.workspace.reports import CopyReport, SyncReport
from podium.workspace.run import Run, RunLike, Runs, RunSource, facts_of
from podium.workspace.switches import is_on

if TYPE_CHECKING:
    from podium.commits.registry import Registry
    from podium.commits.source import ModelLike, ModelSource
    from podium.models.following import Followed
    from podium.models.home import Home
    from podium.models.info import ModelInfo
    from podium.models.live import LiveModel
    from podium.models.model import Model
    from podium.runs.fold import RunState
    from podium.search.comparing import Comparison
    from podium.search.index import Index
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
        self._access = Access(self._store, read_only=read_only)
        self._opened = OpenedRuns(self._store, self._access)
        self._registry: Registry | None = None
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
        self._access.check_known()
        if self._registry is None:
            from podium.commits.registry import Registry

            self._registry = Registry(
                self._store,
                find_source=self._model_source,
                claim=self._access.claim,
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
        home = other_home_of_model(model, self._store, self._named_as)
        if home is None:
            return self
        place = home.place
        other = Workspace(
            home.store if place is None or home.store is not None else place.url, read_only=True
        )
        other._place = place
        return self if same_place(other._store, self._store) else other

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
        return self._opened.start(
            self,
            run_name,
            experiment=experiment,
            run_id=run_id,
            resume=resume,
            nested=nested,
            parent=parent,
            tags=tags,
            note=note,
            enabled=enabled,
            system_metrics=system_metrics,
            strict=strict,
        )

    def _start_implicit_run(self) -> ActiveRun:
        """The run that is started because something was logged and none was current; ended with the script."""
        run = self.start_run()
        run._make_current(implicit=True)
        return run

    def amend_run(self, run: RunLike) -> ActiveRun:
        """Open a run to add metrics, tags, artifacts or models; its status and times stay.

        Where ``PODIUM_DISABLED`` is set every call works, and nothing is kept.

        Raises:
            RunNotFound: there is none.
        """
        home = self._home_of(run)
        return home._opened.amend(home, id_of(run))

    def _home_of(self, run: RunLike) -> Workspace:
        """The workspace a run belongs to: an id is one of this one's, an object remembers its own."""
        store = other_store_of_run(run, self._store)
        return self if store is None else Workspace(store)

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
        self._access.check_known()
        run, state = self._found_run(run_id)
        warn_of_conflicts(run.run_id, state)
        warn_of_bad_lines(run.run_id, state)
        return run

    def _several_runs(self, runs: Sequence[RunLike]) -> list[Run]:
        """Runs, each given as such or by its id; in a bucket those are looked for at once."""
        if self._store.local_path(Key.root()) is not None:
            return [each if isinstance(each, Run) else self.get_run(each) for each in runs]
        ids = [each for each in dict.fromkeys(runs) if not isinstance(each, Run)]
        if ids:
            self._access.check_known()
        found = dict(zip(ids, together(self._found_run, ids), strict=True))
        for run, state in found.values():
            warn_of_conflicts(run.run_id, state)
            warn_of_bad_lines(run.run_id, state)
        return [each if isinstance(each, Run) else found[each][0] for each in runs]

    def _found_run(self, run_id: str) -> tuple[Run, RunState]:
        found = find_run(self._store, run_id)
        state = read_run(self._store, found)
        facts = facts_of(found, state, status_of(self._store, found, state))
        return Run(facts, RunSource(self._store, found)), state

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
        from podium.workspace.searching import find_runs

        return find_runs(
            self._store,
            self._runs_index,
            filter,
            experiments=[experiment] if isinstance(experiment, str) else experiment,
            order_by=order_by,
            limit=limit,
            deleted=deleted,
        )

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
        from podium.workspace.searching import compare_runs

        if isinstance(runs, str | Run):
            raise TypeError(f"compare takes several runs, not {runs!r}. Write compare([one, other]).")
        return compare_runs(self._several_runs(runs))

    def _runs_index(self) -> Index:
        self._access.check_known()
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
        home._access.check_writable()
        mark_run(home._store, id_of(run), deleted=deleted)

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
        from podium.workspace.searching import find_experiments

        return find_experiments(self._runs_index, filter, deleted=deleted)

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
        self._edit_experiment(name, Note(checked_note(text)))

    def _edit_experiment(self, name: str, change: Tags | Note | Deleted) -> None:
        self._access.check_writable()
        found = experiment_named(self._store, name)
        if isinstance(change, Deleted):
            self._access.forget_experiment(name)
        change_experiment(self._store, found, change)

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
                machine last read it, if it was loaded here before; a `PodiumWarning` says how old that is. Where such
                a version is at hand, the store is given 5 seconds to say which one is meant now. Without effect for
                stores on this machine.
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

    def _followed(self, uri: str, trust: bool | None, poll_s: float) -> Followed:
        from podium.workspace.followed import followed_at_hand, followed_from_afar

        if self._store.local_path(Key.root()) is not None:
            load = functools.partial(self.load_model, trust=trust)
            return followed_at_hand(uri, self.registry, load, poll_s=poll_s)
        load = functools.partial(self.load_model, trust=trust, allow_offline=True)
        return followed_from_afar(uri, self.registry, load, self._models, poll_s=poll_s)

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
        from podium.stores.progress import moving
        from podium.workspace.copying import Copying, check_model, folder_of_model

        to = target if isinstance(target, Workspace) else Workspace(target)
        to._access.check_writable()
        self._access.check_known()
        everything = experiment is None and model is None
        wanted = _experiments_of(self._store, experiment) if everything or experiment is not None else []
        names = [model] if isinstance(model, str) else list(model or ())
        names = [each.name for each in self.registry.models()] if everything else names
        for name in names:
            self.registry.get_model(name)
        checked = [check_model(self._store, to._store, folder_of_model(name), name) for name in names]
        flush_open_writers(self._store)
        to._access.claim()
        with moving(f"copying to {to.url}", 0) as meter:
            copying = Copying(self._store, to._store, meter)
            for each in wanted:
                copying.experiment(each)
            for found in checked:
                copying.model(found)
        return copying.report()

    def sync(self, *, timeout_s: float | None = None) -> SyncReport:
        """Send what waits on this machine for this store: of this process, and of others that ended without it.

        Args:
            timeout_s: wait no longer; None: until each has been tried.

        Returns:
            What was sent and what waits still, and why. For a store on this machine nothing ever waits.

        Raises:
            StoreError: the store does not say which it is.
        """
        self._access.check_writable()
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
        """End the runs this workspace started that are still open, and let go of the index; again: nothing."""
        self._close(endings.FINISHED)

    def _close(self, ending: endings.Ending) -> None:
        self._opened.end(ending)
        if self._index is not None:
            self._index.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close(endings.ending_of(error))

    def __repr__(self) -> str:
        return f"<Workspace {self.url}>"


def _experiments_of(store: Store, named: str | Sequence[str] | None) -> list[FoundExperiment]:
    """The experiments that are named, or all; one that is not there is warned about."""
    known = experiments(store)
    if named is None:
        return known
    names = [named] if isinstance(named, str) else list(named)
    there = {each.name: each for each in known}
    warn_of_unknown([name for name in names if name not in there], there)
    return [there[name] for name in dict.fromkeys(names) if name in there]
