"""Two hundred tasks of a job array that start in the same moment, on a store that is not there yet."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from podium import Workspace

TASKS = 200
PROGRAM = """
import sys
from podium import track

sys.stdout.write("ready\\n")
sys.stdout.flush()
sys.stdin.read()                      # returns for all of them at once, when the test closes the pipes
number = int(sys.argv[1])
with track.start_run(f"task {number}", experiment=f"sweep {number % 3}"):
    track.log_params({"number": number, "lr": number / 10})
    for step in range(5):
        track.log_metric("loss", number + step)
"""


def test_200_processes_that_start_at_once_are_200_whole_runs(here: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", PROGRAM, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(TASKS)
    ]
    for each in processes:
        assert each.stdout is not None
        assert each.stdout.readline() == "ready\n"
    for each in processes:
        assert each.stdin is not None
        each.stdin.close()

    # Not communicate(): it would write to the pipe that is closed.
    errors = []
    for each in processes:
        assert each.stderr is not None
        assert each.stdout is not None
        errors.append(each.stderr.read())
        each.wait(timeout=60)
        each.stderr.close()
        each.stdout.close()

    assert [each.returncode for each in processes] == [0] * TASKS, next(filter(None, errors), "")
    runs = Workspace(here / ".podium").search_runs()
    assert {run.params["number"] for run in runs} == set(range(TASKS))
    assert len(runs) == TASKS
    assert {run.status for run in runs} == {"FINISHED"}
    assert {run.summary["loss"].count for run in runs} == {5}
    assert {run.experiment for run in runs} == {"sweep 0", "sweep 1", "sweep 2"}
