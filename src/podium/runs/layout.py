"""Where the logs and artifacts of a run lie in a store.

Pure names: must never read a store. Everything is decided by the experiment's name, the run's id and the writer's
id, so that any process finds the same place without asking another.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from podium.errors import Invalid
from podium.ids import run_id_day
from podium.stores.keys import Key, name_segment

__all__ = [
    "EXPERIMENTS",
    "LogName",
    "RunKeys",
    "check_run_id",
    "experiment_file",
    "experiment_folder",
    "run_folder_name",
    "runs_folder",
]

EXPERIMENTS = Key.parse("experiments")

_RUN_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_LOG = re.compile(
    r"(?P<run>[a-z0-9][a-z0-9_-]{0,63})\.(?P<writer>[0-9a-z]{10})\.jsonl"
    r"(?:\.(?P<start>0|[1-9][0-9]{0,17})-(?P<end>[1-9][0-9]{0,17}))?"
)
_NAMED = "named"


def check_run_id(run_id: str) -> str:
    """The id itself.

    Raises:
        Invalid: it is neither a ULID in lower case nor a name matching ``[a-z0-9][a-z0-9_-]{0,63}``, or it is a
            device of Windows.
    """
    if _RUN_ID.fullmatch(run_id) is None or "~" in name_segment(run_id):
        raise Invalid(
            f"{run_id!r} cannot be the id of a run: an id has 1 to 64 characters out of a-z, 0-9, '_' and '-', begins "
            "with a letter or digit, and is no device of Windows. For a readable name use run_name."
        )
    return run_id


def run_folder_name(run_id: str) -> str:
    """The folder of a run among the runs of its experiment: the UTC day of its id, or "named"."""
    day = run_id_day(run_id)
    return day.isoformat() if day else _NAMED


def experiment_folder(name: str) -> Key:
    """The folder of an experiment. Raises `Invalid` where the name is empty."""
    return EXPERIMENTS / name_segment(name)


def experiment_file(name: str) -> Key:
    """The file that holds the true name of an experiment."""
    return experiment_folder(name) / "experiment.json"


def runs_folder(name: str) -> Key:
    """The folder that holds the days of an experiment's runs."""
    return experiment_folder(name) / "runs"


@lru_cache(maxsize=256)
def _folders_of_day(folder: Key, day: str) -> tuple[Key, Key]:
    """Where the logs and the artifacts of a day's runs lie; the same for many runs."""
    return folder / "runs" / day, folder / "artifacts" / day


@dataclass(frozen=True, slots=True)
class LogName:
    """What the name of a file among the logs says.

    Attributes:
        run_id: the run.
        writer_id: whose log it is.
        start: first byte of the log that this file holds; 0 for a whole log.
        end: the byte after its last, or None: to the end of the file.
    """

    run_id: str
    writer_id: str
    start: int = 0
    end: int | None = None

    @classmethod
    def parse(cls, name: str) -> Self | None:
        """What ``name`` says, or None where it is no log and no part of one."""
        found = _LOG.fullmatch(name)
        if found is None:
            return None
        if found["start"] is None:
            return cls(found["run"], found["writer"])
        start, end = int(found["start"]), int(found["end"])
        return cls(found["run"], found["writer"], start, end) if start < end else None

    def __str__(self) -> str:
        log = f"{self.run_id}.{self.writer_id}.jsonl"
        return log if self.end is None else f"{log}.{self.start}-{self.end}"


@dataclass(frozen=True, slots=True)
class RunKeys:
    """The keys of one run.

    Attributes:
        experiment: true name of its experiment.
        run_id: its id.
        logs: the folder its logs lie in, together with those of other runs of that day.
        artifacts: the folder of its artifacts, its own.
    """

    experiment: str
    run_id: str
    logs: Key
    artifacts: Key

    @classmethod
    def of(cls, experiment: str, run_id: str) -> Self:
        """The keys of a run.

        Raises:
            Invalid: no experiment or no run can be called that.
        """
        folder = experiment_folder(experiment)
        return cls.within(folder, experiment, run_id)

    @classmethod
    def within(cls, folder: Key, experiment: str, run_id: str) -> Self:
        """The keys of a run in an experiment's ``folder`` that was found by listing."""
        logs, artifacts = _folders_of_day(folder, run_folder_name(check_run_id(run_id)))
        return cls(experiment, run_id, logs, artifacts / run_id)

    def log(self, writer_id: str) -> Key:
        """The log of one writer."""
        return self.logs / str(LogName(self.run_id, writer_id))

    def part(self, writer_id: str, start: int, end: int) -> Key:
        """The part of a log that holds its bytes from ``start`` to before ``end``."""
        return self.logs / str(LogName(self.run_id, writer_id, start, end))
