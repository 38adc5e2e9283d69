"""A decorated function keeps its types: what it takes and what it returns."""

from dataclasses import dataclass
from typing import assert_type

from podium import track


@dataclass
class Threshold:
    """A model of one's own."""

    at: float

    def predict(self, values: list[float]) -> list[bool]:
        return [value > self.at for value in values]


@track.autolog
def fit(values: list[float], *, quantile: float = 0.5) -> Threshold:
    return Threshold(sorted(values)[int(quantile * len(values))])


@track.autolog(experiment="scores", returns=("model", "accuracy", "_"))
def fit_and_score(at: float) -> tuple[Threshold, float, str]:
    return Threshold(at), 0.75, "not kept"


model = assert_type(fit([3.0, 1.0, 2.0], quantile=0.4), Threshold)
assert model.at == 2.0
run = track.last_run()
assert run is not None
assert run.run_name == "fit"
assert run.params["quantile"] == 0.4
assert [each.name for each in run.models] == ["model"]

scored, accuracy, _ = assert_type(fit_and_score(0.5), tuple[Threshold, float, str])
run = track.last_run()
assert run is not None
assert run.experiment == "scores"
assert run.metrics == {"accuracy": accuracy}
assert run.params == {"at": 0.5}
assert scored.predict([0.4, 0.6]) == [False, True]
