"""How runs end that nobody ended, with real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from podium import Workspace
from podium.types import Run


def script(store: Path, body: str) -> subprocess.Popen[str]:
    """A Python process that runs ``body`` with ``track`` imported."""
    code = "import os, signal, sys, time\nfrom podium import track\n" + textwrap.dedent(body)
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PODIUM_STORE": str(store)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def only_run(store: Path) -> Run:
    with Workspace(store, read_only=True) as workspace:
        (run,) = workspace.search_runs()
        return run


@pytest.mark.parametrize(
    ("body", "status", "error", "code"),
    [
        ("with track.start_run(): track.log_metric('a', 1)", "FINISHED", None, 0),
        ("track.start_run(); track.log_metric('a', 1)", "FINISHED", None, 0),
        ("track.log_metric('a', 1)", "FINISHED", None, 0),
        ("track.start_run(); sys.exit(0)", "FINISHED", None, 0),
        ("track.start_run(); sys.exit(3)", "FAILED", "SystemExit: 3", 3),
        ("track.start_run(); 1 / 0", "FAILED", "ZeroDivisionError: division by zero", 1),
        ("with track.start_run(): 1 / 0", "FAILED", "ZeroDivisionError: division by zero", 1),
        ("with track.start_run(): sys.exit(2)", "FAILED", "SystemExit: 2", 2),
        ("with track.start_run(): raise KeyboardInterrupt", "KILLED", "KeyboardInterrupt", -signal.SIGINT),
        ("track.start_run(); raise KeyboardInterrupt", "KILLED", "KeyboardInterrupt", -signal.SIGINT),
        (
            "track.start_run(); os.kill(os.getpid(), signal.SIGTERM); time.sleep(9)",
            "KILLED",
            "SIGTERM",
            -signal.SIGTERM,
        ),
        (
            "with track.start_run(): os.kill(os.getpid(), signal.SIGTERM); time.sleep(9)",
            "KILLED",
            "SIGTERM",
            -15,
        ),
        ("track.start_run(); os.kill(os.getpid(), signal.SIGKILL)", "LOST", None, -signal.SIGKILL),
        ("track.start_run(); os._exit(0)", "LOST", None, 0),
        ("track.start_run().end('FAILED')", "FAILED", None, 0),
    ],
)
def test_the_status_is_true_however_the_script_ends(
    tmp_path: Path, body: str, status: str, error: str | None, code: int
) -> None:
    process = script(tmp_path / "store", body)
    _, stderr = process.communicate(timeout=60)

    run = only_run(tmp_path / "store")

    assert run.status == status, stderr
    assert (error or "") in (run.error or "")
    assert process.returncode == code
    assert run.end_time is not None


@pytest.mark.parametrize(
    ("leaves", "status", "code"),
    [
        ("raise SystemExit(3)", "FAILED", 3),
        ("raise SystemExit('out of data')", "FAILED", 1),
        ("raise SystemExit(main())", "FINISHED", 0),
        ("raise SystemExit", "FINISHED", 0),
        ("sys.exit(main())", "FINISHED", 0),
        ("kept = caught(4)", "FINISHED", 0),
        ("kept = caught(4); sys.exit()", "FINISHED", 0),
        ("kept = caught(4); 1 / 0", "FAILED", 1),
        ("kept = caught(0); raise SystemExit(4)", "FAILED", 4),
        ("sys.stderr.flush(); print('last', file=sys.stderr, flush=True)", "FINISHED", 0),
    ],
)
def test_how_a_script_is_left_decides_also_where_system_exit_is_raised_by_hand(
    tmp_path: Path, leaves: str, status: str, code: int
) -> None:
    file = tmp_path / "train.py"
    file.write_text(
        textwrap.dedent(
            f"""
            import sys
            from podium import track
            def main():
                return 0
            def caught(code):
                try:
                    raise SystemExit(code)
                except SystemExit as error:
                    return error
            track.start_run()
            track.log_metric("a", 1)
            {leaves}
            """
        )
    )
    process = subprocess.run(
        [sys.executable, file],
        env={**os.environ, "PODIUM_STORE": str(tmp_path / "store")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert process.returncode == code, process.stderr
    assert only_run(tmp_path / "store").status == status


def test_sigterm_is_heard_also_where_the_first_run_was_started_in_a_thread(tmp_path: Path) -> None:
    body = """
        import threading
        def work():
            with track.start_run("in a thread"): pass
        thread = threading.Thread(target=work); thread.start(); thread.join()
        track.start_run("main")
        os.kill(os.getpid(), signal.SIGTERM); time.sleep(9)
        """
    process = script(tmp_path / "store", body)
    process.communicate(timeout=60)

    with Workspace(tmp_path / "store", read_only=True) as workspace:
        assert {run.run_name: run.status for run in workspace.search_runs()} == {
            "in a thread": "FINISHED",
            "main": "KILLED",
        }


def test_who_handles_sigterm_himself_decides(tmp_path: Path) -> None:
    body = """
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        track.start_run()
        os.kill(os.getpid(), signal.SIGTERM); time.sleep(9)
        """
    process = script(tmp_path / "store", body)
    process.communicate(timeout=60)

    assert process.returncode == 0
    assert only_run(tmp_path / "store").status == "FINISHED"


def test_an_exception_that_ends_a_thread_fails_the_run_that_was_started_there(tmp_path: Path) -> None:
    body = """
        import threading
        def work():
            track.start_run("in a thread")
            raise ValueError("bad batch")
        track.start_run("main")
        thread = threading.Thread(target=work); thread.start(); thread.join()
        """
    process = script(tmp_path / "store", body)
    process.communicate(timeout=60)

    with Workspace(tmp_path / "store", read_only=True) as workspace:
        by_name = {run.run_name: run for run in workspace.search_runs()}
    assert by_name["in a thread"].status == "FAILED"
    assert by_name["in a thread"].error == "ValueError: bad batch"
    assert by_name["main"].status == "FINISHED"


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_worker_of_multiprocessing_ends_its_own_run_as_it_ended(tmp_path: Path, method: str) -> None:
    file = tmp_path / "train.py"
    file.write_text(
        textwrap.dedent(
            f"""
            import multiprocessing
            from podium import track
            def work(fails):
                track.start_run("fails" if fails else "works")
                track.log_metric("a", 1)
                if fails:
                    raise ValueError("bad batch")
            if __name__ == "__main__":
                context = multiprocessing.get_context({method!r})
                for fails in (True, False):
                    process = context.Process(target=work, args=(fails,))
                    process.start()
                    process.join()
            """
        )
    )
    process = subprocess.run(
        [sys.executable, file],
        env={**os.environ, "PODIUM_STORE": str(tmp_path / "store")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    with Workspace(tmp_path / "store", read_only=True) as workspace:
        found = {run.run_name: run.status for run in workspace.search_runs()}
    assert found == {"fails": "FAILED", "works": "FINISHED"}, process.stderr


def test_ctrl_c_while_it_runs_is_killed(tmp_path: Path) -> None:
    process = script(tmp_path / "store", "track.start_run(); print('up', flush=True); time.sleep(60)")
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    assert only_run(tmp_path / "store").status == "RUNNING"

    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)

    assert only_run(tmp_path / "store").status == "KILLED"


@pytest.mark.parametrize(
    "fork",
    [
        "pid = os.fork()\nif pid == 0: sys.exit(0)\nos.waitpid(pid, 0)",
        "pid = os.fork()\nif pid == 0: os._exit(0)\nos.waitpid(pid, 0)",
        "import multiprocessing\np = multiprocessing.get_context('fork').Process(target=print)\np.start(); p.join()",
    ],
)
def test_a_forked_child_that_leaves_does_not_end_its_parents_run(tmp_path: Path, fork: str) -> None:
    body = "track.start_run()\n" + fork + "\nprint(track.active_run().status)\ntrack.log_metric('after', 1)\n"
    process = script(tmp_path / "store", body)
    stdout, stderr = process.communicate(timeout=60)

    assert stdout.split()[-1] == "RUNNING", stderr
    run = only_run(tmp_path / "store")
    assert run.status == "FINISHED"
    assert run.metrics == {"after": 1.0}


def test_what_a_forked_child_logs_is_part_of_the_run(tmp_path: Path) -> None:
    body = """
        track.start_run()
        track.log_metric("loss", 1.0)
        pid = os.fork()
        if pid == 0:
            track.log_metric("child", 2.0)
            track.log_text("from the child", "child.txt")
            os._exit(0)
        os.waitpid(pid, 0)
        track.log_metric("loss", 3.0)
        """
    process = script(tmp_path / "store", body)
    _, stderr = process.communicate(timeout=60)

    assert process.returncode == 0, stderr
    run = only_run(tmp_path / "store")
    assert run.status == "FINISHED"
    assert run.metrics == {"child": 2.0, "loss": 3.0}
    assert run.download("child.txt").read_text() == "from the child"


def test_two_lines_say_where_the_runs_go_and_what_became_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PODIUM_QUIET")
    body = "for name in 'ab':\n    with track.start_run(name, experiment='fraud'): track.log_metric('x', 1)"
    _, stderr = script(tmp_path / "store", body).communicate(timeout=60)

    assert stderr.splitlines() == [
        f"podium: runs go to {tmp_path / 'store'}, experiment 'fraud'",
        "podium: 2 runs: 2 FINISHED",
    ]


def test_the_second_line_says_where_when_the_first_did_not_say_all_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PODIUM_QUIET")
    body = f"""
        from podium import Workspace
        with track.start_run(experiment="fraud"): pass
        with track.start_run(experiment="churn"): pass
        with Workspace({str(tmp_path / "other")!r}) as other:
            with other.start_run(experiment="fraud"): pass
        try:
            with track.start_run(): 1 / 0
        except ZeroDivisionError: pass
        """
    _, stderr = script(tmp_path / "store", body).communicate(timeout=60)

    assert stderr.splitlines() == [
        f"podium: runs go to {tmp_path / 'store'}, experiment 'fraud'",
        f"podium: 4 runs: 1 FAILED, 3 FINISHED in 'fraud', 'churn', 'default' of {tmp_path / 'store'}; "
        f"'fraud' of {tmp_path / 'other'}",
    ]


def test_importing_and_reading_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PODIUM_QUIET")
    body = "import podium\nprint(len(track.search_runs()), track.active_run(), podium.default_workspace())"
    stdout, stderr = script(tmp_path / "store", body).communicate(timeout=60)

    assert stdout.startswith("0 None")
    assert stderr == ""


def test_quiet_silences_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PODIUM_QUIET", "1")
    _, stderr = script(tmp_path / "store", "track.log_metric('x', 1)").communicate(timeout=60)

    assert stderr == ""


def test_an_error_kept_the_password_and_the_folders_of_its_text(tmp_path: Path) -> None:
    project = tmp_path / "a project"
    project.mkdir()
    (project / "train.py").write_text(
        textwrap.dedent("""
            from podium import track
            with track.start_run():
                try:
                    open(__file__ + ".missing")
                except OSError as error:
                    raise ValueError("cannot reach postgres://ada:hunter2secret@db, token=hunter2secret") from error
            """)
    )
    store = tmp_path / "store"

    subprocess.run(
        [sys.executable, str(project / "train.py")],
        env={**os.environ, "PODIUM_STORE": str(store)},
        cwd=tmp_path,
        check=False,
        capture_output=True,
        timeout=60,
    )

    assert only_run(store).error == "ValueError: cannot reach postgres://***@db, token=***"
    kept = b"".join(file.read_bytes() for file in store.rglob("*") if file.is_file())
    assert b"a project/train.py" in kept
    for secret in ("hunter2secret", str(tmp_path), os.path.dirname(os.__file__)):
        assert secret.encode() not in kept
