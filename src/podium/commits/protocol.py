"""The commit protocol, as generators of store operations.

A commit is a numbered file created only if absent, and the number says what it follows. Everything here yields what it
wants of a store and is sent what the store said, so that the same code runs in production (`driver.py`) and, one
operation at a time, under a model checker that kills it, loses its answers and shows it stale values. No store, no
clock, no randomness: ids and times are arguments, waiting is an operation.

Why each rule is there:
- Commits are read forward by number and never listed: listings and copies of a live folder show n+1 without n.
- "Exists" may be the echo of one's own attempt: what lies there is read until it is seen, and its commit id tells.
- After no answer the same bytes are sent to the same number again: whichever copy arrives, it is one commit.
- "Not there" may be late: it is believed for what the caller knows, never for what `create` will find.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Generic, TypeAlias, TypeVar

from podium.commits.fold import ModelState, fold
from podium.commits.vocabulary import Body, CommitRecord, decode_commit, encode_commit
from podium.errors import (
    CommitUnknown,
    Corrupt,
    ForkedHistory,
    HistoryReplaced,
    PodiumError,
    StoreUnavailable,
)
from podium.stores.keys import Key

__all__ = [
    "Answer",
    "Create",
    "Decide",
    "Draft",
    "Failed",
    "Get",
    "History",
    "LocalFile",
    "NotPublished",
    "Nothing",
    "ObjectFiles",
    "Operation",
    "Outcome",
    "Pause",
    "Put",
    "PutAll",
    "Says",
    "Sizes",
    "Stamp",
    "Steps",
    "catch_up",
    "commit",
    "commit_key",
    "confirm",
    "fetch",
    "is_own",
    "manifest_key",
    "object_folder",
    "object_name",
    "publish",
    "publish_and_commit",
    "read_forward",
]


_COMMIT_NAME = re.compile(r"[0-9]{20}\.json")

# A commit this process saw can be late again only where a cache forgets; a few looks tell that from one that is gone.
_LOOKS_FOR_WHAT_WAS_SEEN = 6


# --- what is asked of a store, and what it may say ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Get:
    """The value of a key: bytes, ``Says.ABSENT`` or `Failed`."""

    key: Key


@dataclass(frozen=True, slots=True)
class Create:
    """Create a value: ``Says.DONE``, ``Says.EXISTS`` or `Failed`, after which the outcome is unknown."""

    key: Key
    data: bytes


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file on this machine's disk, and what it has to hold: bytes of another SHA-256 reach no store.

    Attributes:
        path: where it lies.
        size: bytes.
        sha256: 64 hex digits.
    """

    path: Path
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Put:
    """Set a value, bytes or those of a local file: ``Says.DONE`` or `Failed`."""

    key: Key
    source: bytes | LocalFile


@dataclass(frozen=True, slots=True)
class PutAll:
    """Set several values in any order or at once: ``Says.DONE``, or `Failed`, after which any of them may be set."""

    puts: tuple[Put, ...]


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes of all values in a folder, by path below it: a mapping, or `Failed`. May be late."""

    folder: Key


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait a little: ``Says.DONE``, or ``Says.EXPIRED`` when the call has no time left."""


class Says(Enum):
    """What a store says beside values."""

    ABSENT = "absent"
    EXISTS = "exists"
    DONE = "done"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Failed:
    """The store gave no answer, or refused; it may pass.

    Attributes:
        error: what it said.
        nothing_done: for certain nothing was written, and to wait mends nothing: the disk is full.
    """

    error: StoreUnavailable
    nothing_done: bool = False


Operation: TypeAlias = Get | Create | Put | PutAll | Sizes | Pause
Answer: TypeAlias = "bytes | Mapping[str, int] | Says | Failed"
Result = TypeVar("Result")
Decided_co = TypeVar("Decided_co", bound=Body, covariant=True)
Steps: TypeAlias = Generator[Operation, Answer, Result]


# --- a history as a process knows it ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class History:
    """The commits of one model that a process has seen, and what they fold to.

    Attributes:
        folder: the model's folder in the store.
        name: the model's true name, which every commit must carry.
        state: the fold.
        records: every commit from the first; empty beside a state continued from ``index.json``.
        last: the bytes of the last commit, b"" before the first.
        searched: whether this process has looked for commits beyond a hole, once, in a listing.
    """

    folder: Key
    name: str
    state: ModelState = field(default_factory=ModelState)
    records: tuple[CommitRecord, ...] = ()
    last: bytes = b""
    searched: bool = False

    def key_of(self, revision: int) -> Key:
        """Where a commit lies."""
        return commit_key(self.folder, revision)

    def followed_by(self, *commits: bytes) -> History:
        """This history and some commits more.

        Raises:
            Corrupt: the bytes are no commit, or cannot follow.
            ForkedHistory: a commit follows another history.
        """
        if not commits:
            return self
        revision, head, history_id = self.state.revision, self.state.head, self.state.history_id
        following: list[tuple[CommitRecord, str]] = []
        for data in commits:
            revision += 1
            key = str(self.key_of(revision))
            record = decode_commit(data, key=key)
            self._check_follows(record, revision, head or None, history_id or record.history_id, key)
            head, history_id = hashlib.sha256(data).hexdigest(), record.history_id
            following.append((record, head))
        records = (*self.records, *(record for record, _ in following)) if self.state.whole else ()
        return replace(self, state=fold(self.state, following), records=records, last=commits[-1])

    def _check_follows(
        self, record: CommitRecord, revision: int, previous: str | None, history_id: str, key: str
    ) -> None:
        if record.model != self.name:
            raise Corrupt(
                f"{key} belongs to model {record.model!r}, not to {self.name!r}.",
                key=key,
                expected=self.name,
                found=record.model,
            )
        if (record.revision, record.previous, record.history_id) != (revision, previous, history_id):
            raise ForkedHistory(
                f"commit {revision} of model {self.name!r} does not follow commit {revision - 1}: two histories were "
                "copied into one folder. Nothing is written to it; restore the folder from one of the two stores.",
                key=key,
                commit=revision,
                expected=str(previous),
                found=str(record.previous),
            )


def commit_key(folder: Key, revision: int) -> Key:
    """Where commit ``revision`` of the model in ``folder`` lies."""
    return folder / "commits" / f"{revision:020}.json"


# --- reading --------------------------------------------------------------------------------------------------------


def fetch(key: Key) -> Steps[bytes | None]:
    """The value of a key, None where the store says there is none; asked again while it does not answer.

    Raises:
        StoreUnavailable: it did not answer in time.
    """
    while True:
        answer = yield Get(key)
        if isinstance(answer, bytes):
            return answer
        if isinstance(answer, Failed):
            if (yield Pause()) is Says.EXPIRED:
                raise answer.error
            continue
        return None


def read_forward(history: History) -> Steps[History]:
    """All that follows, commit by commit, until a number is not there; folded at once, since folding copies."""
    following: list[bytes] = []
    while True:
        data = yield from fetch(history.key_of(history.state.revision + len(following) + 1))
        if data is None:
            return history.followed_by(*following)
        following.append(data)


def catch_up(history: History) -> Steps[History]:
    """What the history is now, from what this process saw before.

    Raises:
        HistoryReplaced: the commits this process saw are not those that are there now.
    """
    if history.state.revision:
        yield from confirm(history)
    return (yield from read_forward(history))


def confirm(history: History) -> Steps[None]:
    """Whether the last commit this process saw is still what lies there.

    Raises:
        HistoryReplaced: it is another, or the history is shorter now than it was.
    """
    key = history.key_of(history.state.revision)
    for _ in range(_LOOKS_FOR_WHAT_WAS_SEEN):
        data = yield from fetch(key)
        if data == history.last:
            return
        if data is not None:
            raise _replaced(history, key, "another commit")
        if (yield Pause()) is Says.EXPIRED:
            break
    raise _replaced(history, key, "nothing")


def _replaced(history: History, key: Key, found: str) -> HistoryReplaced:
    return HistoryReplaced(
        f"the history of model {history.name!r} was replaced: commit {history.state.revision} is not the one this "
        "process saw before (a store was restored, or another copied over it). Nothing is written. If that was "
        "meant, start the process again.",
        key=str(key),
        model=history.name,
        expected=history.state.head,
        found=found,
    )


# --- deciding and committing ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Draft(Generic[Decided_co]):
    """A decision that is to become a commit.

    Attributes:
        body: what was decided.
        forced: whether a gate was overruled.
        refusal: the error to raise once the refusal is recorded; None if this is no refusal.
    """

    body: Decided_co
    forced: bool = False
    refusal: PodiumError | None = None


@dataclass(frozen=True, slots=True)
class Nothing:
    """A decision that there is nothing to do."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """Who commits, when and why.

    Attributes:
        commit_id: random, one a call.
        new_history_id: random, used if this turns out to be the first commit.
        time_ms: now.
        user: who.
        host: where.
        why: the reason given.
    """

    commit_id: str
    new_history_id: str
    time_ms: int
    user: str
    host: str
    why: str = ""


Decide: TypeAlias = Callable[[ModelState, ModelState], Draft[Body] | Nothing]
"""What to do, from the state now and from the state at this call's first look; pure; raises what it refuses."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended.

    Attributes:
        history: with everything this process has seen.
        record: the call's own commit, None if there was nothing to do.
        draft: the decision it recorded.
    """

    history: History
    record: CommitRecord | None
    draft: Draft[Body] | None


def commit(history: History, decide: Decide, stamp: Stamp) -> Steps[Outcome]:
    """Decide, and make the decision the next commit; decide again where another call's commit came first.

    Raises:
        CommitUnknown: it was sent, and it could not be learnt in time whether it stands.
        StoreUnavailable: it was not sent, or did not find space on the disk: it does not stand.
        ForkedHistory: the folder holds a hole or two histories.
        PodiumError: whatever ``decide`` raises.
    """
    history = yield from catch_up(history)
    first = history.state
    while True:
        decision = decide(history.state, first)
        if isinstance(decision, Nothing):
            return Outcome(history, None, None)
        record = _record(decision, history, stamp)
        history = yield from _refuse_hole(history)
        landed = yield from _create(history.key_of(record.revision), encode_commit(record), stamp.commit_id)
        history = history.followed_by(landed)
        if is_own(history.records[-1], stamp):
            return Outcome(history, record, decision)
        history = yield from read_forward(history)


def is_own(record: CommitRecord, stamp: Stamp) -> bool:
    """Whether a commit that was found is the one this call sent."""
    return record.commit_id == stamp.commit_id


def _record(draft: Draft[Body], history: History, stamp: Stamp) -> CommitRecord:
    state = history.state
    return CommitRecord(
        model=history.name,
        history_id=state.history_id or stamp.new_history_id,
        revision=state.revision + 1,
        previous=state.head or None,
        commit_id=stamp.commit_id,
        time_ms=max(stamp.time_ms, state.time_ms),
        user=stamp.user,
        host=stamp.host,
        why=stamp.why,
        body=draft.body,
        forced=draft.forced,
        refused=draft.refusal is not None,
    )


def _refuse_hole(history: History) -> Steps[History]:
    """A number without its predecessor is a copy with a hole: writing into it would make two histories of one.

    A hole of any width was there before this process came, so it looks for one once; from then on n+2 is enough.
    """
    revision = history.state.revision
    while (beyond := (yield from _commit_beyond(history))) is not None:
        if (yield from fetch(history.key_of(revision + 1))) is not None:
            break  # it came meanwhile: `create` will say so
        if (yield Pause()) is Says.EXPIRED:
            raise ForkedHistory(
                f"commit {beyond} of model {history.name!r} is there and commit {revision + 1} is not: the "
                "folder was copied while it was written, or files were lost. Nothing is written to it; copy it again.",
                key=str(history.key_of(revision + 1)),
                commit=revision + 1,
            )
    return replace(history, searched=True)


def _commit_beyond(history: History) -> Steps[int | None]:
    """A commit that is there although the next one is not, or None."""
    after_next = history.state.revision + 2
    if not history.searched:
        # A listing may be late, so it proves no absence. What it does show is there.
        names = yield from _sizes(history.key_of(1).parent)
        numbers = [int(name[:20]) for name in names if _COMMIT_NAME.fullmatch(name)]
        return min((number for number in numbers if number >= after_next), default=None)
    return None if (yield from fetch(history.key_of(after_next))) is None else after_next


def _create(key: Key, data: bytes, commit_id: str) -> Steps[bytes]:
    """Create the commit and return the bytes that stand: these, or another call's."""
    unanswered: StoreUnavailable | None = None
    while True:
        answer = yield Create(key, data)
        if answer is Says.DONE:
            return data
        if answer is Says.EXISTS:
            return (yield from _read_until_seen(key, commit_id))
        if isinstance(answer, Failed):
            if answer.nothing_done and unanswered is None:
                raise answer.error  # no attempt of this call can stand
            unanswered = answer.error
        # No answer. The same bytes again, at the same number: if the first request arrives later it finds them there.
        if (yield Pause()) is Says.EXPIRED:
            raise _unknown(key, commit_id, unanswered) from unanswered


def _read_until_seen(key: Key, commit_id: str) -> Steps[bytes]:
    unanswered: StoreUnavailable | None = None
    while True:
        answer = yield Get(key)
        if isinstance(answer, bytes):
            return answer
        if isinstance(answer, Failed):
            unanswered = answer.error
        if (yield Pause()) is Says.EXPIRED:
            raise _unknown(key, commit_id, unanswered) from unanswered


def _unknown(key: Key, commit_id: str, unanswered: StoreUnavailable | None) -> CommitUnknown:
    why = "" if unanswered is None else f" The last the store said: {unanswered}"
    return CommitUnknown(
        f"{key} was sent and the store gave no answer in time: it may stand or come to stand. Look for commit id "
        f"{commit_id} in the model's history before you try again.{why}",
        commit_id=commit_id,
    )


# --- objects --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ObjectFiles:
    """The bytes of one model directory, on their way into a store.

    Attributes:
        name: ``<digest>.<times swept>``.
        files: path to the file itself, or its bytes.
        sizes: path to bytes.
        manifest: the manifest's bytes.
    """

    name: str
    files: Mapping[str, bytes | LocalFile]
    sizes: Mapping[str, int]
    manifest: bytes


def object_folder(folder: Key, name: str) -> Key:
    """Where the files of an object lie."""
    return folder / "objects" / name


def manifest_key(folder: Key, name: str) -> Key:
    """Where the manifest of an object lies."""
    return folder / "objects" / f"{name}.json"


def publish(folder: Key, files: ObjectFiles) -> Steps[None]:
    """Put an object: files first, manifest last. Of what a killed process left, that goes on.

    A file is whole or not there, and nothing but its own bytes is ever put under its name (see `LocalFile`): so one of
    the right size need not be sent again.

    Raises:
        StoreUnavailable: the store did not answer in time.
    """
    inside = object_folder(folder, files.name)
    there = yield from _sizes(inside)
    manifest = yield from fetch(manifest_key(folder, files.name))
    if manifest == files.manifest and there == dict(files.sizes):
        return
    while missing := [path for path in files.files if there.get(path) != files.sizes[path]]:
        answer = yield PutAll(tuple(Put(inside.below(path), files.files[path]) for path in missing))
        if not isinstance(answer, Failed):
            break
        if answer.nothing_done or (yield Pause()) is Says.EXPIRED:
            raise answer.error
        there = yield from _sizes(inside)
    yield from _put(manifest_key(folder, files.name), files.manifest)


def _put(key: Key, data: bytes) -> Steps[None]:
    while True:
        answer = yield Put(key, data)
        if not isinstance(answer, Failed):
            return
        if answer.nothing_done or (yield Pause()) is Says.EXPIRED:
            raise answer.error


def _sizes(folder: Key) -> Steps[Mapping[str, int]]:
    while True:
        answer = yield Sizes(folder)
        if isinstance(answer, Mapping):
            return answer
        if isinstance(answer, Failed) and (yield Pause()) is Says.EXPIRED:
            raise answer.error


class NotPublished(Exception):
    """The decision names an object whose bytes were not put yet, or were swept since.

    Attributes:
        name: of the object.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def publish_and_commit(
    history: History,
    files_as: Callable[[str], ObjectFiles],
    deciding: Callable[[frozenset[str]], Decide],
    stamp: Stamp,
) -> Steps[Outcome]:
    """Decide, put the object that the decision names, decide again, and commit.

    What is refused puts no bytes, and where a sweep came between they are put again under the next name.

    Args:
        history: what this process knows.
        files_as: the object under a given name.
        deciding: the decision, given the names the object was put under so far; raises `NotPublished` where the
            name it needs is not among them.
        stamp: of the commit.

    Raises:
        As `commit` and `publish`.
    """
    published: frozenset[str] = frozenset()
    while True:
        # Putting may take long: what is decided after it is decided on what is so then.
        history = yield from catch_up(history)
        try:
            return (yield from commit(history, deciding(published), stamp))
        except NotPublished as needed:
            yield from publish(history.folder, files_as(needed.name))
            published |= {needed.name}


def object_name(digest: str, state: ModelState) -> str:
    """The name an object of these bytes has now: a name that was swept is never used again."""
    return f"{digest}.{state.swept.get(digest, 0)}"
