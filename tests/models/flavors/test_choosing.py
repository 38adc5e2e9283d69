"""The object chooses the flavor that saves it, the bytes the one that loads it, and no file names a module."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sklearn.pipeline import Pipeline

from podium.errors import Invalid, UntrustedModel
from podium.models.flavors import flavor_for
from podium.models.loading import load_directory

Write = Callable[..., Path]


def test_each_object_has_its_flavor(pipeline: Pipeline) -> None:
    objects = [pipeline, {"a": 1}, [1], "text", Path("x"), len, lambda data: data]

    assert [flavor_for(each).name for each in objects] == [
        "sklearn",
        "json",
        "json",
        "json",
        "files",
        "function",
        "function",
    ]


def test_a_flavor_that_is_named_is_taken() -> None:
    assert flavor_for({"a": 1}, "function").name == "function"
    with pytest.raises(Invalid, match=r"known are sklearn, json, files, function.*Did you mean 'sklearn'"):
        flavor_for({}, "skleran")


def test_an_object_that_nothing_saves_is_told_what_is() -> None:
    with pytest.raises(TypeError, match=r"save a builtins\.int as a model.*flavor='function'"):
        flavor_for(3)


@pytest.mark.parametrize(
    "loader", ["a_module_of_a_stranger", "os", "mlflow.pyfunc.loaders.code_model", "mlflow.xgboost"]
)
@pytest.mark.parametrize("trust", [None, True])
def test_a_module_that_a_file_names_is_never_imported(
    written: Write, monkeypatch: pytest.MonkeyPatch, loader: str, trust: bool | None
) -> None:
    keys = {"loader_module": loader, "code": "code", "data": "code"}
    folder = written(
        {"flavors": {"python_function": keys}}, {"code/a_module_of_a_stranger.py": b"raise SystemExit"}
    )
    monkeypatch.syspath_prepend(str(folder / "code"))

    with pytest.raises(Invalid):
        load_directory(folder, trust=trust)
    assert "a_module_of_a_stranger" not in sys.modules


def test_a_model_of_several_flavors_is_judged_by_the_one_that_loads_it(written: Write) -> None:
    """A pickle is not data because MLmodel also says that it is JSON."""
    flavors = {
        "podium": {"flavor": "json", "data": "value.json"},
        "sklearn": {"pickled_model": "model.pkl", "serialization_format": "pickle"},
    }
    folder = written({"flavors": flavors}, {"value.json": b"{}", "model.pkl": b"cos\nsystem\n."})

    with pytest.raises(UntrustedModel):
        load_directory(folder)


def test_data_that_brings_code_is_code(written: Write) -> None:
    flavors = {"podium": {"flavor": "json", "data": "value.json"}}
    folder = written({"flavors": flavors}, {"value.json": b"{}", "code/x.py": b""})

    with pytest.raises(UntrustedModel, match="a folder of code"):
        load_directory(folder)
    assert load_directory(folder, trust=True).native == {}
