"""The file of the index: lost, damaged, shared by many, in the way; and the traps of folders that do not tell."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from podium import Workspace
from podium.errors import StoreError
from podium.runs.codec import encode
from podium.runs.events import End, Metrics, Params, Start
from podium.search import building, parse_filter
from podium.search.index import Index
from podium.search.refresh import stamp_of
from podium.stores import LocalStore
from podium.stores.cachefolder import cache_folder
from podium.stores.memory import MemoryStore
from tests.search.conftest import NOW
from tests.search.stores_of_runs import facts_by_id, folded_runs, lines, put_log
from tests.search.test_refresh import everything, next_tick, tables

START = Start("session", "fraud", run_name="first")
DONE = End("FINISHED")


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    made = LocalStore(tmp_path / "store")
    with Workspace(made) as workspace, workspace.start_run("a run", experiment="fraud") as run:
        run.log_params({"lr": 0.1})
        run.log_metric("loss", 0.5)
    return made


@pytest.fixture
def index(store: LocalStore) -> Iterator[Index]:
    opened = Index(store)
    yield opened
    opened.close()


def names(index: Index, query: str = "") -> list[str]:
    return [row.facts.run_name for row in index.search(parse_filter(query), now=NOW).rows]


def file_of(index: Index) -> Path:
    assert index._opened is not None
    assert index._opened.path is not None
    return index._opened.path


def add_run(store: LocalStore, run_id: str, *, name: str | None = None, sealed: bool = True) -> Path:
    start = Start("session", "fraud", run_name=name or run_id)
    put_log(store, "fraud", run_id, lines(start, Params({"lr": 1}), *([DONE] if sealed else [])))
    return store.root / "experiments" / "fraud" / "runs" / "named" / f"{run_id}.aaaaaaaaaa.jsonl"


# --- the file ---------------------------------------------------------------------------------------------------------


def test_it_lies_in_the_cache_of_the_user(
    index: Index, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))

    assert names(index) == ["a run"]

    assert file_of(index).parent == tmp_path / "caches" / "podium" / "index" == cache_folder() / "index"
    if os.name == "posix":
        assert file_of(index).parent.stat().st_mode & 0o077 == 0


def test_a_second_process_finds_what_the_first_one_built(store: LocalStore, index: Index) -> None:
    index.refresh()
    opened: list[str] = []
    other = Index(store)

    with watch_opens(opened):
        assert names(other, "metrics.loss = 0.5") == ["a run"]

    assert file_of(other) == file_of(index)
    assert not [path for path in opened if path.endswith(".jsonl")]
    other.close()


class watch_opens:  # noqa: N801 - reads as a verb
    """Notes every file that is opened by Python."""

    noted: list[str] | None = None
    hooked = False

    def __init__(self, noted: list[str]) -> None:
        self._noted = noted

    def __enter__(self) -> None:
        if not watch_opens.hooked:
            watch_opens.hooked = True
            sys.addaudithook(watch_opens.hook)
        watch_opens.noted = self._noted

    def __exit__(self, *_: object) -> None:
        watch_opens.noted = None

    @staticmethod
    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and watch_opens.noted is not None:
            watch_opens.noted.append(str(arguments[0]))


def _truncate(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def _garble(file: Path) -> None:
    data = file.read_bytes()
    file.write_bytes(data[:100] + os.urandom(len(data) - 100))


def _empty(file: Path) -> None:
    file.write_bytes(b"")


def _no_database(file: Path) -> None:
    file.write_bytes(b"not a database at all\n" * 500)


def _other_schema(file: Path) -> None:
    file.unlink()
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE runs (id INTEGER)")
    connection.close()


def _newer_schema(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA user_version = 999")
    connection.close()


def _broken_document(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE places SET said = '{'")
    connection.close()


def _folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def _unlinked(file: Path) -> None:
    file.unlink()


def _gone(file: Path) -> None:
    shutil.rmtree(file.parent)


@pytest.mark.parametrize(
    "damage",
    [
        _truncate,
        _garble,
        _empty,
        _no_database,
        _other_schema,
        _newer_schema,
        _broken_document,
        _folder,
        _unlinked,
        _gone,
    ],
)
@pytest.mark.parametrize("reopened", [False, True])
def test_a_file_that_is_damaged_or_gone_is_made_anew(
    store: LocalStore, index: Index, damage: Callable[[Path], None], reopened: bool
) -> None:
    for number in range(40):
        add_run(store, f"run-{number}")
    assert len(names(index)) == 41
    file = file_of(index)
    if reopened:
        index.close()

    damage(file)
    add_run(store, "another")

    assert len(names(index)) == 42
    assert len(names(index, "params.lr = 1")) == 41
    assert file_of(index).is_file()


def test_a_cache_that_cannot_be_written_costs_time_not_answers(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "a file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a file"))
    index = Index(store)

    assert names(index, "metrics.loss < 1") == ["a run"]
    add_run(store, "second")
    assert sorted(names(index)) == ["a run", "second"]
    index.close()


def test_what_was_not_used_for_a_month_is_removed(store: LocalStore, index: Index) -> None:
    folder = cache_folder() / "index"
    folder.mkdir(parents=True)
    old, young = folder / "old.v1.1.sqlite", folder / "young.v1.1.sqlite"
    for path in (old, young):
        path.write_bytes(b"")
    os.utime(old, (time.time() - 40 * 86_400,) * 2)

    index.refresh()

    assert not old.exists()
    assert young.exists()


# --- which store ------------------------------------------------------------------------------------------------------


def test_another_store_at_the_same_place_does_not_answer_from_the_index_of_the_first(
    store: LocalStore, index: Index, tmp_path: Path
) -> None:
    assert names(index) == ["a run"]
    other = LocalStore(tmp_path / "other")
    with Workspace(other) as workspace, workspace.start_run("of another store", experiment="fraud"):
        pass
    for child in store.root.iterdir():
        shutil.rmtree(child) if child.is_dir() else child.unlink()
    shutil.copytree(other.root, store.root, dirs_exist_ok=True)

    assert names(index) == ["of another store"]


def test_the_id_inside_tells_when_another_store_lies_there(store: LocalStore, index: Index) -> None:
    index.refresh()
    before = file_of(index)
    document = json.loads((store.root / "podium.json").read_text())
    (store.root / "podium.json").write_text(json.dumps({**document, "store_id": "f" * 32}))

    assert names(index) == ["a run"]
    assert file_of(index) != before


def test_a_copy_of_a_store_has_an_index_of_its_own(store: LocalStore, index: Index, tmp_path: Path) -> None:
    shutil.copytree(store.root, tmp_path / "copy")
    copy = LocalStore(tmp_path / "copy")
    add_run(copy, "only-here")
    other = Index(copy)

    assert sorted(names(other)) == ["a run", "only-here"]
    assert names(index) == ["a run"]
    assert file_of(other) != file_of(index)
    other.close()


def test_a_store_that_is_reached_through_a_link_has_the_same_index(
    store: LocalStore, index: Index, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(store.root)
    other = Index(LocalStore(tmp_path / "link"))

    assert names(index) == names(other)
    assert file_of(other) == file_of(index)
    other.close()


def test_an_older_copy_put_back_answers_as_it_is(store: LocalStore, index: Index, tmp_path: Path) -> None:
    shutil.copytree(store.root, tmp_path / "backup")
    add_run(store, "later")
    assert len(names(index)) == 2
    shutil.rmtree(store.root)
    (tmp_path / "backup").rename(store.root)

    assert names(index) == ["a run"]


def test_a_store_of_a_newer_podium_is_not_read(store: LocalStore, index: Index) -> None:
    (store.root / "podium.json").write_text(json.dumps({"format": 2, "needs": [], "store_id": "0" * 32}))

    with pytest.raises(StoreError, match="newer"):
        names(index)


def test_a_store_that_is_not_there_has_no_runs_and_no_index_until_it_is(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "later")
    index = Index(store)
    assert names(index) == []
    assert not cache_folder().exists()
    assert not store.root.exists()

    with Workspace(store) as workspace, workspace.start_run("first", experiment="fraud"):
        pass

    assert names(index) == ["first"]
    assert file_of(index).is_file()
    index.close()


def test_a_memory_store_is_searched_too_and_leaves_no_file() -> None:
    with Workspace(MemoryStore()) as workspace:
        with workspace.start_run("held", experiment="x") as run:
            run.log_metric("loss", 1.0)
            assert [each.status for each in workspace.search_runs("metrics.loss = 1")] == ["RUNNING"]
        assert [each.status for each in workspace.search_runs()] == ["FINISHED"]
    assert not cache_folder().exists()


# --- folders that do not tell -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CoarseStatus:
    """What a disk whose clock ticks every minute says of a folder."""

    st_mode: int
    st_ino: int
    st_size: int
    st_mtime_ns: int
    st_ctime_ns: int
    st_mtime: float


def test_what_happens_within_the_tick_of_the_last_look_is_seen(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    lstat, minute_ns = os.lstat, 60_000_000_000

    def coarse(path: str) -> CoarseStatus | os.stat_result:
        found = lstat(path)
        if not stat.S_ISDIR(found.st_mode):
            return found
        mtime_ns = found.st_mtime_ns // minute_ns * minute_ns
        ctime_ns = found.st_ctime_ns // minute_ns * minute_ns
        return CoarseStatus(found.st_mode, found.st_ino, found.st_size, mtime_ns, ctime_ns, mtime_ns / 1e9)

    clock = [time.time_ns() // 1_000_000]
    index = Index(store, clock_ms=lambda: clock[0])
    monkeypatch.setattr(os, "lstat", coarse)
    for number in range(5):
        add_run(store, f"run-{number}")
        assert len(names(index)) == number + 2
        clock[0] += 100
    index.close()


def settle(index: Index, store: LocalStore, clock: list[int]) -> None:
    """Look until folders are known to tell: more than two seconds of our clock pass, and a tick of the disk's."""
    index.refresh()
    clock[0] += 3_000
    next_tick(store.root.parent)
    index.refresh()
    next_tick(store.root.parent)


def test_folder_times_that_were_put_back_hide_nothing(store: LocalStore, tmp_path: Path) -> None:
    clock = [time.time_ns() // 1_000_000]
    index = Index(store, clock_ms=lambda: clock[0])
    path = add_run(store, "one")
    settle(index, store, clock)
    status = path.parent.stat()

    path.rename(path.with_name("two.aaaaaaaaaa.jsonl"))
    os.utime(path.parent, ns=(status.st_atime_ns, status.st_mtime_ns))

    assert path.parent.stat().st_mtime_ns == status.st_mtime_ns
    assert [row.run_id for row in index.search(now=NOW).rows if row.run_id in ("one", "two")] == ["two"]
    index.close()


def note_calls(monkeypatch: pytest.MonkeyPatch, name: str, noted: list[str]) -> None:
    call = getattr(os, name)

    def noting(path: object) -> object:
        noted.append(str(path))
        return call(path)

    monkeypatch.setattr(os, name, noting)


def test_a_folder_at_rest_is_not_listed_and_none_of_its_logs_is_looked_at(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [time.time_ns() // 1_000_000]
    index = Index(store, clock_ms=lambda: clock[0])
    for number in range(20):
        add_run(store, f"run-{number}")
    settle(index, store, clock)
    listed: list[str] = []
    looked: list[str] = []
    note_calls(monkeypatch, "scandir", listed)
    note_calls(monkeypatch, "lstat", looked)

    assert len(names(index)) == 21

    assert listed == []
    assert len([path for path in looked if path.endswith(".jsonl")]) == 2  # one sentinel a folder
    index.close()


def test_a_copy_that_overwrites_sealed_logs_in_place_is_noticed(store: LocalStore, tmp_path: Path) -> None:
    """As ``cp -r backup/. store/``: no folder changes."""
    clock = [time.time_ns() // 1_000_000]
    index = Index(store, clock_ms=lambda: clock[0])
    paths = [add_run(store, f"run-{number}", sealed=False) for number in range(5)]
    backup = shutil.copytree(store.root, tmp_path / "backup")
    for path in paths:
        with path.open("ab") as file:
            file.write(encode(Metrics(0, {"loss": 7.0}), 2_000) + encode(DONE, 2_001))
    settle(index, store, clock)
    assert len(names(index, "metrics.loss = 7")) == 5

    subprocess.run(["cp", "-r", f"{backup}/.", str(store.root)], check=True)

    assert names(index, "metrics.loss = 7") == []
    index.close()


def test_one_sealed_log_that_was_edited_in_place_is_noticed_within_the_hour(store: LocalStore) -> None:
    clock = [time.time_ns() // 1_000_000]
    index = Index(store, clock_ms=lambda: clock[0])
    path = [add_run(store, f"run-{number}") for number in range(5)][-1]
    settle(index, store, clock)
    path.write_bytes(path.read_bytes().replace(b'"lr":1', b'"lr":5'))

    clock[0] += 3_600_000
    assert names(index, "params.lr = 5") == ["run-4"]
    index.close()


def test_a_thorough_look_trusts_nothing(store: LocalStore, index: Index) -> None:
    path = [add_run(store, f"run-{number}") for number in range(5)][-1]
    index.refresh()
    path.write_bytes(path.read_bytes().replace(b'"lr":1', b'"lr":5'))

    index.refresh(thorough=True)

    assert names(index, "params.lr = 5") == ["run-4"]


@pytest.mark.parametrize("way", ["rename", "in place"])
def test_a_log_that_grew_into_another_one_is_folded_anew(store: LocalStore, index: Index, way: str) -> None:
    path = add_run(store, "one", sealed=False)
    assert names(index, "params.lr = 1") == ["one"]
    other = lines(
        Start("session", "fraud", run_name="one"),
        Params({"lr": 2}),
        Metrics(0, {"loss": 1.0}),
        Metrics(1, {"loss": 2.0}),
    )
    assert len(other) > path.stat().st_size
    if way == "rename":
        aside = path.with_name(".aside")
        aside.write_bytes(other)
        aside.replace(path)
    else:
        path.write_bytes(other)

    assert names(index, "params.lr = 2") == ["one"]
    assert names(index, "params.lr = 1") == []


# --- reading on -------------------------------------------------------------------------------------------------------


def test_a_log_that_grew_is_read_from_the_byte_where_it_stopped(
    store: LocalStore, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = add_run(store, "one", sealed=False)
    with path.open("ab") as file:
        for step in range(20_000):
            file.write(encode(Metrics(step, {"loss": 1.0}), 2_000))
    index.refresh()
    index.close()  # the next process
    with path.open("ab") as file:
        file.write(encode(Metrics(20_000, {"loss": 2.0}), 2_000))
    read = os.read
    sizes: list[int] = []

    def counting(fd: int, count: int) -> bytes:
        data = read(fd, count)
        sizes.append(len(data))
        return data

    monkeypatch.setattr(os, "read", counting)

    assert names(index, "metrics.loss = 2 and count(metrics.loss) = 20001") == ["one"]
    assert sum(sizes) < 10_000


def test_a_million_points_of_a_live_run_stay_exact_in_many_small_steps(
    store: LocalStore, index: Index
) -> None:
    path = add_run(store, "one", sealed=False)
    for step in range(60):
        with path.open("ab") as file:
            line = encode(
                Metrics(step % 7, {"loss": float((step * 37) % 11), "acc": float(step)}), 2_000 + step
            )
            file.write(line[: step % 20])
            file.flush()
            index.refresh()
            file.write(line[step % 20 :])
        index.refresh()

    assert everything(index, store) == facts_by_id(folded_runs(store))


# --- who lives --------------------------------------------------------------------------------------------------------

LIVE = textwrap.dedent(
    """
    import sys
    from podium import Workspace
    run = Workspace(sys.argv[1]).start_run("live", experiment="fraud")
    run.log_metric("loss", 1.0)
    print("started", flush=True)
    sys.stdin.readline()
    run.end()
    """
)


def live_process(store: LocalStore) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", LIVE, str(store.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    return process


def status_of_live(index: Index) -> list[str]:
    return [row.status for row in index.search(parse_filter("run_name = 'live'"), now=NOW).rows]


def test_a_run_is_running_while_its_process_lives_and_lost_when_it_was_killed(
    store: LocalStore, index: Index
) -> None:
    process = live_process(store)
    assert status_of_live(index) == ["RUNNING"]
    assert names(index, "status = 'RUNNING' and end_time IS NULL") == ["live"]

    process.send_signal(signal.SIGKILL)
    process.communicate()

    assert status_of_live(index) == ["LOST"]
    assert names(index, "status = 'LOST' and end_time IS NOT NULL") == ["live"]
    assert names(index, "status = 'RUNNING'") == []


def test_a_run_that_ended_since_the_last_look_is_finished(store: LocalStore, index: Index) -> None:
    process = live_process(store)
    assert status_of_live(index) == ["RUNNING"]

    process.communicate("end\n")

    assert status_of_live(index) == ["FINISHED"]


def test_that_a_run_lives_is_written_nowhere(store: LocalStore, index: Index) -> None:
    process = live_process(store)
    index.refresh()
    with sqlite3.connect(file_of(index)) as connection:
        kept = connection.execute("SELECT status FROM runs WHERE run_name = 'live'").fetchall()
    connection.close()
    process.kill()
    process.communicate()

    assert kept == [(None,)]


# --- many at once -----------------------------------------------------------------------------------------------------

LOOK = textwrap.dedent(
    """
    import sys
    from datetime import UTC, datetime
    from pathlib import Path
    from podium.search import parse_filter
    from podium.search.index import Index
    from podium.stores import LocalStore

    index = Index(LocalStore(sys.argv[1]))
    for line in sys.stdin:
        rows = index.search(parse_filter("params.lr = 1"), now=datetime.now(UTC)).rows
        whole = all(row.facts.params == {"lr": 1} for row in rows)
        print(len(rows), len({row.run_id for row in rows}), whole, flush=True)
    """
)


def test_processes_that_look_at_once_all_see_every_run_once(store: LocalStore, tmp_path: Path) -> None:
    lookers = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", LOOK, str(store.root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for batch in range(6):
        for number in range(60):
            add_run(store, f"run-{batch}-{number}", sealed=number % 3 > 0)
        for looker in lookers:
            assert looker.stdin is not None
            looker.stdin.write("look\n")
            looker.stdin.flush()
        expected = 60 * (batch + 1)
        for looker in lookers:
            assert looker.stdout is not None
            assert looker.stdout.readline() == f"{expected} {expected} True\n"
    for looker in lookers:
        looker.communicate()
        assert looker.returncode == 0


def test_threads_share_an_index(store: LocalStore, index: Index) -> None:
    for number in range(50):
        add_run(store, f"run-{number}")
    found: list[int] = []

    def look() -> None:
        found.extend(len(names(index, "params.lr = 1")) for _ in range(20))

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [50] * 80


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_looks_for_itself(store: LocalStore, index: Index) -> None:
    index.refresh()
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            add_run(store, "of-the-child")
            os.write(writing, str(len(names(index))).encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(pid, 0)

    assert os.read(reading, 10) == b"2"
    assert len(names(index)) == 2
    os.close(reading)


def test_an_index_whose_builder_was_killed_is_built_by_the_next(store: LocalStore, tmp_path: Path) -> None:
    for number in range(300):
        add_run(store, f"run-{number}")
    script = textwrap.dedent(
        """
        import os, signal, sys
        from podium.search import index, writing
        from podium.stores import LocalStore
        flush = writing.Rows.flush
        def flush_and_die(self):
            flush(self)
            os.kill(os.getpid(), signal.SIGKILL)
        writing.Rows.flush = flush_and_die
        writing._PAGE_CACHE_KIB = 64
        index.Index(LocalStore(sys.argv[1])).refresh()
        """
    )
    died = subprocess.run([sys.executable, "-c", script, str(store.root)], check=False)
    assert died.returncode == -signal.SIGKILL

    index = Index(store)
    assert len(names(index, "params.lr = 1")) == 300
    index.close()


# --- a first look on all cores ----------------------------------------------------------------------------------------


@pytest.fixture
def many(store: LocalStore) -> LocalStore:
    for number in range(60):
        experiment = f"x{number % 3}"
        start = Start("session", experiment, run_name=f"r{number}", environment={"host": f"h{number % 4}"})
        params, loss = Params({"lr": number, f"p{number % 5}": "x"}), Metrics(0, {"loss": float(number)})
        log = lines(start, params, loss, *([DONE] if number % 7 else []))
        put_log(store, experiment, f"run-{number}", log)
    return store


def test_what_workers_fold_is_what_one_process_folds(
    many: LocalStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    alone = Index(many, folder=tmp_path / "alone")
    expected = tables(alone)
    monkeypatch.setattr(building, "_FEWEST_RUNS", 10)
    monkeypatch.setattr(building, "_BATCH_RUNS", 7)
    monkeypatch.setattr(building, "_cores", lambda: 3)
    taken: list[str] = []
    take_over = building._take_over

    def noting(connection: sqlite3.Connection, path: Path, shard: str) -> None:
        taken.append(shard)
        take_over(connection, path, shard)

    monkeypatch.setattr(building, "_take_over", noting)

    together = Index(many, folder=tmp_path / "together")

    assert tables(together) == expected
    assert taken == ["shard0", "shard1", "shard2"]
    assert everything(together, many) == facts_by_id(folded_runs(many))
    add_run(many, "one-more")
    assert len(names(together)) == 62
    alone.close()
    together.close()


@pytest.mark.parametrize("child", ["raise SystemExit(3)", "import os; os._exit(0)", "print('no json')"])
def test_where_workers_die_the_runs_are_folded_all_the_same(
    many: LocalStore, monkeypatch: pytest.MonkeyPatch, index: Index, child: str
) -> None:
    monkeypatch.setattr(building, "_FEWEST_RUNS", 10)
    monkeypatch.setattr(building, "_cores", lambda: 2)
    monkeypatch.setattr(building, "_CHILD", child)

    assert len(names(index)) == 61


def test_a_script_without_a_main_guard_runs_once(many: LocalStore, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            """
            import sys
            print("script begins")
            from podium import Workspace
            from podium.search import building
            building._FEWEST_RUNS, building._cores = 10, lambda: 2
            print(len(Workspace(sys.argv[1]).search_runs()))
            """
        )
    )
    (tmp_path / "json.py").write_text("raise SystemExit('the json of this folder was imported')")

    ran = subprocess.run(
        [sys.executable, "-P", "-W", "error", str(script), str(many.root)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )

    assert (ran.stdout, ran.returncode) == ("script begins\n61\n", 0), ran.stderr


def test_progress_is_shown_on_a_terminal_only(capsys: pytest.CaptureFixture[str]) -> None:
    progress = building.Progress(100_000)
    progress._begun_s -= 5
    progress._shown_s -= 5
    progress.add(1_000)
    progress.end()

    assert capsys.readouterr().err == ""


def test_progress_counts_and_clears_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.delenv("PODIUM_QUIET")
    progress = building.Progress(100_000)
    progress._begun_s -= 5
    progress._shown_s -= 5

    progress.add(12_345)
    progress.end()

    assert terminal.getvalue() == "\rpodium: indexing 12,345 of 100,000 runs\r\x1b[K"


def test_a_stamp_tells_of_every_way_a_file_can_change(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"one")
    before = file.stat()
    next_tick(tmp_path)
    file.write_bytes(b"two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert file.stat().st_mtime_ns == before.st_mtime_ns
    assert stamp_of(file.stat()) != stamp_of(before)
