"""What is almost a model's URI is answered with what was meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from podium import load_model, model_info, registry, save_model, track
from podium.errors import Invalid, NotFound


@pytest.fixture
def run_id() -> str:
    with track.start_run() as run:
        run.log_model({"weights": [1, 2]}, "model")
    registry.register(run.model_uri(), "fraud", alias="champion")
    return run.run_id


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("models:fraud@champion", "models:/fraud@champion"),
        ("model:/fraud/1", "models:/fraud/1"),
        ("Models:/fraud/1", "models:/fraud/1"),
        ("fraud@champion", "models:/fraud@champion"),
        ("models://fraud@champion", "models:/fraud@champion"),
        ("models:///fraud/1", "models:/fraud/1"),
        ("run:/01kapgsxk0e7n3x5v8h2m4q6ab/model", "runs:/01kapgsxk0e7n3x5v8h2m4q6ab/model"),
        ("01kapgsxk0e7n3x5v8h2m4q6ab", "runs:/01kapgsxk0e7n3x5v8h2m4q6ab/model"),
    ],
)
def test_a_uri_with_a_slip_is_answered_with_the_right_one(run_id: str, written: str, meant: str) -> None:
    for take in (load_model, model_info):
        with pytest.raises(Invalid) as caught:
            take(written)
        assert repr(meant) in str(caught.value)
    with pytest.raises(Invalid) as caught:
        registry.register(written, "other")
    assert repr(meant) in str(caught.value)


def test_what_was_suggested_for_a_run_id_loads(run_id: str) -> None:
    with pytest.raises(Invalid) as caught:
        load_model(run_id)

    assert load_model(str(caught.value).split("'")[-2]).native == {"weights": [1, 2]}


def test_a_folder_that_is_called_like_one_is_still_a_folder(here: Path) -> None:
    save_model([1, 2], here / "fraud@champion")

    assert load_model("fraud@champion").native == [1, 2]


def test_a_path_where_nothing_is_stays_not_found() -> None:
    with pytest.raises(NotFound):
        load_model("models/fraud")


@pytest.mark.parametrize("take", [load_model, model_info, lambda run: registry.register(run, "fraud")])
def test_a_run_is_no_model_and_the_error_says_which_of_its_models_to_give(run_id: str, take: Any) -> None:
    with pytest.raises(TypeError, match=rf"runs:/{run_id}/model"):
        take(track.get_run(run_id))


@pytest.mark.parametrize("written", ["v1", "V1", "1.0"])
def test_a_version_written_as_elsewhere_is_answered_with_the_number(run_id: str, written: str) -> None:
    with pytest.raises(Invalid, match=r"write 1\b"):
        registry.get_version("fraud", written)
