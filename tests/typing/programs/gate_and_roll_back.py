"""The whole life of a version: gate, register, promote against what was seen, roll back."""

from podium import registry, track
from podium.errors import AliasMoved
from podium.types import ModelVersion

GATE = "metrics.accuracy >= 0.8 and metrics.accuracy > champion.metrics.accuracy"


def trained(accuracy: float) -> ModelVersion:
    with track.start_run(experiment="gate") as run:
        run.log_metric("accuracy", accuracy)
        model = run.log_model({"threshold": accuracy})
    return registry.register(model, "risk", gate=GATE, alias="candidate", note=f"accuracy {accuracy}")


first = trained(0.85)
registry.set_alias("risk", "champion", first, expect="absent", why="the first")
second = trained(0.9)
champion = registry.set_alias("risk", "champion", second, expect=first, why="better by five points")
assert champion.aliases == {"champion", "candidate"}
assert champion.verdict
assert champion.verdict[1].right == 0.85

try:
    registry.set_alias("risk", "champion", first, expect=first)
except AliasMoved as moved:
    assert (moved.expected, moved.found) == (1, 2)
else:
    raise AssertionError("the alias had moved")

back = registry.rollback("risk", why="complaints from region 4")
assert back.version == first.version == registry.get_model("risk").aliases["champion"]
assert registry.history("risk", "champion")[0].why == "complaints from region 4"
