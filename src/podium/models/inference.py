"""From examples to a signature, by the table of MLflow's `infer_signature`.

Looks at values and types only. numpy and pandas are taken from the modules the caller's data already brought: a value
cannot be a frame where pandas was never imported.
"""

from __future__ import annotations

import base64
import datetime
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from podium.errors import Invalid, missing_extra
from podium.models.columns import ArrayOf, Column, ColumnType, MapOf, ObjectOf, Param, Spec, Tensor

__all__ = [
    "frame_of_polars",
    "infer_params",
    "infer_specs",
    "is_array",
    "is_frame",
    "is_polars",
    "is_series",
    "is_sparse",
]

_SIGNED = {1: "integer", 2: "integer", 4: "integer", 8: "long"}
_UNSIGNED = {1: "integer", 2: "integer", 4: "long"}
_FLOATS = {2: "float", 4: "float", 8: "double"}
_ANY = (Column("any"),)


def is_frame(value: object) -> bool:
    """Whether it is a pandas DataFrame."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.DataFrame)


def is_series(value: object) -> bool:
    """Whether it is a pandas Series."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.Series)


def is_array(value: object) -> bool:
    """Whether it is a numpy array."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray)


def is_sparse(value: object) -> bool:
    """Whether it is a CSR or CSC matrix of scipy."""
    scipy = sys.modules.get("scipy.sparse")
    return (
        scipy is not None and bool(scipy.issparse(value)) and getattr(value, "format", "") in {"csr", "csc"}
    )


def is_polars(value: object) -> bool:
    """Whether it is a polars DataFrame."""
    polars = sys.modules.get("polars")
    return polars is not None and isinstance(value, polars.DataFrame)


def frame_of_polars(data: Any) -> Any:
    """A polars DataFrame as the pandas one that signatures and examples know.

    Raises:
        MissingExtra: pandas is not installed.
    """
    try:
        import pandas
    except ModuleNotFoundError as error:
        raise missing_extra("A model that takes a polars DataFrame", "pandas") from error
    return pandas.DataFrame({name: data[name].to_numpy() for name in data.columns})


def infer_specs(data: Any) -> tuple[Spec, ...]:
    """The columns or tensors that an example shows.

    Raises:
        Invalid: nothing of MLflow's vocabulary fits.
    """
    if is_polars(data):
        data = frame_of_polars(data)
    if is_frame(data):
        return _frame(data)
    if is_series(data):
        return _columns([(data.name, data)])
    if is_array(data):
        return (Tensor(_dtype(data.dtype), (-1, *data.shape[1:]) if data.ndim else ()),)
    if is_sparse(data):
        return (Tensor(_dtype(data.dtype), (-1, *data.shape[1:])),)
    if isinstance(data, Mapping):
        return _mapping(data)
    if isinstance(data, list | tuple):
        return _rows(data)
    return (Column(_value_type(data)),)


def _frame(data: Any) -> tuple[Spec, ...]:
    return _columns([(name, data.iloc[:, i]) for i, name in enumerate(data.columns)])


def _columns(named: Sequence[tuple[object, Any]]) -> tuple[Spec, ...]:
    specs: list[Spec] = []
    for name, series in named:
        kind = _series_type(series)
        if kind is None:
            return _ANY  # one column that nothing fits: MLflow then makes the whole schema "any"
        specs.append(Column(kind, _name(name), not bool(series.isna().any())))
    return tuple(specs)


def _name(name: object) -> str | int | None:
    if name is None or isinstance(name, str):
        return name
    if isinstance(name, int) or hasattr(name, "__index__"):
        return int(name)
    return str(name)


def _series_type(series: Any) -> ColumnType | None:
    dtype = series.dtype
    if hasattr(dtype, "categories"):
        dtype = dtype.categories.dtype
    dtype = getattr(dtype, "numpy_dtype", dtype)
    if str(dtype) in {"str", "string"} or str(dtype).startswith("string["):
        return "string"
    kind = getattr(dtype, "kind", "O")
    if kind != "O":
        return _scalar_of(dtype)
    present = [each for each in series if not _is_null(each)]
    if not present:
        return "any"
    try:
        kinds = [_value_type(each) for each in present]
        return "double" if {"long", "double"} == {str(kind) for kind in kinds} else _common(kinds)
    except Invalid:
        return None


def _scalar_of(dtype: Any) -> str | None:
    """A numpy dtype in the words of a column, or None where there is none."""
    if dtype.kind in "OUSTbMV":
        return {"U": "string", "T": "string", "S": "binary", "b": "boolean", "M": "datetime"}.get(dtype.kind)
    sizes = {"i": _SIGNED, "u": _UNSIGNED, "f": _FLOATS}.get(dtype.kind, {})
    return sizes.get(dtype.itemsize)


def _is_null(value: object) -> bool:
    if value is None:
        return True
    if isinstance(value, float):
        return math.isnan(value)
    return type(value).__name__ in {"NAType", "NaTType"}


def _dtype(dtype: Any) -> str:
    if dtype.kind in "UT":
        return "str"
    return "bytes" if dtype.kind == "S" else str(dtype.name)


def _mapping(data: Mapping[Any, Any]) -> tuple[Spec, ...]:
    if not data:
        raise Invalid("a signature cannot be inferred from an empty dict.")
    if not all(isinstance(key, str) for key in data):
        raise Invalid("a signature can be inferred from a dict only where all keys are text.")
    if all(is_array(value) for value in data.values()):
        return tuple(
            Tensor(_dtype(v.dtype), (-1, *v.shape[1:]) if v.ndim else (), k) for k, v in data.items()
        )
    return tuple(Column(_value_type(_plain(v)), k, not _is_null(v)) for k, v in data.items())


def _plain(value: Any) -> Any:
    """A series or array in a dict as the list that it is."""
    return value.tolist() if is_series(value) or is_array(value) else value


def _rows(data: Sequence[Any]) -> tuple[Spec, ...]:
    if not data:
        return (Column("string"),)
    if not all(isinstance(row, Mapping) for row in data):
        kinds = [_value_type(each) for each in data]
        if len(set(kinds) - {"any"}) > 1 and all(isinstance(kind, str) for kind in kinds):
            return _ANY  # numbers and texts in one list
        return (Column(_common(kinds)),)
    merged = _common([_value_type(dict(row)) for row in data])
    if not isinstance(merged, ObjectOf):
        raise Invalid("a signature cannot be inferred from rows whose values are all empty.")
    return tuple(Column(kind, name, required) for name, kind, required in merged.properties)


def _value_type(value: Any) -> ColumnType:
    if _is_null(value) and not isinstance(value, float):
        return "any"
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.generic):
        return _numpy_scalar(value)
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "long"
    if isinstance(value, float) or type(value).__name__ == "Decimal":
        return "double"
    if isinstance(value, str):
        return "string"
    if isinstance(value, bytes | bytearray):
        return "binary"
    if isinstance(value, datetime.date):
        return "datetime"
    if is_array(value):
        return _nested_array(value)
    if isinstance(value, list | tuple):
        return ArrayOf(_common([_value_type(each) for each in value]) if value else "any")
    if isinstance(value, Mapping):
        return _object(value)
    raise Invalid(f"a signature has no type for {type(value).__name__}.")


def _numpy_scalar(value: Any) -> ColumnType:
    kind = _scalar_of(value.dtype)
    if kind is None:
        raise Invalid(f"a signature has no column type for numpy's {value.dtype}.")
    return kind


def _nested_array(value: Any) -> ColumnType:
    kind: ColumnType | None = _scalar_of(value.dtype)
    if kind is None:
        return _value_type(value.tolist())
    for _ in range(value.ndim):
        kind = ArrayOf(kind)
    return kind


def _object(value: Mapping[Any, Any]) -> ColumnType:
    if not all(isinstance(key, str) for key in value):
        raise Invalid("a signature has a type for a dict only where all keys are text.")
    return ObjectOf(tuple((k, _value_type(_plain(v)), not _is_null(v)) for k, v in sorted(value.items())))


def _common(kinds: Sequence[ColumnType]) -> ColumnType:
    """The type all of ``kinds`` have; keys that some objects lack become optional."""
    known = [kind for kind in kinds if kind != "any"]
    if not known:
        return "any"
    first = known[0]
    if all(kind == first for kind in known):
        return first
    if all(isinstance(kind, ArrayOf) for kind in known):
        return ArrayOf(_common([kind.items for kind in known if isinstance(kind, ArrayOf)]))
    objects = [kind for kind in known if isinstance(kind, ObjectOf)]
    if len(objects) == len(known):
        return _merged(objects)
    raise Invalid(f"a signature needs values of one type, and these have {len(set(known))}.")


def _merged(objects: Sequence[ObjectOf]) -> ObjectOf:
    kinds: dict[str, list[tuple[ColumnType, bool]]] = {}
    for each in objects:
        for name, kind, required in each.properties:
            kinds.setdefault(name, []).append((kind, required))
    return ObjectOf(
        tuple(
            (
                name,
                _common([kind for kind, _ in seen]),
                len(seen) == len(objects) and all(req for _, req in seen),
            )
            for name, seen in sorted(kinds.items())
        )
    )


def infer_params(params: Mapping[str, object]) -> tuple[Param, ...]:
    """The params that an example of defaults shows.

    Raises:
        Invalid: a value is None, a list of lists, or a list of several types.
    """
    return tuple(_param(name, value) for name, value in params.items())


def _param(name: str, value: object) -> Param:
    value = _plain(value)
    if value is None:
        raise Invalid(f"the type of param {name!r} cannot be inferred from None.")
    if isinstance(value, list | tuple):
        kind = _common([_value_type(each) for each in value]) if value else "string"
        if not isinstance(kind, str):
            raise Invalid(
                f"param {name!r} is a list of {type(value[0]).__name__}; only flat lists are params."
            )
        return Param(name, kind, [_json_default(each) for each in value], is_list=True)
    kind = _value_type(value)
    if isinstance(kind, MapOf | ArrayOf):
        raise Invalid(f"param {name!r} has no type that a signature knows.")
    return Param(name, kind, _json_default(value))


def _json_default(value: Any) -> Any:
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.item() if hasattr(value, "item") else value
