"""What a plot wants: steps and values of several runs, as arrays."""

import numpy as np

from podium import track

for decay in (0.5, 0.9):
    with track.start_run(f"decay {decay}", experiment="curves") as run:
        for step in range(0, 50, 5):
            run.log_metrics({"loss": decay**step, "lr": 0.1}, step=step)

runs = track.search_runs(experiment="curves", order_by="run_name")
curves = {run.run_name: (run.history("loss").steps, run.history("loss").values) for run in runs}
steps, values = curves["decay 0.9"]
assert list(steps) == list(range(0, 50, 5))
assert np.allclose(np.asarray(values), 0.9 ** np.asarray(steps))

points = runs.history("loss")
assert len(points) == 20
last = points.max("step")
assert (last.key, last.step, last.value) == ("loss", 45, 0.5**45)
assert points[0].time.tzinfo is not None
assert {point.key for point in runs[0].history()} == {"loss", "lr"}
