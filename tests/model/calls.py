"""The calls of the scenarios: the shipped protocol and decisions, on one model with tiny bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from podium.commits import decisions
from podium.commits.calls import write
from podium.commits.decisions import Preflight
from podium.commits.gate import GateFacts
from podium.commits.protocol import (
    Answer,
    Decide,
    Get,
    History,
    ObjectFiles,
    Operation,
    Outcome,
    Says,
    Stamp,
    Steps,
    commit,
    publish_and_commit,
)
from podium.commits.registry import Registry
from podium.commits.source import ModelSource
from podium.commits.vocabulary import Register
from podium.errors import KeyMissing, PodiumError
from podium.stores.contract import Entry, Source
from podium.stores.keys import Key, name_segment
from tests.model.checker import Call, run_alone
from tests.model.claims import Bytes, Claims
from tests.model.process import Ended, stepwise
from tests.model.store import Contents

__all__ = [
    "ALIAS",
    "FOLDER",
    "FRESH",
    "NAME",
    "after",
    "claims_for",
    "committing",
    "files_as",
    "quarantine",
    "read",
    "register",
    "registering",
    "roll_back",
    "set_alias",
    "sha256_of",
    "stamp",
]

NAME = "m"
ALIAS = "champion"
FOLDER = Key.parse("models") / name_segment(NAME)
FRESH = History(FOLDER, NAME)
"""What a process knows that has not read yet."""

_FLOWN = Preflight("passed")


def stamp(commit_id: str) -> Stamp:
    """Of the call with this id."""
    return Stamp(commit_id, f"history of {commit_id}", 1, "u", "h")


# --- the bytes of a version ------------------------------------------------------------------------------------------


def _bytes(content: str) -> Bytes:
    return Bytes(manifest=f"manifest of {content}".encode(), files={"f": content.encode()})


def files_as(content: str) -> Callable[[str], ObjectFiles]:
    """The bytes of a version, under the name they are to have."""
    whole = _bytes(content)
    sizes = {path: len(data) for path, data in whole.files.items()}
    return lambda name: ObjectFiles(name, whole.files, sizes, whole.manifest)


def sha256_of(content: str) -> str:
    """Of the manifest of a version."""
    return hashlib.sha256(_bytes(content).manifest).hexdigest()


def claims_for(*contents: str, expected: dict[str, int | None] | None = None) -> Claims:
    """The claims where versions consist of these bytes."""
    return Claims(FOLDER, {sha256_of(each): _bytes(each) for each in contents}, expected)


# --- writing ---------------------------------------------------------------------------------------------------------


def registering(
    history: History,
    content: str,
    alias: str | None,
    commit_id: str,
) -> Steps[Outcome]:
    """Register a version."""

    def deciding(published: frozenset[str]) -> Decide:
        return decisions.deciding_register(
            Register(None, None, sha256_of(content), 1, "f", "data", alias=alias),
            gate=None,
            candidate=GateFacts({}, {}, {}),
            preflight=_FLOWN,
            force=False,
            published=published,
        )

    return publish_and_commit(history, files_as(content), deciding, stamp(commit_id))


def committing(history: History, decide: Decide, commit_id: str) -> Steps[Outcome]:
    """Commit a decision."""
    return commit(history, decide, stamp(commit_id))


Committing: TypeAlias = Callable[[History], Steps[Outcome]]


def _call(name: str, known: History, committing: Committing) -> Call:
    """A verb of the registry, from its first look to its last write; the id of its commit is its name."""
    return Call(name, stepwise(lambda: write(known, committing)), name)


def register(content: str, known: History = FRESH, *, alias: str | None = None, by: str = "") -> Call:
    """`Registry.register`; the id of the call is its name."""
    name = f"register {content}{by}"
    call = _call(name, known, lambda whole: registering(whole, content, alias, name))
    return replace(call, puts=sha256_of(content)[:32])


def set_alias(version: int, known: History, *, expect: int | None = None, by: str = "") -> Call:
    """`Registry.set_alias`."""
    name = f"set_alias {version}{by}"
    expectation = decisions.expectation(known.state, NAME, expect)
    decide = decisions.deciding_alias(NAME, ALIAS, version, expect=expectation, preflight=_FLOWN, force=False)
    return _call(name, known, lambda whole: committing(whole, decide, name))


def roll_back(known: History, *, by: str = "") -> Call:
    """`Registry.rollback`."""
    name = f"rollback{by}"
    decide = decisions.deciding_rollback(NAME, ALIAS, to=None, expect=None)
    return _call(name, known, lambda whole: committing(whole, decide, name))


def quarantine(version: int, known: History) -> Call:
    """`Registry.quarantine`."""
    name = f"quarantine {version}"
    decide = decisions.deciding_quarantine(NAME, version)
    return _call(name, known, lambda whole: committing(whole, decide, name))


def after(*calls: Call) -> tuple[Contents, History]:
    """The store after some calls, one after the other, and the history as their caller knows it then."""
    contents, history = Contents.of({}), FRESH
    for call in calls:
        ended, contents = run_alone(call.program, contents)
        assert isinstance(ended.result, Outcome)
        history = ended.result.history
    return contents, history


# --- reading ---------------------------------------------------------------------------------------------------------


class _Asked(BaseException):
    """A reader wants an answer that it was not given yet."""

    def __init__(self, operation: Operation) -> None:
        super().__init__(operation)
        self.operation = operation


class _Answering:
    """A store that has the answers of one process so far, and stops it where they end."""

    def __init__(self, answers: tuple[Answer, ...]) -> None:
        self._answers: Iterator[Answer] = iter(answers)

    def get(self, key: Key, start: int = 0) -> bytes:
        answer = next(self._answers, None)
        if answer is None:
            raise _Asked(Get(key))
        if isinstance(answer, bytes):
            return answer[start:]
        if answer is Says.ABSENT:
            raise KeyMissing(str(key))
        raise answer.error  # type: ignore[union-attr]  # a Get is answered with bytes, ABSENT or Failed

    def put(self, key: Key, source: Source) -> None:
        raise NotImplementedError

    def create(self, key: Key, data: bytes) -> None:
        raise NotImplementedError

    def list(self, prefix: Key) -> Iterator[Entry]:
        return iter(())  # asked only for names like the one that was not found

    def delete(self, key: Key) -> None:
        raise NotImplementedError

    def download(self, key: Key, path: Path) -> None:
        raise NotImplementedError

    def local_path(self, key: Key) -> None:
        return None


def _no_source(source: object) -> ModelSource:
    raise NotImplementedError


def read() -> Call:
    """`Registry.resolve` of the alias, in a new process: the whole shipped path, index and all."""

    def program(answers: tuple[Answer, ...]) -> Operation | Ended:
        registry = Registry(_Answering(answers), find_source=_no_source, patience_s=0)
        try:
            return Ended(int(registry.resolve(f"models:/{NAME}@{ALIAS}").rpartition("/")[2]))
        except _Asked as asked:
            return asked.operation
        except PodiumError as error:
            return Ended(error=error)

    return Call("reader", program, reads=ALIAS)
