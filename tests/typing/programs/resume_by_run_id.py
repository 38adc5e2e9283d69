"""A job that is stopped and queued again: the same script goes on with the same run."""

from podium import track
from podium.errors import RunNotFound
from podium.types import ActiveRun


def job(epochs: int) -> ActiveRun:
    """What the queue starts, each time with the same name of our own."""
    with track.start_run(experiment="queue", run_id="job-4711", resume="allow") as run:
        first = run.summary["loss"].last_step + 1 if run.resumed else 0
        for epoch in range(first, first + epochs):
            track.log_metric("loss", 1 / (epoch + 1))
    return run


first = job(epochs=3)
assert not first.resumed
second = job(epochs=2)
assert second.resumed
assert second.run_id == first.run_id == "job-4711"
assert list(second.history("loss").steps) == [0, 1, 2, 3, 4]
assert second.status == "FINISHED"

try:
    track.start_run(run_id="job-4712")
except RunNotFound as missing:
    assert missing.name == "job-4712"
else:
    raise AssertionError('resume="must" is the default')
