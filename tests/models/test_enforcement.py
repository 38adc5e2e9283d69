"""Data is held against a signature with the conversions MLflow makes, and a mismatch names what is wrong.

That MLflow 3.17.2 accepts and refuses the same was found by running it on the same pairs; where podium is stricter or
more lenient on purpose, the test says so.
"""

from __future__ import annotations

import datetime
import decimal
import warnings
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse

from podium.errors import PodiumWarning, SchemaError
from podium.models.columns import ArrayOf, Column, ColumnType, MapOf, ObjectOf, Param, Tensor
from podium.models.signature import Signature

NOON = datetime.datetime(2020, 1, 1, 12, tzinfo=datetime.UTC)


def enforced(kind: ColumnType, values: object, *, required: bool = True) -> Any:
    frame = pd.DataFrame({"a": values})
    return Signature((Column(kind, "a", required),)).enforce(frame)["a"]


# What passes


@pytest.mark.parametrize(
    ("kind", "values", "dtype"),
    [
        ("integer", np.array([1], "int8"), "int32"),
        ("integer", np.array([1], "uint8"), "int32"),
        ("long", np.array([1], "int32"), "int64"),
        ("long", np.array([1], "uint32"), "int64"),
        ("long", pd.Series([1, 2], dtype=object), "int64"),
        ("float", np.array([1], "float16"), "float32"),
        ("double", np.array([1], "float32"), "float64"),
        ("double", np.array([1], "int32"), "float64"),
        ("double", np.array([1], "uint32"), "float64"),
        ("double", np.array([0, 1], "int64"), "float64"),
        ("double", pd.array([1, None], dtype="Int64"), "float64"),
        ("double", [decimal.Decimal("1.5")], "float64"),
        ("double", [None, None], "float64"),
        ("datetime", pd.to_datetime(["2020-01-01"]).astype("datetime64[s]"), "datetime64[ns]"),
        ("datetime", [datetime.date(2020, 1, 1), None], "datetime64[ns]"),
        ("string", pd.Series(["x"], dtype=object), "object"),
        ("boolean", pd.Series([True, None], dtype=object), "object"),
        ("binary", ["text"], "str"),
    ],
)
def test_what_loses_nothing_is_converted(kind: str, values: object, dtype: str) -> None:
    assert str(enforced(kind, values).dtype) == dtype


def test_values_survive_the_conversion() -> None:
    values = np.array([-(2**31), 0, 2**31 - 1], "int32")

    assert enforced("double", values).tolist() == values.tolist()


def test_nulls_are_no_reason_to_refuse_text() -> None:
    """Required means the column is there; an imputer in the model is used to nulls. As in MLflow."""
    assert enforced("string", ["x", None]).tolist()[0] == "x"


def test_the_callers_frame_is_not_changed() -> None:
    frame = pd.DataFrame({"b": [1], "a": np.array([1], "int32")})
    before = frame.copy()

    Signature((Column("double", "a"), Column("long", "b"))).enforce(frame)

    pd.testing.assert_frame_equal(frame, before)


def test_columns_come_in_the_order_of_the_signature_with_the_rows_index() -> None:
    frame = pd.DataFrame({"b": [1], "a": [2.0]}, index=["row"])

    got = Signature((Column("double", "a"), Column("long", "b"))).enforce(frame)

    assert list(got.columns) == ["a", "b"]
    assert list(got.index) == ["row"]


@pytest.mark.parametrize(
    "data",
    [
        {"a": 1.0, "b": "x"},
        {"a": [1.0], "b": ["x"]},
        {"a": np.array([1.0]), "b": np.array(["x"])},
        {"a": (1.0,), "b": ("x",)},
        [{"a": 1.0, "b": "x"}],
        pl.DataFrame({"a": [1.0], "b": ["x"]}),
    ],
)
def test_what_makes_a_table_is_made_one(data: object) -> None:
    got = Signature((Column("double", "a"), Column("string", "b"))).enforce(data)

    assert got.to_dict(orient="records") == [{"a": 1.0, "b": "x"}]


def test_a_named_series_is_its_column() -> None:
    got = Signature((Column("double", "a"),)).enforce(pd.Series([1.0], name="a"))

    assert got["a"].tolist() == [1.0]


def test_a_missing_optional_column_is_left_out() -> None:
    signature = Signature((Column("double", "a"), Column("long", "b", required=False)))

    assert list(signature.enforce(pd.DataFrame({"a": [1.0]})).columns) == ["a"]


def test_an_extra_column_is_left_out_and_said() -> None:
    with pytest.warns(PodiumWarning, match="does not take 'zz'"):
        got = Signature((Column("double", "a"),)).enforce(pd.DataFrame({"a": [1.0], "zz": [1]}))

    assert list(got.columns) == ["a"]


def test_any_takes_anything() -> None:
    data = object()

    assert Signature((Column("any"),)).enforce(data) is data


EXAMPLES: list[object] = [
    pd.DataFrame({"a": [1.5, 2.5], "b": ["x", None], "c": [1, 2], "d": [True, False]}),
    pd.DataFrame({"a": pd.Series([True, None], dtype=object), "b": pd.Series([1.5, 2], dtype=object)}),
    pd.DataFrame({"a": pd.array([1, None], dtype="Int64"), "b": pd.array([True, None], dtype="boolean")}),
    pd.DataFrame({"a": pd.Categorical(["x", "y"]), "b": pd.Categorical([1, 2])}),
    pd.DataFrame({"a": [datetime.date(2020, 1, 1), None], "b": pd.DatetimeIndex(["2020-01-01", None])}),
    pd.DataFrame({"a": pd.DatetimeIndex(["2020-01-01", None], tz="UTC"), "b": [NOON, None]}),
    pd.DataFrame({"a": [None, None], "b": [b"x", b"y"], "c": [decimal.Decimal(1), decimal.Decimal(2)]}),
    pd.DataFrame({"a": [{"k": 1}, {"k": 2, "z": "s"}], "b": [[1, 2], [3]], "c": [np.ones(2), np.ones(3)]}),
    pd.DataFrame([[1.0, 2], [3.0, 4]]),
    pd.DataFrame([[1, 2.0]], columns=["twice", "twice"]),
    pd.Series([1.0], name="q"),
    pd.Series(["x", None]),
    np.ones((2, 3)),
    np.array(["a", "bcd"]),
    np.array(["a", None], dtype=object),
    np.float32(1),
    scipy.sparse.csr_matrix(np.eye(3)),
    {"x": np.ones((2, 3)), "y": np.ones(2)},
    {"a": 1.0, "b": "x", "c": None},
    {"a": [1, 2], "b": ["x", "y"]},
    {"a": {"b": {"c": 1}}},
    [{"a": 1, "b": "x"}, {"a": 2}],
    [{"a": [1, 2]}, {"a": [3]}],
    ["a", "b"],
    ["a", None],
    [1, 2.5],
    [[1, 2], [3]],
    [],
    "text",
    3,
    1.5,
    True,
    b"x",
    NOON,
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: str(each)[:30].replace("\n", " "))
def test_every_example_fits_the_signature_it_gave(example: object) -> None:
    signature = Signature.infer(example)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        signature.enforce(example)


# What does not


@pytest.mark.parametrize(
    ("kind", "values", "found"),
    [
        ("double", np.array([2], "int64"), "int64"),
        ("float", np.array([2], "int32"), "int32"),
        ("float", np.array([2], "int8"), "int8"),
        ("float", np.array([1.5], "float64"), "float64"),
        ("integer", np.array([1], "int64"), "int64"),
        ("integer", np.array([1], "uint32"), "uint32"),
        ("long", np.array([1], "uint64"), "uint64"),
        ("long", np.array([1.0]), "float64"),
        ("long", [1, None], "nulls"),
        ("long", pd.array([1, None], dtype="Int64"), "nulls"),
        ("string", np.array([1]), "int64"),
        ("boolean", np.array([1]), "int64"),
        ("long", np.array([True]), "bool"),
        ("double", ["1.5"], "str"),
        ("double", pd.Series(["1.5"], dtype=object), "str"),
        ("datetime", ["2020-01-01"], "str"),
        ("binary", np.array([1]), "int64"),
    ],
)
def test_what_would_lose_something_is_refused_by_name(kind: str, values: object, found: str) -> None:
    with pytest.raises(SchemaError, match="column 'a'") as caught:
        enforced(kind, values)

    assert (caught.value.column, caught.value.expected) == ("a", kind)
    assert caught.value.found is not None
    assert found in caught.value.found


def test_a_missing_column_is_named_with_what_is_there() -> None:
    signature = Signature((Column("double", "a"), Column("long", "b"), Column("string", "c")))

    with pytest.raises(SchemaError, match="needs 'b', 'c', and the data has only 'a', 'x'") as caught:
        signature.enforce(pd.DataFrame({"a": [1.0], "x": [1]}))

    assert (caught.value.column, caught.value.expected, caught.value.found) == ("b", "long", "missing")


@pytest.mark.parametrize(
    "data",
    [
        np.ones((1, 2)),
        [[1.0, 2.0]],
        3,
        "text",
        None,
        {"x": np.ones((1, 2)), "y": np.ones(1)},
        {"a": [1], "b": [1, 2]},
    ],
)
def test_what_makes_no_table_of_these_columns_is_refused(data: object) -> None:
    with pytest.raises(SchemaError):
        Signature((Column("double", "a"), Column("double", "b"))).enforce(data)


def test_repeated_names_can_only_mean_the_same_columns() -> None:
    signature = Signature((Column("double", "a"), Column("double", "a")))

    signature.enforce(pd.DataFrame([[1.0, 2.0]], columns=["a", "a"]))
    with pytest.raises(SchemaError, match="repeated names"):
        signature.enforce(pd.DataFrame({"a": [1.0]}))


@pytest.mark.parametrize(
    ("kind", "value", "column"),
    [
        (ArrayOf("long"), ["x"], "a"),
        (ArrayOf("long"), 3, "a"),
        (MapOf("double"), {"k": "x"}, "a"),
        (ObjectOf((("k", "long", True),)), {"k": "x"}, "a.k"),
        (ObjectOf((("k", "long", True),)), {}, "a.k"),
    ],
)
def test_nested_values_are_held_down_to_the_leaf(kind: ColumnType, value: object, column: str) -> None:
    with pytest.raises(SchemaError) as caught:
        enforced(kind, [value])

    assert caught.value.column == column


def test_nested_values_that_fit_pass() -> None:
    kind = ObjectOf((("k", ArrayOf("double"), True), ("z", "string", False)))

    assert enforced(kind, [{"k": [1.5]}, {"k": np.ones(2), "z": None}]).tolist()[0] == {"k": [1.5]}


# Unnamed columns


def test_unnamed_columns_go_by_position() -> None:
    signature = Signature((Column("double"), Column("double")))
    wide = np.ones((2, 3))

    assert signature.enforce(wide) is wide
    with pytest.raises(SchemaError, match="takes 2 columns; found 1"):
        signature.enforce(np.ones((2, 1)))


def test_a_list_of_texts_is_held_value_by_value() -> None:
    texts = Signature.infer(["a"])

    assert texts.enforce(["b", "c"]) == ["b", "c"]
    with pytest.raises(SchemaError, match="a value is long; the model takes string"):
        texts.enforce(["b", 3])


# Tensors


def test_an_array_passes_as_it_is() -> None:
    array = np.ones((5, 2))

    assert Signature((Tensor("float64", (-1, 2)),)).enforce(array) is array


@pytest.mark.parametrize(
    ("data", "expected", "found"),
    [
        (np.ones((2, 2), "float32"), "float64", "float32"),
        (np.ones((2, 2), "int64"), "float64", "int64"),
        (np.ones((2, 3)), "(-1, 2)", "(2, 3)"),
        (np.ones(2), "(-1, 2)", "(2,)"),
        ([[1.0, 2.0], [3.0]], "an array of float64", "a list"),
        ([[1.0, 2.0, 3.0]], "(-1, 2)", "(1, 3)"),
        ([1.0, 2.0], "(-1, 2)", "(2,)"),
        ([["a", "b"]], "float64", "str"),
        ([[None, 1.0]], "float64", "object"),
        ([[2**60 + 1, 1]], "float64", "int64"),
        ("text", "an array of float64", "a str"),
    ],
)
def test_another_dtype_or_shape_is_refused(data: object, expected: str, found: str) -> None:
    with pytest.raises(SchemaError) as caught:
        Signature((Tensor("float64", (-1, 2)),)).enforce(data)

    assert (caught.value.expected, caught.value.found) == (expected, found)


@pytest.mark.parametrize(
    ("dtype", "data"),
    [
        ("float64", [[1.0, 2.0], [3.0, float("nan")]]),
        ("float64", [[1, 2]]),
        ("float32", [(1, 0.1)]),
        ("int64", ((1, 2),)),
        ("uint8", [[0, 255]]),
    ],
)
def test_nested_lists_are_the_array_they_spell_if_no_value_changes(dtype: str, data: object) -> None:
    found = Signature((Tensor(dtype, (-1, 2)),)).enforce(data)

    assert isinstance(found, np.ndarray)
    assert found.dtype == dtype
    assert np.array_equal(found, np.asarray(data, dtype), equal_nan=dtype.startswith("float"))


@pytest.mark.parametrize(
    ("dtype", "data"), [("uint8", [[0, 256]]), ("int64", [[0.5, 1]]), ("int32", [[2**40, 1]])]
)
def test_nested_lists_whose_values_would_change_are_refused(dtype: str, data: object) -> None:
    with pytest.raises(SchemaError, match=dtype):
        Signature((Tensor(dtype, (-1, 2)),)).enforce(data)


def test_frames_and_sparse_matrices_are_arrays_too() -> None:
    signature = Signature((Tensor("float64", (-1, 2)),))

    assert signature.enforce(pd.DataFrame({"a": [1.0], "b": [2.0]})).tolist() == [[1.0, 2.0]]
    assert signature.enforce(pl.DataFrame({"a": [1.0], "b": [2.0]})).tolist() == [[1.0, 2.0]]
    assert signature.enforce(scipy.sparse.csr_matrix([[1.0, 2.0]])).shape == (1, 2)


def test_an_array_of_objects_may_come_as_texts() -> None:
    texts = np.array(["a", "b"])

    assert Signature((Tensor("object", (-1,)),)).enforce(texts) is texts


def test_named_tensors_come_in_a_dict() -> None:
    signature = Signature((Tensor("float64", (-1,), "x"), Tensor("int64", (-1, 2), "y")))
    data = {"y": np.ones((3, 2), "int64"), "x": np.ones(3)}

    assert list(signature.enforce(data)) == ["x", "y"]
    with pytest.raises(SchemaError, match="needs 'y'") as caught:
        signature.enforce({"x": np.ones(3)})
    assert caught.value.column == "y"
    with pytest.raises(SchemaError, match="a dict of arrays with the keys 'x', 'y'"):
        signature.enforce(np.ones(3))
    with pytest.raises(SchemaError, match="input 'x' has dtype int64"):
        signature.enforce(data | {"x": np.ones(3, "int64")})


# Params


PARAMS = Signature(
    params=(Param("k", "long", 2), Param("f", "double", 0.5), Param("words", "string", ["a"], is_list=True))
)


def test_params_that_are_not_given_have_their_defaults() -> None:
    assert PARAMS.enforce_params(None) == {"k": 2, "f": 0.5, "words": ["a"]}
    assert PARAMS.enforce_params({"k": np.int32(7), "words": ("b", "c")}) == {
        "k": 7,
        "f": 0.5,
        "words": ["b", "c"],
    }


def test_an_integer_is_a_float_but_not_the_reverse() -> None:
    widened = PARAMS.enforce_params({"f": 3})["f"]

    assert isinstance(widened, float)
    with pytest.raises(SchemaError, match="param 'k' is double") as caught:
        PARAMS.enforce_params({"k": 3.0})
    assert (caught.value.column, caught.value.expected, caught.value.found) == ("k", "long", "double")


@pytest.mark.parametrize(
    "params", [{"k": "3"}, {"k": True}, {"f": "x"}, {"words": "abc"}, {"words": [1]}, "k=3", [1]]
)
def test_params_of_another_type_are_refused(params: Any) -> None:
    with pytest.raises(SchemaError):
        PARAMS.enforce_params(params)


def test_an_explicit_none_passes_through() -> None:
    assert PARAMS.enforce_params({"k": None})["k"] is None


def test_unknown_params_are_left_out_and_said() -> None:
    with pytest.warns(PodiumWarning, match="no param zz"):
        assert "zz" not in PARAMS.enforce_params({"zz": 1})
    with pytest.warns(PodiumWarning, match="k left out"):
        assert Signature((Column("any"),)).enforce_params({"k": 1}) == {}


def test_times_are_read_from_iso_text() -> None:
    when = Signature(params=(Param("t", "datetime", "2020-01-01"),))

    assert when.enforce_params({"t": "2020-01-01T12:00:00+00:00"}) == {"t": NOON}
    assert when.enforce_params(None) == {"t": datetime.datetime(2020, 1, 1)}
    with pytest.raises(SchemaError):
        when.enforce_params({"t": "soon"})
