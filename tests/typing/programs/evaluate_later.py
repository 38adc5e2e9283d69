"""Ground truth comes a month later: metrics are added to the versions, and the gate reads them."""

from podium import registry, track
from podium.errors import GateRefused

for threshold in (0.3, 0.5, 0.7):
    with track.start_run(f"threshold {threshold}", experiment="churn") as run:
        run.log_param("threshold", threshold)
        model = run.log_model({"threshold": threshold})
    registry.register(model, "churn")
registry.set_gate("churn", "champion", "metrics.july_f1 >= 0.75")

try:
    registry.set_alias("churn", "champion", "latest")
except GateRefused as refused:
    assert [check.outcome for check in refused.verdict] == ["missing"]
else:
    raise AssertionError("nothing was evaluated yet")

july = {1: 0.61, 2: 0.78, 3: 0.77}
for version in registry.versions("churn"):
    evaluated = registry.log_metrics("churn", version, {"july_f1": july[version.version]})
    assert evaluated.metrics["july_f1"] == july[version.version]

best = registry.versions("churn").max("metrics.july_f1")
champion = registry.set_alias("churn", "champion", best, why="best on July")
assert champion.version == 2
assert champion.params["threshold"] == 0.5
