"""The registry of one store: models, their versions and aliases, gates and history.

Each verb reads like its help: read what is so, decide, make the decision the next commit. Deciding is in
`decisions.py`, committing in `protocol.py`; this module brings them to a store. It knows no runs: what is to be
registered is found by a function it is given.
"""

from __future__ import annotations

import contextlib
import copy
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, SupportsFloat, TypeVar

from podium.commits import decisions
from podium.commits.arguments import (
    actor,
    candidate_facts,
    check_force,
    check_gate,
    check_why,
    free_text,
    key_text,
    number,
    object_files,
    register_body,
)
from podium.commits.decisions import NotFlown, NotVerified, Preflight
from podium.commits.driver import run
from podium.commits.facts import Commit, ModelVersion, RegisteredModel
from podium.commits.fold import ModelState, VersionState, alias_move
from podium.commits.gate import Verdict
from podium.commits.index import decode_index, encode_index, index_key, is_due
from podium.commits.naming import (
    ModelUri,
    check_alias,
    check_model_name,
    find_version,
    parse_model_uri,
    require_model,
)
from podium.commits.protocol import (
    Decide,
    History,
    Outcome,
    Stamp,
    Steps,
    catch_up,
    commit,
    commit_key,
    fetch,
    manifest_key,
    object_folder,
    publish_and_commit,
)
from podium.commits.source import FindSource, ModelLike, ModelSource, VersionLike
from podium.commits.views import commit_fact, milliseconds, model_fact, select, version_fact, version_uri
from podium.commits.vocabulary import decode_commit
from podium.errors import (
    Corrupt,
    HistoryReplaced,
    Invalid,
    ModelNotFound,
    StoreError,
)
from podium.ids import new_id
from podium.stores.contract import Store
from podium.stores.keys import Key, name_segment
from podium.table import Table

if TYPE_CHECKING:
    from podium.models.manifest import Manifest

__all__ = ["Located", "Registry"]

Result = TypeVar("Result")

_MODELS = Key.parse("models")
_LOCK_PATIENCE_S = 10.0
_PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Located:
    """Where the bytes of one version lie.

    Attributes:
        name: the model.
        version: its number.
        folder: the key of its files.
        manifest: what has to be there; its own digest was checked.
        trust: "data" or "code", as it was registered; the loader judges the bytes anew.
        run_id: the run that made it.
    """

    name: str
    version: int
    folder: Key
    manifest: Manifest
    trust: str
    run_id: str | None

    @property
    def uri(self) -> str:
        """``models:/<name>/<version>``."""
        return version_uri(self.name, self.version)


class Registry:
    """Models and their versions in one store.

    Safe among threads, processes and machines: each change is one commit. Where an error is raised nothing was
    changed, except by `CommitUnknown`, which says that it could not be learnt.
    """

    def __init__(
        self,
        store: Store,
        *,
        find_source: FindSource,
        claim: Callable[[], object] = lambda: None,
        trusted: Callable[[], bool] = lambda: True,
        fetch: Callable[[Located], Path] | None = None,
        read_only: bool = False,
        patience_s: float = _PATIENCE_S,
    ) -> None:
        """A registry.

        Args:
            store: where it lies.
            find_source: turns what `register` is given into bytes and facts.
            claim: called before the first write; makes the store.
            trusted: whether models of this store may run code.
            fetch: brings the files of a version to a local directory, verified; None for stores on a local disk.
            read_only: refuse every change.
            patience_s: how long a call waits for a store that does not answer, and for others' commits.
        """
        self._store = store
        self._find_source = find_source
        self._claim = claim
        self._trusted = trusted
        self._fetch = fetch
        self._read_only = read_only
        self._patience_s = patience_s
        self._seen: dict[str, History] = {}

    # --- registering ---------------------------------------------------------------------------------------------

    def register(
        self,
        source: ModelLike,
        name: str,
        *,
        gate: str | None = None,
        alias: str | None = None,
        tags: Mapping[str, object] | None = None,
        note: str | None = None,
        why: str | None = None,
        force: bool = False,
    ) -> ModelVersion:
        """Make a version of a model: its bytes, its run's facts, and perhaps an alias, in one commit.

        Args:
            source: a ``runs:/`` or ``models:/`` URI, a path, a ModelInfo or a ModelVersion.
            name: the model; made by its first version.
            gate: what must hold of this candidate; the standing gate of ``alias`` must hold as well.
            alias: to point at the new version.
            tags: of the version, beside its run's.
            note: of the version.
            why: kept in the history.
            force: register although a gate does not hold; needs ``why``.

        Returns:
            The new version.

        Raises:
            GateRefused: a gate does not hold; recorded.
            PreflightFailed: it does not load or predict its example, and ``alias`` was given; recorded.
            NotFound, Corrupt: there is no such model, or its bytes changed.
            Invalid, QueryError: a name or gate that cannot be.
            TypeError: force without why.
            StoreError: the store cannot decide between two writers (no conditional put, no hard links).
        """
        name = check_model_name(name)
        alias = None if alias is None else check_alias(alias)
        check_force(force, why)
        check_gate(gate)
        found = self._find_source(source)
        body = register_body(found, alias, tags, note)
        self._verify_source(found)
        stamp = self._stamp(why)
        flown: Preflight | None = None
        while True:
            deciding = partial(
                decisions.deciding_register, body, gate=gate, candidate=candidate_facts(body), force=force
            )
            try:
                outcome = self._write(name, _publishing(found, partial(deciding, preflight=flown), stamp))
            except NotFlown:
                flown = _fly(found.folder, found.manifest, "auto", trusted=found.trusted, version=None)
            else:
                return version_fact(outcome.history.state, outcome.history.state.next_version - 1)

    def check(
        self, source: ModelLike, name: str, *, gate: str | None = None, alias: str | None = None
    ) -> Verdict:
        """What the gates would say of `register`, without doing it; a refusal does not raise.

        Returns:
            The verdict; with no gate at all, one without checks that holds.
        """
        name = check_model_name(name)
        alias = None if alias is None else check_alias(alias)
        check_gate(gate)
        body = register_body(self._find_source(source), alias, None, None)
        state = self._look(name).state
        verdict = decisions.verdict_of(state, gate, alias, candidate_facts(body))
        return Verdict("", (), holds=True) if verdict is None else verdict

    def _verify_source(self, found: ModelSource) -> None:
        """Say by name which file changed since the source was described; copying verifies what it copies again."""
        from podium.models.manifest import check_portable, verify

        check_portable(found.manifest)
        verify(found.folder, found.manifest, uri=found.info.uri)

    # --- aliases ---------------------------------------------------------------------------------------------------

    def set_alias(
        self,
        name: str,
        alias: str,
        version: VersionLike,
        *,
        expect: VersionLike | Literal["absent"] | None = None,
        why: str | None = None,
        force: bool = False,
        preflight: Literal["auto", "require", "skip"] = "auto",
    ) -> ModelVersion:
        """Point an alias at a version; where it points there already, nothing happens.

        Args:
            name: the model.
            alias: with or without "@".
            version: the version.
            expect: where the alias has to point for this to happen, or "absent".
            why: kept in the history.
            force: although the alias's gate does not hold; needs ``why``.
            preflight: load the version and predict its stored example in a fresh process first; "auto" notes
                "skipped" where there is no example, a package is missing or trust forbids, "require" refuses then.

        Returns:
            The version, as it is after.

        Raises:
            AliasMoved: it does not point where ``expect`` says.
            GateRefused: the alias's standing gate does not hold; recorded.
            PreflightFailed: recorded.
            Quarantined: the version is.
            Corrupt: its bytes are not those that were registered.
            VersionNotFound, AliasNotFound, ModelNotFound, Invalid
            TypeError: force without why.
        """
        alias = check_alias(alias)
        check_force(force, why)
        if preflight not in ("auto", "require", "skip"):
            raise Invalid(f"preflight={preflight!r}: give 'auto', 'require' or 'skip'.")
        seen = self._existing(name).state
        found = find_version(seen, name, version)
        deciding = partial(
            decisions.deciding_alias,
            name,
            alias,
            found.version,
            expect=decisions.expectation(seen, name, expect),
            force=force,
        )
        flown: Preflight | None = None
        while True:
            try:
                outcome = self._decide(name, deciding(preflight=flown), why)
            except NotFlown:
                flown = self._flown(name, found, preflight)
            else:
                return version_fact(outcome.history.state, found.version)

    def _flown(self, name: str, version: VersionState, mode: Literal["auto", "require", "skip"]) -> Preflight:
        """Verify the bytes of a version and load it aside."""
        located = self._located(name, version)
        folder = self._verified(located)
        if mode == "skip":
            return Preflight("skipped: as asked")
        return _fly(folder, located.manifest, mode, trusted=self._trusted(), version=version.version)

    def delete_alias(
        self, name: str, alias: str, *, expect: VersionLike | None = None, why: str | None = None
    ) -> None:
        """Remove an alias.

        Raises:
            AliasNotFound: there is none.
            AliasMoved: it does not point where ``expect`` says, or moved while this call ran.
        """
        alias = check_alias(alias)
        expected = decisions.expectation(self._existing(name).state, name, expect)
        self._decide(name, decisions.deciding_delete_alias(name, alias, expect=expected), why)

    def rollback(
        self,
        name: str,
        alias: str = "champion",
        *,
        to: VersionLike | None = None,
        expect: VersionLike | None = None,
        why: str | None = None,
    ) -> ModelVersion:
        """Point an alias at its holder before; again: one further back. No gate, no preflight.

        Passed over are the present holder, quarantined and deleted versions, and those that were rolled back from
        this alias, until it is set to them again.

        Args:
            name: the model.
            alias: which.
            to: an earlier holder; all above it counts as rolled back.
            expect: where the alias has to point for this to happen.
            why: kept in the history.

        Returns:
            The version that holds the alias now.

        Raises:
            NothingToRollBack: there is no earlier holder.
            AliasMoved: it does not point where ``expect`` says, or moved while this call ran.
            Corrupt: the earlier holder's bytes are not those that were registered.
        """
        alias = check_alias(alias)
        seen = self._existing(name).state
        deciding = partial(
            decisions.deciding_rollback,
            name,
            alias,
            to=None if to is None else find_version(seen, name, to).version,
            expect=decisions.expectation(seen, name, expect),
            seen=seen,
        )
        verified: frozenset[int] = frozenset()
        while True:
            try:
                outcome = self._decide(name, deciding(verified=verified), why)
            except NotVerified as needed:
                target = self._existing(name).state.versions[needed.version]
                self._verified(self._located(name, target))
                verified |= {needed.version}
            else:
                return version_fact(outcome.history.state, outcome.history.state.aliases[alias])

    def set_gate(self, name: str, alias: str, gate: str | None, *, why: str | None = None) -> RegisteredModel:
        """Set the standing gate of an alias: whoever sets the alias has to pass it. None removes it.

        Raises:
            QueryError: the gate does not parse.
        """
        check_gate(gate)
        outcome = self._decide(name, decisions.deciding_gate(name, check_alias(alias), gate), why)
        return model_fact(outcome.history.state)

    # --- versions --------------------------------------------------------------------------------------------------

    def log_metrics(
        self, name: str, version: VersionLike, metrics: Mapping[str, SupportsFloat]
    ) -> ModelVersion:
        """Add metrics of an evaluation after registering; gates read them from now on."""
        values = {key_text(key, "metric"): number(key, value) for key, value in metrics.items()}
        return self._version_after(
            name, version, lambda number: decisions.deciding_log_metrics(name, number, values), None
        )

    def quarantine(self, name: str, version: VersionLike, *, why: str) -> ModelVersion:
        """Let no alias point to a version, and nobody load it.

        Raises:
            Refused: an alias points to it.
            TypeError: no reason was given.
        """
        check_why(why, "quarantine")
        return self._version_after(name, version, partial(decisions.deciding_quarantine, name), why)

    def release(self, name: str, version: VersionLike, *, why: str) -> ModelVersion:
        """End a quarantine; where there is none, nothing happens.

        Raises:
            TypeError: no reason was given.
        """
        check_why(why, "release")
        return self._version_after(name, version, partial(decisions.deciding_release, name), why)

    def delete_version(self, name: str, version: VersionLike, *, why: str) -> None:
        """Delete a version; its number is never given again.

        Raises:
            Refused: an alias points to it.
            TypeError: no reason was given.
        """
        check_why(why, "delete_version")
        self._decide(name, decisions.deciding_delete_version(name, version), why)

    def delete_model(self, name: str, *, why: str) -> None:
        """Delete a model and all its versions. One of the same name goes on with the numbers after them.

        Raises:
            Refused: it has aliases.
            TypeError: no reason was given.
        """
        check_why(why, "delete_model")
        self._decide(name, decisions.deciding_delete_model(name), why)

    def set_tag(self, name: str, key: str, value: object, *, version: VersionLike | None = None) -> None:
        """Set a tag of the model, or of a version."""
        text = free_text(str(value))
        self._decide(name, decisions.deciding_tag(name, key_text(key, "tag"), text, version), None)

    def delete_tag(self, name: str, key: str, *, version: VersionLike | None = None) -> None:
        """Delete a tag of the model, or of a version; where there is none, nothing happens."""
        self._decide(name, decisions.deciding_delete_tag(name, key_text(key, "tag"), version), None)

    def set_note(self, name: str, text: str, *, version: VersionLike | None = None) -> None:
        """Set the note of the model, or of a version."""
        self._decide(name, decisions.deciding_note(name, free_text(text), version), None)

    # --- reading ---------------------------------------------------------------------------------------------------

    def resolve(self, uri: str) -> str:
        """The version a URI means now: ``models:/fraud@champion`` to ``models:/fraud/3``. The one fast read.

        Raises:
            NotFound: no such model, version or alias.
            Invalid: no ``models:/`` URI.
        """
        parsed = parse_model_uri(uri)
        state = self._glance(parsed.name)
        if not state.exists:
            self._raise_no_model(state, parsed.name)
        return version_uri(parsed.name, find_version(state, parsed.name, parsed.selector).version)

    def locate(self, uri: str | ModelUri) -> Located:
        """Where the bytes of a version lie; the manifest's own digest is checked.

        Raises:
            Quarantined: the version is.
            Corrupt: the manifest is not the one that was registered.
            NotFound, Invalid: as `resolve`.
        """
        parsed = parse_model_uri(uri) if isinstance(uri, str) else uri
        state = self._glance(parsed.name)
        if not state.exists:
            self._raise_no_model(state, parsed.name)
        version = find_version(state, parsed.name, parsed.selector)
        decisions.check_usable(version, parsed.name, "it is not loaded")
        return self._located(parsed.name, version)

    def get_model(self, name: str) -> RegisteredModel:
        """The model as it is now.

        Raises:
            ModelNotFound: there is none.
        """
        return model_fact(self._existing(name).state)

    def get_version(self, name: str, version: VersionLike = "latest") -> ModelVersion:
        """A version as it is now.

        Raises:
            VersionNotFound, AliasNotFound, ModelNotFound: there is none.
        """
        state = self._existing(name).state
        return version_fact(state, find_version(state, name, version).version)

    def models(
        self,
        filter: str = "",  # noqa: A002 - the name the contract gives
        *,
        order_by: str | Sequence[str] = (),
        limit: int | None = None,
    ) -> Table[RegisteredModel]:
        """The registered models, by name.

        Args:
            filter: over name, latest, note, aliases and tags; "" is all.
            order_by: fields, each with an optional DESC.
            limit: at most so many; None is all.

        Raises:
            QueryError: a filter or order that does not parse.
        """
        from podium.search import MODELS

        facts = [model_fact(state) for state in self._all_states()]
        return Table(select(facts, MODELS, filter, order_by, limit))

    def versions(
        self,
        name: str | None = None,
        filter: str = "",  # noqa: A002 - the name the contract gives
        *,
        order_by: str | Sequence[str] = (),
        limit: int | None = None,
    ) -> Table[ModelVersion]:
        """Versions of one model, or of all, newest first; deleted ones are left out.

        Args:
            name: the model; None is all.
            filter: over attributes, metrics, params and tags; "" is all.
            order_by: fields, each with an optional DESC.
            limit: at most so many; None is all.

        Raises:
            ModelNotFound: there is no model of that name.
            QueryError: a filter or order that does not parse.
        """
        from podium.search import VERSIONS

        states = self._all_states() if name is None else [self._existing(name).state]
        facts = [
            version_fact(state, number)
            for state in states
            for number, version in state.versions.items()
            if not version.deleted
        ]
        return Table(select(facts, VERSIONS, filter, order_by, limit))

    def history(self, name: str, alias: str | None = None) -> Table[Commit]:
        """What happened to a model, or to one of its aliases, newest first; refusals too.

        Raises:
            ModelNotFound: there never was one.
        """
        wanted = None if alias is None else check_alias(alias)
        history = self._look(check_model_name(name))
        if not history.records:
            self._raise_no_model(history.state, name)
        commits = [commit_fact(record) for record in reversed(history.records)]
        return Table([each for each in commits if wanted is None or each.alias == wanted])

    def alias_at(self, name: str, alias: str, time: datetime | str) -> ModelVersion | None:
        """The version an alias pointed to at a time; None if to none.

        Args:
            name: the model.
            alias: which.
            time: aware, or ISO text (UTC unless it says otherwise).

        Returns:
            The version with its facts of today.
        """
        alias = check_alias(alias)
        moment_ms = milliseconds(time)
        history = self._look(check_model_name(name))
        if not history.records:
            self._raise_no_model(history.state, name)
        held: int | None = None
        for record in history.records:
            if record.time_ms > moment_ms:
                break
            move = alias_move(record)
            if record.body.verb == "delete_model" and not record.refused:
                held = None
            elif move is not None and move[0] == alias:
                held = move[1]
        return None if held is None else version_fact(history.state, held)

    def within(self, patience_s: float) -> Registry:
        """This registry, for who does not want to wait so long; what either reads the other knows."""
        hasty = copy.copy(self)
        hasty._patience_s = patience_s
        return hasty

    def last_seen(self, name: str) -> ModelState:
        """A model as this process last read it, without reading."""
        return self._known(check_model_name(name)).state

    # --- the parts all verbs are made of -----------------------------------------------------------------------------

    def _folder(self, name: str) -> Key:
        return _MODELS / name_segment(name)

    def _known(self, name: str) -> History:
        return self._seen.get(name) or History(self._folder(name), name)

    def _remember(self, history: History) -> None:
        # No lock: a forked child would inherit it held. Where two threads race the older one costs a look more.
        known = self._seen.get(history.name)
        newer = known is None or history.state.revision > known.state.revision
        if newer or (history.state.whole and known is not None and not known.state.whole):
            self._seen[history.name] = history

    def _look(self, name: str) -> History:
        """The whole history of a model as it is now; empty if there never was one."""
        known = self._known(name)
        if not known.state.whole:
            known = self._whole(known)
        history = run(catch_up(known), self._store, patience_s=self._patience_s)
        self._remember(history)
        return history

    def _whole(self, glanced: History) -> History:
        """Read from the first commit, what was only glanced at so far; it must be the same history."""
        history = run(
            catch_up(History(glanced.folder, glanced.name)), self._store, patience_s=self._patience_s
        )
        before = glanced.state
        if history.state.history_id != before.history_id or history.state.revision < before.revision:
            raise HistoryReplaced(
                f"the history of model {glanced.name!r} was replaced since this process saw it (a store was restored, "
                "or another copied over it). If that was meant, start the process again.",
                key=str(glanced.folder),
                model=glanced.name,
                expected=f"history {before.history_id} of {before.revision} commits",
                found=f"history {history.state.history_id} of {history.state.revision} commits",
            )
        return history

    def _existing(self, name: str) -> History:
        history = self._look(check_model_name(name))
        if not history.state.exists:
            self._raise_no_model(history.state, name)
        return history

    def _raise_no_model(self, state: ModelState, name: str) -> None:
        require_model(state, name, tuple(self._names()))
        raise ModelNotFound(f"no model is registered as {name!r}.", name=name)

    def _glance(self, name: str) -> ModelState:
        """A model as it is now, without metrics: from what was seen before, else from ``index.json``."""
        known = self._known(name)
        if not known.state.revision:
            known = self._from_index(known)
        history = run(catch_up(known), self._store, patience_s=self._patience_s)
        self._remember(history)
        return history.state

    def _from_index(self, empty: History) -> History:
        """Begin where the index ends, if the commit it names is there byte for byte; else at the first commit."""
        data = self._fetch_value(index_key(empty.folder))
        state = None if data is None else decode_index(data, name=empty.name)
        if state is None:
            return empty
        last = self._fetch_value(empty.key_of(state.revision))
        if last is None or _sha256(last) != state.head:
            return empty
        return replace(empty, state=state, last=last)

    def _fetch_value(self, key: Key) -> bytes | None:
        return run(fetch(key), self._store, patience_s=self._patience_s)

    def _decide(self, name: str, decide: Decide, why: str | None) -> Outcome:
        if not self._known(check_model_name(name)).state.exists:
            self._existing(
                name
            )  # a name that is not there is answered with those that are, and makes no store
        stamp = self._stamp(why)
        return self._write(name, lambda known: commit(known, decide, stamp))

    def _write(self, name: str, steps: Callable[[History], Steps[Outcome]]) -> Outcome:
        """Run a protocol that commits, refresh the index, and raise the refusal if it was one."""
        if self._read_only:
            raise Invalid("this workspace was opened with read_only=True: nothing is changed through it.")
        self._claim()
        with self._lock(name):
            known = self._known(name)
            if not known.state.whole:
                known = self._whole(known)
            outcome = run(steps(known), self._store, patience_s=self._patience_s)
            self._remember(outcome.history)
            if outcome.record is not None:
                self._refresh_index(outcome.history.state)
        if outcome.draft is not None and outcome.draft.refusal is not None:
            raise outcome.draft.refusal
        return outcome

    def _refresh_index(self, state: ModelState) -> None:
        """The commit stands: whatever happens here, the call has succeeded. The index is a view."""
        data = encode_index(state)
        if is_due(state.revision, len(data)):
            with contextlib.suppress(OSError):
                self._store.put(index_key(self._folder(state.name)), data)

    @contextlib.contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        """Spare racing processes of this machine their retries; nothing that must be right rests on it."""
        folder = self._store.local_path(self._folder(name))
        if folder is None or not folder.is_dir():
            yield  # nothing to lock, or the first commit is yet to come
            return
        from filelock import FileLock, Timeout

        lock = FileLock(folder / ".~lock", timeout=_LOCK_PATIENCE_S)
        try:
            lock.acquire()
        except (Timeout, OSError, NotImplementedError):
            yield  # the protocol is right without it
            return
        try:
            yield
        finally:
            lock.release()

    def _version_after(
        self, name: str, version: VersionLike, deciding: Callable[[int], Decide], why: str | None
    ) -> ModelVersion:
        number = find_version(self._existing(name).state, name, version).version
        return version_fact(self._decide(name, deciding(number), why).history.state, number)

    def _stamp(self, why: str | None) -> Stamp:
        return Stamp(
            commit_id=new_id(),
            new_history_id=new_id(),
            time_ms=time.time_ns() // 1_000_000,
            user=actor(),
            host=socket.gethostname(),
            why=free_text(why or ""),
        )

    def _names(self) -> list[str]:
        """The names of all models there ever were; the folders are few, and each holds its name in commit 1."""
        return [name for folder in self._model_folders() if (name := self._name_of(folder)) is not None]

    def _all_states(self) -> list[ModelState]:
        return [state for state in self._states() if state.exists]

    def _states(self) -> Iterator[ModelState]:
        for name in sorted(self._names()):
            yield self._look(name).state

    def _model_folders(self) -> set[Key]:
        root = self._store.local_path(_MODELS)
        if root is not None:
            try:
                return {_MODELS / each for each in os.listdir(root) if (root / each / "commits").is_dir()}
            except FileNotFoundError:
                return set()
        return {_MODELS / entry.key.segments[1] for entry in self._store.list(_MODELS)}

    def _name_of(self, folder: Key) -> str | None:
        """The true name of the model in a folder: commit 1 has it."""
        for name, history in [*self._seen.items()]:
            if history.folder == folder:
                return name
        key = commit_key(folder, 1)
        data = self._fetch_value(key)
        # Objects without a commit: somebody is registering, or was killed.
        return None if data is None else decode_commit(data, key=str(key)).model

    # --- bytes -------------------------------------------------------------------------------------------------------

    def _located(self, name: str, version: VersionState) -> Located:
        from podium.models.manifest import Manifest

        folder = self._folder(name)
        key = manifest_key(folder, version.object_key)
        uri = version_uri(name, version.version)
        data = self._fetch_value(key)
        if data is None:
            raise Corrupt(
                f"the manifest of {uri} is missing: {key}. Restore it from a copy of the store.",
                key=str(key),
                expected=version.sha256,
                found="nothing",
            )
        found = _sha256(data)
        if found != version.sha256:
            raise Corrupt(
                f"the manifest of {uri} is not the one that was registered: {key}. Do not load it; restore it from a "
                "copy of the store, or point the alias at a version that is whole.",
                key=str(key),
                expected=version.sha256,
                found=found,
            )
        return Located(
            name=name,
            version=version.version,
            folder=object_folder(folder, version.object_key),
            manifest=Manifest.from_bytes(data, key=str(key)),
            trust=version.trust,
            run_id=version.run_id,
        )

    def _verified(self, located: Located) -> Path:
        """A local directory with the files of a version, each held against its SHA-256."""
        from podium.models.manifest import verify

        folder = self._store.local_path(located.folder)
        if folder is None:
            if self._fetch is None:
                raise StoreError(
                    f"the files of {located.uri} do not lie on this machine's disk, and this registry has no way to "
                    "fetch them. Use the registry of a Workspace."
                )
            return self._fetch(located)
        verify(folder, located.manifest, uri=located.uri)
        return folder


def _sha256(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()


def _fly(
    folder: Path,
    manifest: Manifest,
    mode: Literal["auto", "require"],
    *,
    trusted: bool,
    version: int | None,
) -> Preflight:
    from podium.commits.preflight import preflight

    return preflight(folder, manifest, mode, trusted=trusted, version=version)


def _publishing(
    found: ModelSource, deciding: Callable[..., Decide], stamp: Stamp
) -> Callable[[History], Steps[Outcome]]:
    """Publish a model and commit what names it, from a history that is known."""
    return lambda known: publish_and_commit(
        known,
        lambda object_key: object_files(found, object_key),
        lambda published: deciding(published=published),
        stamp,
    )
