"""What the processes do that the proofs start, and kill. Importable, since fresh interpreters run them."""

from __future__ import annotations

import itertools
import tempfile
from multiprocessing.connection import Connection
from pathlib import Path

import podium.commits.registry
import podium.models.saving
import podium.workspace.workspace  # noqa: F401 - with those above: what every process here needs, read in once
from podium import Workspace, save_model
from podium.errors import NotFound, StoreError

STEPS_OF_A_RUN = 130


def log_until_killed(store: str, acks: Connection) -> None:
    """Log run after run without end; send ``run <id>``, each step once all its calls have returned, and ``end``."""
    while True:
        with Workspace(store) as workspace:
            with workspace.start_run(experiment="killed") as run:
                acks.send_bytes(f"run {run.run_id}".encode())
                for step in range(STEPS_OF_A_RUN):
                    run.log_metric("loss", step * 0.5, step)
                    if step % 7 == 0:
                        run.log_param(f"param_{step}", step)
                        run.set_tag("step", step)
                    if step % 100 == 0:
                        run.log_text(f"step {step}", f"notes/{step}.txt")
                    acks.send_bytes(b"%d" % step)
            acks.send_bytes(b"end")


def log_one_run_until_killed(store: str, acks: Connection) -> None:
    """Log one run without end; send its id, then each step once its call has returned."""
    with Workspace(store) as workspace, workspace.start_run(experiment="killed") as run:
        acks.send_bytes(run.run_id.encode())
        for step in itertools.count():
            run.log_metric("loss", step * 0.5, step)
            acks.send_bytes(b"%d" % step)


def register_until_killed(store: str, first: int, acks: Connection) -> None:
    """Register models of different bytes without end, each then made champion; send what has returned."""
    with Workspace(store) as workspace, tempfile.TemporaryDirectory() as folder:
        for number in itertools.count(first):
            source = Path(folder) / str(number)
            save_model({"number": number}, source)
            version = workspace.registry.register(source, "fraud", alias="candidate").version
            acks.send(("candidate", version, number))
            workspace.registry.set_alias("fraud", "champion", version)
            acks.send(("champion", version, number))


def register_many(store: str, worker: int, times: int, done: Connection) -> None:
    """Register one model ``times`` times, each the newest, and send the numbers given."""
    with Workspace(store) as workspace, tempfile.TemporaryDirectory() as folder:
        given = []
        for number in range(times):
            source = Path(folder) / str(number)
            save_model({"worker": worker, "number": number}, source)
            given.append(workspace.registry.register(source, "fraud", alias="newest").version)
        done.send(given)


def resolve_until_told(store: str, told: Connection) -> None:
    """Resolve an alias and load what it names, without end; from before there is a store.

    Sends the first version it saw, and when it is told that it is enough: how often it looked, all versions that it
    saw in turn, and the first failure, if any.
    """
    looks, seen, failure, last_look = 0, [0], None, False
    while not last_look:
        last_look = told.poll()
        try:
            with Workspace(store, read_only=True) as workspace:
                while True:
                    uri = workspace.registry.resolve("models:/fraud@newest")
                    version = int(uri.rpartition("/")[2])
                    if version < seen[-1]:
                        raise AssertionError(f"the alias went back from version {seen[-1]} to {version}")
                    if version > seen[-1]:
                        seen.append(version)
                    if len(seen) == 2 and looks == 0:
                        told.send(version)
                    if looks % 20 == 0:
                        workspace.load_model(uri)
                    looks += 1
                    if last_look:
                        break
                    last_look = told.poll()
        except (NotFound, StoreError) as error:
            if len(seen) > 1:  # what was there is there for ever
                failure = f"{type(error).__name__}: {error}"
                break
        except Exception as error:  # noqa: BLE001 - whatever it is, the proof has failed and says so
            failure = f"{type(error).__name__}: {error}"
            break
    told.send((looks, seen[1:], failure))
