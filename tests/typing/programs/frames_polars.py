"""Runs and histories as polars frames."""

import polars as pl

from podium import track

for lr in (0.1, 0.2):
    with track.start_run(experiment="frames", tags={"team": "risk"}) as run:
        run.log_param("lr", lr)
        for step in range(3):
            run.log_metric("loss", lr / (step + 1))

runs = track.search_runs(experiment="frames").to_polars()
best = runs.sort("metrics.loss").row(0, named=True)
assert best["params.lr"] == 0.1
assert runs.schema["start_time"].is_temporal()
assert runs["tags.team"].to_list() == ["risk", "risk"]

history = track.search_runs(experiment="frames").history().to_polars()
smallest = history.group_by("run_id").agg(pl.col("value").min()).sort("value")
assert smallest["value"].to_list() == [0.1 / 3, 0.2 / 3]
