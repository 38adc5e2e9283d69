"""Runs, versions and histories as pandas frames."""

import pandas as pd

from podium import registry, track

for lr in (0.1, 0.2):
    with track.start_run(experiment="frames") as run:
        run.log_param("lr", lr)
        for step in range(3):
            run.log_metric("loss", lr / (step + 1))
        registry.register(run.log_model([lr]), "frames")

runs: pd.DataFrame = track.search_runs(experiment="frames", order_by="start_time").to_pandas()
assert runs["params.lr"].tolist() == [0.1, 0.2]
assert runs["status"].eq("FINISHED").all()
assert str(runs["start_time"].dt.tz) == "UTC"

history = track.search_runs(experiment="frames").history("loss").to_pandas()
assert history.groupby("run_id")["value"].min().size == 2
assert history.columns.tolist() == ["run_id", "key", "step", "time", "value"]

versions = registry.versions("frames").to_pandas()
assert sorted(versions["version"].tolist()) == [1, 2]
assert registry.history("frames").to_pandas()["verb"].tolist() == ["register", "register"]
