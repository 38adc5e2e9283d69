"""What is known of a model survives its JSON; its place does not belong to it."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from sklearn.pipeline import Pipeline

from podium.errors import Corrupt
from podium.models.info import info_from_json, info_to_json
from podium.models.saving import save_model


def test_the_facts_survive_and_take_a_new_place(
    tmp_path: Path, pipeline: Pipeline, iris: tuple[object, object]
) -> None:
    example, _ = iris
    info = save_model(
        pipeline, tmp_path / "model", input_example=example, metadata={"a": [1, None], "ä": "x"}
    )

    kept = json.loads(json.dumps(info_to_json(info)))
    back = info_from_json(kept, uri="runs:/abc/model", run_id="abc")

    assert str(tmp_path) not in json.dumps(kept)
    assert (back.uri, back.run_id) == ("runs:/abc/model", "abc")
    assert info_to_json(back) == info_to_json(info)
    assert (back.signature, back.requirements, back.metadata) == (
        info.signature,
        info.requirements,
        info.metadata,
    )


def test_what_is_not_known_to_be_data_is_code() -> None:
    kept = {"name": "m", "flavor": "new", "trust": "something newer", "sha256": "", "size_bytes": 0}

    assert info_from_json(kept, uri="there", run_id=None).trust == "code"


@pytest.mark.parametrize(
    "broken",
    [
        {"name": "m"},
        {"name": "m", "flavor": "f", "trust": "data", "sha256": "", "size_bytes": "many"},
        {"name": "m", "flavor": "f", "trust": "data", "sha256": "", "size_bytes": 0, "signature": 3},
        {"name": "m", "flavor": "f", "trust": "data", "sha256": "", "size_bytes": 0, "requirements": 3},
    ],
)
def test_facts_that_do_not_describe_a_model_were_a_bare_key_error(broken: dict[str, object]) -> None:
    with pytest.raises(Corrupt, match=r"runs:/abc/model does not describe a model") as raised:
        info_from_json(broken, uri="runs:/abc/model", run_id="abc")

    assert raised.value.key == "runs:/abc/model"


def test_metadata_may_hold_nan() -> None:
    kept = {
        "name": "m",
        "flavor": "f",
        "trust": "data",
        "sha256": "",
        "size_bytes": 0,
        "metadata": {"x": {"$float": "NaN"}},
    }

    assert math.isnan(info_from_json(kept, uri="there", run_id=None).metadata["x"])
