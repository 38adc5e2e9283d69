"""The registry of one store: models, their versions and aliases, gates and history.

Each verb reads like its help: read what is so, decide, make the decision the next commit. Deciding is in
`decisions.py`, reading and committing in `histories.py`, the bytes of versions in `locating.py`. It knows no runs:
what is to be registered is found by a function it is given.
"""

from __future__ import annotations

import contextlib
import copy
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, SupportsFloat

from podium.commits import decisions
from podium.commits.arguments import (
    candidate_facts,
    check_filter,
    check_force,
    check_gate,
    check_why,
    free_text,
    metric_values,
    object_files,
    optional_text,
    register_body,
    text_of,
)
from podium.commits.decisions import NotFlown, NotVerified, Preflight
from podium.commits.facts import Commit, ModelVersion, RegisteredModel
from podium.commits.fold import ModelState, VersionState, alias_move
from podium.commits.gate import Verdict
from podium.commits.histories import Histories
from podium.commits.locating import FetchFiles, Located, locate, verified_folder
from podium.commits.naming import (
    ModelUri,
    check_alias,
    check_model_name,
    find_version,
    parse_model_uri,
    require_model,
)
from podium.commits.protocol import Decide, History, Outcome, Stamp, Steps, commit, publish_and_commit
from podium.commits.source import FindSource, ModelLike, ModelSource, VersionLike
from podium.commits.views import (
    Commits,
    commit_fact,
    found_models,
    found_versions,
    milliseconds,
    model_fact,
    version_fact,
    version_uri,
)
from podium.errors import Corrupt, Invalid, PodiumWarning, near_names
from podium.identity import host_name, user_name
from podium.ids import new_id
from podium.models.home import home_in
from podium.runs.events import check_key
from podium.stores.contract import Store
from podium.table import Table

if TYPE_CHECKING:
    from podium.models.manifest import Manifest
    from podium.search.comparing import Comparison

__all__ = ["Registry"]

_PATIENCE_S = 30.0
_MOST_LOOKED_AT = 10


class Registry:
    """Models and their versions in one store.

    Safe among threads, processes and machines: each change is one commit. Where an error is raised no version, alias
    or tag was changed. `GateRefused` and `PreflightFailed` are kept in the history as refusals, and `CommitUnknown`
    says that it could not be learnt what became of the change.
    """

    def __init__(
        self,
        store: Store,
        *,
        find_source: FindSource,
        claim: Callable[[], object] = lambda: None,
        trusted: Callable[[], bool] = lambda: True,
        fetch: FetchFiles | None = None,
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
        self._histories = Histories(store, patience_s=patience_s)
        self._home = home_in(store)
        self._told: set[str] = set()
        self._find_source = find_source
        self._claim = claim
        self._trusted = trusted
        self._fetch = fetch
        self._read_only = read_only

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
        _verify_source(found)
        stamp = _stamp(why)
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
                return self._fact(outcome.history.state, outcome.history.state.next_version - 1)

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
        state = self._histories.look(name).state
        verdict = decisions.verdict_of(state, gate, alias, candidate_facts(body))
        return Verdict("", (), holds=True) if verdict is None else verdict

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
        seen = self._existing(name)
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
                return self._fact(outcome.history.state, found.version)

    def _flown(self, name: str, version: VersionState, mode: Literal["auto", "require", "skip"]) -> Preflight:
        """Verify the bytes of a version and load it aside."""
        located = locate(self._histories, name, version)
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
        expected = decisions.expectation(self._existing(name), name, expect)
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
        seen = self._existing(name)
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
                target = self._existing(name).versions[needed.version]
                self._verified(locate(self._histories, name, target))
                verified |= {needed.version}
            else:
                return self._fact(outcome.history.state, outcome.history.state.aliases[alias])

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
        values = metric_values(metrics)
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
        self._decide(name, decisions.deciding_tag(name, check_key(key, "tag"), text, version), None)

    def delete_tag(self, name: str, key: str, *, version: VersionLike | None = None) -> None:
        """Delete a tag of the model, or of a version; where there is none, nothing happens."""
        self._decide(name, decisions.deciding_delete_tag(name, check_key(key, "tag"), version), None)

    def set_note(self, name: str, text: str, *, version: VersionLike | None = None) -> None:
        """Set the note of the model, or of a version."""
        self._decide(name, decisions.deciding_note(name, text_of(text, "a note"), version), None)

    # --- reading ---------------------------------------------------------------------------------------------------

    def resolve(self, uri: str) -> str:
        """The version a URI means now: ``models:/fraud@champion`` to ``models:/fraud/3``. The one fast read.

        Raises:
            NotFound: no such model, version or alias.
            Invalid: no ``models:/`` URI.
        """
        parsed = parse_model_uri(uri)
        state = self._glanced(parsed.name)
        return version_uri(parsed.name, find_version(state, parsed.name, parsed.selector).version)

    def _locate(self, uri: str | ModelUri) -> Located:
        """Where the bytes of a version lie; the manifest's own digest is checked.

        Raises:
            Quarantined: the version is.
            Corrupt: the manifest is not the one that was registered.
            NotFound, Invalid: as `resolve`.
        """
        parsed = parse_model_uri(uri) if isinstance(uri, str) else uri
        state = self._glanced(parsed.name)
        version = find_version(state, parsed.name, parsed.selector)
        decisions.check_usable(version, parsed.name, "it is not loaded")
        return locate(self._histories, parsed.name, version)

    def get_model(self, name: str) -> RegisteredModel:
        """The model as it is now.

        Raises:
            ModelNotFound: there is none.
        """
        return model_fact(self._existing(name))

    def get_version(self, name: str, version: VersionLike = "latest") -> ModelVersion:
        """A version as it is now.

        Raises:
            VersionNotFound, AliasNotFound, ModelNotFound: there is none.
        """
        state = self._existing(name)
        return self._fact(state, find_version(state, name, version).version)

    def compare(self, name: str, *versions: VersionLike) -> Comparison:
        """What differs between versions of a model: params, metrics and tags; none named: between all.

        Returns:
            A row for each difference, with a value for each version; its smallest and largest number are marked, the
            best where the goal of a metric is known.

        Raises:
            VersionNotFound, AliasNotFound, ModelNotFound: there is none.
        """
        from podium.search.comparing import Compared, compare
        from podium.search.goals import goal_of

        state = self._existing(name)
        chosen = versions or tuple(
            number for number in sorted(state.versions) if not state.versions[number].deleted
        )
        compared = []
        for each in chosen:
            fact = version_fact(state, find_version(state, name, each).version)
            summaries = state.versions[fact.version].metrics
            goals = {
                key: goal for key, found in summaries.items() if (goal := goal_of(found.goal)) is not None
            }
            compared.append(Compared(f"v{fact.version}", fact.params, fact.metrics, fact.tags, goals=goals))
        return compare(compared)

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
        check_filter(filter, "models")
        return found_models(self._states, filter, order_by, limit)

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
        check_filter(filter, "versions")
        states = self._states if name is None else lambda: [self._existing(name)]
        return found_versions(states, filter, order_by, limit, self._home)

    def history(self, name: str, alias: str | None = None) -> Table[Commit]:
        """What happened to a model, or to one of its aliases, newest first; refusals too.

        Raises:
            ModelNotFound: there never was one.
        """
        wanted = None if alias is None else check_alias(alias)
        commits = [commit_fact(record) for record in reversed(self._past(name).records)]
        return Commits([each for each in commits if wanted is None or each.alias == wanted])

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
        history = self._past(name)
        held: int | None = None
        for record in history.records:
            if record.time_ms > moment_ms:
                break
            move = alias_move(record)
            if record.body.verb == "delete_model" and not record.refused:
                held = None
            elif move is not None and move[0] == alias:
                held = move[1]
        return None if held is None else self._fact(history.state, held)

    def _within(self, patience_s: float) -> Registry:
        """This registry, for who does not want to wait so long; what either reads the other knows."""
        hasty = copy.copy(self)
        hasty._histories = self._histories.within(patience_s)
        return hasty

    def _last_seen(self, name: str) -> ModelState:
        """A model as this process last read it, without reading."""
        return self._histories.last_seen(check_model_name(name))

    def _facts(self, uri: str) -> VersionState:
        """All that is known of a version: what its run said, and what was logged to it since."""
        parsed = parse_model_uri(uri)
        return find_version(self._existing(parsed.name), parsed.name, parsed.selector)

    # --- the parts all verbs are made of -----------------------------------------------------------------------------

    def _existing(self, name: str) -> ModelState:
        state = self._histories.look(check_model_name(name)).state
        self._require(state, name)
        return state

    def _glanced(self, name: str) -> ModelState:
        state = self._histories.glance(name)
        self._require(state, name)
        return state

    def _require(self, state: ModelState, name: str) -> None:
        if not state.exists:
            require_model(state, name, self._names_like(name))

    def _names_like(self, name: str) -> tuple[str, ...]:
        """Models that there are and that a wrong name may have meant; what cannot be read is none of them."""
        others = [each for each in self._histories.names(damaged=_pass_over) if each != name]
        there = []
        for each in near_names(name, others, most=_MOST_LOOKED_AT):
            with contextlib.suppress(Corrupt):
                if self._histories.glance(each).exists:
                    there.append(each)
        return tuple(there)

    def _past(self, name: str) -> History:
        """The history of a model, also of one that was deleted or only refused so far."""
        history = self._histories.look(check_model_name(name))
        if not history.records:
            self._require(history.state, name)
        return history

    def _states(self) -> list[ModelState]:
        """All models that there are; one that is damaged hides no other, and whoever asks for it hears what it is."""
        states = []
        for name in self._histories.names(damaged=self._warn_of_damage):
            try:
                states.append(self._histories.look(name).state)
            except Corrupt as error:
                self._warn_of_damage(repr(name), error)
        return [each for each in states if each.exists]

    def _warn_of_damage(self, model: str, error: Corrupt) -> None:
        if model not in self._told:
            self._told.add(model)
            warnings.warn(f"the model {model} is left out: {error}", PodiumWarning, stacklevel=2)

    def _decide(self, name: str, decide: Decide, why: str | None) -> Outcome:
        """Make a decision the next commit of a model that is there; another name makes no store."""
        if not self._histories.knows(check_model_name(name)):
            self._existing(name)
        stamp = _stamp(why)
        return self._write(name, lambda known: commit(known, decide, stamp))

    def _write(self, name: str, committing: Callable[[History], Steps[Outcome]]) -> Outcome:
        if self._read_only:
            raise Invalid("this workspace was opened with read_only=True: nothing is changed through it.")
        self._claim()
        return self._histories.write(name, committing)

    def _version_after(
        self, name: str, version: VersionLike, deciding: Callable[[int], Decide], why: str | None
    ) -> ModelVersion:
        number = find_version(self._existing(name), name, version).version
        return self._fact(self._decide(name, deciding(number), why).history.state, number)

    def _fact(self, state: ModelState, number: int) -> ModelVersion:
        return version_fact(state, number, self._home)

    def _verified(self, located: Located) -> Path:
        return verified_folder(located, self._histories.store, self._fetch)


def _pass_over(model: str, error: Corrupt) -> None:
    """Who looks for a name can do without those that cannot be read."""


def _stamp(why: str | None) -> Stamp:
    return Stamp(
        commit_id=new_id(),
        new_history_id=new_id(),
        time_ms=time.time_ns() // 1_000_000,
        user=user_name(),
        host=host_name(),
        why=optional_text(why, "why"),
    )


def _verify_source(found: ModelSource) -> None:
    """Say by name which file changed since the source was described; copying verifies what it copies again."""
    from podium.models.manifest import check_portable, verify

    check_portable(found.manifest)
    verify(found.folder, found.manifest, uri=found.info.uri)


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
