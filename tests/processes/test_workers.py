"""One run and many workers: what joblib, multiprocessing, executors and asyncio do to it.

Each test is a script of its own in a real process, as users have them: fork and spawn behave differently where a test
runner has imported half the world.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from podium import Workspace
from podium.workspace.run import Run


@pytest.fixture
def script(here: Path) -> Script:
    return Script(here)


class Script:
    """Runs a program in an empty folder, and reads what it left there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, code: str, **environment: str) -> list[Run]:
        """Run it; the runs it left, the oldest first."""
        program = self._folder / "program.py"
        program.write_text(textwrap.dedent(code), encoding="utf-8")
        finished = subprocess.run(
            [sys.executable, "-W", "error::UserWarning", str(program)],
            cwd=self._folder,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert finished.returncode == 0, finished.stderr
        return [*reversed(Workspace(self._folder / ".podium").search_runs())]


def steps(run: Run, key: str) -> list[int]:
    return sorted(run.history(key).steps)


@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
def test_the_workers_of_joblib_log_to_a_run_that_is_handed_to_them(script: Script, backend: str) -> None:
    (run,) = script(
        f"""
        from joblib import Parallel, delayed
        from podium import track

        def work(run, number):
            run.log_metric("done", number / 2, number)

        if __name__ == "__main__":
            with track.start_run() as run:
                Parallel(n_jobs=2, backend={backend!r})(delayed(work)(run, each) for each in range(8))
        """
    )

    assert run.status == "FINISHED"
    assert steps(run, "done") == list(range(8))
    assert run.summary["done"].count == 8


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_of_multiprocessing_log_to_a_run_that_is_handed_to_them(
    script: Script, method: str
) -> None:
    (run,) = script(
        f"""
        import multiprocessing
        from podium import track

        def work(run, number):
            run.log_metric("done", number / 2, number)

        if __name__ == "__main__":
            context = multiprocessing.get_context({method!r})
            with track.start_run() as run:
                workers = [context.Process(target=work, args=(run, each)) for each in range(4)]
                for each in workers: each.start()
                for each in workers: each.join()
                assert [each.exitcode for each in workers] == [0] * 4
        """
    )

    assert run.status == "FINISHED"
    assert steps(run, "done") == list(range(4))


def test_a_forked_worker_logs_to_the_current_run_of_its_parent_and_does_not_end_it(script: Script) -> None:
    (run,) = script(
        """
        import multiprocessing
        from podium import track

        def work(number):
            track.log_metric("done", 0.5, number)

        context = multiprocessing.get_context("fork")
        with track.start_run() as run:
            workers = [context.Process(target=work, args=(each,)) for each in range(4)]
            for each in workers: each.start()
            for each in workers: each.join()
            assert run.status == "RUNNING"
            track.log_metric("done", 0.5, 4)
        """
    )

    assert run.status == "FINISHED"
    assert steps(run, "done") == list(range(5))


def test_a_spawned_worker_that_starts_a_run_finds_the_store_and_experiment_of_its_parent(
    script: Script, tmp_path: Path
) -> None:
    store = tmp_path / "elsewhere"

    assert not script(
        f"""
        import multiprocessing
        from podium import set_store, track

        def work(number):
            with track.start_run(f"worker {{number}}"):
                track.log_metric("done", number)

        if __name__ == "__main__":
            set_store({str(store)!r})
            track.set_experiment("sweep")
            context = multiprocessing.get_context("spawn")
            workers = [context.Process(target=work, args=(each,)) for each in range(3)]
            for each in workers: each.start()
            for each in workers: each.join()
        """
    )

    runs = Workspace(store).search_runs(experiment="sweep")
    assert sorted(run.run_name for run in runs) == ["worker 0", "worker 1", "worker 2"]
    assert {run.status for run in runs} == {"FINISHED"}


def test_a_child_process_joins_the_run_that_podium_run_id_names_and_only_once(script: Script) -> None:
    first, second = script(
        """
        import os, subprocess, sys
        from podium import track

        if len(sys.argv) > 1:
            with track.start_run(): track.log_metric("child", 1.0)
            with track.start_run("its own"): pass
        else:
            with track.start_run("shared") as run:
                track.log_metric("parent", 1.0)
                environment = {**os.environ, "PODIUM_RUN_ID": run.run_id}
                subprocess.run([sys.executable, __file__, "child"], env=environment, check=True)
        """
    )

    assert first.run_name == "shared"
    assert first.metrics == {"parent": 1.0, "child": 1.0}
    assert (second.run_name, second.metrics) == ("its own", {})


@pytest.mark.parametrize("executor", ["ThreadPoolExecutor", "ProcessPoolExecutor"])
def test_executors_log_to_a_run_that_is_handed_to_them(script: Script, executor: str) -> None:
    (run,) = script(
        f"""
        from concurrent.futures import {executor}
        from podium import track

        def work(run, number):
            run.log_metric("done", number / 2, number)

        if __name__ == "__main__":
            with track.start_run() as run, {executor}(2) as pool:
                list(pool.map(work, [run] * 8, range(8)))
        """
    )

    assert steps(run, "done") == list(range(8))


def test_threads_that_start_runs_have_each_its_own_current_run(script: Script) -> None:
    runs = script(
        """
        import threading
        from podium import track

        together = threading.Barrier(8)

        def work(number):
            with track.start_run(f"thread {number}"):
                together.wait()
                for step in range(50):
                    track.log_metric("number", number, step)

        threads = [threading.Thread(target=work, args=(each,)) for each in range(8)]
        for each in threads: each.start()
        for each in threads: each.join()
        """
    )

    assert len(runs) == 8
    for run in runs:
        assert set(run.history("number").values) == {float(run.run_name.removeprefix("thread "))}
        assert run.summary["number"].count == 50


def test_tasks_that_start_runs_have_each_its_own_current_run(script: Script) -> None:
    runs = script(
        """
        import asyncio
        from podium import track

        async def work(number):
            with track.start_run(f"task {number}"):
                for step in range(20):
                    await asyncio.sleep(0)
                    track.log_metric("number", number, step)

        async def main():
            await asyncio.gather(*(work(each) for each in range(8)))

        asyncio.run(main())
        """
    )

    assert len(runs) == 8
    for run in runs:
        assert set(run.history("number").values) == {float(run.run_name.removeprefix("task "))}


def test_tasks_inside_a_run_log_to_it_and_it_is_not_theirs_to_be_in_the_way_of(script: Script) -> None:
    runs = script(
        """
        import asyncio
        from podium import track

        async def log(number):
            await asyncio.sleep(0)
            track.log_metric("done", number, number)

        async def own():
            with track.start_run("inner"):
                track.log_metric("inner", 1.0)

        async def main():
            with track.start_run("outer"):
                await asyncio.gather(*(log(each) for each in range(4)), own())

        asyncio.run(main())
        """
    )

    inner, outer = sorted(runs, key=lambda run: run.run_name)
    assert (outer.run_name, steps(outer, "done")) == ("outer", [0, 1, 2, 3])
    assert (inner.run_name, inner.metrics) == ("inner", {"inner": 1.0})


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_data_loader_that_forks_while_another_thread_logs_neither_hangs_nor_loses(script: Script) -> None:
    (run,) = script(
        """
        import multiprocessing, threading, warnings
        from podium import track

        warnings.simplefilter("ignore", DeprecationWarning)  # Python warns of fork beside threads, which is the point
        done = threading.Event()

        def hammer(run):
            while not done.is_set():
                run.log_metric("main", 0.5)

        def load(number):
            track.log_metric("loaded", 0.5, number)

        context = multiprocessing.get_context("fork")
        with track.start_run() as run:
            thread = threading.Thread(target=hammer, args=(run,))
            thread.start()
            for number in range(30):
                worker = context.Process(target=load, args=(number,))
                worker.start()
                worker.join(30)
                assert worker.exitcode == 0, "a worker hangs"
            done.set()
            thread.join()
            counted = run.summary["main"].count
        print(counted)
        """
    )

    assert run.status == "FINISHED"
    assert steps(run, "loaded") == list(range(30))
    assert list(run.history("main").steps) == list(range(run.summary["main"].count))
    assert run.dropped == 0


def test_a_pool_whose_workers_leave_by_os_exit_loses_nothing(script: Script) -> None:
    (run,) = script(
        """
        import os
        from podium import track

        with track.start_run() as run:
            for number in range(5):
                pid = os.fork()
                if pid == 0:
                    track.log_metric("done", 0.5, number)
                    os._exit(0)
                os.waitpid(pid, 0)
        """
    )

    assert (run.status, steps(run, "done")) == ("FINISHED", list(range(5)))


def test_a_run_a_worker_starts_and_leaves_open_is_ended_with_the_worker(script: Script) -> None:
    runs = script(
        """
        import multiprocessing
        from podium import track

        def good(): track.start_run("good")

        def bad():
            track.start_run("bad")
            raise SystemExit(3)

        if __name__ == "__main__":
            context = multiprocessing.get_context("spawn")
            for target in (good, bad):
                worker = context.Process(target=target)
                worker.start()
                worker.join()
        """
    )

    assert {run.run_name: run.status for run in runs} == {"good": "FINISHED", "bad": "FAILED"}


@pytest.mark.skipif(
    not Path("/proc/self/task").is_dir(), reason="whether a thread waits is read from Linux's /proc"
)
@pytest.mark.parametrize("has_run_of_its_own", [True, False])
def test_a_worker_that_is_told_to_end_just_before_it_waits_for_work_ends(
    script: Script, has_run_of_its_own: bool
) -> None:
    # A signal that another thread receives leaves the main thread where one that comes just before a wait does:
    # its handler is due, and nothing interrupts the wait.
    runs = script(
        f"""
        import multiprocessing, os, signal, threading
        from pathlib import Path
        from podium import track

        def tell_when_it_waits(thread):
            stat = Path(f"/proc/self/task/{{thread}}/stat")
            while stat.read_text().rpartition(")")[2].split()[0] != "S":
                pass
            signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

        def work(work_to_come):
            if {has_run_of_its_own}:
                track.start_run("of the worker")
            track.log_metric("loss", 0.5)
            threading.Thread(target=tell_when_it_waits, args=(threading.get_native_id(),), daemon=True).start()
            os.read(work_to_come, 1)

        if __name__ == "__main__":
            reading, writing = os.pipe()
            with track.start_run("of the parent"):
                worker = multiprocessing.get_context("fork").Process(target=work, args=(reading,))
                worker.start()
                worker.join()
                assert worker.exitcode == -signal.SIGTERM
        """
    )

    expected = {"of the parent": "FINISHED"} | ({"of the worker": "KILLED"} if has_run_of_its_own else {})
    assert {run.run_name: run.status for run in runs} == expected


def test_nothing_is_kept_where_podium_is_disabled(script: Script, here: Path) -> None:
    assert not script(
        """
        from podium import registry, track

        with track.start_run() as run:
            track.log_metric("loss", 0.5)
            track.log_model({"weights": [1]}, "model")
        registry.register(run.model_uri(), "fraud", alias="champion")
        assert registry.resolve("models:/fraud@champion") == "models:/fraud/1"
        """,
        PODIUM_DISABLED="1",
    )
    assert not (here / ".podium").exists()
