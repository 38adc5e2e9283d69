"""What the processes do that these tests start, and kill. Importable, since fresh interpreters run them."""

from __future__ import annotations

import itertools
import os
import sys
import tempfile
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from podium import Workspace, save_model
from podium.stores import Key
from podium.stores.remote import open_remote


def log_until_killed(store: str, acks: Connection) -> None:
    """Log without end; send the run's id, then each step once all its calls have returned."""
    with Workspace(store) as workspace, workspace.start_run(experiment="killed") as run:
        acks.send_bytes(run.run_id.encode())
        for step in itertools.count():
            run.log_metric("loss", step * 0.5, step)
            if step % 7 == 0:
                run.set_tag("step", step)
            if step % 50 == 0:
                run.log_text(f"step {step}", f"notes/{step}.txt")
                if step % 100 == 0:
                    run.flush()
            acks.send_bytes(b"%d" % step)


def log_files_and_wait(store: str, told: Connection) -> None:
    """Log a file and a model, send the run's id, and end the run when told to."""
    with Workspace(store) as workspace:
        with workspace.start_run() as run:
            run.log_text("hello", "notes/a.txt")
            run.log_model({"value": 1})
            threading.Thread(target=run.flush, daemon=True).start()
            told.send(run.run_id)
            told.recv()
        told.send(run.flush())


def sync_again_and_again(store: str, told: Connection) -> None:
    """Ship what waits until told to stop; send how much was shipped, and every problem."""
    copied = 0
    problems: list[str] = []
    with Workspace(store) as workspace:
        while not told.poll(0.1):
            report = workspace.sync()
            copied += report.copied
            problems += report.problems
    told.send((copied, problems))


def register_many(store: str, worker: int, times: int, done: Connection) -> None:
    """Register one model ``times`` times, each with an alias of this worker's own, and send the numbers given."""
    with Workspace(store) as workspace, tempfile.TemporaryDirectory() as folder:
        given = []
        for number in range(times):
            source = Path(folder) / str(number)
            save_model({"worker": worker, "number": number}, source)
            given.append(workspace.registry.register(source, "fraud", alias=f"worker-{worker}").version)
        done.send(given)


def load_and_tell(store: str, uri: str, begin: Any, done: Connection) -> None:
    """Load a model when all are ready, and send what it is."""
    with Workspace(store, read_only=True) as workspace:
        begin.wait()
        done.send(workspace.load_model(uri).native)


def register_folder(store: str, folder: Path, name: str, done: Connection) -> None:
    """Register a model directory."""
    with Workspace(store) as workspace:
        done.send(workspace.registry.register(folder, name, alias="champion").version)


def copy(source: str, target: str, done: Connection) -> None:
    """Copy everything from one store to another."""
    with Workspace(source) as workspace:
        done.send(workspace.copy_to(target))


def load(store: str, uri: str, done: Connection) -> None:
    """Load a model."""
    with Workspace(store, read_only=True) as workspace:
        done.send(workspace.load_model(uri).native)


def put_file(store: str, key: str, file: Path, done: Connection) -> None:
    """Put a local file."""
    open_remote(store).put(Key.parse(key), file)
    done.send(None)


if __name__ == "__main__":
    url, steps = sys.argv[1], int(sys.argv[2])
    with Workspace(url) as here, here.start_run(experiment="script") as script:
        print(script.run_id, flush=True)
        if steps:
            sys.stdin.readline()
        for value in range(steps):
            script.log_metric("loss", float(value))
        script.log_text("hello", "notes.txt")
    if len(sys.argv) > 3:
        os._exit(0)
