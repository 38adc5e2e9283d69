"""Promises 1 and 2 with real processes and real SIGKILLs at moments nobody chose."""

from __future__ import annotations

import random
import time
from pathlib import Path

from podium import Workspace
from podium.errors import NotFound, StoreError
from tests.proofs.conftest import Start, drain, kill_after
from tests.proofs.workers import log_until_killed, register_many, register_until_killed, resolve_until_told

KILLS_WHILE_LOGGING = 200
KILLS_WHILE_REGISTERING = 100
WORKERS = 8
REGISTRATIONS = 25


def test_no_acknowledged_event_is_lost_in_200_kills_of_a_logging_process(
    tmp_path: Path, start: Start
) -> None:
    moments = random.Random(20261124)
    store = tmp_path / "store"
    seen_steps = 0
    runs_begun = 0

    for _ in range(KILLS_WHILE_LOGGING):
        process, acks = start(log_until_killed, str(store))
        acks.poll(10)  # the process is up; then any instruction may be its last
        kill_after(process, moments.uniform(0, 0.02))
        acknowledged = [each.decode() for each in drain(acks, acks.recv_bytes)]
        if not acknowledged:
            continue
        runs_begun += 1
        run_id, steps = acknowledged[0], [int(each) for each in acknowledged[1:]]
        with Workspace(store, read_only=True) as workspace:
            run = workspace.get_run(run_id)
            assert run.status == "LOST"
            assert run.dropped == 0
            history = run.history("loss")
            kept = dict(zip(history.steps, history.values, strict=True))
            assert [step for step in steps if kept.get(step) != step * 0.5] == []
            assert [step for step in steps if step % 7 == 0 and run.params[f"param_{step}"] != step] == []
            for step in steps[:: max(len(steps) // 3, 1)]:
                if step % 100 == 0:
                    assert run.download(f"notes/{step}.txt").read_text() == f"step {step}"
            seen_steps += len(steps)

    with Workspace(store, read_only=True) as workspace:
        assert len(workspace.search_runs("status = 'LOST'", experiment="killed")) >= runs_begun
    assert runs_begun > KILLS_WHILE_LOGGING * 0.9
    assert seen_steps > KILLS_WHILE_LOGGING * 10


def test_registering_and_moving_an_alias_is_done_or_not_done_in_100_kills(
    tmp_path: Path, start: Start
) -> None:
    moments = random.Random(20261125)
    store = tmp_path / "store"
    state = {"versions": 0, "candidate": 0, "champion": 0}
    moved = 0

    for kill in range(KILLS_WHILE_REGISTERING):
        process, acks = start(register_until_killed, str(store), kill * 1_000)
        acks.poll(10)  # it is up and has registered once; then any instruction may be its last
        kill_after(process, moments.uniform(0, 0.06))
        for alias, version, _ in drain(acks, acks.recv):
            state["versions"] = version
            state[alias] = version
            moved += 1
        one_more = dict(state)
        if state["candidate"] == state["champion"]:
            one_more["versions"] = one_more["candidate"] = state["versions"] + 1
        else:
            one_more["champion"] = state["candidate"]

        found = _registry_state(store)

        assert found in (state, one_more)
        state = found

    assert moved > KILLS_WHILE_REGISTERING
    with Workspace(store) as workspace:
        for version in workspace.registry.versions("fraud"):
            assert isinstance(workspace.load_model(version).native["number"], int)


def _registry_state(store: Path) -> dict[str, int]:
    with Workspace(store, read_only=True) as workspace:
        versions = sorted(each.version for each in workspace.registry.versions() if each.name == "fraud")
        assert versions == list(range(1, len(versions) + 1))
        if not versions:
            return {"versions": 0, "candidate": 0, "champion": 0}
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
    writers = [start(register_many, str(store), worker, REGISTRATIONS)[1] for worker in range(WORKERS)]
    _wait_for_alias(store, "worker-0")
    readers = [start(resolve_until_told, str(store), "worker-0")[1] for _ in range(2)]
    given = [version for done in writers for version in done.recv()]
    for told in readers:
        told.send("enough")
    looks = [told.recv() for told in readers]

    assert sorted(given) == list(range(1, WORKERS * REGISTRATIONS + 1))
    assert [failure for _, failure in looks] == [None, None]
    assert min(count for count, _ in looks) > 10
    with Workspace(store) as workspace:
        assert workspace.registry.get_model("fraud").latest == WORKERS * REGISTRATIONS
        contents = {str(workspace.load_model(each).native) for each in workspace.registry.versions("fraud")}
        assert len(contents) == WORKERS * REGISTRATIONS  # each version is the bytes its registration gave


def _wait_for_alias(store: Path, alias: str) -> None:
    for _ in range(2_000):
        try:
            with Workspace(store, read_only=True) as workspace:
                workspace.registry.resolve(f"models:/fraud@{alias}")
        except (NotFound, StoreError):
            time.sleep(0.005)
        else:
            return
    raise AssertionError(f"{alias} never came to be")
