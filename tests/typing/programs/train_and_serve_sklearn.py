"""From a fit to a prediction in another place: the native type is known to the type checker."""

from typing import Any, assert_type

import numpy as np
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from podium import load_model, registry, track
from podium.types import Model

X, y = load_iris(return_X_y=True)
with track.start_run(experiment="irises") as run:
    classifier = LogisticRegression(max_iter=500).fit(X, y)
    run.log_params(classifier.get_params())
    run.log_metric("f1", f1_score(y, classifier.predict(X), average="macro"))
    track.log_model(classifier)
registry.register(run.model_uri(), "irises", alias="champion", gate="metrics.f1 > 0.9")

model = load_model("models:/irises@champion", native_type=LogisticRegression)
assert_type(model, Model[LogisticRegression])
assert np.allclose(model.native.predict_proba(X), classifier.predict_proba(X))
anything = assert_type(load_model("models:/irises/1"), Model[Any])
assert (anything.predict(X) == classifier.predict(X)).all()
assert anything.version == 1
try:
    load_model("models:/irises/1", native_type=str)
except TypeError as error:
    assert "LogisticRegression" in str(error)
else:
    raise AssertionError("it is no text")
