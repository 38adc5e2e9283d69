"""What the best of a metric is: known names have a goal, others are given one."""

from podium import track
from podium.types import MetricSummary


def best(summary: MetricSummary) -> tuple[float, int]:
    if summary.goal is None:
        raise ValueError("nobody said whether more is better")
    return (summary.max, summary.max_step) if summary.goal == "max" else (summary.min, summary.min_step)


with track.start_run(experiment="goals") as run:
    track.define_metric("clicks_per_view", goal="max")
    for step, (loss, clicks) in enumerate([(0.9, 0.1), (0.4, 0.3), (0.6, 0.2)]):
        track.log_metrics({"loss": loss, "clicks_per_view": clicks, "temperature": 20 + step})

assert best(run.summary["loss"]) == (0.4, 1)
assert best(run.summary["clicks_per_view"]) == (0.3, 1)
assert run.summary["temperature"].goal is None
assert run.metrics["loss"] == 0.6
assert (
    track.search_runs("best(metrics.clicks_per_view) > 0.25 and min(metrics.loss) < 0.5")[0].run_id
    == run.run_id
)
assert len(track.search_runs("metrics.clicks_per_view > 0.25")) == 0
