"""Five folds as children of one run, which holds their mean."""

from statistics import fmean

from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold

from podium import track

X, y = load_iris(return_X_y=True)

with track.start_run("5 folds", experiment="iris", tags={"kind": "cross-validation"}) as parent:
    scores: list[float] = []
    for number, (train, test) in enumerate(KFold(5, shuffle=True, random_state=0).split(X)):
        with track.start_run(f"fold {number}", nested=True) as fold:
            model = LogisticRegression(max_iter=500).fit(X[train], y[train])
            fold.log_metric("accuracy", model.score(X[test], y[test]))
            scores.append(fold.metrics["accuracy"])
    parent.log_metric("accuracy", fmean(scores))

folds = track.search_runs(f"parent_run_id = '{parent.run_id}'", order_by="run_name")
assert [fold.run_name for fold in folds] == [f"fold {number}" for number in range(5)]
assert {fold.experiment for fold in folds} == {"iris"}
assert parent.metrics["accuracy"] == fmean(fold.metrics["accuracy"] for fold in folds)
assert parent.metrics["accuracy"] > 0.9
