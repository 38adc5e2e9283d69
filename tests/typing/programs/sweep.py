"""A grid of settings: one run each, and the best of them by name of the metric."""

from itertools import product

from podium import track


def loss_of(lr: float, depth: int) -> float:
    return (lr - 0.1) ** 2 + abs(depth - 6) * 0.01


for lr, depth in product([0.01, 0.1, 1.0], [4, 6, 8]):
    with track.start_run(f"lr={lr} depth={depth}", experiment="sweep") as run:
        run.log_params({"lr": lr, "depth": depth})
        run.log_metric("loss", loss_of(lr, depth))

runs = track.search_runs(experiment="sweep")
best = runs.min("metrics.loss")
found = best.params["lr"]
assert isinstance(found, float)
assert (found, best.params["depth"]) == (0.1, 6)

shallow = track.search_runs("params.depth < 8 and params.lr != 1.0", order_by="metrics.loss DESC", limit=2)
assert [each.params["lr"] for each in shallow] == [0.01, 0.1]
assert len(runs) == 9
assert [each.run_id for each in runs[:3]] == [each.run_id for each in list(runs)[:3]]
