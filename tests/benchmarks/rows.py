"""The rows of the table: what podium does, and the least code that could do the same."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from podium import Workspace, save_model
from tests.benchmarks.files import artifact, start
from tests.benchmarks.floor import Row, in_turns, row

__all__ = ["ROWS"]


def log_metric(folder: Path, scale: float) -> Iterator[Row]:
    """A metric acknowledged when its line is in the file."""
    count = max(int(100_000 * scale), 100)
    values = [1 / (each + 1) for each in range(count)]
    with Workspace(folder / "store") as workspace, workspace.start_run(experiment="speed") as run:

        def podium() -> None:
            log = run.log_metric
            for value in values:
                log("loss", value)

        file = os.open(folder / "bare.jsonl", os.O_CREAT | os.O_APPEND | os.O_WRONLY)

        def floor() -> None:
            write, now = os.write, time.time_ns
            for step, value in enumerate(values):
                write(file, f'["metric",{now() // 1_000_000},{step},"loss",{value!r}]\n'.encode())

        timed = in_turns(podium, floor)
        each_ns = []
        for value in values:
            begun = time.perf_counter_ns()
            run.log_metric("loss", value)
            each_ns.append(time.perf_counter_ns() - begun)
        os.close(file)
    p99_us = statistics.quantiles(each_ns, n=100)[98] / 1e3
    yield row("log_metric", timed, "<= 2x; p99 < 50 us", per=count, extra=f"p99 {p99_us:.1f} us")


def runs(folder: Path, scale: float) -> Iterator[Row]:
    """Runs of 10 params, 5 metrics and 3 tags, one fsync each on both sides."""
    count = max(int(500 * scale), 5)
    params = {f"param_{each}": each * 0.1 for each in range(10)}
    metrics = {f"metric_{each}": each * 0.5 for each in range(5)}
    tags = {f"tag_{each}": "text" for each in range(3)}
    turn = iter(range(1_000))
    with Workspace(folder / "store") as workspace:

        def podium() -> None:
            for _ in range(count):
                with workspace.start_run(experiment="many") as run:
                    run.log_params(params)
                    run.log_metrics(metrics)
                    run.set_tags(tags)

        def floor() -> None:
            bare = folder / f"bare{next(turn)}"
            bare.mkdir()
            for each in range(count):
                with open(bare / f"{each}.jsonl", "xb", buffering=0) as file:
                    for event in (
                        {"event": "start", "time": time.time_ns()},
                        {"params": params},
                        {"metrics": metrics},
                        {"tags": tags},
                        {"event": "end"},
                    ):
                        file.write(json.dumps(event).encode() + b"\n")
                    os.fsync(file.fileno())

        timed = in_turns(podium, floor, rounds=5)
    yield row(f"{count} runs, one fsync each", timed, "<= 2x", per=count)


def history(folder: Path, scale: float) -> Iterator[Row]:
    """All points of a long metric, against one `json.loads` over the same bytes."""
    count = max(int(1_000_000 * scale), 1_000)
    with Workspace(folder / "store") as workspace:
        with workspace.start_run(experiment="long") as active:
            for step in range(count):
                active.log_metric("loss", 1 / (step + 1))
        run = workspace.get_run(active.run_id)
        (log,) = (folder / "store").glob("experiments/*/runs/*/*.jsonl")
        joined = b"[" + b",".join(log.read_bytes().splitlines()) + b"]"
        assert len(run.history("loss").values) == count
        timed = in_turns(lambda: run.history("loss"), lambda: json.loads(joined), rounds=5)
    yield row(f"history of {count:,} points", timed, "<= 0.75x")


def resolve(folder: Path, scale: float) -> Iterator[Row]:
    """An alias read by a warm process, from 1 version to 1,000, against reading and parsing the index file."""
    calls = max(int(2_000 * scale), 20)
    source = folder / "model"
    save_model({"threshold": 0.5}, source)
    for versions in (1, 100, max(int(1_000 * scale), 101)):
        with Workspace(folder / f"store{versions}") as workspace:
            for _ in range(versions):
                workspace.registry.register(source, "fraud", alias="champion")
            (index,) = (folder / f"store{versions}").glob("models/*/index.json")
            find = workspace.registry.resolve

            def podium(find: Callable[[str], str] = find) -> None:
                for _ in range(calls):
                    find("models:/fraud@champion")

            def floor(index: Path = index) -> None:
                for _ in range(calls):
                    with open(index, "rb") as file:
                        json.loads(file.read())

            yield row(f"resolve @champion of {versions:,}", in_turns(podium, floor), "<= 2x", per=calls)


def imports(folder: Path, scale: float) -> Iterator[Row]:
    """What `import podium` adds to a bare interpreter."""
    times = max(int(30 * scale), 3)
    use = "import podium; podium.track.start_run, podium.registry.register, podium.load_model, podium.live"
    for name, code, target in (
        ("import podium", "import podium", "+10 ms"),
        ("import, four names used", use, "+50 ms"),
    ):
        podium, floor = in_turns(
            lambda code=code: subprocess.run([sys.executable, "-c", code], check=True, cwd=folder),  # type: ignore[misc]
            lambda: subprocess.run([sys.executable, "-c", "pass"], check=True, cwd=folder),
            rounds=times,
        )
        yield row(name, (podium, floor), target, extra=f"+{(podium - floor) * 1e3:.1f} ms")


ROWS: dict[str, Callable[[Path, float], Iterator[Row]]] = {
    "log_metric": log_metric,
    "runs": runs,
    "history": history,
    "resolve": resolve,
    "import": imports,
    "artifact": artifact,
    "start": start,
}
