"""Rows of large files and of large repositories: what tracking adds to what the disk and git cost anyway."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from podium import Workspace
from tests.benchmarks.floor import Row, in_turns, row

__all__ = ["artifact", "start"]

_MEBIBYTE = 1 << 20


def artifact(folder: Path, scale: float) -> Iterator[Row]:
    """A large file kept with its SHA-256, against a plain copy with fsync."""
    size = max(int(1_000 * scale), 8) * _MEBIBYTE
    source = folder / "weights.bin"
    block = os.urandom(_MEBIBYTE)
    with open(source, "wb") as file:
        for _ in range(size // _MEBIBYTE):
            file.write(block)
    turn = iter(range(1_000))
    with Workspace(folder / "store") as workspace, workspace.start_run(experiment="files") as run:

        def podium() -> None:
            number = next(turn)
            run.log_artifact(source, f"copy{number}")
            _remove(folder / "store", f"copy{number}")

        def floor() -> None:
            target = folder / "plain.bin"
            shutil.copyfile(source, target)
            with open(target, "rb+") as file:
                os.fsync(file.fileno())
            target.unlink()

        timed = in_turns(podium, floor, rounds=5)
    yield row(f"artifact of {size // 1_000_000:,} MB", timed, "<= 1.5x")


def _remove(store: Path, name: str) -> None:
    """Free the disk between rounds, whatever lies where."""
    for found in store.rglob(name):
        shutil.rmtree(found)


def start(folder: Path, scale: float) -> Iterator[Row]:
    """The start of a run in a large repository with changes, against asking git for them and waiting."""
    repository = folder / "repository"
    repository.mkdir()
    for number in range(max(int(50_000 * scale), 200)):
        part = repository / f"part{number % 200}"
        part.mkdir(exist_ok=True)
        (part / f"module{number}.py").write_text(f"value = {number}\n")
    for command in (
        ("init", "-q", "-b", "main"),
        ("-c", "user.email=a@example.org", "-c", "user.name=a", "add", "-A"),
        ("-c", "user.email=a@example.org", "-c", "user.name=a", "commit", "-q", "-m", "all"),
    ):
        subprocess.run(["git", *command], cwd=repository, check=True)
    (repository / "part0" / "module0.py").write_text("value = -1\n")
    home = Path.cwd()
    os.chdir(repository)
    starts: list[float] = []
    try:
        with Workspace(folder / "store") as workspace:
            workspace.start_run(experiment="large").end()  # a store is made once, not once a run

            def podium() -> None:
                begun = time.perf_counter()
                run = workspace.start_run(experiment="large")
                starts.append(time.perf_counter() - begun)
                run.end()

            def floor() -> None:
                subprocess.run(["git", "diff", "HEAD"], check=True, capture_output=True)

            timed = in_turns(podium, floor)
    finally:
        os.chdir(home)
    median_ms, worst_ms = statistics.median(starts) * 1e3, max(starts) * 1e3
    extra = f"starts: median {median_ms:.1f}, slowest {worst_ms:.1f} ms"
    yield row("a run in a large repository", timed, "start < 30 ms", extra=extra)
