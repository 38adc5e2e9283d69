"""MLmodel is read from strangers: what is wrong in it is one error that names the file, soon."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from podium.errors import Corrupt, Invalid, NotFound
from podium.models.columns import Column
from podium.models.mlmodel import dump_yaml, encode_mlmodel, parse_mlmodel, read_mlmodel
from podium.models.signature import Signature

ONE_MIB = 1 << 20


def test_what_mlflow_wrote_is_read() -> None:
    text = b"""\
artifact_path: /home/me/mlruns/0/models/m-9f9ccf1ed4de4e02b46c74f6b5aa2c9a/artifacts
flavors:
  python_function: {loader_module: mlflow.sklearn, model_path: model.skops, python_version: 3.11.7}
  sklearn: {pickled_model: model.skops, serialization_format: skops}
mlflow_version: 3.17.2
run_id: be2107800760473184491a392b48e9ce
saved_input_example_info: {artifact_path: input_example.json, type: dataframe}
signature:
  inputs: '[{"type": "double", "name": "a", "required": true}]'
  outputs: null
  params: null
something_newer: {kept: true}
"""

    mlmodel = parse_mlmodel(text, uri="there")

    assert mlmodel.flavor("sklearn")["pickled_model"] == "model.skops"
    assert mlmodel.signature == Signature((Column("double", "a"),))
    assert mlmodel.example["type"] == "dataframe"
    assert mlmodel.run_id == "be2107800760473184491a392b48e9ce"
    assert mlmodel.python == "3.11.7"
    assert mlmodel.flavor("xgboost") == {}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[1, 2]", id="no mapping"),
        pytest.param("{}", id="no flavors"),
        pytest.param("flavors: [sklearn]", id="flavors in a list"),
        pytest.param("flavors: {sklearn: yes}", id="a flavor without keys"),
        pytest.param("flavors: {1: {}}", id="a flavor without a name"),
        pytest.param("flavors: {}\nsignature: []", id="a signature in a list"),
        pytest.param("flavors: {}\nsignature: {}", id="an empty signature"),
        pytest.param("flavors: {}\nsignature: {inputs: [{type: long}]}", id="a signature that is no text"),
        pytest.param("flavors: {}\nsignature: {inputs: '[[['}", id="a signature that is no JSON"),
        pytest.param("flavors: {}\nmetadata: 3", id="metadata that is no mapping"),
        pytest.param("flavors: {}\nflavors", id="no YAML"),
        pytest.param("flavors: {}\n---\nflavors: {}", id="two documents"),
        pytest.param("flavors: {}\nx: !!python/object/apply:os.system [id]", id="a Python object"),
        pytest.param("flavors: {}\nx: !!int ''", id="an empty number"),
        pytest.param("flavors: {}\nx: !!bool maybe", id="a bool that is none"),
        pytest.param("flavors: {}\nx: !!timestamp soon", id="a time that is none"),
        pytest.param("flavors: {}\nx: 2001-99-99", id="a day that is none"),
        pytest.param("flavors: {}\nx: \0", id="a NUL"),
    ],
)
def test_what_is_no_mlmodel_is_corrupt(text: str) -> None:
    with pytest.raises(Corrupt, match="MLmodel of model there") as caught:
        parse_mlmodel(text.encode(), uri="there")

    assert caught.value.key == "MLmodel"


def test_other_encodings_are_refused() -> None:
    with pytest.raises(Corrupt, match="UTF-8"):
        parse_mlmodel("flavors: {}".encode("utf-16"), uri="there")


@pytest.mark.parametrize(
    ("bomb", "why"),
    [
        pytest.param(b"flavors: {}\n" + b"#" * ONE_MIB, "larger than 1,048,576 bytes", id="size"),
        pytest.param(b"flavors: {}\nx: " + b"[" * 2_000, "1,000 brackets", id="open brackets"),
        pytest.param(b"flavors: {}\nx: [" + b"{}, " * 1_001 + b"]", "1,000 brackets", id="many brackets"),
        pytest.param(b"- " * 500_000, "nested too deeply", id="nested blocks"),
        pytest.param(b"flavors: &a {}\nx: [*a, *a]", "aliases", id="aliases"),
        pytest.param(b"flavors: {}\nx: 1" + b":1" * 400_000, "a number of", id="digits of base 60"),
        pytest.param(b"flavors: {}\nx: !!float " + b"1" * 5_000, "a number of", id="a long number"),
    ],
)
def test_yaml_bombs_are_refused_before_they_burst(bomb: bytes, why: str) -> None:
    with pytest.raises(Corrupt, match=why):
        parse_mlmodel(bomb, uri="there")


def test_brackets_inside_texts_do_not_count() -> None:
    wide = Signature(tuple(Column("double", f"column [{n}]") for n in range(2_000)))
    data = encode_mlmodel({"flavors": {}, "signature": wide.to_json()})

    assert parse_mlmodel(data, uri="there").signature == wide


def test_what_could_not_be_read_again_is_not_written() -> None:
    with pytest.raises(Invalid, match="its signature or metadata is too large"):
        encode_mlmodel({"flavors": {}, "metadata": {"text": "x" * ONE_MIB}})


def test_yaml_is_written_as_mlflow_writes_it() -> None:
    shared = ["a"]

    data = dump_yaml({"b": None, "a": {"z": shared, "y": shared}, "umlaut": "ä"})

    assert data.decode() == "a:\n  y:\n  - a\n  z:\n  - a\nb: null\numlaut: ä\n"


@pytest.mark.parametrize(
    "value", ["0123", "1:30", "yes", "null", "2025-01-01", "1e3", "=", "~", "- a", "a: b", "#x"]
)
def test_texts_that_look_like_something_else_come_back_as_texts(value: str) -> None:
    written: Mapping[str, object] = {"flavors": {}, "metadata": {"key": value}}

    assert parse_mlmodel(encode_mlmodel(written), uri="there").metadata == {"key": value}
    assert yaml.safe_load(encode_mlmodel(written)) == written


def test_a_folder_without_one_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no file MLmodel"):
        read_mlmodel(tmp_path, uri="there")


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("flavors: {}")
    (tmp_path / "MLmodel").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(Corrupt, match="a link or a special file"):
        read_mlmodel(tmp_path, uri="there")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_in_its_place_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "MLmodel")

    with pytest.raises(Corrupt, match="a link or a special file"):
        read_mlmodel(tmp_path, uri="there")
