"""Which code made this model: commit, branch, changes, packages and the job, asked of the run years later."""

import os
import subprocess
from pathlib import Path

os.environ["SLURM_JOB_ID"] = "4711"

import numpy as np

from podium import track

Path("train.py").write_text("lr = 0.1\n")
for arguments in (
    ["init", "-q", "-b", "main"],
    ["add", "train.py"],
    ["-c", "user.name=ada", "-c", "user.email=ada@example.org", "commit", "-q", "-m", "first"],
):
    subprocess.run(["git", *arguments], check=True)
Path("train.py").write_text("lr = 0.2\n")

with track.start_run() as run:
    track.log_metric("mean", float(np.mean([1.0, 2.0])))

environment = track.get_run(run.run_id).environment
assert environment["git_branch"] == "main"
assert environment["git_dirty"] == "yes"
assert environment["slurm_job_id"] == "4711"
assert environment["packages.numpy"] == np.__version__
assert "+lr = 0.2" in run.download("podium/git.diff").read_text()
assert len(track.search_runs("environment.git_branch = 'main'")) == 1
