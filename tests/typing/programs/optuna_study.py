"""An Optuna study: a run for the study, a child for each trial; a pruned trial is no failure."""

import optuna

from podium import track


def objective(trial: optuna.Trial) -> float:
    with track.start_run(f"trial {trial.number}", nested=True):
        x = trial.suggest_float("x", -2.0, 2.0)
        track.log_params(trial.params)
        for step in range(4):
            value = x**2 + 1 / (step + 1)
            track.log_metric("value", value, step)
            trial.report(value, step)
            if trial.should_prune():
                track.set_tag("state", "PRUNED")
                return value
        track.log_metric("objective", x**2)
        track.set_tag("state", "COMPLETE")
    return x**2


optuna.logging.set_verbosity(optuna.logging.ERROR)
with track.start_run("study", experiment="optuna") as parent:
    study = optuna.create_study(
        sampler=optuna.samplers.RandomSampler(seed=0), pruner=optuna.pruners.MedianPruner(n_startup_trials=5)
    )
    study.optimize(objective, n_trials=20)
    track.log_metric("best", study.best_value)

trials = track.search_runs(f"parent_run_id = '{parent.run_id}'")
assert len(trials) == 20
assert {run.status for run in trials} == {"FINISHED"}
pruned = track.search_runs("tags.state = 'PRUNED'", experiment="optuna")
complete = track.search_runs("tags.state = 'COMPLETE'", experiment="optuna")
assert len(pruned) > 0
assert len(complete) + len(pruned) == 20
best = complete.min("metrics.objective")
x = best.params["x"]
assert isinstance(x, float)
assert x**2 == best.metrics["objective"]
