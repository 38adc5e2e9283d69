"""Inside the block training is tracked and registered behind a gate; outside nothing is."""

from sklearn.datasets import load_iris
from sklearn.tree import DecisionTreeClassifier

from podium import registry, track

X, y = load_iris(return_X_y=True)

with track.autolog(
    experiment="iris",
    register="iris",
    gate="metrics.training_accuracy_score > 0.9",
    alias="candidate",
    log_datasets=False,
    silent=True,
):
    DecisionTreeClassifier(max_depth=3, random_state=0).fit(X, y)
    good = track.last_run()
    DecisionTreeClassifier(max_depth=1, random_state=0).fit(X, y)
    weak = track.last_run()
DecisionTreeClassifier().fit(X, y)

assert len(track.search_runs(experiment="iris")) == len(track.search_runs()) == 2
assert good is not None
assert weak is not None
assert good.verdict
assert weak.verdict is not None
assert not weak.verdict
assert [check.outcome for check in weak.verdict] == ["fails"]
version = registry.get_version("iris", "@candidate")
assert version.run_id == good.run_id
