"""An input example is kept as MLflow keeps it, and read back as the model takes it."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from podium.errors import Corrupt, Invalid
from podium.models.example import read_example, split_params, write_example
from podium.models.signature import Signature


def kept(folder: Path, example: object) -> tuple[dict[str, object], Any, Any]:
    info = write_example(folder, example)
    files = (folder / "input_example.json", folder / "serving_input_example.json")
    return info, *(json.loads(each.read_text()) for each in files)


def test_a_frame_is_kept_split(tmp_path: Path) -> None:
    info, plain, serving = kept(tmp_path, pd.DataFrame({"a": [1.5, None], "b": ["x", "y"]}, index=[7, 8]))

    assert plain == {"columns": ["a", "b"], "data": [[1.5, "x"], [None, "y"]]}
    assert serving == {"dataframe_split": plain}
    assert info == {
        "artifact_path": "input_example.json",
        "serving_input_path": "serving_input_example.json",
        "type": "dataframe",
        "pandas_orient": "split",
    }


def test_an_array_is_kept_as_lists(tmp_path: Path) -> None:
    info, plain, serving = kept(tmp_path, np.array([[1.5, 2.5]]))

    assert (info["type"], plain, serving) == ("ndarray", [[1.5, 2.5]], {"inputs": [[1.5, 2.5]]})


def test_values_are_kept_as_they_are(tmp_path: Path) -> None:
    assert kept(tmp_path, ["a", "b"])[1:] == (["a", "b"], {"inputs": ["a", "b"]})


def test_a_chat_is_served_unwrapped(tmp_path: Path) -> None:
    chat = {"messages": [{"role": "user", "content": "hello"}]}

    assert kept(tmp_path, chat)[1:] == (chat, chat)


def test_params_are_kept_beside_the_data(tmp_path: Path) -> None:
    info, plain, serving = kept(tmp_path, (pd.DataFrame({"a": [1]}), {"k": 2}))

    split = {"columns": ["a"], "data": [[1]]}
    assert info["params"] == "true"
    assert plain == {"inputs": split, "params": {"k": 2}}
    assert serving == {"dataframe_split": split, "params": {"k": 2}}


def test_a_pair_holds_params_only_where_the_second_is_a_dict() -> None:
    assert split_params(("a", {"k": 1})) == ("a", {"k": 1})
    assert split_params(("a", "b")) == (("a", "b"), None)
    assert split_params(["a", {"k": 1}]) == (["a", {"k": 1}], None)


def test_what_json_cannot_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="cannot be kept as JSON"):
        write_example(tmp_path, object())
    with pytest.raises(Invalid, match="cannot be kept as JSON"):
        write_example(tmp_path, np.array([np.inf]))


def came_back(folder: Path, example: object) -> Any:
    data, params = split_params(example)
    read = read_example(folder, write_example(folder, example), Signature.infer(data, params=params))
    assert read is not None
    return read


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"a": [1.5, np.nan], "b": np.array([1, 2], "int32"), "c": np.array([1, 2], "float32")}),
        pd.DataFrame({"a": [True, False], "b": np.array([1, 2**60])}),
        pd.DataFrame({"a": ["x", "ä"]}),
        pd.DataFrame({"a": [b"\x00\xff", b""]}),
        pd.DataFrame([[1.0, 2.0]]),
        pd.DataFrame({"a": pd.DatetimeIndex(["2020-01-01", None])}),
    ],
    ids=["numbers", "bools", "texts", "bytes", "numbered", "times"],
)
def test_a_frame_comes_back_as_it_was(tmp_path: Path, frame: pd.DataFrame) -> None:
    (data, params) = came_back(tmp_path, frame)

    assert params is None
    pd.testing.assert_frame_equal(
        data, frame, check_column_type=False, check_dtype="datetime" not in str(frame.dtypes)
    )


@pytest.mark.parametrize(
    "array",
    [np.ones((2, 2), "float32"), np.array([2**60]), np.array(["a", "bc"]), np.array([True]), np.float64(1)],
)
def test_an_array_comes_back_with_its_dtype(tmp_path: Path, array: np.ndarray[Any, Any]) -> None:
    (data, _) = came_back(tmp_path, np.asarray(array))

    np.testing.assert_array_equal(data, array)
    assert data.dtype == np.asarray(array).dtype


def test_named_arrays_and_sparse_matrices_come_back(tmp_path: Path) -> None:
    (named, _) = came_back(tmp_path, {"x": np.ones(2, "float32"), "y": np.array([1])})
    assert (named["x"].dtype, named["y"].dtype) == (np.float32, np.int64)

    for layout in (scipy.sparse.csr_matrix, scipy.sparse.csc_matrix):
        matrix = layout(np.array([[0.0, 1.0], [2.0, 0.0]], "float32"))
        (sparse, _) = came_back(tmp_path, matrix)
        assert (sparse.format, sparse.dtype) == (matrix.format, np.float32)
        np.testing.assert_array_equal(sparse.toarray(), matrix.toarray())


def test_params_come_back(tmp_path: Path) -> None:
    assert came_back(tmp_path, (["a"], {"k": 2, "day": datetime.date(2020, 1, 1)})) == (
        ["a"],
        {"k": 2, "day": "2020-01-01"},
    )


def test_a_model_without_an_example_has_none(tmp_path: Path) -> None:
    assert read_example(tmp_path, {}, None) is None


@pytest.mark.parametrize(
    ("info", "content"),
    [
        ({"artifact_path": "../secret.json"}, b"[]"),
        ({"artifact_path": "other.json"}, b"[]"),
        ({"artifact_path": ["input_example.json"]}, b"[]"),
        ({"artifact_path": "input_example.json", "type": "ndarray"}, b"[1"),
        ({"artifact_path": "input_example.json", "type": "ndarray"}, b"\xff"),
        ({"artifact_path": "input_example.json", "type": "ndarray"}, b"[" * 100_000),
        ({"artifact_path": "input_example.json", "type": "dataframe"}, b"[]"),
        (
            {"artifact_path": "input_example.json", "type": "dataframe"},
            b'{"columns": ["a"], "data": [[1, 2]]}',
        ),
        ({"artifact_path": "input_example.json", "type": "sparse_matrix_csr"}, b'{"data": [1]}'),
        ({"artifact_path": "input_example.json", "type": "sparse_matrix_coo"}, b"{}"),
        ({"artifact_path": "input_example.json", "params": "true"}, b'{"inputs": 1}'),
    ],
)
def test_a_strangers_example_that_does_not_parse_is_corrupt(
    tmp_path: Path, info: dict[str, object], content: bytes
) -> None:
    (tmp_path / "input_example.json").write_bytes(content)
    (tmp_path / "other.json").write_bytes(b"[]")

    with pytest.raises(Corrupt):
        read_example(tmp_path, info, None)
