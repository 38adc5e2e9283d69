"""Plain Python as a model: a function of a frame, with params, checked against its signature."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from podium import load_model, track
from podium.errors import SchemaError
from podium.types import Signature


def scale(rows: pd.DataFrame, params: Mapping[str, Any]) -> list[float]:
    scaled: list[float] = (rows["amount"] * params["factor"]).tolist()
    return scaled


example = pd.DataFrame({"amount": [1.0, 2.0]})
with track.start_run(experiment="functions") as run:
    info = track.log_model(
        scale,
        input_example=example,
        signature=Signature.infer(example, params={"factor": 2.0}),
        metadata={"owner": "pricing"},
    )

model = load_model(run.model_uri())
assert info.flavor == "function"
assert info.trust == "code"
assert model.info.metadata == {"owner": "pricing"}
assert model.predict(pd.DataFrame({"amount": [3.0]})) == [6.0]
assert model.predict([{"amount": 3.0}, {"amount": 5.0}], {"factor": 3.0}) == [9.0, 15.0]
try:
    model.predict([{"amuont": 3.0}])
except SchemaError as wrong:
    assert wrong.column == "amount"
else:
    raise AssertionError("there is no such column")
