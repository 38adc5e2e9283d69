"""One line above the script of a scikit-learn user, who changes nothing else."""

from sklearn.datasets import load_breast_cancer
from sklearn.tree import DecisionTreeClassifier

from podium import load_model, track

track.autolog(log_input_examples=True, sklearn={"max_tuning_runs": 3})

X, y = load_breast_cancer(return_X_y=True)
tree = DecisionTreeClassifier(max_depth=3, random_state=0).fit(X, y)

run = track.last_run()
assert run is not None
assert run.status == "FINISHED"
assert run.params["max_depth"] == 3
assert [model.flavor for model in run.models] == ["sklearn"]
assert run.datasets[0].rows == len(X)
model = load_model(run.models[0], native_type=DecisionTreeClassifier)
assert (model.native.predict(X) == tree.predict(X)).all()

track.autolog(disable=True)
DecisionTreeClassifier(max_depth=2).fit(X, y)
assert len(track.search_runs()) == 1
