"""Which run is meant, and whether another may start: threads, tasks, children, the environment."""

from __future__ import annotations

import asyncio
import copy
import gc
import os
import pickle
import subprocess
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from podium import Workspace, default_workspace, set_store, track
from podium.errors import (
    Conflict,
    Invalid,
    NoCurrentRun,
    PodiumWarning,
    RunActive,
    RunNotFound,
    StoreUnavailable,
)
from podium.stores import LocalStore
from podium.testing import Fail, FaultyStore


def test_a_run_is_current_inside_with_and_no_longer_after() -> None:
    with track.start_run() as run:
        assert track.active_run() is run
        track.log_metric("loss", 0.5)

    assert track.active_run() is None
    assert track.last_run() is run
    assert run.metrics == {"loss": 0.5}


def test_a_run_without_with_is_current_until_it_is_ended() -> None:
    run = track.start_run()
    track.log_param("lr", 0.1)
    track.end_run()

    assert track.active_run() is None
    assert run.params == {"lr": 0.1}
    assert run.status == "FINISHED"
    track.end_run()  # again: nothing


def test_a_workspaces_run_is_current_only_inside_with(tmp_path: Path) -> None:
    with Workspace(tmp_path / "one") as workspace:
        first = workspace.start_run()
        with pytest.raises(NoCurrentRun):
            _with_two_open(workspace, first)
        first.end()
        with workspace.start_run() as second:
            assert track.active_run() is second


def _with_two_open(workspace: Workspace, first: object) -> None:
    other = threading.Thread(target=workspace.start_run)
    other.start()
    other.join()
    track.log_metric("whose", 1)


def test_a_second_run_is_refused_and_the_message_says_what_to_do() -> None:
    with track.start_run("outer") as outer, pytest.raises(RunActive, match="nested=True") as raised:
        track.start_run("inner")

    assert raised.value.run is outer


def test_a_nested_run_is_a_child_and_gives_the_place_back() -> None:
    with track.start_run("outer", experiment="fraud") as outer:
        with track.start_run("inner", nested=True) as inner:
            assert track.active_run() is inner
        assert track.active_run() is outer

    assert inner.parent_run_id == outer.run_id
    assert inner.experiment == "fraud"


def test_a_parent_can_be_named_by_id() -> None:
    with track.start_run() as parent:
        pass
    with track.start_run(parent=parent.run_id) as child:
        pass

    assert child.parent_run_id == parent.run_id


def test_nested_with_nothing_open_is_a_run_of_its_own() -> None:
    with track.start_run(nested=True) as run:
        assert run.parent_run_id is None


def test_logging_with_no_run_starts_one_which_the_next_ends() -> None:
    track.log_metric("loss", 1)
    implicit = track.active_run()
    assert implicit is not None

    with track.start_run("mine") as mine:
        assert implicit.status == "FINISHED"
        assert track.active_run() is mine


def test_the_only_open_run_is_meant_in_other_threads_too() -> None:
    with track.start_run() as run, ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda each: track.log_metric("loss", each), range(100)))

    assert run.summary["loss"].count == 100
    assert sorted(run.history("loss").values) == list(range(100))


def test_a_thread_with_no_run_anywhere_is_told_so() -> None:
    with ThreadPoolExecutor(1) as threads, pytest.raises(NoCurrentRun, match="main thread"):
        threads.submit(track.log_metric, "loss", 1.0).result()


def test_threads_with_runs_of_their_own_do_not_mix() -> None:
    def work(number: int) -> tuple[str, int]:
        with track.start_run(f"worker {number}") as run:
            for step in range(50):
                track.log_metric("number", number, step)
            return run.run_id, number

    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(work, range(8)))

    for run_id, number in done:
        assert set(track.get_run(run_id).history("number").values) == {float(number)}


def test_tasks_with_runs_of_their_own_do_not_mix() -> None:
    async def work(number: int) -> tuple[str, int]:
        with track.start_run(f"task {number}") as run:
            for _ in range(20):
                track.log_metric("number", number)
                await asyncio.sleep(0)
            return run.run_id, number

    async def main() -> list[tuple[str, int]]:
        return await asyncio.gather(*(work(number) for number in range(8)))

    for run_id, number in asyncio.run(main()):
        assert set(track.get_run(run_id).history("number").values) == {float(number)}


def test_the_experiment_is_exported_for_child_processes() -> None:
    track.set_experiment("fraud")

    assert os.environ["PODIUM_EXPERIMENT"] == "fraud"
    with track.start_run() as run:
        assert run.experiment == "fraud"
    with pytest.raises(Invalid):
        track.set_experiment("")
    del os.environ["PODIUM_EXPERIMENT"]


def test_a_run_id_in_the_environment_is_joined_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with track.start_run() as first:
        track.log_metric("loss", 1)
    monkeypatch.setenv("PODIUM_RUN_ID", first.run_id)

    with track.start_run() as joined:
        track.log_metric("loss", 2)
    with track.start_run() as other:
        pass

    assert joined.run_id == first.run_id
    assert joined.resumed
    assert list(joined.history("loss").steps) == [0, 1]
    assert other.run_id != first.run_id


def test_resuming_what_is_not_there_says_so_or_makes_it() -> None:
    with pytest.raises(RunNotFound):
        track.start_run(run_id="job-17")

    with track.start_run(run_id="job-17", resume="allow", experiment="jobs") as run:
        assert not run.resumed
    with track.start_run(run_id="job-17", resume="allow") as again:
        assert again.resumed
        assert again.experiment == "jobs"
    with pytest.raises(Conflict, match="belongs to experiment 'jobs'"):
        track.start_run(run_id="job-17", experiment="other")


def test_a_disabled_run_takes_every_call_and_keeps_nothing(tmp_path: Path) -> None:
    store = tmp_path / "store"
    set_store(store)

    with track.start_run(enabled=False) as run:
        track.log_params({"lr": 0.1})
        track.log_metric("loss", 1)
        track.log_text("x", "x.txt")
        track.set_tag("a", 1)
        track.log_model({"a": 1})

    assert not run.enabled
    assert not store.exists()


def test_podium_disabled_sends_runs_to_a_store_that_nobody_keeps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PODIUM_DISABLED", "1")
    monkeypatch.setenv("PODIUM_STORE", str(tmp_path / "store"))

    with track.start_run() as run:
        track.log_metric("loss", 1)

    assert run.metrics == {"loss": 1.0}
    assert not (tmp_path / "store").exists()


def test_the_default_store_is_made_here_at_the_first_write(here: Path) -> None:
    assert default_workspace().search_runs().to_dicts() == []
    assert not (here / ".podium").exists()

    with track.start_run():
        pass

    assert (here / ".podium" / "podium.json").is_file()


def test_set_store_is_exported_for_child_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PODIUM_STORE", "somewhere else")

    set_store(tmp_path / "store")

    assert os.environ["PODIUM_STORE"] == str(tmp_path / "store")
    with track.start_run() as run:
        pass
    assert Workspace(tmp_path / "store").get_run(run.run_id).status == "FINISHED"


# --- what a start_run that raises has done: nothing -----------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"tags": {"": 1}},
        {"tags": {3: "x"}},
        {"tags": ["a"]},
        {"note": 3},
        {"experiment": ""},
        {"run_name": 3},
        {"run_id": "not an id"},
        {"resume": "maybe"},
    ],
)
def test_a_start_that_raises_leaves_no_run_and_ends_none(wrong: dict[str, Any]) -> None:
    track.log_metric("loss", 1)
    implicit = track.active_run()
    assert implicit is not None

    with pytest.raises((TypeError, Invalid)):
        track.start_run(**wrong)

    assert track.active_run() is implicit
    assert implicit.status == "RUNNING"
    assert [run.run_id for run in track.search_runs()] == [implicit.run_id]


def test_a_run_id_in_the_environment_is_still_there_after_a_refused_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PODIUM_RUN_ID", "job-17")
    with default_workspace().start_run(run_id="other", resume="allow"), pytest.raises(RunActive):
        track.start_run()

    with track.start_run() as run:
        assert run.run_id == "job-17"
    assert "PODIUM_RUN_ID" not in os.environ


# --- threads and tasks ----------------------------------------------------------------------------------------------


def test_with_several_runs_open_a_thread_of_its_own_is_told_which() -> None:
    with track.start_run() as first, track.start_run(nested=True) as second, ThreadPoolExecutor(1) as threads:
        error = threads.submit(track.log_metric, "loss", 1.0).exception()

    assert isinstance(error, NoCurrentRun)
    assert set(error.open) == {first.run_id, second.run_id}


def test_another_threads_open_run_does_not_hinder_a_start() -> None:
    started, may_end = threading.Event(), threading.Event()

    def hold() -> None:
        with track.start_run("theirs"):
            started.set()
            may_end.wait()

    with ThreadPoolExecutor(1) as threads:
        held = threads.submit(hold)
        started.wait()
        with track.start_run("mine") as mine:
            track.log_metric("loss", 1)
        may_end.set()
        held.result()

    assert mine.parent_run_id is None
    assert mine.metrics == {"loss": 1.0}


def test_a_child_task_inherits_the_run_and_does_not_own_it() -> None:
    async def child() -> str:
        track.log_metric("seen", 1)  # the parent task's run
        with track.start_run("own") as own:  # not RunActive: the open run is another task's
            track.log_metric("own", 1)
        inherited = track.active_run()
        assert inherited is not None
        assert inherited.run_name == "outer"
        assert own.parent_run_id is None
        return own.run_id

    async def main() -> None:
        with track.start_run("outer") as outer:
            own = track.get_run(await asyncio.create_task(child()))
            assert own.metrics == {"own": 1.0}
            assert outer.metrics == {"seen": 1.0}
            with pytest.raises(RunActive):
                track.start_run("second")

    asyncio.run(main())


def test_to_thread_logs_to_the_tasks_run() -> None:
    async def main() -> None:
        with track.start_run("a") as a, track.start_run("b", nested=True) as b:
            await asyncio.to_thread(track.log_metric, "loss", 1)
            assert b.metrics == {"loss": 1.0}
            assert a.metrics == {}

    asyncio.run(main())


# --- disabled -------------------------------------------------------------------------------------------------------


def test_a_child_of_a_disabled_run_is_not_kept_either() -> None:
    with track.start_run(enabled=False), track.start_run(nested=True) as child:
        track.log_metric("loss", 1)

    assert not child.enabled
    assert len(track.search_runs()) == 0


def test_podium_disabled_also_keeps_runs_out_of_a_store_that_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PODIUM_DISABLED", "1")

    with Workspace(tmp_path / "store") as workspace, workspace.start_run() as run:
        run.log_metric("loss", 1)

    assert run.metrics == {"loss": 1.0}
    assert not (tmp_path / "store").exists()


def test_a_disabled_run_pickles_to_a_disabled_run(tmp_path: Path) -> None:
    set_store(tmp_path / "store")

    with track.start_run("rank 1", enabled=False) as run:
        there = pickle.loads(pickle.dumps(run))
    there.log_metric("loss", 1)

    assert (there.enabled, there.run_name) == (False, "rank 1")
    assert not (tmp_path / "store").exists()


# --- the workspace --------------------------------------------------------------------------------------------------


def test_leaving_a_workspace_ends_the_runs_it_started_as_it_was_left(tmp_path: Path) -> None:
    def fail() -> None:
        with Workspace(tmp_path / "store") as workspace:
            workspace.start_run("ended").end()
            workspace.start_run("open")
            1 / 0

    with pytest.raises(ZeroDivisionError):
        fail()

    with Workspace(tmp_path / "store") as again:
        assert {run.run_name: run.status for run in again.search_runs()} == {
            "ended": "FINISHED",
            "open": "FAILED",
        }


def test_runs_that_have_ended_are_not_kept_in_memory(tmp_path: Path) -> None:
    with Workspace(tmp_path / "store") as workspace:
        refs = []
        for _ in range(3):
            with workspace.start_run() as run:
                refs.append(weakref.ref(run))
        with workspace.start_run() as run:
            pass  # last_run() holds the last
        gc.collect()

        assert [each() for each in refs] == [None, None, None]


def test_a_copy_of_what_holds_a_run_means_the_same_run() -> None:
    with track.start_run() as run:
        assert copy.copy(run) is run
        assert copy.deepcopy({"callback": [run]})["callback"][0] is run


# --- the environment ------------------------------------------------------------------------------------------------


def test_who_acts_and_how_strictly_can_be_said_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(verb: str, key: object, number: int) -> Fail | None:
        return Fail(lambda: StoreUnavailable("the disk is full")) if verb == "put" else None

    monkeypatch.setenv("PODIUM_USER", "ci-bot")
    monkeypatch.setenv("PODIUM_STRICT", "1")
    with Workspace(FaultyStore(LocalStore(tmp_path / "store"), refuse)) as workspace:
        with workspace.start_run() as run, pytest.raises(StoreUnavailable):
            run.log_text("x", "x.txt")
        assert run.user == "ci-bot"
        with workspace.start_run(strict=False) as lenient, pytest.warns(PodiumWarning, match="disk is full"):
            lenient.log_text("x", "x.txt")


def test_child_processes_go_on_with_store_and_experiment(tmp_path: Path) -> None:
    set_store(tmp_path / "store")
    track.set_experiment("fraud")
    code = "from podium import track\nwith track.start_run('child'): track.log_metric('loss', 1)"

    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)

    (child,) = track.search_runs()
    assert (child.run_name, child.experiment) == ("child", "fraud")


def test_an_end_that_cannot_be_is_refused_and_the_run_stays_open() -> None:
    with track.start_run() as run:
        with pytest.raises(Invalid, match="FINISHED, FAILED, KILLED"):
            track.end_run("LOST")  # type: ignore[arg-type]  # the point
        assert track.active_run() is run
        track.end_run("KILLED")
    assert run.status == "KILLED"


def test_an_end_that_cannot_be_is_refused_also_where_no_run_is_open() -> None:
    with pytest.raises(Invalid, match="FINISHED, FAILED, KILLED"):
        track.end_run("BOGUS")  # type: ignore[arg-type]  # the point


def test_last_run_is_the_one_that_ended_last_in_this_context() -> None:
    with track.start_run("outer") as outer:
        with track.start_run("inner", nested=True) as inner:
            pass
        assert track.last_run() is inner
        with ThreadPoolExecutor(1) as threads:
            assert threads.submit(track.last_run).result() is None
    assert track.last_run() is outer


def test_amending_wrote_to_the_store_although_podium_is_disabled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "store"
    with Workspace(store).start_run("kept") as run:
        pass
    before = {file: file.read_bytes() for file in store.rglob("*") if file.is_file()}
    monkeypatch.setenv("PODIUM_DISABLED", "1")

    with Workspace(store).amend_run(run.run_id) as amended:
        amended.log_metric("loss", 0.5)
        amended.log_text("x", "x.txt")
        amended.set_tag("late", "yes")

    assert (amended.enabled, amended.run_id) == (False, run.run_id)
    assert {file: file.read_bytes() for file in store.rglob("*") if file.is_file()} == before
    with pytest.raises(RunNotFound):
        Workspace(store).amend_run("01jd0000000000000000000000")
