"""A pipeline: steps are children of the pipeline's run, wherever they are started."""

from podium import track
from podium.types import ActiveRun, Run


def prepare(pipeline: ActiveRun) -> Run:
    with track.start_run("prepare", nested=True) as step:
        step.log_metric("rows", 1_000)
        assert track.active_run() is step
    assert track.active_run() is pipeline
    return step


def train(pipeline_id: str) -> Run:
    """Knows the id alone, as a step on another machine would."""
    with track.start_run("train", parent=pipeline_id, note="second step") as step:
        step.log_metric("loss", 0.5)
    return step


with track.start_run("pipeline", experiment="nightly") as pipeline:
    steps = [prepare(pipeline), train(pipeline.run_id)]
    pipeline.log_params({f"{step.run_name}.run_id": step.run_id for step in steps})

assert all(step.parent_run_id == pipeline.run_id for step in steps)
assert {step.experiment for step in steps} == {"nightly"}
assert track.get_run(steps[1].run_id).note == "second step"
assert track.active_run() is None
