"""Keep the store tidy: delete what was a mistake, have it back, and look at the experiments there are."""

from datetime import UTC, datetime

from podium import Workspace, track
from podium.types import Experiment, Run

for number in range(3):
    with track.start_run(f"run {number}", experiment="scratch"):
        track.log_metric("loss", float(number))
with track.start_run("real", experiment="fraud"):
    track.log_metric("loss", 0.5)

mistakes = track.search_runs("metrics.loss > 0.9", experiment="scratch")
for run in mistakes:
    track.delete_run(run)
assert [run.run_name for run in track.search_runs(experiment="scratch")] == ["run 0"]
deleted: list[Run] = list(track.search_runs(deleted=True))
assert all(run.deleted for run in deleted)
assert len(deleted) == 2
track.restore_run(deleted[0].run_id)

workspace = Workspace(".podium")
workspace.set_experiment_tags("fraud", {"team": "risk"})
workspace.set_experiment_note("fraud", "cards only")
newest: Experiment = track.experiments("tags.team = 'risk'")[0]
assert (newest.name, newest.runs, newest.note) == ("fraud", 1, "cards only")
assert newest.start_time <= datetime.now(UTC)

track.delete_experiment("scratch")
assert [each.name for each in track.experiments()] == ["fraud"]
track.restore_experiment("scratch")
assert {each.name: each.runs for each in track.experiments()} == {"fraud": 1, "scratch": 2}
