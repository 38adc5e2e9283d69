"""Files, texts, settings and the facts of the data, and reading them back."""

import json
from pathlib import Path

import numpy as np

from podium import track
from podium.types import Artifact, Dataset, Table

Path("plots").mkdir()
Path("plots/loss.svg").write_text("<svg/>")
Path("report.md").write_text("# Report\n")
X = np.arange(20.0).reshape(10, 2)

with track.start_run(experiment="files") as run:
    track.log_artifact("report.md")
    track.log_artifact(Path("plots"), folder="figures")
    track.log_artifacts("plots", "flat")
    track.log_dict({"layers": [64, 32], "dropout": 0.1}, "config.yaml")
    track.log_dict([1, 2, 3], "order.json")
    dataset: Dataset = track.log_dataset(X, "features", context="train")
    same = track.log_dataset(X.copy(), "features-again")
    assert track.flush()

files: Table[Artifact] = run.artifacts()
assert [file.path for file in files] == [
    "config.yaml",
    "figures/plots/loss.svg",
    "flat/loss.svg",
    "order.json",
    "report.md",
]
assert [file.size_bytes for file in run.artifacts("figures")] == [len("<svg/>")]
assert json.loads(run.download("order.json").read_text()) == [1, 2, 3]
assert (run.download("figures", to="copy") / "plots" / "loss.svg").read_text() == "<svg/>"
assert (dataset.rows, dataset.digest) == (10, same.digest)
assert [each.name for each in run.datasets] == ["features", "features-again"]
