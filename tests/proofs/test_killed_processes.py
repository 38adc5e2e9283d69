"""Promises 1 and 2 with real processes and real SIGKILLs at moments nobody chose.

Several processes at once, each in a store of its own: the machine is busy, and what a kill hits differs. Half of the
moments are drawn from the start of the process, so that stores are being made, runs begun and models registered for
the first time; half from when it has got going.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path

from podium import Workspace
from podium.errors import StoreError
from tests.proofs.conftest import Start, drain, kill_after
from tests.proofs.workers import (
    STEPS_OF_A_RUN,
    log_until_killed,
    register_many,
    register_until_killed,
    resolve_until_told,
)

KILLS_WHILE_LOGGING = 200
KILLS_WHILE_REGISTERING = 100
KILLS_OF_A_STORE = 5
AT_ONCE = 4
WORKERS = 8
REGISTRATIONS = 25


def killed_at_some_moment(
    start: Start, moments: random.Random, longest_s: float, work: Callable[..., None], *arguments: object
) -> Connection:
    """Start a process and kill it; what it sent before."""
    process, acks = start(work, *arguments)
    if moments.random() < 0.5:
        acks.poll(30)
    kill_after(process, moments.uniform(0, longest_s))
    return acks


def test_no_acknowledged_event_is_lost_in_200_kills_of_a_logging_process(
    tmp_path: Path, start: Start
) -> None:
    def of_one_store(number: int) -> dict[str, int]:
        moments = random.Random(20261124 + number)
        store = tmp_path / f"store{number}"
        found = {"before a run": 0, "in a run": 0, "ended": 0, "steps": 0}
        for _ in range(KILLS_OF_A_STORE):
            acks = killed_at_some_moment(start, moments, 0.06, log_until_killed, str(store))
            acknowledged = [each.decode() for each in drain(acks, acks.recv_bytes)]
            ended, steps = check_runs(store, acknowledged)
            found["before a run" if not acknowledged else "in a run"] += 1
            found["ended"] += ended
            found["steps"] += steps
        with Workspace(store) as workspace:  # whatever was half made: the next run begins as any other
            with workspace.start_run(experiment="killed") as run:
                run.log_metric("loss", 1.0)
            assert workspace.get_run(run.run_id).status == "FINISHED"
            assert {each.status for each in workspace.search_runs()} <= {"FINISHED", "LOST"}
        return found

    with ThreadPoolExecutor(AT_ONCE) as lanes:
        found = list(lanes.map(of_one_store, range(KILLS_WHILE_LOGGING // KILLS_OF_A_STORE)))
    total = {kind: sum(each[kind] for each in found) for kind in found[0]}
    print(total)
    assert total["before a run"] + total["in a run"] == KILLS_WHILE_LOGGING
    assert total["before a run"] > 5
    assert total["in a run"] > KILLS_WHILE_LOGGING / 3
    assert total["ended"] > 5
    assert total["steps"] > KILLS_WHILE_LOGGING * 10


def check_runs(store: Path, acknowledged: list[str]) -> tuple[int, int]:
    """Hold the runs of one process against what it was told; how many of them had ended, and all their steps."""
    runs: list[tuple[str, list[int], bool]] = []
    for each in acknowledged:
        if each.startswith("run "):
            runs.append((each.removeprefix("run "), [], False))
        elif each == "end":
            runs[-1] = (*runs[-1][:2], True)
        else:
            runs[-1][1].append(int(each))
    if not runs:
        return 0, 0
    with Workspace(store, read_only=True) as workspace:
        for run_id, steps, ended in runs:
            run = workspace.get_run(run_id)
            # The last word of a run whose every step was told may have been written, and not told.
            may_have_ended = len(steps) >= STEPS_OF_A_RUN - 1
            assert run.status in (
                {"FINISHED"} if ended else {"LOST", "FINISHED"} if may_have_ended else {"LOST"}
            )
            assert run.dropped == 0
            history = run.history("loss")
            kept = dict(zip(history.steps, history.values, strict=True))
            assert [step for step in steps if kept.get(step) != step * 0.5] == []
            assert [step for step in steps if step % 7 == 0 and run.params[f"param_{step}"] != step] == []
            for step in steps:
                if step % 100 == 0:
                    assert run.download(f"notes/{step}.txt").read_text() == f"step {step}"
    return sum(ended for _, _, ended in runs), sum(len(steps) for _, steps, _ in runs)


def test_registering_and_moving_an_alias_is_done_or_not_done_in_100_kills(
    tmp_path: Path, start: Start
) -> None:
    def of_one_store(number: int) -> tuple[int, int]:
        moments = random.Random(20261125 + number)
        store = tmp_path / f"store{number}"
        state = {"versions": 0, "candidate": 0, "champion": 0}
        moved = before_the_first = 0
        for kill in range(KILLS_OF_A_STORE):
            acks = killed_at_some_moment(
                start, moments, 0.12, register_until_killed, str(store), kill * 1_000
            )
            acknowledged = drain(acks, acks.recv)
            for alias, version, _ in acknowledged:
                state[alias] = version
                if alias == "candidate":
                    state["versions"] = version
            moved += len(acknowledged)
            before_the_first += not acknowledged
            one_more = dict(state)
            if acknowledged and acknowledged[-1][0] == "candidate":
                one_more["champion"] = state["candidate"]
            else:
                one_more["versions"] = one_more["candidate"] = state["versions"] + 1

            found = registry_state(store)

            assert found in (state, one_more)
            state = found
        with Workspace(store) as workspace:  # every version is whole, and the next one is the next one
            register_one_more(workspace, tmp_path / f"model{number}", state["versions"] + 1)
            for version in workspace.registry.versions("fraud"):
                assert isinstance(workspace.load_model(version).native["number"], int)
        return moved, before_the_first

    with ThreadPoolExecutor(AT_ONCE) as lanes:
        counted = list(lanes.map(of_one_store, range(KILLS_WHILE_REGISTERING // KILLS_OF_A_STORE)))
    print(f"{sum(each for each, _ in counted)} moves; {sum(each for _, each in counted)} killed before the first")
    assert sum(moved for moved, _ in counted) > KILLS_WHILE_REGISTERING
    assert sum(before_the_first for _, before_the_first in counted) > 3


def register_one_more(workspace: Workspace, source: Path, expected: int) -> None:
    from podium import save_model

    save_model({"number": -1}, source)
    assert workspace.registry.register(source, "fraud").version == expected


def registry_state(store: Path) -> dict[str, int]:
    nothing = {"versions": 0, "candidate": 0, "champion": 0}
    try:
        opened = Workspace(store, read_only=True)
        versions = sorted(each.version for each in opened.registry.versions())
    except StoreError:
        assert not list(store.glob("models/*/commits/*.json"))
        return nothing
    with opened as workspace:
        assert versions == list(range(1, len(versions) + 1))
        if not versions:
            return nothing
        aliases = workspace.registry.get_model("fraud").aliases
        for alias in aliases:
            workspace.load_model(f"models:/fraud@{alias}")
        return {
            "versions": len(versions),
            "candidate": aliases.get("candidate", 0),
            "champion": aliases.get("champion", 0),
        }


def test_8_processes_of_25_registrations_give_versions_1_to_200_while_readers_never_fail(
    tmp_path: Path, start: Start
) -> None:
    store = tmp_path / "store"
    readers = [start(resolve_until_told, str(store))[1] for _ in range(2)]
    writers = [start(register_many, str(store), worker, REGISTRATIONS)[1] for worker in range(WORKERS - 1)]
    saw_first = [told.recv() for told in readers]
    # Whoever comes last comes after the readers' first look: so there is a change left for them to see.
    writers.append(start(register_many, str(store), WORKERS - 1, REGISTRATIONS)[1])
    given = [version for done in writers for version in done.recv()]
    for told in readers:
        told.send("enough")
    looks = [told.recv() for told in readers]

    assert sorted(given) == list(range(1, WORKERS * REGISTRATIONS + 1))
    assert [failure for _, _, failure in looks] == [None, None]
    for (count, seen, _), first in zip(looks, saw_first, strict=True):
        assert (seen[0], seen[-1]) == (first, WORKERS * REGISTRATIONS)
        assert len(seen) >= 2
        assert count > 10
    with Workspace(store) as workspace:
        assert workspace.registry.get_model("fraud").latest == WORKERS * REGISTRATIONS
        contents = {str(workspace.load_model(each).native) for each in workspace.registry.versions("fraud")}
        assert len(contents) == WORKERS * REGISTRATIONS  # each version is the bytes its registration gave
