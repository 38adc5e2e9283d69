"""What training shows on the way: a curve, samples at each step, a table of predictions that grows."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from podium import track

with track.start_run("shown", experiment="gan") as run:
    track.define_metric("fid", goal="min")
    for step, fid in enumerate([80.0, 42.5, 47.0]):
        track.log_metric("fid", fid, step)
        track.log_image(np.full((8, 8), step / 3), "samples.png", step)
        track.log_table(pd.DataFrame({"step": [step], "fid": [fid]}), "progress.csv")
    figure = Figure()
    figure.add_artist(Line2D([0.0, 0.5, 1.0], [80.0, 42.5, 47.0]))
    track.log_figure(figure, "fid.svg")
    track.log_table({"text": ["good", "bad"], "label": [1, 0]}, "predictions.json")
    track.log_dict({"seeds": [1, 2]}, "config.yaml")
    track.log_text("looks fine", "notes/verdict.txt")

paths = [artifact.path for artifact in run.artifacts()]
assert [path for path in paths if path.startswith("samples/")] == [
    f"samples/{step:08d}.png" for step in range(3)
]
assert run.download("fid.svg").read_bytes().startswith(b"<?xml")
assert len(pd.read_csv(run.download("progress.csv"))) == 3
assert run.summary["fid"].goal == "min"
assert track.search_runs("best(metrics.fid) = 42.5")[0].run_id == run.run_id
