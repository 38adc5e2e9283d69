"""What MLflow's `infer_signature` says of an example is what podium says of it.

Each expectation was written by MLflow 3.17.2 (numpy 2.4, pandas 3.1), where podium is not better on purpose.
"""

from __future__ import annotations

import datetime
import decimal
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from podium.errors import Invalid
from podium.models.columns import Column, Param, Tensor
from podium.models.signature import Signature


def inferred(example: object) -> Any:
    return json.loads(Signature.infer(example).to_json()["inputs"] or "")


def one_column(values: object) -> Any:
    (column,) = inferred(pd.DataFrame({"a": values}))
    return column


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.array([1], "int8"), "integer"),
        (np.array([1], "int16"), "integer"),
        (np.array([1], "int32"), "integer"),
        (np.array([1], "uint8"), "integer"),
        (np.array([1], "int64"), "long"),
        (np.array([1], "uint32"), "long"),
        (np.array([1], "float16"), "float"),
        (np.array([1], "float32"), "float"),
        (np.array([1], "float64"), "double"),
        (np.array([True]), "boolean"),
        (["x"], "string"),
        (pd.Series(["x"], dtype=object), "string"),
        ([b"x"], "binary"),
        (pd.to_datetime(["2020-01-01"]), "datetime"),
        (pd.to_datetime(["2020-01-01"], utc=True), "datetime"),
        ([datetime.date(2020, 1, 1)], "datetime"),
        (pd.Categorical(["x"]), "string"),
        (pd.Categorical([1]), "long"),
        (pd.array([1], dtype="Int64"), "long"),
        (pd.array([1.5], dtype="Float64"), "double"),
        (pd.array([True], dtype="boolean"), "boolean"),
        (pd.array(["x"], dtype="string"), "string"),
        (pd.Series([1, 2], dtype=object), "long"),
        (pd.Series([1.5, 2], dtype=object), "double"),
    ],
)
def test_columns_of_a_frame(values: object, kind: str) -> None:
    assert one_column(values) == {"type": kind, "name": "a", "required": True}


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1.0, None], "double"),
        (["x", None], "string"),
        (pd.array([1, None], dtype="Int64"), "long"),
        (pd.Series([True, None], dtype=object), "boolean"),
        (pd.DatetimeIndex(["2020-01-01", None]), "datetime"),
        ([None, None], "any"),
    ],
)
def test_a_column_with_nothing_in_places_is_optional(values: object, kind: str) -> None:
    assert one_column(values) == {"type": kind, "name": "a", "required": False}


@pytest.mark.parametrize("values", [np.array([1], "uint64"), [1j], [1, "x"], pd.to_timedelta([1])])
def test_one_column_without_a_type_makes_everything_any(values: object) -> None:
    assert inferred(pd.DataFrame({"a": values, "b": values})) == [{"type": "any", "required": True}]


def test_columns_of_dicts_and_lists_are_nested() -> None:
    assert one_column([{"k": 1}, {"k": 2, "z": "s"}])["properties"] == {
        "k": {"type": "long", "required": True},
        "z": {"type": "string", "required": False},
    }
    assert one_column([[1, 2], [3]])["items"] == {"type": "long"}
    assert one_column([np.array([1.0])])["items"] == {"type": "double"}


def test_numbered_columns_keep_their_numbers() -> None:
    assert [each["name"] for each in inferred(pd.DataFrame([[1.0, 2.0]]))] == [0, 1]


def test_a_series_is_one_column_named_as_it_is() -> None:
    assert inferred(pd.Series([1.0], name="q")) == [{"type": "double", "name": "q", "required": True}]
    assert inferred(pd.Series([1])) == [{"type": "long", "required": True}]


@pytest.mark.parametrize(
    ("array", "dtype", "shape"),
    [
        (np.ones((2, 3)), "float64", [-1, 3]),
        (np.ones(3, "int32"), "int32", [-1]),
        (np.ones((2, 3, 4), "float32"), "float32", [-1, 3, 4]),
        (np.array(["a", "bcd"]), "str", [-1]),
        (np.array([b"a"]), "bytes", [-1]),
        (np.array([True]), "bool", [-1]),
        (np.array(["a", None], dtype=object), "object", [-1]),
        (scipy.sparse.csr_matrix(np.eye(3)), "float64", [-1, 3]),
    ],
)
def test_arrays_are_tensors(array: object, dtype: str, shape: list[int]) -> None:
    assert inferred(array) == [{"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": shape}}]


def test_a_dict_of_arrays_is_named_tensors() -> None:
    assert Signature.infer({"x": np.ones((2, 3)), "y": np.ones(2)}).inputs == (
        Tensor("float64", (-1, 3), "x"),
        Tensor("float64", (-1,), "y"),
    )


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("a", "string"),
        (["a", "b"], "string"),
        (["a", None], "string"),
        ([], "string"),
        (1, "long"),
        (np.int32(1), "integer"),
        (np.float64(1), "double"),
        (1.5, "double"),
        ([1.5], "double"),
        (True, "boolean"),
        (b"x", "binary"),
        (decimal.Decimal(1), "double"),
        (datetime.datetime(2020, 1, 1), "datetime"),
        ([1, "a"], "any"),
        ([1, 2.5], "any"),
    ],
)
def test_bare_values_are_one_column_without_a_name(value: object, kind: str) -> None:
    assert inferred(value) == [{"type": kind, "required": True}]


def test_rows_are_columns_and_a_key_that_some_lack_is_optional() -> None:
    assert Signature.infer([{"a": 1, "b": "x"}, {"a": 2}]).inputs == (
        Column("long", "a"),
        Column("string", "b", required=False),
    )


@pytest.mark.parametrize("example", [{}, {1: 2}, object(), [object()], [{"a": {1: 2}}]])
def test_what_has_no_signature_is_refused(example: object) -> None:
    with pytest.raises(Invalid):
        Signature.infer(example)


def test_nothing_but_nulls_may_be_anything() -> None:
    assert inferred([None]) == [{"type": "any", "required": True}]


def test_params_take_their_types_from_their_defaults() -> None:
    found = Signature.infer(
        1, params={"k": 2, "f": np.float32(0.5), "words": ["a"], "day": datetime.date(2020, 1, 1)}
    )

    assert found.params == (
        Param("k", "long", 2),
        Param("f", "float", 0.5),
        Param("words", "string", ["a"], is_list=True),
        Param("day", "datetime", "2020-01-01"),
    )


@pytest.mark.parametrize("value", [None, [[1]], [1, "a"], object()])
def test_params_without_a_type_are_refused(value: object) -> None:
    with pytest.raises(Invalid):
        Signature.infer(1, params={"k": value})


def test_numpy_and_pandas_scalars_leave_json_defaults() -> None:
    found = Signature.infer(1, params={"k": np.int64(3), "many": np.array([1.5, 2.5])})

    assert json.loads(found.to_json()["params"] or "")[0]["default"] == 3
    assert json.loads(found.to_json()["params"] or "")[1]["default"] == [1.5, 2.5]
