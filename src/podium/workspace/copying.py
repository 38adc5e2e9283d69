"""Bring runs and models from one store to another: verified, merging, and gone on with where it was broken off.

Runs merge by their files, which never change but for logs that grow. What lies on a disk as one log is in a bucket a
part that holds it all, so logs are copied as what they are: bytes from the first on. A model is one history: it is
copied commit by commit after the bytes its commits name, so that what has arrived is always a model as it once was; two
histories of one name are never mixed. Knows stores, not workspaces.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from podium.commits.index import encode_index, index_key, is_due
from podium.commits.protocol import History, commit_key, manifest_key, object_folder
from podium.errors import Conflict, Corrupt, KeyExists, KeyMissing
from podium.models.manifest import Manifest
from podium.runs.artifacts import artifact_key
from podium.runs.experiments import FoundExperiment, ensure_experiment
from podium.runs.finding import FoundRun
from podium.runs.layout import LogName, RunKeys
from podium.runs.lines import whole_lines
from podium.runs.reader import log_bytes, read_run
from podium.stores.cachefolder import cache_folder
from podium.stores.contract import Store
from podium.stores.keys import Key, name_segment
from podium.stores.measured import Measure, Measuring, fetch_measured, measure, put_measured
from podium.stores.progress import Meter
from podium.stores.together import together
from podium.stores.wholefile import is_temporary, new_temporary
from podium.workspace.reports import CopyReport

__all__ = ["Copying", "ModelToCopy", "check_model", "folder_of_model"]

_AT_ONCE = 8
_LEFTOVER_S = 86_400.0


@dataclass(slots=True)
class Copying:
    """A copy under way.

    Attributes:
        source: where from.
        target: where to.
        meter: told how many bytes of files there are, and how many have gone by.
    """

    source: Store
    target: Store
    meter: Meter = field(default_factory=Meter)
    _copied: int = 0
    _skipped: int = 0
    _waiting: int = 0
    _problems: list[str] = field(default_factory=list)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def report(self) -> CopyReport:
        """What came of it so far."""
        return CopyReport(self._copied, self._skipped, self._waiting, tuple(self._problems))

    def _count(self, *, copied: int = 0, skipped: int = 0, problem: str | None = None) -> None:
        with self._guard:
            self._copied += copied
            self._skipped += skipped
            if problem is not None:
                self._waiting += 1
                self._problems.append(problem)

    # --- runs -------------------------------------------------------------------------------------------------------

    def experiment(self, experiment: FoundExperiment) -> None:
        """Copy an experiment: its files first, then the logs that name them.

        Raises:
            Invalid: another experiment has its folder in the target.
            StoreError: one of the stores does not answer.
        """
        ensure_experiment(self.target, experiment.name, experiment.time_ms)
        logs, files = _extents(self.source, experiment.folder)
        logs_there, files_there = _extents(self.target, experiment.folder)
        missing = [key for key, size in files.items() if files_there.get(key) != size]
        self._count(skipped=len(files) - len(missing))
        self._expect(sum(files[key] for key in missing))
        expected = self._expected(experiment, logs, missing)
        together(lambda key: self._file(key, expected.get(key)), missing, at_once=_AT_ONCE)
        together(
            lambda name: self._log(experiment, name, logs[name], logs_there.get(name)), logs, at_once=_AT_ONCE
        )

    def _expected(
        self, experiment: FoundExperiment, logs: Mapping[_Writer, _Extent], missing: Iterable[Key]
    ) -> dict[Key, Measure]:
        """What the artifacts that are missing have to be, as their runs say."""
        wanted = {
            key.segments[4] for key in missing if len(key.segments) > 5 and key.segments[2] == "artifacts"
        }
        runs: dict[str, FoundRun] = {}
        for each in logs:
            if each.run_id in wanted:
                run = runs.setdefault(each.run_id, FoundRun(each.keys(experiment)))
                run.logs[each.writer_id] = logs[each].names
        found: dict[Key, Measure] = {}
        for run in runs.values():
            for artifact in read_run(self.source, run).artifacts.values():
                key = artifact_key(run.keys, artifact.key)
                found[key] = Measure(artifact.size_bytes, artifact.sha256)
        return found

    def _file(self, key: Key, expected: Measure | None) -> None:
        try:
            self._bring(key, expected)
        except KeyMissing:
            self._count(problem=f"{key} went away while it was copied")
        except Corrupt as error:
            self._count(problem=str(error))
        else:
            self._count(copied=1)

    def _log(
        self, experiment: FoundExperiment, writer: _Writer, here: _Extent, there: _Extent | None
    ) -> None:
        if there is not None and there.length >= here.length:
            self._count(skipped=1)
            return
        keys = writer.keys(experiment)
        data = log_bytes(self.source, FoundRun(keys, {writer.writer_id: here.names}), writer.writer_id)
        data = data[: whole_lines(data)]
        before = b""
        if there is not None:
            before = log_bytes(self.target, FoundRun(keys, {writer.writer_id: there.names}), writer.writer_id)
        if not data.startswith(before[: whole_lines(before)]):
            self._count(
                problem=f"the target holds another log as {keys.log(writer.writer_id)}; it is left as it is"
            )
        elif len(data) <= len(before):
            self._count(skipped=1)
        else:
            on_disk = self.target.local_path(Key.root()) is not None
            key = keys.log(writer.writer_id) if on_disk else keys.part(writer.writer_id, 0, len(data))
            self.target.put(key, data)
            self._count(copied=1)

    # --- files ------------------------------------------------------------------------------------------------------

    def _bring(self, key: Key, expected: Measure | None) -> None:
        """Copy one value, held against what it has to be on the way.

        Raises:
            KeyMissing: it is not in the source.
            Corrupt: it is not what it has to be; the target is left as it is.
        """
        local = self.source.local_path(key)
        if local is not None:
            size_bytes = self._put_from_disk(key, local, expected).size_bytes
        else:
            with _passing() as local:
                found = fetch_measured(self.source, key, local)
                if expected is not None and found != expected:
                    raise _another(key, expected, found)
                self.target.put(key, local)
            size_bytes = found.size_bytes
        if not self._telling:
            self.meter.add(size_bytes)

    def _put_from_disk(self, key: Key, local: Path, expected: Measure | None) -> Measure:
        try:
            found = put_measured(self.target, key, local, expected=expected)
            if found is None:
                raise _another(key, expected, measure(local))
        except (FileNotFoundError, IsADirectoryError) as error:
            raise KeyMissing(f"nothing is stored under {str(key)!r}.") from error
        return found

    @property
    def _telling(self) -> int:
        """How many of the two stores say themselves what goes by."""
        return isinstance(self.source, Measuring) + isinstance(self.target, Measuring)

    def _expect(self, size_bytes: int) -> None:
        self.meter.expect(size_bytes * max(1, self._telling))

    # --- models -----------------------------------------------------------------------------------------------------

    def model(self, model: ModelToCopy) -> None:
        """Copy what the target does not have of a history: the objects its commits name, then its commits.

        Raises:
            Conflict: the target's model was changed meanwhile.
            StoreError: one of the stores does not answer.
        """
        history = model.history
        for name in sorted(model.objects):
            self._object(history, name)
        for revision in range(model.begin, history.state.revision + 1):
            try:
                self.target.create(commit_key(history.folder, revision), model.commits[revision])
            except KeyExists:
                # Perhaps the echo of this very call.
                if self.target.get(commit_key(history.folder, revision)) != model.commits[revision]:
                    raise _other_history(history.name) from None
            self._count(copied=1)
        self._count(skipped=model.begin - 1)
        index = encode_index(history.state)
        if model.begin <= history.state.revision and is_due(history.state.revision, len(index)):
            self.target.put(index_key(history.folder), index)

    def _object(self, history: History, name: str) -> None:
        key = manifest_key(history.folder, name)
        try:
            data = self.source.get(key)
        except KeyMissing:
            self._count(
                problem=f"{key} is missing in the source: its versions cannot be loaded, here as there"
            )
            return
        if hashlib.sha256(data).hexdigest()[:32] != name.partition(".")[0]:
            raise Corrupt(f"the manifest {key} is not the one that was registered.", key=str(key))
        manifest = Manifest.from_bytes(data, key=str(key))
        folder = object_folder(history.folder, name)
        there = {entry.key: entry.size for entry in self.target.list(folder)}
        wanted = {_below(folder, file.path): Measure(file.size, file.sha256) for file in manifest.files}
        missing = [each for each, expected in wanted.items() if there.get(each) != expected.size_bytes]
        self._expect(sum(wanted[each].size_bytes for each in missing))
        together(lambda each: self._bring(each, wanted[each]), missing, at_once=_AT_ONCE)
        self.target.put(key, data)
        self._count(copied=len(missing), skipped=len(wanted) - len(missing))


# --- logs -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Writer:
    """Whose log it is."""

    run_id: str
    writer_id: str

    def keys(self, experiment: FoundExperiment) -> RunKeys:
        return RunKeys.within(experiment.folder, experiment.name, self.run_id)


@dataclass(slots=True)
class _Extent:
    """The files that hold a log, and how much of it from the first byte on."""

    names: list[LogName] = field(default_factory=list)
    size: int = 0

    @property
    def length(self) -> int:
        end = self.size
        for start, stop in sorted((name.start, name.end) for name in self.names if name.end is not None):
            if start > end:
                break
            end = max(end, stop)
        return end


def _extents(store: Store, folder: Key) -> tuple[dict[_Writer, _Extent], dict[Key, int]]:
    """The logs of an experiment, and the sizes of its other files."""
    logs: dict[_Writer, _Extent] = {}
    files: dict[Key, int] = {}
    depth = len(folder.segments)
    for entry in store.list(folder):
        inside = entry.key.segments[depth:]
        name = LogName.parse(inside[-1]) if inside[0] == "runs" else None
        if name is not None:
            extent = logs.setdefault(_Writer(name.run_id, name.writer_id), _Extent())
            extent.names.append(name)
            if name.end is None:
                extent.size = entry.size
        elif inside != ("experiment.json",):
            files[entry.key] = entry.size
    return logs, files


# --- files ----------------------------------------------------------------------------------------------------------


@contextmanager
def _passing() -> Iterator[Path]:
    """A place on this machine for a value on its way from one store elsewhere to another."""
    place = Path(new_temporary(str(_passing_folder())))
    try:
        yield place
    finally:
        with contextlib.suppress(OSError):
            place.unlink()


def _passing_folder() -> Path:
    # Not the folder for temporary files, if that can be: there it may lie in memory, and nobody clears what a killed
    # process leaves.
    with contextlib.suppress(OSError, RuntimeError):
        folder = cache_folder() / "passing"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in folder.iterdir():
            with contextlib.suppress(OSError):
                if is_temporary(left.name) and time.time() - left.stat().st_mtime > _LEFTOVER_S:
                    left.unlink()
        if os.access(folder, os.W_OK):
            return folder
    return Path(tempfile.gettempdir())


def _another(key: Key, expected: Measure | None, found: Measure) -> Corrupt:
    return Corrupt(
        f"{key} is not the file that was kept: it is not copied. Restore it in the source.",
        key=str(key),
        expected=str(expected),
        found=str(found),
    )


def _below(folder: Key, path: str) -> Key:
    for segment in path.split("/"):
        folder = folder / segment
    return folder


# --- models ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ModelToCopy:
    """A model that can be copied.

    Attributes:
        history: as it is in the source.
        commits: its bytes, by number.
        begin: the first commit the target does not have.
    """

    history: History
    commits: Mapping[int, bytes]
    begin: int

    @property
    def objects(self) -> frozenset[str]:
        """What the versions that can be loaded are made of, if anything is to be copied at all."""
        if self.begin > self.history.state.revision:
            return frozenset()
        versions = self.history.state.versions.values()
        return frozenset(each.object_key for each in versions if not each.deleted and each.object_key)


def check_model(source: Store, target: Store, folder: Key, name: str) -> ModelToCopy:
    """A model of the source, and how much of it the target has; nothing is written.

    Raises:
        Conflict: the target has another history of this name, or another end of this one.
        Corrupt, ForkedHistory: one of the two histories is damaged.
    """
    history, commits = _read(source, folder, name)
    there, commits_there = _read(target, folder, name)
    shared = min(history.state.revision, there.state.revision)
    if any(commits[each] != commits_there[each] for each in range(1, shared + 1)):
        raise _other_history(name)
    return ModelToCopy(history, commits, there.state.revision + 1)


def _read(store: Store, folder: Key, name: str) -> tuple[History, dict[int, bytes]]:
    """A history from its first commit on; its chain of digests is checked on the way."""
    history = History(folder, name)
    commits: dict[int, bytes] = {}
    while True:
        revision = history.state.revision + 1
        try:
            data = store.get(history.key_of(revision))
        except KeyMissing:
            return history, commits
        history = history.followed_by(data)
        commits[revision] = data


def _other_history(name: str) -> Conflict:
    return Conflict(
        f"the target has a model {name!r} with other versions: its numbers mean other bytes, so the two histories are "
        "not mixed. Register the versions you want there, or copy into another store."
    )


def folder_of_model(name: str) -> Key:
    """Where a model lies in any store."""
    return Key.parse("models") / name_segment(name)
