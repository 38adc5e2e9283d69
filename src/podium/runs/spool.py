"""Where what a run writes waits for a store that is not on this machine's disk, and the thread that sends it.

One folder a store, in the user's own state folder and readable by the user alone, so that the next process finds what
this one could not send:

    <spool>/<store>/logs/<host>/<experiment>/<run id>.<writer id>.jsonl
    <spool>/<store>/files/<key>

A log is spooled with its lock held; who finds the lock free knows that its writer has ended or is dead. Files are
sent before the end of their run is. Nothing here raises into training: what could not be sent waits, one warning says
so, and it is sent when the store takes it, by this process, by the next one or by ``Workspace.sync``. What events mean
is not known here, and how a log is sent is decided in `shipping.py`.
"""

from __future__ import annotations

import contextlib
import contextvars
import hashlib
import os
import re
import shutil
import stat
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from podium.errors import Invalid, KeyMissing, PodiumWarning, StoreError, StoreUnavailable
from podium.runs.layout import EXPERIMENTS, LogName, RunKeys
from podium.runs.locking import is_held, is_lockable
from podium.runs.shipping import (
    Answer,
    Check,
    Forget,
    Look,
    Operation,
    Others,
    Part,
    Remove,
    Says,
    Seen,
    Send,
    Shipped,
    ship_log,
)
from podium.stores.contract import Entry, Source, Store
from podium.stores.folders import beginning
from podium.stores.header import read_header
from podium.stores.keys import Key, is_segment
from podium.stores.progress import Meter, in_background
from podium.stores.together import together
from podium.stores.wholefile import chunks_of, is_temporary, new_temporary, write_whole

__all__ = ["Area", "Spooled", "Waiting", "area_of", "known_areas", "leave", "spool_root"]

SHIP_S = 5.0
_LONGEST_PAUSE_S = 60.0
# What an exit waits for a store that may be dead, and for each MiB that waits to be sent to one that lives.
EXIT_S = 20.0
EXIT_S_PER_MIB = 1.0
_EXIT_PAUSE_S = 0.2
_MIB = 1 << 20
_TAIL_BYTES = 1 << 16
_LEFTOVER_S = 86_400.0
_FILES_AT_ONCE = 8
_LOGS_AT_ONCE = 8
_TRIES = 100


def spool_root(environ: Mapping[str, str] | None = None) -> Path:
    """This user's folder for what waits to be sent."""
    environ = os.environ if environ is None else environ
    named = environ.get("XDG_STATE_HOME")
    if named and os.path.isabs(named):
        return Path(named) / "podium" / "spool"
    if sys.platform == "win32":
        return Path(environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "podium" / "spool"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "podium" / "spool"
    return Path.home() / ".local" / "state" / "podium" / "spool"


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is not in the store yet.

    Attributes:
        logs: how many logs are not wholly there.
        files: how many files.
        size_bytes: of all that is not there.
    """

    logs: int = 0
    files: int = 0
    size_bytes: int = 0

    def __bool__(self) -> bool:
        return self.logs + self.files > 0

    def __str__(self) -> str:
        parts = [f"{self.logs} log{'s' * (self.logs != 1)}"] if self.logs else []
        parts += [f"{self.files} file{'s' * (self.files != 1)}"] if self.files else []
        return f"{' and '.join(parts) or 'nothing'} ({self.size_bytes:,} bytes)"


@dataclass(frozen=True, slots=True)
class _Log:
    """A spooled log, and where it belongs."""

    path: Path
    host: str
    keys: RunKeys
    writer_id: str

    @property
    def run(self) -> tuple[str, ...]:
        return (self.keys.logs.segments[1], self.keys.run_id)


@dataclass(slots=True)
class _Pass:
    """One attempt to send all that waits.

    Attributes:
        problems: what was refused, and why.
        refused: the runs of which a file was; their end waits.
        is_refused: the store answered that it does not take something, which asking again soon does not change.
        is_away: the store did not answer: the rest is not tried, for each try may take a minute.
    """

    problems: list[str] = field(default_factory=list)
    refused: set[tuple[str, ...]] = field(default_factory=set)
    is_refused: bool = False
    is_away: bool = False

    def tell(self, error: OSError) -> None:
        self.problems.append(str(error))
        is_away = isinstance(error, StoreUnavailable)
        self.is_away = self.is_away or is_away
        self.is_refused = self.is_refused or (isinstance(error, StoreError) and not is_away)


class Area:
    """What waits for one store.

    Args:
        store: what it is sent to.
        folder: where it waits.
        lasting: other processes find it too. Else it is a temporary folder, for a store that only this process can
            reach, and what waits is sent when it is asked for.
    """

    def __init__(self, store: Store, folder: Path, *, lasting: bool) -> None:
        self.store = store
        self.folder = folder
        self.lasting = lasting
        self.problems: tuple[str, ...] = ()
        self.is_refused: bool = False
        self.sent: int = 0
        self._warned = False
        self._shipped: dict[Path, Shipped] = {}
        self._begin_anew()

    def _begin_anew(self) -> None:
        """Locks, logs and a thread of this process; a forked child has none."""
        self._own: set[Path] = set()
        self._counting = threading.Lock()
        self.meter: Meter = Meter()
        self._turn = threading.Lock()
        self._bell = threading.Condition()
        self._thread: threading.Thread | None = None
        self._asked = self._served = 0

    def __repr__(self) -> str:
        return f"Area({str(self.folder)!r})"

    # --- spooling ---------------------------------------------------------------------------------------------------

    def log_path(self, keys: RunKeys, writer_id: str) -> Path:
        """Where a writer of this process appends its log; its folder is made."""
        folder = self.folder / "logs" / _this_host() / keys.logs.segments[1]
        with contextlib.suppress(FileNotFoundError, FileExistsError):  # who makes the log tries again
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / str(LogName(keys.run_id, writer_id))
        self._own.add(path)
        return path

    def keep_file(self, key: Key, chunks: Iterable[bytes]) -> None:
        """Take a file to be sent later; it is on the disk when this returns."""
        path = self.folder.joinpath("files", *key.segments)
        with _held_open(path.parent):
            write_whole(path, chunks, mode=0o600)
        self.start()

    def remove(self) -> None:
        """Remove a temporary area."""
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- what waits -------------------------------------------------------------------------------------------------

    def waiting(self) -> Waiting:
        """What is not in the store, as far as this process knows, and is for it to send."""
        logs, size = 0, 0
        for log in self._logs():
            with contextlib.suppress(OSError):
                left = log.path.stat().st_size - self._shipped.get(log.path, Shipped()).end
                is_live = self._is_live(log)
                if not is_live or (left > 0 and self._is_sent_while_it_grows(log)):
                    logs, size = logs + 1, size + max(0, left)
        files = 0
        for path, _ in self._files():
            with contextlib.suppress(OSError):
                files, size = files + 1, size + path.stat().st_size
        return Waiting(logs, files, size)

    def being_written(self) -> int:
        """How many of its logs still have a writer."""
        return sum(self._is_live(log) for log in self._logs())

    def _logs(self) -> list[_Log]:
        found = []
        for host, experiment, name, path in _three_below(self.folder / "logs"):
            log = LogName.parse(name)
            if log is not None and log.end is None and is_segment(experiment):
                keys = RunKeys.within(EXPERIMENTS / experiment, experiment, log.run_id)
                found.append(_Log(path, host, keys, log.writer_id))
            elif is_temporary(name):
                _remove_if_old(path)
        return found

    def _files(self) -> list[tuple[Path, Key]]:
        root = self.folder / "files"
        found = []
        for folder, _, names in os.walk(root):
            for name in names:
                path = Path(folder) / name
                with contextlib.suppress(Invalid):
                    found.append((path, Key(path.relative_to(root).parts)))
                    continue
                _remove_if_old(path)
        return found

    def _is_live(self, log: _Log) -> bool:
        """Whether somebody may still append to it."""
        if log.host == _this_host() and is_lockable():
            held = is_held(log.path)
            if held is not None:
                return held
        with contextlib.suppress(OSError):
            return _ends_open(log.path) and time.time() - log.path.stat().st_mtime < _LEFTOVER_S
        return False

    def _is_sent_while_it_grows(self, log: _Log) -> bool:
        """Whoever writes a log sends it, as long as he lives: else each process would send those of all.

        Whether a writer on another machine lives cannot be known.
        """
        return log.path in self._own or log.host != _this_host() or not is_lockable()

    # --- sending ----------------------------------------------------------------------------------------------------

    def ship(self) -> bool:
        """Send what waits, once, in this thread.

        Returns:
            Whether the store took all that was there when this began. What it refused is in ``problems``.
        """
        with self._turn:
            # First of all which logs are sealed: all their files are spooled by then, and listed after this.
            sealed = [log for log in self._logs() if not self._is_live(log)]
            this = _Pass()
            self._ship_logs(self._live(), this)
            files = self._files()
            if files:
                self._ship_files(files, this)
            self._ship_logs([log for log in sealed if log.run not in this.refused], this, sealed=True)
            self.problems, self.is_refused = tuple(this.problems), this.is_refused
        if this.problems:
            self.warn(this.problems[0])
        return not this.problems

    def _live(self) -> list[_Log]:
        return [log for log in self._logs() if self._is_sent_while_it_grows(log) and self._is_live(log)]

    def _ship_files(self, files: list[tuple[Path, Key]], this: _Pass) -> None:
        """Send files, several at once; what the runs log meanwhile does not wait for them."""
        done = threading.Event()

        def send() -> None:
            try:
                together(lambda each: self._ship_file(*each, this), files, at_once=_FILES_AT_ONCE)
            finally:
                done.set()

        context = contextvars.copy_context()
        sender = threading.Thread(target=context.run, args=(send,), name="podium-files", daemon=True)
        try:
            sender.start()
        except RuntimeError:  # an interpreter that ends starts no thread
            send()
        while not done.wait(SHIP_S):
            self._ship_logs(self._live(), this)

    def _ship_file(self, path: Path, key: Key, this: _Pass) -> None:
        if this.is_away:
            this.refused.add(_run_of(key))
            return
        try:
            self.store.put(key, path)
        except FileNotFoundError:
            return  # another shipper was faster
        except (StoreError, OSError) as error:
            this.refused.add(_run_of(key))
            this.tell(error)
            return
        self._count_sent()
        with contextlib.suppress(OSError):
            path.unlink()
            self._remove_empty(path.parent)

    def _remove_empty(self, folder: Path) -> None:
        """Folders that held what was sent; `rmdir` refuses one that holds something."""
        with contextlib.suppress(OSError):
            while folder != self.folder:
                folder.rmdir()
                folder = folder.parent

    def _count_sent(self) -> None:
        with self._counting:
            self.sent += 1

    def _ship_logs(self, logs: Iterable[_Log], this: _Pass, *, sealed: bool = False) -> None:
        """Send logs, several at once."""

        def send(log: _Log) -> None:
            if this.is_away:
                return
            after = self._ship_log(log, self._shipped.get(log.path, Shipped()), this, sealed=sealed)
            if after.done:
                self._count_sent()
                self._shipped.pop(log.path, None)
                self._own.discard(log.path)
                self._remove_empty(log.path.parent)
            else:
                self._shipped[log.path] = after

        together(send, list(logs), at_once=_LOGS_AT_ONCE)

    def _ship_log(self, log: _Log, before: Shipped, this: _Pass, *, sealed: bool) -> Shipped:
        """Run the protocol for one log."""
        told = len(this.problems)
        steps = ship_log(before)
        try:
            operation = next(steps)
            while True:
                operation = steps.send(self._perform(log, operation, this, sealed=sealed))
        except StopIteration as stop:
            after: Shipped = stop.value
            if after.failed and len(this.problems) == told:
                this.problems.append(
                    f"{log.keys.log(log.writer_id)} is not shown as it was sent; it is sent again."
                )
            return after

    def _perform(self, log: _Log, operation: Operation, this: _Pass, *, sealed: bool) -> Answer:
        try:
            match operation:
                case Look():
                    return Seen(_whole_bytes(log.path), sealed)
                case Send(part):
                    self.store.put(log.keys.part(log.writer_id, *part), _read(log.path, part))
                    return Says.DONE
                case Check(part):
                    seen = self.store.get(log.keys.part(log.writer_id, *part))
                    return Says.SAME if seen == _read(log.path, part) else Says.DIFFERENT
                case Others():
                    return frozenset(self._parts_there(log))
                case Remove(part):
                    self.store.delete(log.keys.part(log.writer_id, *part))
                    return Says.DONE
                case Forget():
                    log.path.unlink(missing_ok=True)
                    return Says.DONE
        except KeyMissing:
            return Says.DIFFERENT
        except FileNotFoundError:
            return Says.GONE  # another shipper has seen all of it in the store
        except (StoreError, OSError) as error:
            this.tell(error)
            return Says.FAILED

    def _parts_there(self, log: _Log) -> Iterator[Part]:
        begins = f"{log.keys.run_id}.{log.writer_id}."
        for entry in beginning(self.store, log.keys.logs, begins):
            name = LogName.parse(entry.key.name)
            if name is not None and name.end is not None and name.writer_id == log.writer_id:
                yield name.start, name.end

    def warn(self, problem: str) -> None:
        """The one boundary at which what a store does not take becomes one warning."""
        if self._warned:
            return
        self._warned = True
        # A warning that was made an error has been seen: whoever ships is no place to raise it.
        with contextlib.suppress(PodiumWarning):
            # The thread that sends has no line of the user's to show.
            warnings.warn_explicit(
                f"not all of what is logged reaches the store yet: {problem} Training goes on, and nothing is lost: "
                f"{self.waiting()} wait in {self.folder}. They are sent when the store answers: by this process, the "
                "next one that logs there, or Workspace.sync(). This is said once.",
                PodiumWarning,
                filename="podium",
                lineno=1,
            )

    # --- the thread -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Send from now on, every few seconds; a temporary area is sent only when that is asked for."""
        if not self.lasting or (self._thread is not None and self._thread.is_alive()):
            return
        with self._bell:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._send_forever, name="podium-ship", daemon=True)
                # An interpreter that ends starts no thread: what is logged then waits for the next process.
                with contextlib.suppress(RuntimeError):
                    self._thread.start()

    def _send_forever(self) -> None:
        pause_s = SHIP_S
        while True:
            with self._bell:
                self._bell.wait_for(lambda: self._asked > self._served, timeout=pause_s)
                asked = self._asked
            pause_s = SHIP_S if self._ship_or_tell() else min(2 * pause_s, _LONGEST_PAUSE_S)
            with self._bell:
                self._served = asked
                self._bell.notify_all()

    def _ship_or_tell(self) -> bool:
        try:
            with in_background(self.meter):
                return self.ship()
        except Exception as error:  # noqa: BLE001 - the boundary: a thread that dies would send nothing any more
            self.problems = (f"{type(error).__name__}: {error}",)
            self.warn(self.problems[0])
            return False

    def ask(self) -> int:
        """Let the thread send now; the number of this request."""
        self.start()
        with self._bell:
            self._asked += 1
            self._bell.notify_all()
            return self._asked

    def flush(self, timeout_s: float | None = None) -> bool:
        """Send what waits, and wait for it; in another thread, so that no answer of a store is waited for too long.

        Returns:
            Whether all that waited when this was called is in the store.
        """
        if not self.lasting:
            return self.ship()
        number = self.ask()
        with self.shown(), self._bell:
            served = self._bell.wait_for(lambda: self._served >= number or not self.is_started, timeout_s)
        return served and self._served >= number and not self.problems

    def shown(self) -> contextlib.AbstractContextManager[None]:
        """Show, to whoever waits for it, how much of the files that wait has been sent."""
        return self.meter.shown("sending what was logged", self._file_bytes)

    def _file_bytes(self) -> int:
        size = 0
        for path, _ in self._files():
            with contextlib.suppress(OSError):
                size += path.stat().st_size
        return size

    @property
    def is_started(self) -> bool:
        """Whether a thread of this process sends what waits here."""
        return self._thread is not None and self._thread.is_alive()


class Spooled:
    """A store whose values are taken at once, and sent later.

    Args:
        area: where they wait.
    """

    def __init__(self, area: Area) -> None:
        self._area = area
        self._store = area.store

    def get(self, key: Key, start: int = 0) -> bytes:
        """See `Store.get`."""
        return self._store.get(key, start)

    def put(self, key: Key, source: Source) -> None:
        """Take a value: it is on this machine's disk when this returns, and in the store when that takes it."""
        if isinstance(source, Path):
            with source.open("rb") as file:
                self._area.keep_file(key, chunks_of(file.fileno()))
        else:
            self._area.keep_file(key, (source,))

    def put_chunks(self, key: Key, chunks: Iterable[bytes]) -> None:
        """As `put`, in pieces as they come."""
        self._area.keep_file(key, chunks)

    def create(self, key: Key, data: bytes) -> None:
        """See `Store.create`."""
        self._store.create(key, data)

    def list(self, prefix: Key) -> Iterator[Entry]:
        """See `Store.list`."""
        return self._store.list(prefix)

    def delete(self, key: Key) -> None:
        """See `Store.delete`."""
        self._store.delete(key)

    def download(self, key: Key, path: Path) -> None:
        """See `Store.download`."""
        self._store.download(key, path)

    def local_path(self, key: Key) -> Path | None:
        """See `Store.local_path`."""
        return self._store.local_path(key)


# --- the areas of this process --------------------------------------------------------------------------------------

# By name, id and settings of the store: what one set of credentials may write, another may not.
_areas: dict[tuple[str, str, object], Area] = {}
_guard = threading.Lock()


def area_of(store: Store) -> Area:
    """Where what is for this store waits.

    Raises:
        StoreUnavailable: the store does not say which it is.
    """
    address = getattr(store, "root", None)
    if not isinstance(address, str):
        return Area(store, Path(tempfile.mkdtemp(prefix="podium-spool-")), lasting=False)
    known = [area for (root, *_), area in list(_areas.items()) if root == address and area.store is store]
    if known:
        return known[0]
    header = read_header(store)
    # By both: a copied bucket has the id of the first, and one name may lead to several servers.
    store_id = header.store_id if header is not None else ""
    name = (address, store_id, getattr(store, "identity", None))
    with _guard:
        area = _areas.get(name)
        if area is None:
            area = _areas[name] = Area(store, _private_folder(address, store_id), lasting=True)
        return area


def known_areas(store: Store) -> list[Area]:
    """The areas of this process for the place where a store lies."""
    address = getattr(store, "root", None)
    return [area for (root, *_), area in list(_areas.items()) if root == address]


def _private_folder(*name: str) -> Path:
    digest = hashlib.sha256("\n".join(name).encode()).hexdigest()[:16]
    problem: OSError | None = None
    for root in (spool_root(), Path(tempfile.gettempdir()) / f"podium-spool-{_user_number()}"):
        folder = root / digest
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _refuse_foreign(root)
            return folder
        except OSError as error:  # a home that cannot be written to, as in many containers
            problem = error
    assert problem is not None  # noqa: S101 - both were tried
    raise problem


def _refuse_foreign(root: Path) -> None:
    if sys.platform != "win32":
        status = os.lstat(root)
        if status.st_uid != os.geteuid() or stat.S_ISLNK(status.st_mode):
            raise PermissionError(f"{root} belongs to another user or is a link: nothing is spooled there")
        os.chmod(root, 0o700)


def _user_number() -> int:
    return os.geteuid() if sys.platform != "win32" else 0


def leave() -> list[str]:
    """Wait, at the end of the process, for what is on its way; no longer than stated, and never with an error.

    Returns:
        What waits still, and where: a sentence each.
    """
    rest = []
    for area in [each for each in list(_areas.values()) if each.is_started]:
        deadline = time.monotonic() + EXIT_S + EXIT_S_PER_MIB * area.waiting().size_bytes / _MIB
        with area.shown():
            while area.waiting() and not area.flush(max(0.0, deadline - time.monotonic())):
                if time.monotonic() >= deadline or not area.is_started or area.is_refused:
                    break
                time.sleep(_EXIT_PAUSE_S)
        if left := area.waiting():
            area.warn("the store does not answer in time.")
            rest.append(f"{left} wait in {area.folder} and are not in {_name_of(area.store)} yet")
    return rest


def _name_of(store: Store) -> str:
    return str(getattr(store, "root", store))


def _after_fork_in_child() -> None:
    global _guard  # noqa: PLW0603 - whoever held it does not exist here
    _guard = threading.Lock()
    for area in _areas.values():
        area._begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


# --- files ----------------------------------------------------------------------------------------------------------

_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")


def _this_host() -> str:
    import socket

    return _UNSAFE.sub("-", socket.gethostname())[:60] or "host"


@contextlib.contextmanager
def _held_open(folder: Path) -> Iterator[None]:
    """A folder of the spool that nobody removes as long as the ``with`` lasts: shippers remove those that are empty."""
    marker = _marked(folder)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            marker.unlink()


def _marked(folder: Path) -> Path:
    for tried in range(_TRIES):
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            marker = Path(new_temporary(str(folder)))
            marker.touch(mode=0o600, exist_ok=False)
            break
        except (FileNotFoundError, FileExistsError):  # somebody removes it, or a folder above it, just now
            if tried == _TRIES - 1:
                raise
    return marker


def _run_of(key: Key) -> tuple[str, ...]:
    """Experiment and run of an artifact's key: experiments/<experiment>/artifacts/<day>/<run id>/..."""
    return (key.segments[1], key.segments[4]) if len(key.segments) > 5 else ()


def _three_below(root: Path) -> Iterator[tuple[str, str, str, Path]]:
    def names(folder: Path) -> list[str]:
        try:
            return sorted(os.listdir(folder))
        except (FileNotFoundError, NotADirectoryError):
            return []

    for first in names(root):
        for second in names(root / first):
            for third in names(root / first / second):
                yield first, second, third, root / first / second / third


def _remove_if_old(path: Path) -> None:
    with contextlib.suppress(OSError):
        if time.time() - path.stat().st_mtime > _LEFTOVER_S:
            path.unlink()


def _read(path: Path, part: Part) -> bytes:
    start, end = part
    with open(path, "rb") as file:
        file.seek(start)
        data = file.read(end - start)
    if len(data) != end - start:
        raise OSError(f"{path} is shorter than it was: {len(data)} of {end - start} bytes from {start} on")
    return data


def _whole_bytes(path: Path) -> int:
    """How many bytes the whole lines of a file have."""
    with open(path, "rb") as file:
        end = file.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - _TAIL_BYTES)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            if newline >= 0:
                return start + newline + 1
            end = start
    return 0


def _ends_open(path: Path) -> bool:
    """Whether a log's last line is not its end."""
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL_BYTES))
        return b'\n{"event":"end"' not in b"\n" + file.read()
