"""Would it pass? The verdict as a table, nothing written."""

from podium import registry, track
from podium.errors import ModelNotFound
from podium.types import ModelInfo, Verdict

GATE = "metrics.rmse < 1.1 * champion.metrics.rmse and params.seed = '7'"


def trained(rmse: float) -> ModelInfo:
    with track.start_run(experiment="check") as run:
        run.log_param("seed", 7)
        run.log_metric("rmse", rmse)
        return run.log_model(["weights"])


def failing(verdict: Verdict) -> list[str]:
    return [check.text for check in verdict if check.outcome not in ("holds", "no incumbent")]


first = registry.check(trained(2.0), "price", gate=GATE)
assert first
assert [check.outcome for check in first] == ["no incumbent", "holds"]
try:
    registry.get_model("price")
except ModelNotFound:
    pass
else:
    raise AssertionError("check registers nothing")

registry.register(trained(2.0), "price", alias="champion")
second = registry.check(trained(2.5), "price", gate=GATE)
assert not second
assert failing(second) == ["metrics.rmse < 1.1 * champion.metrics.rmse"]
assert second[0].left == 2.5
assert second.gate == GATE
assert "does not hold" in repr(second)
