"""A data set is recognised by its values, whatever holds them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.sparse import csr_matrix

from podium import Workspace
from podium.workspace.datasets import describe

VALUES = np.array([[0.5, 1.0, -2.0], [3.0, 4.25, np.nan], [6.0, 7.0, 8.0]])


def digest(data: object) -> str:
    return describe(data, None, "train").digest


def with_columns(kind: str) -> Any:
    frame = pd.DataFrame(VALUES, columns=["a", "b", "c"])
    return {
        "array": VALUES,
        "float32": VALUES.astype("float32"),
        "fortran": np.asfortranarray(VALUES),
        "pandas": frame,
        "polars": pl.DataFrame(frame.to_dict("list")),
        "rows": VALUES.tolist(),
        "columns": {name: frame[name].tolist() for name in frame},
        "records": frame.to_dict("records"),
    }[kind]


@pytest.mark.parametrize("kind", ["float32", "fortran", "pandas", "polars", "rows", "columns", "records"])
def test_equal_numbers_have_one_digest_whatever_holds_them(kind: str) -> None:
    assert digest(with_columns(kind)) == digest(VALUES)


@pytest.mark.parametrize(
    "holders",
    [
        [[1, 2, 3], np.array([1, 2, 3]), pd.Series([1, 2, 3]), pl.Series([1, 2, 3]), [1.0, 2.0, 3.0]],
        [["a", "b", None], np.array(["a", "b", None], dtype=object), pd.Series(["a", "b", None])],
        [["a", "b"], pl.Series(["a", "b"]), pd.Series(["a", "b"], dtype="category")],
        [[True, False], np.array([True, False]), pd.Series([True, False]), pl.Series([True, False])],
        [[1, None], pd.Series([1, None], dtype="Int64"), pl.Series([1, None]), np.array([1, np.nan])],
        [[0.0], [-0.0], np.array([-0.0])],
        [[2**60, 1], np.array([2**60, 1]), pl.Series([2**60, 1])],
    ],
)
def test_equal_columns_of_any_type_have_one_digest(holders: list[object]) -> None:
    assert len({digest(each) for each in holders}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([1.0, 2.0], [2.0, 1.0]),
        ([2**60], [2**60 + 1]),
        (["ab", "c"], ["a", "bc"]),
        (["1"], [1]),
        ([[1, 2], [3, 4]], [[1, 3], [2, 4]]),
        (np.zeros((2, 3, 4)), np.zeros((3, 2, 4))),
        ([None, "a"], ["None", "a"]),
    ],
)
def test_other_values_have_another_digest(one: object, other: object) -> None:
    assert digest(one) != digest(other)


def test_the_digest_is_the_same_in_another_process() -> None:
    code = "from podium.workspace.datasets import describe; print(describe([['x', 1.5]], None, 't').digest)"
    runs = [subprocess.check_output([sys.executable, "-c", code], text=True) for _ in range(2)]

    assert runs == [digest([["x", 1.5]]) + "\n"] * 2


def test_rows_and_types_are_recorded_and_names_stay_out_of_the_digest() -> None:
    frame = pd.DataFrame({"age": [1, 2], "name": ["a", "b"]})

    found = describe(frame, "people", "test")

    assert (found.name, found.context, found.rows) == ("people", "test", 2)
    assert found.schema is not None
    assert found.schema["age"] == "int64"
    assert list(found.schema) == ["age", "name"]
    assert found.digest == digest(frame.rename(columns={"age": "years"}))
    assert describe(VALUES, None, "train").schema == {"array": "float64[3, 3]"}


def test_a_sparse_matrix_is_the_same_however_it_was_built() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    one = sparse.coo_matrix(([1.0, 2.0], ([0, 1], [1, 0])), shape=(3, 3))

    assert digest(one) == digest(sparse.csr_matrix(one.toarray()))
    assert describe(one, None, "train").rows == 3


def test_a_file_is_its_bytes(tmp_path: Path) -> None:
    file = tmp_path / "train.csv"
    file.write_bytes(b"a,b\n1,2\n")

    found = describe(file, None, "train")

    assert (found.name, found.rows, found.schema) == ("train.csv", None, None)
    file.write_bytes(b"a,b\n1,3\n")
    assert digest(file) != found.digest
    with pytest.raises(FileNotFoundError):
        describe(tmp_path / "absent.csv", None, "train")


@pytest.mark.parametrize(
    "data", [3, "train.csv", b"bytes", object(), {"a": 3}, {"a": [1], "b": [1, 2]}, [[1], [1, 2]]]
)
def test_what_is_no_data_is_refused(data: object) -> None:
    with pytest.raises(TypeError, match="dataset"):
        describe(data, None, "train")


def test_arrays_side_by_side_are_told_to_be_logged_one_by_one() -> None:
    with pytest.raises(TypeError, match=r"log_dataset\(X, 'X'\)"):
        describe((VALUES, VALUES[:, 0]), None, "train")


@pytest.mark.parametrize(
    ("data", "shape"),
    [
        (VALUES, (3, 3)),
        (np.zeros(5), (5,)),
        (np.zeros((2, 28, 28)), (2, 28, 28)),
        (pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}), (2, 2)),
        (pd.Series([1, 2, 3]), (3,)),
        (pl.DataFrame({"a": [1, 2], "b": ["x", "y"]}), (2, 2)),
        (pl.LazyFrame({"a": [1, 2], "b": ["x", "y"]}), (2, 2)),
        (pl.Series([1, 2, 3]), (3,)),
        (csr_matrix(np.eye(3, 4)), (3, 4)),
        ({"a": [1, 2], "b": ["x", "y"]}, (2, 2)),
        ([[1, 2, 3], [4, 5, 6]], (2, 3)),
        ([{"a": 1}, {"a": 2}], (2, 1)),
        ([1, 2, 3], (3,)),
        ([], (0,)),
    ],
)
def test_the_shape_was_never_noted(tmp_path: Path, data: object, shape: tuple[int, ...]) -> None:
    with Workspace(tmp_path / "store").start_run() as run:
        said = run.log_dataset(data, "X")

    (read,) = run.datasets
    assert said.shape == read.shape == shape
    assert said.rows == read.rows == shape[0]
    (log,) = (tmp_path / "store").rglob("*.jsonl")
    (line,) = [each for each in map(json.loads, log.read_text().splitlines()) if "digest" in each]
    assert line["shape"] == list(shape)


def test_a_file_has_no_shape(tmp_path: Path) -> None:
    file = tmp_path / "data.csv"
    file.write_text("a,b")

    assert describe(file, None, "train").shape is None
