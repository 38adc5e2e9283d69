"""A run that is open: all of `Run`, looked at anew each time, and everything that can be logged to it.

What the arguments alone decide raises at the call. What the world decides is counted and warned about once: for events
by the writer, for files here, in `_world`. How runs end that nobody ends is `endings`' business, which run is current
that of `open_runs`.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, SupportsFloat

from podium.errors import Corrupt, Invalid, NotFound, PodiumWarning, StoreError
from podium.runs import events
from podium.runs.events import check_key
from podium.runs.finding import FoundRun, find_again
from podium.runs.fold import RunState
from podium.runs.reader import refresh, status_of
from podium.strictjson import named_floats
from podium.workspace import open_runs, two_lines
from podium.workspace.code import PATIENCE_S, Code
from podium.workspace.endings import Ending, ending_of
from podium.workspace.facts import Dataset, EndStatus, checked_end_status
from podium.workspace.folders import files_of
from podium.workspace.params import flat_params, plain_value
from podium.workspace.run import Run, RunFacts, RunSource, facts_of

if TYPE_CHECKING:
    from podium.models.info import ModelInfo
    from podium.models.signature import Signature
    from podium.runs.artifacts import Shelf
    from podium.runs.writer import Writer
    from podium.stores.contract import Store
    from podium.workspace.workspace import Workspace

__all__ = ["WORLD", "ActiveRun", "checked_note", "tag_texts"]

WORLD: tuple[type[Exception], ...] = (StoreError, OSError, NotFound, Corrupt)
"""What the world decides once a run has started. NotFound, Corrupt: somebody removed or broke the run's own folder."""

StrPath = str | os.PathLike[str]


class _Locks:
    """What the threads of one process wait for: to look at the run anew, and to keep a file in it."""

    __slots__ = ("keeping", "pid", "reading")

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.reading = threading.RLock()
        self.keeping = threading.RLock()


class ActiveRun(Run):
    """A run of this process, also after its end: then log calls amend it, and say so once.

    Use it with ``with``, or end it with `end`; what nobody ends is ended with the script. Pickles to (store, run id):
    in another process it amends, with a writer of its own.
    """

    _noun = "ActiveRun"
    resumed: bool
    enabled: bool

    def __init__(
        self,
        store: Store,
        found: FoundRun,
        writer: Writer,
        *,
        home: Workspace,
        is_session: bool,
        is_creator: bool,
        resumed: bool = False,
        enabled: bool = True,
    ) -> None:
        """Made by `Workspace.start_run` and `Workspace.amend_run`."""
        self._state = RunState(found.run_id)
        self._store = store
        self._found_run = found
        self._writer = writer
        self._home = home
        self._is_creator = is_creator
        self._shelf: Shelf | None = None
        self._locks = _Locks()
        self._warned = False
        self._sampling: int | None = None
        self._code: Code | None = None
        self.resumed = resumed
        self.enabled = enabled
        self._seat = open_runs.take_seat(self, self._end_as) if is_session else None
        # The writer's bound method itself: a frame around the hot path costs a third of it.
        self.__dict__["log_metric"] = writer.log_metric
        super().__init__(self._begun() if is_creator else self._look(), RunSource(store, found))

    # --- always up to date -----------------------------------------------------------------------------------------

    def _look(self) -> RunFacts:
        found = self._found()
        self._state = refresh(self._store, found, self._state)
        return facts_of(
            found, self._state, status_of(self._store, found, self._state), dropped=self._writer.dropped
        )

    def _begun(self) -> RunFacts:
        """A new run has one log, with one line in it: nothing has to be read, and no folder listed."""
        writer_id, opening = self._writer.writer_id, self._writer.opening
        self._state.begin(writer_id, opening.start, opening.time_ms, opening.size_bytes)
        return facts_of(
            self._found_run, self._state, self._state.status([writer_id]), dropped=self._writer.dropped
        )

    def _now(self) -> RunFacts:
        with self._own_locks().reading:
            self._facts = self._look()
            return self._facts

    @property
    def dropped(self) -> int:
        """Events that could not be kept (a full disk); where the store is gone, those this process knows of."""
        try:
            return self._now().dropped
        except WORLD:
            return max(self._writer.dropped, self._facts.dropped)

    def _own_locks(self) -> _Locks:
        if self._locks.pid != os.getpid():  # in a forked child, where whoever held one does not exist
            self._locks = _Locks()
        return self._locks

    def _found(self) -> FoundRun:
        return find_again(self._store, self._found_run)

    # --- with ------------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        if self._seat is None and not self._writer.ended:
            # An amendment is current inside its `with`, and nowhere else: who only holds one goes on as before.
            self._seat = open_runs.take_seat(self, self._end_as)
            self._seat.amends = self._seat.confined = True
        if self._seat is not None:
            self._seat.entered = True
            self._seat.owner = open_runs.here()
            if open_runs.current() is not self._seat:
                open_runs.push(self._seat)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_as(ending_of(error))

    def _make_current(self, *, implicit: bool = False) -> None:
        """Current in this context from now on, also without ``with``."""
        if self._seat is not None:
            self._seat.bare = True
            self._seat.implicit = implicit
            open_runs.push(self._seat)

    def end(self, status: EndStatus = "FINISHED") -> None:
        """End the run; again: nothing.

        Raises:
            Invalid: no such status.
        """
        self._end_as(Ending(checked_end_status(status)))

    def _end_as(self, ending: Ending) -> None:
        if not self._writer.ended:
            self._end_now(ending)

    def _end_now(self, ending: Ending) -> None:
        if self._sampling is not None:
            from podium.workspace.system_metrics import unfollow

            unfollow(self._sampling)
        if self._code is not None:
            # Who was told to end has no time left for git.
            self._code.finish(0.0 if ending.status == "KILLED" else PATIENCE_S)
        try:
            self._writer.end(ending.status, ending.error, ending.traceback)
        finally:
            if self._writer.ended:  # also where its last warning was made an error
                self._leave(ending)

    def _leave(self, ending: Ending) -> None:
        seat = self._seat
        if seat is None or seat.inherited:
            return
        seat.leave()
        open_runs.pop(seat)
        if seat.amends:
            return
        open_runs.note_last(self)
        if self.enabled:
            two_lines.note_end(
                self._facts.run_name,
                self.run_id,
                ending.status,
                self._writer.dropped,
                url=self._home.url,
                experiment=self.experiment,
            )

    def _watch_code(self) -> None:
        """Keep what git says was changed, and which packages are imported on the way."""
        if self.enabled:
            self._code = Code(self._writer.append_unless_ended, self._keep_unless_ended)

    def _keep_unless_ended(self, path: str, data: bytes) -> None:
        # In git's thread: nobody is there to be told, strict or not, so it is counted.
        try:
            with self._own_locks().keeping:
                self._writer.append_unless_ended(self._keeper().keep(path, data))
        except WORLD as error:
            self._count_lost(f"the artifact {path!r}", error)

    def _sample_system(self) -> None:
        from podium.workspace.system_metrics import follow

        self._sampling = follow(self.log_metrics)

    # --- params, metrics, tags ---------------------------------------------------------------------------------------

    def log_param(self, key: str, value: object, *, overwrite: bool = False) -> None:
        """Log one param; a value that is equal already is not logged again (1.0 equals 1, True does not).

        Args:
            key: its name.
            value: a JSON value, kept with its type; scalars of numpy and the like become Python's, all else its text.
            overwrite: replace the value it has; the old one stays in the log.

        Raises:
            ParamConflict: it has another value.
            Invalid, TypeError: the key can never be right.
        """
        self._writer.log_params({check_key(key, "param"): plain_value(value)}, overwrite=overwrite)

    def log_params(self, params: object, *, overwrite: bool = False) -> None:
        """Log params of a mapping, dataclass, Namespace or pydantic model; nested keys are joined by dots.

        Raises:
            ParamConflict: one has another value; then none is logged.
            Invalid, TypeError: a key can never be right, or this holds no params.
        """
        self._writer.log_params(flat_params(params), overwrite=overwrite)

    def log_metric(
        self, key: str, value: SupportsFloat, step: int | None = None, *, time: datetime | None = None
    ) -> None:
        """Log one value of a metric; it is in the file when this returns.

        Args:
            key: its name.
            value: a number; NaN and infinities are kept.
            step: None: one after this key's last, from 0.
            time: aware; None: now.

        Raises:
            Invalid, TypeError: key, value, step or time can never be right.
        """
        self._writer.log_metric(key, value, step, time=time)

    def log_metrics(
        self, metrics: Mapping[str, SupportsFloat], step: int | None = None, *, time: datetime | None = None
    ) -> None:
        """Log a value of each of several metrics; as `log_metric`."""
        self._writer.log_metrics(metrics, step, time=time)

    def define_metric(self, key: str, *, goal: Literal["min", "max"]) -> None:
        """Say what the best of a metric is; known names (loss, rmse, accuracy, f1 ...) have a goal already."""
        if goal not in ("min", "max"):
            raise Invalid(f"goal={goal!r}: give 'min' or 'max'.")
        self._writer.append(events.Goal(check_key(key, "metric"), goal))

    def set_tag(self, key: str, value: object) -> None:
        """Set a tag; its value is kept as text."""
        self.set_tags({key: value})

    def set_tags(self, tags: Mapping[str, object]) -> None:
        """Set several tags."""
        texts = tag_texts(tags)
        if texts:
            self._writer.append(events.Tags(texts))

    def delete_tag(self, key: str) -> None:
        """Delete a tag; where there is none, nothing happens."""
        self._writer.append(events.Tags({check_key(key, "tag"): None}))

    def set_note(self, text: str) -> None:
        """Set the note."""
        self._writer.append(events.Note(checked_note(text)))

    def rewind(self, to_step: int) -> None:
        """Hide the points of earlier sessions after ``to_step``; they stay in the log."""
        self._writer.rewind(to_step)

    # --- files -----------------------------------------------------------------------------------------------------

    def log_artifact(self, local_path: StrPath, folder: str | None = None) -> None:
        """Keep a file, or a folder with all that is in it.

        Args:
            local_path: what to keep; it keeps its own name.
            folder: where in the run; None: at its top.

        Raises:
            FileNotFoundError: there is nothing at ``local_path``.
            Invalid: it is neither a file nor a folder (a pipe, a socket, a device).
        """
        source = Path(local_path)
        if not source.exists():
            raise FileNotFoundError(f"there is nothing at {os.fspath(local_path)!r} to log.")
        name = Path(os.path.abspath(source)).name  # of the link where it is one, not of what it points to
        if source.is_dir():
            self._keep_folder(source, _inside(folder, name))
        elif source.is_file():
            self._keep(_inside(folder, name), source)
        else:
            raise Invalid(
                f"{os.fspath(local_path)!r} is neither a file nor a folder: what it holds has no end."
            )

    def log_artifacts(self, local_dir: StrPath, folder: str | None = None) -> None:
        """Keep the contents of a folder.

        Raises:
            NotADirectoryError: it is none.
        """
        source = Path(local_dir)
        if not source.is_dir():
            raise NotADirectoryError(f"{os.fspath(local_dir)!r} is no folder. For one file use log_artifact.")
        self._keep_folder(source, _inside(folder, ""))

    def log_text(self, text: str, path: str) -> None:
        """Keep a text as a file of the run."""
        if not isinstance(text, str):
            raise TypeError(f"log_text keeps a text, not {type(text).__name__}. For data use log_dict.")
        self._keep(_checked_path(path), text.encode("utf-8", "surrogatepass"))

    def log_dict(self, value: Mapping[str, object] | Sequence[object], path: str) -> None:
        """Keep a mapping or list as JSON, or as YAML where ``path`` ends in .yaml or .yml.

        JSON has no NaN and no infinities: there they are the texts "NaN", "Infinity" and "-Infinity", which ``float``
        reads. YAML has words of its own for them.

        Raises:
            TypeError: something in it has no such form.
        """
        path = _checked_path(path)
        plain = plain_value(value)
        if path.endswith((".yaml", ".yml")):
            import yaml

            text = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)
        else:
            text = json.dumps(named_floats(plain), indent=2, ensure_ascii=False, allow_nan=False)
        self._keep(path, text.encode("utf-8", "surrogatepass"))

    def log_figure(self, figure: object, path: str) -> None:
        """Keep a figure of matplotlib or plotly, drawn in the format that ``path`` ends in.

        A figure that will not render is counted and warned about; training goes on.

        Raises:
            TypeError: this is no figure.
            Invalid: ``path`` does not end in a format it can have.
        """
        from podium.workspace.figures import check_figure, rendered

        path = _checked_path(path)
        check_figure(figure, path)
        drawn: bytes | None = None
        with self._world(f"the figure {path!r}", Exception):
            drawn = rendered(figure, path)
        if drawn is not None:
            self._keep(path, drawn)

    def log_image(self, image: object, path: str, step: int | None = None) -> None:
        """Keep an image in the format that ``path`` ends in.

        Args:
            image: an array of height x width, or x 1 to 4 channels (integers from 0 to 255, floats from 0 to 1, truth
                values); a PIL image; or the path of an image file.
            path: file name inside the run.
            step: one of a series: ``samples.png`` at step 3 is kept as ``samples/00000003.png``.

        Raises:
            TypeError: this is no image.
            Invalid: shape, values, ending or step cannot be.
            FileNotFoundError: no file is there.
            MissingExtra: Pillow is not installed.
        """
        from podium.workspace.images import image_bytes, stepped_path

        target = stepped_path(_checked_path(path), step)
        self._keep(target, image_bytes(image, target))

    def log_table(self, table: object, path: str) -> None:
        """Keep a small table as .json (columns and rows) or .csv; the same path again appends.

        Each call stores the whole table anew. Processes that append at once give each its own path.

        Args:
            table: a frame, or a mapping of columns; a mapping of single values is one row. NaN is kept as no value.
            path: file name inside the run.

        Raises:
            TypeError: this is no table.
            Invalid: its columns differ in length, ``path`` ends in neither, or is of a file that is no such table.
        """
        from podium.runs.artifacts import read_artifact
        from podium.workspace.tables import check_table_path, read_rows, rows_of, table_bytes

        path = _checked_path(path)
        check_table_path(path)
        rows = rows_of(table)
        with self._own_locks().keeping, self._world(f"the table {path!r}"):
            before = self._now().state().artifacts.get(path)
            if before is not None:
                kept = read_artifact(self._store, self._found_run.keys, before)
                rows = read_rows(kept, path).followed_by(rows)
            self._keep(path, table_bytes(rows, path))

    def log_dataset(self, data: object, name: str | None = None, *, context: str = "train") -> Dataset:
        """Note which data the run uses: name, digest, shape and schema; never the data.

        Args:
            data: an array, a frame, columns, rows, or the `Path` of a file.
            name: None: "dataset", or the file's name.
            context: what it is used for.

        Returns:
            The fact; equal data have equal digests.

        Raises:
            TypeError: this is no data.
        """
        from podium.workspace.datasets import describe

        found = describe(data, name, context)
        self._writer.append(
            events.Dataset(found.name, found.digest, found.context, found.rows, found.schema, found.shape)
        )
        return found

    def log_model(
        self,
        model: object,
        name: str = "model",
        *,
        input_example: object = None,
        signature: Signature | None = None,
        files: Mapping[str, StrPath] | None = None,
        code: Sequence[StrPath] = (),
        requirements: Sequence[str] | None = None,
        flavor: str | None = None,
        metadata: Mapping[str, object] | None = None,
    ) -> ModelInfo:
        """Keep a model as an MLflow model directory; as `podium.save_model`.

        Returns:
            What is known of it; its ``uri`` is ``runs:/<run id>/<name>``.

        Raises:
            TypeError, Invalid, FileNotFoundError: as `podium.save_model`.
        """
        from podium.models.home import at_home, home_in
        from podium.models.info import info_to_json
        from podium.models.saving import write_model
        from podium.stores.keys import portable_path

        name = "/".join(portable_path(name))
        with tempfile.TemporaryDirectory(prefix="podium-model-") as folder:
            target = Path(folder) / "model"
            written = write_model(
                model,
                target,
                name=name.rpartition("/")[2],
                uri=self.model_uri(name),
                run_id=self.run_id,
                input_example=input_example,
                signature=signature,
                files=files,
                code=code,
                requirements=requirements,
                flavor=flavor,
                metadata=metadata,
            )
            with self._own_locks().keeping, self._world(f"the model {name!r}"):
                listed = [(each.path, each.size, each.sha256) for each in written.manifest.files]
                kept = self._keeper().keep_model(name, target, listed, written.manifest.sha256)
                facts = info_to_json(written.info)
                self._writer.append(events.Model(kept.name, kept.key, kept.sha256, kept.files, facts))
        return at_home(written.info, home_in(self._store))

    def _log_verdict(self, verdict: Mapping[str, Any]) -> None:
        """What a gate said when this run's model was registered."""
        self._writer.append(events.Verdict(verdict))

    def _keep_folder(self, source: Path, folder: str) -> None:
        for below, file in files_of(source):
            path = _inside(folder, below)
            if file.is_file():
                self._keep(path, file)
                continue
            with self._world(f"{path!r}"):
                raise OSError(
                    f"{os.fspath(file)!r} is no file: a broken link, a loop of links, a pipe or a device"
                )

    def _keep(self, path: str, source: bytes | Path) -> None:
        # One at a time: two threads that log one path must not both take its plain name.
        with self._own_locks().keeping, self._world(f"the artifact {path!r}"):
            shelf = self._keeper()
            before = shelf.known.get(path)
            artifact = shelf.keep(path, source)
            if artifact != before:
                self._writer.append(artifact)

    def _keeper(self) -> Shelf:
        # A forked child is another writer, and stores under names of its own.
        creator = self._is_creator and not self._writer.is_inherited
        with self._own_locks().reading:
            if self._shelf is None or self._shelf.is_creator != creator:
                from podium.runs.artifacts import Shelf

                known = {} if creator else self._known_artifacts()
                self._shelf = Shelf(self._writer.files_store, self._found_run.keys, creator, known)
            return self._shelf

    def _known_artifacts(self) -> dict[str, events.Artifact]:
        """What others kept in this run; a store that does not answer hides it, and no name depends on it."""
        try:
            return dict(self._now().state().artifacts)
        except StoreError:
            if self._writer.files_store is self._store:
                raise
            return {}

    @contextlib.contextmanager
    def _world(self, what: str, *more: type[Exception]) -> Iterator[None]:
        """The boundary at which training goes on although a file could not be kept."""
        try:
            yield
        except (*WORLD, *more) as error:
            if self._writer.strict:
                raise
            self._count_lost(what, error)

    def _count_lost(self, what: str, error: BaseException) -> None:
        self._writer.count_lost()
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"run {self.run_id} could not keep {what}: {error}. Training goes on; what is lost is counted in "
                "run.dropped, and this is said once.",
                PodiumWarning,
                stacklevel=5,
            )

    def flush(self, *, timeout_s: float | None = None) -> bool:
        """Bring all that was logged to the disk, and to the store where that is elsewhere.

        Args:
            timeout_s: how long to wait for a store that is elsewhere; a disk is waited for as long as it takes.

        Returns:
            True if all of it is in the store.

        Raises:
            TypeError, Invalid: that is no time to wait.
        """
        return self._writer.flush(timeout_s)

    def __copy__(self) -> Self:
        # A copy of what holds a run (a callback, an estimator's params) means the same run.
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[object, ...]:
        if not self.enabled:
            return (_disabled_elsewhere, (self._facts.run_name, self.experiment))
        store = self._home._named_as
        if store is None:
            raise TypeError(
                f"run {self.run_id} lives in a store of this process alone ({type(self._store).__name__}), which "
                "another process cannot open. Use a store with a path or URL."
            )
        return (_amend_elsewhere, (store, self.run_id))


def _amend_elsewhere(store: str, run_id: str) -> ActiveRun:
    from podium.workspace.workspace import Workspace

    return Workspace(store).amend_run(run_id)


def _disabled_elsewhere(run_name: str, experiment: str) -> ActiveRun:
    from podium.workspace.workspace import Workspace

    return Workspace("memory:")._opened.disabled(run_name, experiment=experiment)


def tag_texts(tags: Mapping[str, object]) -> dict[str, str | None]:
    """The tags as they are kept.

    Raises:
        TypeError, Invalid: a key can never be right, or this is no mapping.
    """
    if not isinstance(tags, Mapping):
        raise TypeError(f"tags come as a mapping of key to value, not as {type(tags).__name__}.")
    return {check_key(key, "tag"): str(value) for key, value in tags.items()}


def checked_note(text: str) -> str:
    """The note itself.

    Raises:
        TypeError: it is no text.
    """
    if not isinstance(text, str):
        raise TypeError(f"a note is text, not {type(text).__name__}.")
    return text


def _checked_path(path: object) -> str:
    parts = path.split("/") if isinstance(path, str) else [""]
    if not all(parts) or {".", ".."} & set(parts):
        raise Invalid(
            f"{path!r} is no path inside a run: give a file name such as 'report.txt' or 'plots/loss.png', without "
            "'..' and without a '/' at its ends."
        )
    return "/".join(parts)


def _inside(folder: str | None, name: str) -> str:
    folder = _checked_path(folder) if folder else ""
    return f"{folder}/{name}" if folder and name else folder or name
