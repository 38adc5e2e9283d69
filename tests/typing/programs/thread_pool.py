"""concurrent.futures threads: a run for each, and one run that all of them log to."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

from podium import track
from podium.types import ActiveRun


def evaluate(summary: ActiveRun, shard: int) -> float:
    with track.start_run(f"shard {shard}", experiment="shards", parent=summary) as run:
        score = 1 / (1 + shard)
        run.log_metric("score", score)
        track.log_param("shard", shard)  # this thread's own run
    summary.log_metric(f"score/{shard}", score)
    return score


with track.start_run("summary", experiment="shards") as summary:
    with ThreadPoolExecutor(max_workers=4) as pool:
        scores = list(pool.map(partial(evaluate, summary), range(8)))
    track.log_metric("score", sum(scores) / len(scores))

children = track.search_runs(f"parent_run_id = '{summary.run_id}'")
assert sorted(str(run.params["shard"]) for run in children) == [str(shard) for shard in range(8)]
assert all(run.metrics["score"] == 1 / (1 + int(str(run.params["shard"]))) for run in children)
assert "shard" not in summary.params
assert len(summary.metrics) == 9
