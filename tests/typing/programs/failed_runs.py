"""A night of runs some of which fail: the error is in the run, and the rest goes on."""

from collections import Counter

from podium import track


def train(lr: float) -> float:
    if lr > 1:
        raise FloatingPointError(f"diverged at lr={lr}")
    return lr


for lr in (0.1, 10.0, 0.5, 100.0):
    try:
        with track.start_run(f"lr={lr}", experiment="night") as run:
            run.log_param("lr", lr)
            run.log_metric("loss", train(lr))
    except FloatingPointError:
        continue
with track.start_run("by hand", experiment="night") as run:
    run.end("KILLED")

runs = track.search_runs(experiment="night")
assert Counter(run.status for run in runs) == {"FINISHED": 2, "FAILED": 2, "KILLED": 1}
failed = track.search_runs("status = 'FAILED'", order_by="params.lr")
assert [run.error for run in failed] == [
    "FloatingPointError: diverged at lr=10.0",
    "FloatingPointError: diverged at lr=100.0",
]
assert [run.run_name for run in runs if run.error is None] == ["by hand", "lr=0.5", "lr=0.1"]
