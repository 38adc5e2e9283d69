"""Make a store of many runs: 10 params, 5 metrics of 20 points, 3 tags each, a thousand a day.

The bytes are those podium's own writer writes: one run is logged through it, and every other is that log with other
ids, times and numbers.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from podium import Workspace
from podium.ids import new_run_id, new_writer_id
from podium.runs.layout import RunKeys
from podium.stores import LocalStore

__all__ = ["EXPERIMENT", "log_files", "make_store", "write_run"]

EXPERIMENT = "speed"
RUNS_A_DAY = 1_000
_DAY_MS = 86_400_000
_FIRST_MS = round(datetime(2026, 6, 1, 9, tzinfo=UTC).timestamp() * 1000)


def make_store(root: Path, runs: int, *, seed: int = 1) -> LocalStore:
    """A store at ``root`` with so many finished runs; the same for the same seed, but for the ids."""
    with Workspace(root) as workspace:
        with workspace.start_run("first", experiment=EXPERIMENT) as run:
            run.log_param("lr", 0.1)
        (first,) = log_files(root)
        start = json.loads(first.read_bytes().splitlines()[0])
        first.unlink()
    store = LocalStore(root)
    numbers = random.Random(seed)
    for at in range(runs):
        write_run(root, start, at, numbers)
    return store


def write_run(
    root: Path, start: dict[str, object], at: int, numbers: random.Random, *, sealed: bool = True
) -> Path:
    """Write the log of one run; its path."""
    time_ms = _FIRST_MS + at // RUNS_A_DAY * _DAY_MS + at % RUNS_A_DAY * 20_000
    keys = RunKeys.of(EXPERIMENT, new_run_id(time_ms))
    path = root.joinpath(*keys.log(new_writer_id()).segments)
    if at % RUNS_A_DAY == 0 or not path.parent.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        file.writelines(line.encode() + b"\n" for line in _lines(start, at, time_ms, numbers))
        if sealed:
            file.write(b'{"event":"end","time":%d,"status":"FINISHED"}\n' % (time_ms + 200))
    return path


def _lines(start: dict[str, object], at: int, time_ms: int, numbers: random.Random) -> Iterator[str]:
    def event(name: str, later_ms: int, **fields: object) -> str:
        return json.dumps({"event": name, "time": time_ms + later_ms, **fields}, separators=(",", ":"))

    yield json.dumps({**start, "time": time_ms, "run_name": f"run {at}"}, separators=(",", ":"))
    params: dict[str, object] = {f"param_{each}": numbers.random() for each in range(8)}
    params |= {"optimizer": numbers.choice(["adam", "sgd", "lion"]), "depth": numbers.randrange(1, 12)}
    yield event("params", 1, params=params)
    tags = {"team": numbers.choice(["fraud", "churn"]), "stage": "search", "ticket": f"T-{at % 97}"}
    yield event("tags", 2, tags=tags)
    for step in range(20):
        for metric in ("loss", "accuracy", "f1", "precision", "recall"):
            yield f'["metric",{time_ms + 3 + step},{step},"{metric}",{numbers.random()!r}]'


def log_files(root: Path) -> list[Path]:
    """Every log below a store."""
    return sorted(root.glob("experiments/*/runs/*/*.jsonl"))
