"""Runs in a bucket: nothing waits for it, nothing is lost by it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import pytest

from podium import Workspace
from podium.errors import KeyExists, PodiumWarning
from podium.runs.layout import LogName, RunKeys
from podium.runs.spool import EXIT_S, area_of, spool_root
from podium.stores import Key
from podium.stores.remote import RemoteStore, open_remote
from podium.workspace.active import ActiveRun
from tests.remote.proxy import Fate, Proxy
from tests.remote.servers import Server

ROOT = Path(__file__).parents[2]


def waiting_files() -> list[str]:
    root = spool_root()
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def parts_of(url: str, run: ActiveRun) -> list[LogName]:
    keys = RunKeys.of(run.experiment, run.run_id)
    names = [LogName.parse(entry.key.name) for entry in RemoteStore(url).list(keys.logs)]
    return [name for name in names if name is not None]


def test_a_run_in_a_bucket_is_there_whole_and_the_spool_is_gone(bucket: str) -> None:
    with Workspace(bucket) as workspace, workspace.start_run(experiment="fraud") as run:
        run.log_params({"lr": 0.1})
        for step in range(100):
            run.log_metric("loss", float(step))
        run.log_text("hello", "notes/a.txt")
    assert run.flush()

    elsewhere = Workspace(bucket, read_only=True).get_run(run.run_id)
    assert (elsewhere.status, elsewhere.params["lr"], elsewhere.summary["loss"].count) == (
        "FINISHED",
        0.1,
        100,
    )
    assert elsewhere.download("notes/a.txt").read_text() == "hello"
    (part,) = parts_of(bucket, run)
    assert part.start == 0
    assert waiting_files() == []


def test_another_machine_sees_a_live_run(bucket: str) -> None:
    with Workspace(bucket) as workspace, workspace.start_run() as run:
        run.log_metric("loss", 0.5)
        run.log_text("hello", "a.txt")
        assert run.flush()
        elsewhere = Workspace(bucket, read_only=True)

        seen = elsewhere.get_run(run.run_id)
        assert (seen.status, seen.metrics["loss"]) == ("RUNNING", 0.5)
        assert seen.download("a.txt").read_text() == "hello"
        run.log_metric("loss", 0.25)
        assert run.flush()
        assert elsewhere.get_run(run.run_id).metrics["loss"] == 0.25


def test_a_live_run_is_shipped_without_being_asked(bucket: str) -> None:
    elsewhere = RemoteStore(bucket)
    with Workspace(bucket) as workspace, workspace.start_run() as run:
        run.log_metric("loss", 0.5)
        keys = RunKeys.of(run.experiment, run.run_id)
        seen = threading.Event()

        def look() -> None:
            while not any(b'"loss"' in elsewhere.get(each.key) for each in elsewhere.list(keys.logs)):
                pass
            seen.set()

        threading.Thread(target=look, daemon=True).start()
        assert seen.wait(60)


def test_this_process_reads_what_it_logged_at_once(bucket: str) -> None:
    with Workspace(bucket) as workspace, workspace.start_run() as run:
        run.log_metric("loss", 0.5)
        run.log_text("hello", "a.txt")

        assert workspace.get_run(run.run_id).metrics["loss"] == 0.5
        assert Workspace(bucket).get_run(run.run_id).download("a.txt").read_text() == "hello"
        assert run.metrics["loss"] == 0.5


def test_many_small_parts_become_few(bucket: str) -> None:
    with Workspace(bucket) as workspace, workspace.start_run() as run:
        for step in range(100):
            run.log_metric("loss", float(step))
            run.flush()
        assert len(parts_of(bucket, run)) < 30
        assert Workspace(bucket).get_run(run.run_id).summary["loss"].count == 100


def test_of_all_the_logs_of_a_day_only_its_own_are_listed_when_a_run_ends(
    seaweedfs_server: Server, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Proxy(seaweedfs_server.port).running() as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.url)
        with Workspace(bucket) as workspace, workspace.start_run() as run:
            run.log_metric("loss", 0.5)
            proxy.forget()
        assert run.flush()

    listed = [
        unquote(each.path)
        for each in proxy.requests
        if each.kind == "list" and "/runs/" in unquote(each.path)
    ]
    assert len(listed) == 1
    assert f"/{run.run_id}." in listed[0]


# --- a bucket that is away ------------------------------------------------------------------------------------------


def log_a_lot(run: ActiveRun, folder: Path) -> None:
    for step in range(500):
        run.log_metric("loss", float(step))
    run.log_params({"lr": 0.1})
    run.set_tag("team", "risk")
    run.log_text("hello", "notes.txt")
    (folder / "file.bin").write_bytes(bytes(100_000))
    run.log_artifact(folder / "file.bin")
    run.log_model({"a": 1}, "model")


def assert_all_is_there(url: str, run_id: str) -> None:
    seen = Workspace(url, read_only=True).get_run(run_id)
    assert (seen.status, seen.dropped) == ("FINISHED", 0)
    assert (seen.summary["loss"].count, seen.params["lr"], seen.tags["team"]) == (500, 0.1, "risk")
    assert seen.download("notes.txt").read_text() == "hello"
    assert seen.download("file.bin").read_bytes() == bytes(100_000)
    assert Workspace(url).load_model(seen.model_uri()).native == {"a": 1}


def test_a_server_that_stops_in_the_middle_of_training_loses_nothing(
    own_server: Server, use: Callable[[Server], str], tmp_path: Path
) -> None:
    url = use(own_server)
    workspace = Workspace(url)
    run = workspace.start_run()
    run.log_metric("before", 1.0)
    run.flush()
    own_server.stop()

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        log_a_lot(run, tmp_path)
        assert run.flush() is False
        assert run.flush() is False
        run.end()
    said = [str(each.message) for each in caught if issubclass(each.category, PodiumWarning)]
    report = workspace.sync()
    assert not report
    assert (report.copied, report.waiting) == (0, 1 + 2 + 5)
    own_server.start()
    again = workspace.sync()

    assert len(said) == 1
    assert "nothing is lost" in said[0]
    assert "logs and" in said[0] or "log and" in said[0]
    assert (again.waiting, again.waiting_bytes, again.problems) == (0, 0, ())
    assert_all_is_there(url, run.run_id)
    assert waiting_files() == []


@pytest.mark.parametrize("fate", [Fate.HANGS, Fate.REFUSED, Fate.ERROR_500, Fate.THROTTLED_503])
def test_no_log_call_waits_for_a_bucket(
    seaweedfs_server: Server,
    use: Callable[[Server], str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    fate: Fate,
) -> None:
    url = use(seaweedfs_server)
    with Proxy(seaweedfs_server.port).running() as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.url)
        workspace = Workspace(url)
        run = workspace.start_run()
        proxy.schedule = lambda request: fate
        logged = threading.Event()

        def log() -> None:
            log_a_lot(run, tmp_path)
            run.end()
            logged.set()

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            threading.Thread(target=log, daemon=True).start()
            # The proxy answers nothing until it is told to: had a call waited, this would not come.
            assert logged.wait(60)
            proxy.schedule = lambda request: Fate.PASS
            proxy.release()
            while not workspace.sync():
                pass

        assert_all_is_there(url, run.run_id)


def test_a_flapping_bucket_gets_all_in_the_end(
    seaweedfs_server: Server, use: Callable[[Server], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    url = use(seaweedfs_server)
    fates = [Fate.PASS, Fate.LOST_ANSWER, Fate.ERROR_500, Fate.PASS, Fate.LATE, Fate.TURNED_500]
    with Proxy(seaweedfs_server.port).running() as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.url)
        workspace = Workspace(url)
        run = workspace.start_run()
        proxy.schedule = lambda request: fates[request.number % len(fates)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            log_a_lot(run, tmp_path)
            run.end()
            while not workspace.sync():
                pass

    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", seaweedfs_server.url)
    assert_all_is_there(url, run.run_id)


def run_script(url: str, steps: int, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "default", "-m", "tests.remote.workers", url, str(steps), *more],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_a_script_ships_before_it_ends(bucket: str) -> None:
    process = run_script(bucket, 10)
    run_id = str(process.stdout and process.stdout.readline()).strip()
    _, errors = process.communicate("go\n", timeout=120)

    assert process.returncode == 0, errors
    assert "PodiumWarning" not in errors
    seen = Workspace(bucket).get_run(run_id)
    assert (seen.status, seen.summary["loss"].count) == ("FINISHED", 10)
    assert seen.download("notes.txt").read_text() == "hello"
    assert waiting_files() == []


@pytest.mark.soak
def test_a_script_ends_in_time_although_the_bucket_hangs_and_the_next_one_ships(
    seaweedfs_server: Server, use: Callable[[Server], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PODIUM_QUIET")
    url = use(seaweedfs_server)
    with Proxy(seaweedfs_server.port).running() as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.url)
        process = run_script(url, 10)
        run_id = str(process.stdout and process.stdout.readline()).strip()
        proxy.schedule = lambda request: Fate.HANGS
        _, errors = process.communicate("go\n", timeout=EXIT_S + 30)
        assert process.returncode == 0, errors
        assert "PodiumWarning: not all of what is logged reaches the store yet" in errors
        (last,) = [line for line in errors.splitlines() if line.startswith("podium: run ")]
        assert re.search(r"FINISHED; 1 log and \d files? \(", last), (
            errors
        )  # a changed checkout is a file, too
        assert {Path(each).suffix for each in waiting_files()} >= {".jsonl", ".txt"}
        proxy.schedule = lambda request: Fate.PASS
        proxy.release()

        following = run_script(url, 0)
        following.communicate(timeout=120)

    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", seaweedfs_server.url)
    seen = Workspace(url).get_run(run_id)
    assert (seen.status, seen.summary["loss"].count) == ("FINISHED", 10)
    assert waiting_files() == []


QUIET_SCRIPT = """
import sys
from podium import Workspace
run = Workspace(sys.argv[1]).start_run()
run.flush()
print(run.run_id, flush=True)
sys.stdin.readline()
run.log_metric("loss", 1.0)
"""


def test_a_script_that_was_quiet_for_long_still_finds_its_bucket_by_name_when_it_ends(
    seaweedfs_server: Server, use: Callable[[Server], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The interpreter's own pool looks up no name any more when exit hooks run."""
    url = use(seaweedfs_server)
    with Proxy(seaweedfs_server.port).running() as proxy:
        # One request a connection: each is made anew, and asks for the name as a long pause would make it.
        by_name = {"AWS_ENDPOINT_URL_S3": f"http://localhost:{proxy.port}", "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(
            [sys.executable, "-W", "default", "-c", f"{FORGETS_NAMES}{QUIET_SCRIPT}", url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **by_name},
        )
        run_id = str(process.stdout and process.stdout.readline()).strip()
        _, errors = process.communicate("go\n", timeout=120)

    assert "PodiumWarning" not in errors
    assert Workspace(url).get_run(run_id).metrics["loss"] == 1.0


FORGETS_NAMES = """
import aiohttp
first = aiohttp.TCPConnector.__init__
aiohttp.TCPConnector.__init__ = lambda self, **options: first(self, **{**options, "use_dns_cache": False})
"""


# --- forks ----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_ships_what_it_logs(bucket: str) -> None:
    with Workspace(bucket) as workspace, workspace.start_run() as run:
        run.log_metric("loss", 1.0)
        run.flush()
        child = os.fork()
        if child == 0:
            run.log_metric("child", 2.0)
            os._exit(0 if run.flush() else 3)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        run.log_metric("loss", 3.0)
    assert run.flush()

    seen = Workspace(bucket).get_run(run.run_id)
    assert (seen.metrics["loss"], seen.metrics["child"], seen.status) == (3.0, 2.0, "FINISHED")
    assert waiting_files() == []


# --- places ---------------------------------------------------------------------------------------------------------


def test_what_waits_is_for_its_user_alone(bucket: str) -> None:
    area = area_of(open_remote(bucket))

    assert area.folder.stat().st_mode & 0o077 == 0
    assert spool_root().stat().st_mode & 0o077 == 0


def test_a_home_that_cannot_be_written_to_is_done_without(
    bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)

    with Workspace(bucket) as workspace, workspace.start_run() as run:
        run.log_metric("loss", 0.5)

    assert run.flush()
    assert Workspace(bucket).get_run(run.run_id).status == "FINISHED"


def test_of_two_servers_with_one_name_each_gets_its_own(
    seaweedfs_server: Server, moto_server: Server, use: Callable[[Server], str]
) -> None:
    url = use(seaweedfs_server)
    first, second = (RemoteStore(url, **each.options()) for each in (seaweedfs_server, moto_server))

    with Workspace(first).start_run() as run:
        run.log_metric("loss", 1.0)
    with Workspace(second).start_run() as other:
        other.log_metric("loss", 2.0)
    assert run.flush()
    assert other.flush()

    assert [each.run_id for each in Workspace(first).search_runs()] == [run.run_id]
    assert [each.run_id for each in Workspace(second).search_runs()] == [other.run_id]


def test_what_an_experiment_is_called_is_created_once(bucket: str) -> None:
    with Workspace(bucket).start_run(experiment="fraud") as run:
        pass
    assert run.flush()

    with pytest.raises(KeyExists):
        RemoteStore(bucket).create(Key.parse("experiments/fraud/experiment.json"), b"x")
