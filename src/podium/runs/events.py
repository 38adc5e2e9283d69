"""What can happen to a run: the vocabulary of its log.

Every event is a frozen body without a time: whoever writes it says when. How one is spelled as a line is `codec`'s
business. Pure values: must never know JSON, a clock, a file or a store. What a newer podium wrote is `Unknown`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias, get_args

from podium.errors import Invalid

__all__ = [
    "END_STATUSES",
    "FORMAT",
    "Artifact",
    "Beat",
    "Dataset",
    "Deleted",
    "Dropped",
    "End",
    "EndStatus",
    "Environment",
    "Event",
    "Extreme",
    "Goal",
    "Kind",
    "Metrics",
    "Model",
    "ModelFile",
    "Note",
    "Params",
    "Rewind",
    "Start",
    "Tags",
    "Unknown",
    "Verdict",
    "check_key",
]

FORMAT: Final = 1
EndStatus: TypeAlias = Literal["FINISHED", "FAILED", "KILLED"]
"""How a run can be ended: FAILED by an exception, KILLED by a signal."""
END_STATUSES: Final[tuple[EndStatus, ...]] = get_args(EndStatus)
Kind: TypeAlias = Literal["session", "edit"]
Extreme: TypeAlias = Literal["min", "max"]

_LONGEST_KEY = 500


@dataclass(frozen=True, slots=True)
class Start:
    """The first event of a log.

    Attributes:
        kind: "session": a process that runs the run; "edit": one that adds to it (amending, a forked child).
        experiment: true name of the experiment.
        run_name: the run's title.
        user: who.
        host: name of the machine.
        parent_run_id: the run this one is a child of.
        environment: facts about the process, all text.
        lease_s: where the lock cannot be asked, a log that did not change for so long belongs to nobody.
        machine: text that is equal for processes under one kernel, or "" where that cannot be known.
        locked: whether the writer holds a ``flock`` on this log.
        after: largest stamp, in ms, of the run as this writer read it when it joined; its own stamps are later.
        format: of the log.
    """

    kind: Kind
    experiment: str
    run_name: str = ""
    user: str = ""
    host: str = ""
    parent_run_id: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    lease_s: float = 600.0
    machine: str = ""
    locked: bool = False
    after: int = 0
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class Params:
    """Params were logged; ``overwrite`` replaces what they were. Values are JSON values that may hold NaN."""

    params: Mapping[str, Any]
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class Metrics:
    """Metrics at one step; ``at``: the caller's own time in ms, which never moves the log's clock."""

    step: int
    values: Mapping[str, float]
    at: int | None = None


@dataclass(frozen=True, slots=True)
class Tags:
    """Tags were set, or deleted where the value is None."""

    tags: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Note:
    """The note was set."""

    text: str


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file was kept.

    Attributes:
        path: as the user calls it, parted by "/".
        key: where it lies below the run's artifacts, parted by "/".
        size_bytes: its size.
        sha256: of its bytes, 64 hex digits.
    """

    path: str
    key: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a logged model, ``path`` below the model's folder."""

    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Model:
    """A model directory was kept; its files are artifacts of the run as well.

    Attributes:
        name: as the user calls it; its files are the artifacts ``<name>/<path>``.
        key: its folder below the run's artifacts, parted by "/".
        sha256: of the manifest.
        files: what is in it, all of it.
        facts: what the models layer says of it (flavor, trust, signature, requirements ...), JSON.
    """

    name: str
    key: str
    sha256: str
    files: tuple[ModelFile, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        """Of all files together."""
        return sum(each.size_bytes for each in self.files)


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset was used: its name, digest and shape, never the data."""

    name: str
    digest: str
    context: str = "train"
    rows: int | None = None
    schema: Mapping[str, str] | None = None
    shape: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Goal:
    """Which extreme of a metric is the best."""

    key: str
    goal: Extreme


@dataclass(frozen=True, slots=True)
class Rewind:
    """Points after ``to_step`` in logs that began before this one no longer count."""

    to_step: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """A gate was asked about this run; ``verdict`` is JSON of the commits layer."""

    verdict: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Deleted:
    """The run was marked as deleted, or is no longer."""

    deleted: bool


@dataclass(frozen=True, slots=True)
class Environment:
    """More facts about the process of this session, all text; a later one stands."""

    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Beat:
    """The writer is alive."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """So many events before this one could not be kept."""

    count: int


@dataclass(frozen=True, slots=True)
class End:
    """The last event of a log."""

    status: EndStatus
    error: str | None = None
    traceback: str | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """An event of a newer podium."""

    name: str


Event: TypeAlias = (
    Start
    | Params
    | Metrics
    | Tags
    | Note
    | Artifact
    | Model
    | Dataset
    | Goal
    | Rewind
    | Verdict
    | Deleted
    | Environment
    | Beat
    | Dropped
    | End
    | Unknown
)


# --- keys -----------------------------------------------------------------------------------------------------------

# Runs use the same keys again and again.
_good_keys: set[str] = set()
_GOOD_KEYS_REMEMBERED = 4096


def check_key(key: object, what: str) -> str:
    """The key of a metric, param or tag, itself.

    Raises:
        TypeError: it is not text.
        Invalid: it is empty, longer than 500 characters, or holds control characters or half a character.
    """
    if type(key) is str and key in _good_keys:
        return key
    if not isinstance(key, str):
        raise TypeError(f"the key of a {what} is text, not {type(key).__name__}: {key!r:.100}")
    if not key:
        raise Invalid(f"the key of a {what} cannot be empty.")
    if len(key) > _LONGEST_KEY:
        raise Invalid(
            f"the key of a {what} has at most {_LONGEST_KEY} characters, this one {len(key)}: {key[:60]!r}... "
            "Use a shorter key, and the text as a value."
        )
    if not key.isprintable() and (bad := [c for c in key if unicodedata.category(c) in {"Cc", "Cs"}]):
        raise Invalid(
            f"the key of a {what} cannot hold {bad[0]!r}: {key!r:.100}. Remove control characters and line breaks."
        )
    if len(_good_keys) >= _GOOD_KEYS_REMEMBERED:
        _good_keys.clear()
    _good_keys.add(str(key))
    return str(key)
