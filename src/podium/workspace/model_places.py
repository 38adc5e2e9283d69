"""Where the bytes of a model lie, whatever it is called, and the facts that belong to them.

A URI of the registry or of a run, a path, a fact: each becomes one `ModelPlace`, with what its bytes have to be. Loads
nothing; whose store and which home a model has is the workspace's business.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from podium.errors import (
    Corrupt,
    Invalid,
    KeyMissing,
    NotFound,
    PodiumError,
    PodiumWarning,
    StoreError,
    StoreUnavailable,
)
from podium.stores.keys import Key
from podium.workspace.redaction import redacted_url
from podium.workspace.run import Run, RunFacts

if TYPE_CHECKING:
    from podium.commits.lastknown import LastKnown
    from podium.commits.locating import Located
    from podium.commits.registry import Registry
    from podium.commits.source import ModelLike, ModelSource
    from podium.models.manifest import Manifest
    from podium.search.evaluate import Summary
    from podium.stores.contract import Store
    from podium.stores.measured import Measure
    from podium.strictjson import JsonValue

__all__ = ["OFFLINE_PATIENCE_S", "ModelPlace", "ModelPlaces"]

# Who may be served from what was last known does not want to wait for a commit's time.
OFFLINE_PATIENCE_S = 3.0
# A network that connects and says nothing ends no request for the better part of a minute: see `_located_soon`.
OFFLINE_BOUND_S = 5.0


@dataclass(frozen=True, slots=True)
class ModelPlace:
    """Where the bytes of a model are, and what they have to be.

    Attributes:
        folder: a local directory.
        uri: pinned where it can be.
        manifest: what has to be there; None for a path, which nothing vouches for.
        name: the version's model, or the last part of a run's model; None for a path.
        version: its number, if it is one.
        run_id: the run that made it, where that is known.
        run: the run it was logged to, where it is one of a run.
    """

    folder: Path
    uri: str
    manifest: Manifest | None
    name: str | None = None
    version: int | None = None
    run_id: str | None = None
    run: Run | None = None


class ModelPlaces:
    """Finds models in one store, and brings those that are elsewhere to this machine."""

    def __init__(
        self,
        store: Store,
        url: str,
        *,
        registry: Callable[[], Registry],
        get_run: Callable[[str], Run],
        trusted: Callable[[], bool],
    ) -> None:
        self._store = store
        self._url = url
        self._registry = registry
        self._get_run = get_run
        self._trusted = trusted

    def place(self, model: ModelLike, *, allow_offline: bool = False) -> ModelPlace:
        """Where the bytes of a model are, and what they have to be."""
        from podium.commits.facts import ModelVersion
        from podium.commits.naming import check_spelling
        from podium.models.info import ModelInfo
        from podium.models.manifest import manifest_of

        if isinstance(model, ModelVersion):
            return self._version(model.uri, expected=model.sha256, allow_offline=allow_offline)
        if isinstance(model, ModelInfo):
            text = model.uri
            if text.startswith("models:/"):
                return self._version(text, expected=model.sha256, allow_offline=allow_offline)
            if text.startswith("runs:/"):
                return self._run(text, expected=model.sha256)
            found = _path_place(text)
            if found.folder.is_dir():
                _check_same(text, manifest_of(found.folder), model.sha256)
            return found
        if isinstance(model, Run):
            raise TypeError(
                f"a run may have logged several models: give one of them, run.model_uri() or {model.model_uri()!r}."
            )
        text = os.fspath(model)
        if text.startswith("models:/"):
            return self._version(text, allow_offline=allow_offline)
        if text.startswith("runs:/"):
            return self._run(text)
        check_spelling(text)
        return _path_place(text)

    def _version(self, uri: str, expected: str | None = None, *, allow_offline: bool = False) -> ModelPlace:
        if self._store.local_path(Key.root()) is not None:
            located = self._registry()._locate(uri)
            _check_same(uri, located.manifest, expected)
            folder = self._store.local_path(located.folder)
            assert folder is not None  # noqa: S101 - all of a store on this disk is on this disk
            return _located_at(folder, located)
        try:
            located = self._located_soon(uri) if allow_offline else self._registry()._locate(uri)
            _check_same(uri, located.manifest, expected)
            folder = self.fetched(located)
        except StoreUnavailable as error:
            if not allow_offline:
                raise
            return self.as_last_known(uri, expected, error)
        self.last_known().note(self._registry()._last_seen(located.name))
        return _located_at(folder, located)

    def _located_soon(self, uri: str) -> Located:
        """Where a version lies now; who has one to load instead does not wait for it beyond a bound.

        Raises:
            StoreUnavailable: no answer came in time.
        """

        def locate() -> Located:
            return self._registry()._within(OFFLINE_PATIENCE_S)._locate(uri)

        if not self._is_kept(uri):
            return locate()
        answer: Future[Located] = Future()

        def ask() -> None:
            try:
                answer.set_result(locate())
            except BaseException as error:  # noqa: BLE001 - raised where it is waited for
                answer.set_exception(error)

        # Left alone when it is late: a request under way can only be waited for.
        threading.Thread(target=ask, name="podium-locate", daemon=True).start()
        if not wait([answer], OFFLINE_BOUND_S).done:
            raise StoreUnavailable(f"{redacted_url(self._url)} gave no answer in {OFFLINE_BOUND_S:g} s.")
        return answer.result()

    def _is_kept(self, uri: str) -> bool:
        """Whether the version that a URI last meant lies on this machine."""
        from podium.commits.naming import find_version, parse_model_uri
        from podium.models.cache import ModelCache

        parsed = parse_model_uri(uri)
        recalled = self.last_known().recall(parsed.name)
        if recalled is None:
            return False
        try:
            version = find_version(recalled[0], parsed.name, parsed.selector)
        except PodiumError:
            return False
        return ModelCache().kept(version.sha256) is not None

    def as_last_known(self, uri: str, expected: str | None, error: StoreUnavailable) -> ModelPlace:
        """The version a URI meant when this machine last read it, from the cache.

        Raises:
            StoreUnavailable: it was never loaded here.
        """
        from podium.commits.decisions import check_usable
        from podium.commits.naming import find_version, parse_model_uri
        from podium.commits.views import version_uri
        from podium.models.cache import ModelCache
        from podium.models.manifest import manifest_of

        parsed = parse_model_uri(uri)
        recalled = self.last_known().recall(parsed.name)
        if recalled is None:
            raise StoreUnavailable(
                f"{error} And no version of {parsed.name!r} was loaded on this machine before."
            ) from error
        state, age_s = recalled
        version = find_version(state, parsed.name, parsed.selector)
        check_usable(version, parsed.name, "it is not loaded")
        folder = ModelCache().kept(version.sha256)
        pinned = version_uri(parsed.name, version.version)
        if folder is None:
            raise StoreUnavailable(f"{error} And {pinned} was not loaded on this machine before.") from error
        manifest = manifest_of(folder)
        _check_same(pinned, manifest, version.sha256)
        _check_same(pinned, manifest, expected)
        warnings.warn(
            f"{uri} is version {version.version} as of {age_s:.0f} seconds ago, when this machine last read it: the "
            f"store does not answer ({error})",
            PodiumWarning,
            stacklevel=5,
        )
        return ModelPlace(
            folder, pinned, manifest, name=parsed.name, version=version.version, run_id=version.run_id
        )

    def last_known(self) -> LastKnown:
        """What this machine remembers of the registry of a store that is elsewhere."""
        import hashlib

        from podium.commits.lastknown import LastKnown
        from podium.models.cache import default_cache_folder

        address = str(getattr(self._store, "address", None) or self._url)
        digest = hashlib.sha256(address.encode()).hexdigest()[:16]
        return LastKnown(default_cache_folder().parent / "registries" / digest)

    def _run(self, uri: str, expected: str | None = None) -> ModelPlace:
        from podium.models.manifest import FileEntry, Manifest
        from podium.runs.artifacts import artifact_key, not_there_yet

        run_id, _, name = uri.removeprefix("runs:/").partition("/")
        if not run_id or not name:
            raise Invalid(f"{uri!r} names no model of a run. Write runs:/<run id>/<name>.")
        run = self._get_run(run_id)
        models = run._facts.state().models
        model = models.get(name)
        if model is None:
            logged = ", ".join(map(repr, models)) or "none"
            raise NotFound(f"run {run.run_id} logged no model {name!r}; its models: {logged}.", name=name)
        manifest = Manifest(tuple(FileEntry(each.path, each.size_bytes, each.sha256) for each in model.files))
        _check_same(uri, manifest, expected)
        key = artifact_key(run._source.found.keys, model.key)
        pinned = f"runs:/{run.run_id}/{name}"
        folder = self._store.local_path(key)
        if folder is None:

            def missing(path: str) -> PodiumError:
                listed = f"{name}/{path}"
                return not_there_yet(run.run_id, listed) if run._may_come() else _gone(pinned, path)

            folder = self._cached(manifest, key, pinned, missing)
        return ModelPlace(folder, pinned, manifest, name=name.rpartition("/")[2], run_id=run.run_id, run=run)

    def fetched(self, located: Located) -> Path:
        """A local directory with the files of a version, each held against its SHA-256."""
        return self._cached(
            located.manifest, located.folder, located.uri, lambda path: _gone(located.uri, path)
        )

    def _cached(
        self, manifest: Manifest, folder: Key, uri: str, missing: Callable[[str], PodiumError]
    ) -> Path:
        from podium.models.cache import ModelCache
        from podium.stores.measured import fetch_measured

        def fetch(path: str, local: Path) -> Measure:
            try:
                return fetch_measured(self._store, folder.below(path), local)
            except KeyMissing as error:
                raise missing(path) from error

        return ModelCache().folder(manifest, fetch, uri=uri)

    def source(self, model: ModelLike) -> ModelSource:
        """What `Registry.register` copies: the bytes, and the facts of their version, or of the run that made them."""
        from podium.commits.source import ModelSource
        from podium.models.loading import model_info_of
        from podium.models.manifest import manifest_of
        from podium.models.trust import written_here

        found = self.place(model)
        info = model_info_of(
            found.folder, uri=found.uri, name=found.name, run_id=found.run_id, manifest=found.manifest
        )
        manifest = found.manifest if found.manifest is not None else manifest_of(found.folder)
        source = ModelSource(
            info=info,
            manifest=manifest,
            folder=found.folder,
            trusted=self._trusted()
            if found.manifest is not None
            else written_here(found.folder, info.sha256),
        )
        if found.version is not None:
            # A version says more than its run: what was logged and set since, also once the run is gone.
            version = self._registry()._facts(found.uri)
            return _with_facts(source, version.params, version.metrics, version.tags)
        facts = self._facts_of_maker(found, info.run_id)
        return source if facts is None else _with_facts(source, facts.params, facts.summary, facts.tags)

    def _facts_of_maker(self, found: ModelPlace, run_id: str | None) -> RunFacts | None:
        if found.run is not None:
            return found.run._facts
        if run_id is None:
            return None
        try:
            return self._get_run(run_id)._facts
        except (NotFound, Invalid):
            return None  # a model of another store: its run is not here


def _with_facts(
    source: ModelSource,
    params: Mapping[str, JsonValue],
    summaries: Mapping[str, Summary],
    tags: Mapping[str, str],
) -> ModelSource:
    return replace(
        source,
        params=dict(params),
        metrics={key: each.last for key, each in summaries.items()},
        tags=dict(tags),
        summaries=dict(summaries),
    )


def _located_at(folder: Path, located: Located) -> ModelPlace:
    return ModelPlace(
        folder,
        located.uri,
        located.manifest,
        name=located.name,
        version=located.version,
        run_id=located.run_id,
    )


def _path_place(text: str) -> ModelPlace:
    if text.startswith("file:"):
        from podium.stores.local import open_file

        return ModelPlace(open_file(text).root, text, None)
    if "://" in text:
        raise StoreError(
            f"{redacted_url(text)} does not lie on this machine's disk, and this podium reads nothing else yet. "
            "Bring it here, or register it in a store."
        )
    return ModelPlace(Path(text), text, None)


def _gone(uri: str, path: str) -> Corrupt:
    return Corrupt(
        f"the file {path!r} of model {uri} is missing in the store. Restore it from a copy, or point the alias at a "
        "version that is whole.",
        key=path,
        expected="there",
        found="missing",
    )


def _check_same(uri: str, manifest: Manifest, expected: str | None) -> None:
    if expected is not None and manifest.sha256 != expected:
        raise Corrupt(
            f"{uri} is not the model it was when you read about it: its manifest differs. Read it again.",
            key=uri,
            expected=expected,
            found=manifest.sha256,
        )
