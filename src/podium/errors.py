"""Every error podium raises on purpose, as one small tree.

PodiumError
  NotFound(LookupError)      RunNotFound, ExperimentNotFound, ModelNotFound, VersionNotFound,
                             AliasNotFound, ArtifactNotFound
  Conflict                   ParamConflict, RunActive, NoCurrentRun, AliasMoved
  Refused                    GateRefused, PreflightFailed, UntrustedModel, Quarantined,
                             NothingToRollBack, EnvironmentMismatch
  Invalid(ValueError)        QueryError, SchemaError
  Corrupt                    ForkedHistory, HistoryReplaced
  StoreError(OSError)        StoreUnavailable, KeyMissing, KeyExists, CommitUnknown
  MissingExtra(ImportError)
PodiumWarning(UserWarning)

A message says what happened, why, and how to mend it; fields beside the text let code act on it.
This module imports no other module of podium; type checkers alone are told what richer facts a field holds.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from podium.commits.gate import Verdict
    from podium.workspace.active import ActiveRun

__all__ = [
    "AliasMoved",
    "AliasNotFound",
    "ArtifactNotFound",
    "CommitUnknown",
    "Conflict",
    "Corrupt",
    "EnvironmentMismatch",
    "ExperimentNotFound",
    "ForkedHistory",
    "GateRefused",
    "HistoryReplaced",
    "Invalid",
    "KeyExists",
    "KeyMissing",
    "MissingExtra",
    "ModelNotFound",
    "NoCurrentRun",
    "NotFound",
    "NothingToRollBack",
    "ParamConflict",
    "PodiumError",
    "PodiumWarning",
    "PreflightFailed",
    "Quarantined",
    "QueryError",
    "Refused",
    "RunActive",
    "RunNotFound",
    "SchemaError",
    "StoreError",
    "StoreUnavailable",
    "UntrustedModel",
    "VersionNotFound",
]


class PodiumError(Exception):
    """The root of every error that podium raises on purpose. Pickles with its fields."""

    def __init__(self, message: str) -> None:
        super().__init__(message)

    def __reduce__(self) -> tuple[object, ...]:
        # Fields are keyword-only; the default protocol would rebuild from the message alone and lose them.
        return (_rebuild, (type(self), str(self), dict(self.__dict__)))

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


def _rebuild(kind: type[PodiumError], message: str, fields: dict[str, object]) -> PodiumError:
    error = kind.__new__(kind, message)
    error.args = (message,)
    error.__dict__.update(fields)
    return error


class PodiumWarning(UserWarning):
    """Something podium could not do without standing in the way of training; said once."""


def near_names(name: str, known: Iterable[str], *, most: int = 3) -> tuple[str, ...]:
    """The names among ``known`` that the writer of ``name`` may have meant, best first, at most ``most``."""
    return tuple(difflib.get_close_matches(name, list(known), n=most, cutoff=0.5))


def did_you_mean(near: Sequence[str]) -> str:
    """What a message about a wrong name ends in: the question, or nothing. `NotFound` asks by itself."""
    return f" Did you mean {' or '.join(map(repr, near))}?" if near else ""


class NotFound(PodiumError, LookupError):
    """Nothing is there under that name; where names look alike, the message ends by asking for them.

    Attributes:
        name: what was asked for.
        near: names that exist and look alike, best first.
    """

    def __init__(self, message: str, *, name: str = "", near: Sequence[str] = ()) -> None:
        super().__init__(message + did_you_mean(near))
        self.name = name
        self.near: tuple[str, ...] = tuple(near)


class RunNotFound(NotFound):
    """No run has this id (or this prefix names more than one)."""


class ExperimentNotFound(NotFound):
    """No experiment has this name."""


class ModelNotFound(NotFound):
    """No registered model has this name."""


class VersionNotFound(NotFound):
    """The model has no such version, or it was deleted."""


class AliasNotFound(NotFound):
    """The model has no such alias."""


class ArtifactNotFound(NotFound):
    """The run has no such artifact."""


class Conflict(PodiumError):
    """The call contradicts something that is already so."""


class ParamConflict(Conflict):
    """A param was logged again with another value.

    Attributes:
        key: the param.
        old: the value it has.
        new: the value that was refused.
    """

    def __init__(self, message: str, *, key: str, old: object, new: object) -> None:
        super().__init__(message)
        self.key = key
        self.old = old
        self.new = new


class RunActive(Conflict):
    """A run is open where a new one was to be started.

    Attributes:
        run: the run that is open.
    """

    def __init__(self, message: str, *, run: ActiveRun) -> None:
        super().__init__(message)
        self.run = run


class NoCurrentRun(Conflict):
    """It cannot be told which run was meant.

    Attributes:
        open: ids of the runs open in this process.
    """

    def __init__(self, message: str, *, open: Sequence[str] = ()) -> None:  # noqa: A002 - the name the contract gives
        super().__init__(message)
        self.open: tuple[str, ...] = tuple(open)


class AliasMoved(Conflict):
    """An alias does not point where the caller last saw it.

    Attributes:
        expected: the version the caller expected, or None for "absent".
        found: the version the alias points to now, or None.
        commit: revision of the commit that moved it, or None.
    """

    def __init__(
        self, message: str, *, expected: int | None, found: int | None, commit: int | None = None
    ) -> None:
        super().__init__(message)
        self.expected = expected
        self.found = found
        self.commit = commit


class Refused(PodiumError):
    """podium could do this and will not, for a reason the message gives."""


class GateRefused(Refused):
    """A quality gate does not hold; the refusal is recorded in the model's history.

    Attributes:
        verdict: the `Verdict`, with every comparison that was made.
    """

    def __init__(self, message: str, *, verdict: Verdict) -> None:
        super().__init__(message)
        self.verdict = verdict


class PreflightFailed(Refused):
    """The version did not load, or did not predict its own example, in a fresh process.

    Attributes:
        version: the version's number, or None where it is not registered yet.
    """

    def __init__(self, message: str, *, version: int | None) -> None:
        super().__init__(message)
        self.version = version


class UntrustedModel(Refused):
    """Loading would run code of a model whose origin is not trusted.

    Attributes:
        uri: the model.
    """

    def __init__(self, message: str, *, uri: str) -> None:
        super().__init__(message)
        self.uri = uri


class Quarantined(Refused):
    """The version is quarantined.

    Attributes:
        commit: revision of the commit that quarantined it, or None.
    """

    def __init__(self, message: str, *, commit: int | None = None) -> None:
        super().__init__(message)
        self.commit = commit


class NothingToRollBack(Refused):
    """The alias has no earlier holder to go back to."""


class EnvironmentMismatch(Refused):
    """The packages here are not those the model was saved with.

    Attributes:
        differences: a line a package.
    """

    def __init__(self, message: str, *, differences: Sequence[str]) -> None:
        super().__init__(message)
        self.differences: tuple[str, ...] = tuple(differences)


class Invalid(PodiumError, ValueError):
    """A name, URI, option or value that can never be right."""


class QueryError(Invalid):
    """A filter, order or gate that does not parse.

    Attributes:
        text: the query as given.
        position: index into ``text`` where it went wrong, counted from 0.
    """

    def __init__(self, message: str, *, text: str, position: int) -> None:
        super().__init__(message)
        self.text = text
        self.position = position


class SchemaError(Invalid):
    """Data that does not fit a model's signature.

    Attributes:
        column: the column or tensor, or None where the whole is meant.
        expected: what the signature says.
        found: what was given.
    """

    def __init__(self, message: str, *, column: str | None, expected: str, found: str) -> None:
        super().__init__(message)
        self.column = column
        self.expected = expected
        self.found = found


class Corrupt(PodiumError):
    """Bytes in a store are not those that were written.

    Attributes:
        key: the file.
        expected: its checksum or size as recorded, or what should be there.
        found: what is there.
    """

    def __init__(self, message: str, *, key: str, expected: str = "", found: str = "") -> None:
        super().__init__(message)
        self.key = key
        self.expected = expected
        self.found = found


class ForkedHistory(Corrupt):
    """A model's commits do not follow one another: two histories were copied into one folder.

    Attributes:
        commit: revision of the first commit that does not follow.
    """

    def __init__(self, message: str, *, key: str, commit: int, expected: str = "", found: str = "") -> None:
        super().__init__(message, key=key, expected=expected, found=found)
        self.commit = commit


class HistoryReplaced(Corrupt):
    """A model's history is not the one this process saw before.

    Attributes:
        model: the model's name.
    """

    def __init__(self, message: str, *, key: str, model: str, expected: str = "", found: str = "") -> None:
        super().__init__(message, key=key, expected=expected, found=found)
        self.model = model


class StoreError(PodiumError, OSError):
    """A store cannot do what was asked."""


class StoreUnavailable(StoreError):
    """The store does not answer, or refuses: disk full, network down, no permission. It may pass."""


class KeyMissing(StoreError):
    """The store says that nothing is there under this key."""


class KeyExists(StoreError):
    """`create` found the key taken, perhaps by an earlier attempt of its own."""


class CommitUnknown(StoreError):
    """A commit was sent and it could not be learnt whether it stands.

    Attributes:
        commit_id: the random id to look for in the model's history.
    """

    def __init__(self, message: str, *, commit_id: str) -> None:
        super().__init__(message)
        self.commit_id = commit_id


class MissingExtra(PodiumError, ImportError):
    """An optional package is needed and not installed.

    Attributes:
        install: the command to type.
    """

    def __init__(self, message: str, *, install: str) -> None:
        super().__init__(message)
        self.install = install


def missing_extra(what: str, extra: str, *, package: str | None = None) -> MissingExtra:
    """The error for a missing optional package, with the one spelling of the command that mends it.

    Args:
        what: the work that cannot be done, as the start of a sentence ("Runs.to_pandas").
        extra: podium's extra that brings the package.
        package: the package itself, where no extra of podium brings it.
    """
    install = f"pip install {package}" if package else f'pip install "podium[{extra}]"'
    return MissingExtra(
        f"{what} needs a package that is not installed here. Type: {install}", install=install
    )
