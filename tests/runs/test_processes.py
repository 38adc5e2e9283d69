"""What holds when processes are killed, fork, and write to a disk that is really full."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from podium import Workspace
from podium.runs.columns import read_columns
from podium.runs.events import Note, Start, Tags
from podium.runs.finding import find_run
from podium.runs.layout import RunKeys
from podium.runs.locking import is_held
from podium.runs.reader import read_run, status_of
from podium.runs.writer import Writer
from podium.stores import LocalStore
from tests.runs.conftest import RUN_ID

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="fork, flock and signals of POSIX")

KILLS = 20

LOG_UNTIL_KILLED = textwrap.dedent(
    """
    import os, sys
    from podium.runs.events import Start, Tags
    from podium.runs.layout import RunKeys
    from podium.runs.locking import machine
    from podium.runs.writer import Writer
    from podium.stores import LocalStore

    keys = RunKeys.of("fraud", sys.argv[2])
    writer = Writer(LocalStore(sys.argv[1]), keys, Start("session", "fraud", machine=machine()))
    step = 0
    while True:
        writer.log_metric("loss", step * 0.5)
        if step % 5 == 0:
            writer.log_params({f"param_{step}": step})
            writer.append(Tags({"step": str(step)}))
        os.write(1, b"%d\\n" % step)
        step += 1
    """
)


def python(code: str, *arguments: str, stdin: int | None = None) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code, *arguments], stdin=stdin, stdout=subprocess.PIPE
    )


def test_no_acknowledged_event_is_lost_however_a_process_is_killed(store: LocalStore) -> None:
    moments = random.Random(8)
    acknowledged_in_all = 0
    for kill in range(KILLS):
        run_id = f"killed-{kill}"
        process = python(LOG_UNTIL_KILLED, str(store.root), run_id)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(moments.uniform(0, 0.01))
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().split(b"\n")[:-1]
        process.wait()
        process.stdout.close()
        last = int(rest[-1]) if rest else 0

        run = find_run(store, run_id)
        state = read_run(store, run)

        assert status_of(store, run, state) == "LOST"
        assert state.bad_lines == []
        columns = read_columns(store, run, state)["loss"]
        assert list(columns.steps)[: last + 1] == list(range(last + 1))
        assert list(columns.values)[: last + 1] == [step * 0.5 for step in range(last + 1)]
        assert all(state.params[f"param_{step}"] == step for step in range(0, last + 1, 5))
        assert int(state.tags["step"]) >= last // 5 * 5
        acknowledged_in_all += last
    assert acknowledged_in_all > KILLS * 10


# fork -----------------------------------------------------------------------------------------------------------------


def in_a_fork(work: object) -> None:
    """Run it in a forked child that ends without any exit hook, and wait."""
    assert callable(work)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0


def test_a_forked_child_writes_a_log_of_its_own_as_an_edit(
    store: LocalStore, keys: RunKeys, session: Start
) -> None:
    writer = Writer(store, keys, session)
    writer.log_metric("loss", 1.0)
    parents = writer.writer_id

    def child() -> None:
        writer.log_metric("loss", 2.0)
        writer.append(Note("from the child"))
        writer.end("FAILED")

    in_a_fork(child)
    writer.log_metric("loss", 3.0)
    writer.end()

    run = find_run(store, RUN_ID)
    state = read_run(store, run)
    assert len(run.logs) == 2
    assert [log.is_session for log in state.logs.values() if log.writer_id != parents] == [False]
    assert (state.metrics["loss"].count, state.note) == (3, "from the child")
    assert state.status() == "FINISHED"
    assert state.bad_lines == []


def test_a_child_that_lives_on_does_not_keep_the_run_of_a_dead_parent_alive(store: LocalStore) -> None:
    code = textwrap.dedent(
        """
        import os, sys, time
        from podium.runs.events import Start
        from podium.runs.layout import RunKeys
        from podium.runs.locking import machine
        from podium.runs.writer import Writer
        from podium.stores import LocalStore

        keys = RunKeys.of("fraud", sys.argv[2])
        writer = Writer(LocalStore(sys.argv[1]), keys, Start("session", "fraud", machine=machine()))
        hear, say = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(say, b"I am here")
            sys.stdin.read()  # until the test says so
            os._exit(0)
        os.read(hear, 1)
        print(child, flush=True)
        os.kill(os.getpid(), 9)
        """
    )
    process = python(code, str(store.root), RUN_ID, stdin=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdin is not None
    child = int(process.stdout.readline())
    process.wait()

    run = find_run(store, RUN_ID)
    os.kill(child, 0)  # it lives
    assert status_of(store, run, read_run(store, run)) == "LOST"

    process.stdin.close()
    process.stdout.close()


def test_a_fork_while_another_thread_writes_neither_hangs_nor_mixes_lines(
    store: LocalStore, keys: RunKeys, session: Start
) -> None:
    writer = Writer(store, keys, session)
    enough = threading.Event()

    def work() -> None:
        while not enough.is_set():
            writer.log_metric("loss", 0.5)

    thread = threading.Thread(target=work)
    thread.start()
    for _ in range(20):
        in_a_fork(lambda: writer.log_metric("child", 1.0))
    enough.set()
    thread.join()
    writer.end()

    state = read_run(store, find_run(store, RUN_ID))
    assert state.bad_lines == []
    assert state.metrics["child"].count == 20
    assert len(state.logs) == 21


def test_a_fork_while_another_thread_holds_the_lock_does_not_hang_the_child(
    store: LocalStore, keys: RunKeys, session: Start
) -> None:
    writer = Writer(store, keys, session)
    held, enough = threading.Event(), threading.Event()

    def hold() -> None:
        with writer._lock:
            held.set()
            enough.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(60)

    def child() -> None:
        signal.alarm(60)  # a child that hangs dies of it, and the test fails
        writer.log_metric("loss", 1.0)
        writer.end()

    in_a_fork(child)
    enough.set()
    thread.join()
    writer.end()

    assert read_run(store, find_run(store, RUN_ID)).metrics["loss"].count == 1


def test_a_process_that_multiprocessing_forked_logs_too(
    store: LocalStore, keys: RunKeys, session: Start
) -> None:
    writer = Writer(store, keys, session)
    process = multiprocessing.get_context("fork").Process(target=writer.log_metric, args=("loss", 1.0))
    process.start()
    process.join()
    path = store.local_path(keys.log(writer.writer_id))

    assert process.exitcode == 0
    assert path is not None
    assert is_held(path) is True
    writer.end()
    assert read_run(store, find_run(store, RUN_ID)).metrics["loss"].count == 1


# a disk that fills and empties ----------------------------------------------------------------------------------------


def test_a_file_that_may_not_grow_is_a_short_write_and_then_none_and_both_are_survived(
    store: LocalStore,
) -> None:
    code = textwrap.dedent(
        """
        import json, os, resource, sys, warnings
        from podium.errors import PodiumWarning
        from podium.runs.events import Note, Start
        from podium.runs.layout import RunKeys
        from podium.runs.writer import Writer
        from podium.stores import LocalStore

        writer = Writer(LocalStore(sys.argv[1]), RunKeys.of("fraud", sys.argv[2]), Start("session", "fraud"))
        resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, resource.RLIM_INFINITY))
        acknowledged = []
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            for step in range(300):
                before = writer.dropped
                writer.log_metric("loss", step * 0.5, step)
                if writer.dropped == before:
                    acknowledged.append(step)
                if step == 200:
                    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        writer.end()
        print(json.dumps([acknowledged, writer.dropped, [str(each.message) for each in said]]))
        """
    )
    process = python(code, str(store.root), RUN_ID)
    acknowledged, dropped, said = json.loads(process.communicate()[0])

    run = find_run(store, RUN_ID)
    state = read_run(store, run)

    assert process.returncode == 0
    assert 0 < acknowledged[50] < 200 < acknowledged[-1]
    assert dropped == 300 - len(acknowledged) > 50
    assert state.dropped == dropped
    assert len(state.bad_lines) <= 1
    assert set(acknowledged) <= set(read_columns(store, run, state)["loss"].steps)
    assert len(said) == 1
    assert state.status() == "FINISHED"


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    """A file system of 256 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root may mount a file system")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("this machine mounts no tmpfs")
    return folder


def test_a_disk_that_fills_and_empties_loses_nothing_that_was_acknowledged(small_disk: Path) -> None:
    try:
        store = LocalStore(small_disk / "store")
        writer = Writer(store, RunKeys.of("fraud", RUN_ID), Start("session", "fraud"))
        ballast = small_disk / "ballast"
        ballast.write_bytes(
            b"x" * 100_000
        )  # leaves room for some 3,000 lines, and for 2,000 more when it goes
        acknowledged = []

        def log(steps: range) -> None:
            for step in steps:
                before = writer.dropped
                writer.log_metric("loss", step / 7, step)
                if writer.dropped == before:
                    acknowledged.append(step)

        with pytest.warns(match="could not keep") as said:
            log(range(6_000))
        assert len(acknowledged) < 5_000
        ballast.unlink()
        log(range(6_000, 7_000))
        writer.append(Tags({"still": "alive"}))
        writer.end()

        run = find_run(store, RUN_ID)
        state = read_run(store, run)
        steps = set(read_columns(store, run, state)["loss"].steps)

        assert len(said) == 1
        assert writer.dropped == 7_000 - len(acknowledged)
        assert state.dropped == writer.dropped
        assert set(acknowledged) <= steps
        assert acknowledged[-1_000:] == list(range(6_000, 7_000))
        assert (state.tags, state.status()) == ({"still": "alive"}, "FINISHED")
    finally:
        subprocess.run(["umount", "--lazy", str(small_disk)], check=True)


def test_sigterm_during_logging_can_end_the_run_from_its_handler(store: LocalStore) -> None:
    code = textwrap.dedent(
        """
        import os, signal, sys
        from podium.runs.events import Start
        from podium.runs.layout import RunKeys
        from podium.runs.writer import Writer
        from podium.stores import LocalStore

        writer = Writer(LocalStore(sys.argv[1]), RunKeys.of("fraud", sys.argv[2]), Start("session", "fraud"))

        def end(signum, frame):
            writer.end("KILLED")
            os._exit(143)

        signal.signal(signal.SIGTERM, end)
        print("ready", flush=True)
        while True:
            writer.log_metric("loss", 0.5)
        """
    )
    for attempt in range(5):
        run_id = f"terminated-{attempt}"
        process = python(code, str(store.root), run_id)
        assert process.stdout is not None
        process.stdout.readline()
        process.terminate()
        assert process.wait(timeout=20) == 143
        process.stdout.close()

        run = find_run(store, run_id)
        state = read_run(store, run)
        assert state.status() == "KILLED"
        assert state.bad_lines == []


def test_a_forked_child_reads_a_run_although_threads_of_its_parent_were_reading_it(tmp_path: Path) -> None:
    with Workspace(tmp_path / "store") as workspace, workspace.start_run() as run:
        run.log_params({"lr": 0.1})
        enough = threading.Event()

        def read() -> None:
            while not enough.is_set():
                assert run.params == {"lr": 0.1}

        def child() -> None:
            signal.alarm(60)  # a child that hangs dies of it, and the test fails
            assert run.params == {"lr": 0.1}

        readers = [threading.Thread(target=read) for _ in range(3)]
        for reader in readers:
            reader.start()
        for _ in range(20):
            in_a_fork(child)
        enough.set()
        for reader in readers:
            reader.join()
