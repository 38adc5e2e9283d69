"""The shape of an Optuna study: an objective that is called with a trial, a run for each, pruning is no failure."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from podium import track
from podium.types import Run


class Pruned(Exception):
    """The trial is not worth going on with."""


@dataclass
class Trial:
    number: int
    chance: random.Random
    params: dict[str, float] = field(default_factory=dict[str, float])

    def suggest_float(self, name: str, low: float, high: float) -> float:
        self.params[name] = self.chance.uniform(low, high)
        return self.params[name]


def objective(trial: Trial) -> float:
    x = trial.suggest_float("x", -2, 2)
    for step in range(3):
        track.log_metric("value", x**2 + 1 / (step + 1))
        if x > 1.5:
            raise Pruned
    return x**2


def optimize(objective: Callable[[Trial], float], *, trials: int) -> Run:
    chance = random.Random(0)
    with track.start_run("study", experiment="optuna") as study:
        for number in range(trials):
            trial = Trial(number, chance)
            with track.start_run(f"trial {number}", nested=True) as run:
                try:
                    run.log_metric("objective", objective(trial))
                    run.set_tag("state", "COMPLETE")
                except Pruned:
                    run.set_tag("state", "PRUNED")
                run.log_params(trial.params)
    return study


study = optimize(objective, trials=20)
complete = track.search_runs(f"parent_run_id = '{study.run_id}' and tags.state = 'COMPLETE'")
pruned = track.search_runs("tags.state = 'PRUNED'", experiment="optuna")
assert len(complete) + len(pruned) == 20
assert len(pruned) > 0
assert all(run.summary["value"].count == 1 for run in pruned)
best = complete.min("metrics.objective")
x = best.params["x"]
assert isinstance(x, float)
assert x**2 == best.metrics["objective"] == min(run.metrics["objective"] for run in complete)
assert {run.status for run in (*complete, *pruned)} == {"FINISHED"}
