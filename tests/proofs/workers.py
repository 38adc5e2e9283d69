"""What the processes do that the proofs start, and kill. Importable, since fresh interpreters run them."""

from __future__ import annotations

import itertools
import tempfile
from multiprocessing.connection import Connection
from pathlib import Path

from podium import Workspace, save_model


def log_until_killed(store: str, acks: Connection) -> None:
    """Log without end; send the run's id, then each step once all its calls have returned."""
    with Workspace(store) as workspace, workspace.start_run(experiment="killed") as run:
        acks.send_bytes(run.run_id.encode())
        for step in itertools.count():
            run.log_metric("loss", step * 0.5, step)
            if step % 7 == 0:
                run.log_param(f"param_{step}", step)
                run.set_tag("step", step)
            if step % 100 == 0:
                run.log_text(f"step {step}", f"notes/{step}.txt")
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
    """Register one model ``times`` times, each with an alias of this worker's own, and send the numbers given."""
    with Workspace(store) as workspace, tempfile.TemporaryDirectory() as folder:
        given = []
        for number in range(times):
            source = Path(folder) / str(number)
            save_model({"worker": worker, "number": number}, source)
            given.append(workspace.registry.register(source, "fraud", alias=f"worker-{worker}").version)
        done.send(given)


def resolve_until_told(store: str, alias: str, told: Connection) -> None:
    """Resolve an alias and load what it names, without end; send how often, and the first failure if any."""
    looks, failure = 0, None
    with Workspace(store, read_only=True) as workspace:
        last = 0
        while not told.poll():
            try:
                uri = workspace.registry.resolve(f"models:/fraud@{alias}")
                version = int(uri.rpartition("/")[2])
                if version < last:
                    raise AssertionError(f"the alias went back from version {last} to {version}")
                last = version
                if looks % 20 == 0:
                    workspace.load_model(uri)
                looks += 1
            except Exception as error:  # noqa: BLE001 - whatever it is, the proof has failed and says so
                failure = f"{type(error).__name__}: {error}"
                break
    told.send((looks, failure))
