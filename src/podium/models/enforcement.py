"""Holding data against a signature, with the conversions MLflow makes and no others.

What would lose a bit is refused with the column's name. Pure: data in, data out, never changed in place.
"""

from __future__ import annotations

import contextlib
import datetime
import sys
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from podium.errors import Invalid, PodiumWarning, SchemaError, missing_extra
from podium.models.columns import ArrayOf, Column, ColumnType, MapOf, ObjectOf, Param, Spec, Tensor, type_text
from podium.models.inference import (
    frame_of_polars,
    infer_specs,
    is_array,
    is_frame,
    is_polars,
    is_series,
    is_sparse,
)

__all__ = ["enforce_inputs", "enforce_params"]

_NUMPY = {
    "boolean": "bool",
    "integer": "int32",
    "long": "int64",
    "float": "float32",
    "double": "float64",
    "datetime": "datetime64[ns]",
}
_EXACT_IN_DOUBLE = 4
"""Bytes of the integers that a float64 holds without loss. To float32 MLflow converts none."""


def enforce_inputs(specs: Sequence[Spec], data: Any) -> Any:
    """``data`` as these columns or tensors want it.

    Raises:
        SchemaError: it does not fit.
    """
    tensors = [spec for spec in specs if isinstance(spec, Tensor)]
    if tensors:
        return _enforce_tensors(tensors, data)
    columns = [spec for spec in specs if isinstance(spec, Column)]
    if columns == [Column("any")]:
        return data
    if columns[0].name is None:
        return _enforce_unnamed(columns, data)
    return _enforce_named(columns, _as_frame(data, columns))


def _mismatch(message: str, *, column: object, expected: str, found: str) -> SchemaError:
    name = None if column is None else str(column)
    return SchemaError(message, column=name, expected=expected, found=found)


def _describe(data: Any) -> str:
    if is_array(data):
        return f"an array of {data.dtype} with shape {tuple(data.shape)}"
    if is_frame(data):
        return f"a DataFrame with the columns {', '.join(map(repr, list(data.columns)[:10]))}"
    return f"a {type(data).__name__}"


# Tensors


def _enforce_tensors(specs: Sequence[Tensor], data: Any) -> Any:
    if specs[0].name is None:
        return _enforce_tensor(specs[0], data)
    if is_frame(data):
        data = {name: data[name].to_numpy() for name in data.columns}
    if not isinstance(data, Mapping):
        names = ", ".join(repr(spec.name) for spec in specs)
        raise _mismatch(
            f"the model takes a dict of arrays with the keys {names}; found {_describe(data)}.",
            column=None,
            expected=f"a dict with {names}",
            found=_describe(data),
        )
    missing = [spec for spec in specs if spec.name not in data]
    if missing:
        raise _missing([spec.name for spec in missing], data.keys(), type_text_of=missing[0].dtype)
    _warn_extra([key for key in data if key not in {spec.name for spec in specs}])
    return {spec.name: _enforce_tensor(spec, data[spec.name]) for spec in specs}


def _enforce_tensor(spec: Tensor, data: Any) -> Any:
    if is_frame(data) or is_series(data):
        data = data.to_numpy()
    elif not is_array(data) and not is_sparse(data):
        is_polars = type(data).__module__.partition(".")[0] == "polars"
        data = data.to_numpy() if is_polars else _array_of_lists(spec, data)
    found = _tensor_dtype(data.dtype)
    if spec.dtype not in {found, "object"}:
        raise _mismatch(
            f"{_the_input(spec)} has dtype {found}; the model takes {spec.dtype}. Pass data.astype({spec.dtype!r}).",
            column=spec.name,
            expected=spec.dtype,
            found=found,
        )
    shape = tuple(data.shape)
    if len(shape) != len(spec.shape) or any(
        want not in {-1, got} for want, got in zip(spec.shape, shape, strict=True)
    ):
        raise _mismatch(
            f"{_the_input(spec)} has shape {shape}; the model takes {spec.shape} (-1: any length).",
            column=spec.name,
            expected=str(spec.shape),
            found=str(shape),
        )
    return data


def _array_of_lists(spec: Tensor, data: Any) -> Any:
    """Nested lists as the array they spell: they have no dtype to contradict, only values that must stay the same.

    A float becomes the nearest one of the dtype, as everywhere in Python.
    """
    import numpy as np

    if isinstance(data, list | tuple):
        with contextlib.suppress(ValueError):  # rows of several lengths
            spelled = np.asarray(data)
            return _cast_without_loss(spelled, spec.dtype) if spelled.dtype.kind in "iuf" else spelled
    raise _mismatch(
        f"the model takes an array of {spec.dtype}; found {_describe(data)}. Pass numpy.asarray(...).",
        column=spec.name,
        expected=f"an array of {spec.dtype}",
        found=_describe(data),
    )


def _cast_without_loss(spelled: Any, name: str) -> Any:
    """The numbers in the dtype that the model takes, or as they are where that would change one."""
    import numpy as np

    if np.dtype(name).kind not in "iuf":
        return spelled
    with np.errstate(all="ignore"):
        array = spelled.astype(name)
        back = array.astype(spelled.dtype)
    rounds = spelled.dtype.kind == "f" and array.dtype.kind == "f"
    return array if rounds or np.array_equal(spelled, back, equal_nan=spelled.dtype.kind == "f") else spelled


def _the_input(spec: Tensor) -> str:
    return "the input" if spec.name is None else f"input {spec.name!r}"


def _tensor_dtype(dtype: Any) -> str:
    if dtype.kind in "UT":
        return "str"
    return "bytes" if dtype.kind == "S" else str(dtype.name)


# Columns


def _as_frame(data: Any, columns: Sequence[Column]) -> Any:
    if is_frame(data):
        return data
    if is_series(data):
        return data.to_frame()
    try:
        import pandas
    except ModuleNotFoundError as error:
        raise missing_extra("A model with named columns", "pandas") from error
    if is_polars(data):
        return frame_of_polars(data)
    if isinstance(data, Mapping):
        scalar = not any(isinstance(v, list | tuple) or hasattr(v, "__array__") for v in data.values())
        nested = {c.name for c in columns if not isinstance(c.type, str)}
        if scalar or any(name in nested for name in data):
            return pandas.DataFrame([dict(data)])
        try:
            return pandas.DataFrame({key: list(v) if isinstance(v, tuple) else v for key, v in data.items()})
        except ValueError as error:  # arrays of two dimensions, columns of different lengths
            raise _mismatch(
                f"this dict makes no table: {error}. Pass one flat column of the same length a key.",
                column=None,
                expected="columns of one length",
                found=_describe(data),
            ) from error
    if isinstance(data, list) and data and all(isinstance(row, Mapping) for row in data):
        return pandas.DataFrame(data)
    if (is_array(data) and data.ndim <= 2) or isinstance(data, list):
        return pandas.DataFrame(
            data
        )  # its columns are 0, 1 ...: named ones are then missing, which is said by name
    names = ", ".join(repr(column.name) for column in columns[:10])
    raise _mismatch(
        f"the model takes a DataFrame with the columns {names}; found {_describe(data)}.",
        column=None,
        expected=f"columns {names}",
        found=_describe(data),
    )


def _missing(names: Sequence[object], given: Any, *, type_text_of: str) -> SchemaError:
    extra = [name for name in given if name not in set(names)]
    text = f"the model needs {', '.join(repr(name) for name in names)}, and the data has "
    text += f"only {', '.join(repr(name) for name in extra[:10])}" if extra else "no columns"
    return _mismatch(
        f"{text}. Pass a DataFrame (or a dict) with these names.",
        column=names[0],
        expected=type_text_of,
        found="missing",
    )


def _warn_extra(names: Sequence[object]) -> None:
    if names:
        listed = ", ".join(repr(name) for name in names[:10])
        warnings.warn(f"the model does not take {listed}: left out", PodiumWarning, stacklevel=5)


def _enforce_named(columns: Sequence[Column], frame: Any) -> Any:
    import pandas

    given = set(frame.columns)
    missing = [column for column in columns if column.required and column.name not in given]
    if missing:
        raise _missing(
            [c.name for c in missing], list(frame.columns), type_text_of=type_text(missing[0].type)
        )
    names = {column.name for column in columns}
    _warn_extra([name for name in frame.columns if name not in names])
    present = [column for column in columns if column.name in given]
    if len(set(names)) < len(columns) or not frame.columns.is_unique:
        return _enforce_repeated(columns, frame)
    converted = {column.name: _enforce_series(column, frame[column.name]) for column in present}
    unchanged = all(
        converted[name] is frame[name] or converted[name].dtype == frame[name].dtype for name in converted
    )
    if unchanged:
        return frame[[column.name for column in present]]
    return pandas.DataFrame(converted, index=frame.index)


def _enforce_repeated(columns: Sequence[Column], frame: Any) -> Any:
    """Names that occur twice: only the very same columns in the very same order can be meant."""
    names = [column.name for column in columns]
    if list(frame.columns) != names:
        raise _mismatch(
            f"the model takes columns with repeated names, so exactly {names!r} in this order; found "
            f"{list(frame.columns)!r}.",
            column=None,
            expected=str(names),
            found=str(list(frame.columns)),
        )
    for position, column in enumerate(columns):
        _enforce_series(column, frame.iloc[:, position])
    return frame


def _enforce_series(column: Column, series: Any) -> Any:
    kind = column.type
    if column.required and kind in {"integer", "long"} and bool(series.isna().any()):
        raise _refuse(column, "nulls", "it is required and holds nulls")
    if not isinstance(kind, str):
        for value in series:
            _check_value(kind, value, column.name, required=column.required)
        return series
    if kind == "any":
        return series
    dtype = series.dtype
    if hasattr(dtype, "categories"):
        _enforce_series(column, series.cat.categories.to_series())
        return series
    if kind in {"string", "binary"}:
        return _enforce_text(column, series)
    if getattr(dtype, "kind", "") == "O":
        if kind == "boolean" and all(isinstance(v, bool) for v in series.dropna()):
            return series  # with nulls between it stays a column of objects
        series = _from_objects(column, series)
        dtype = series.dtype
    plain = getattr(dtype, "numpy_dtype", dtype)
    target = _NUMPY[kind]
    if str(plain) == target:
        return series
    if kind == "datetime" and getattr(plain, "kind", "") == "M":
        return series.astype(target) if getattr(dtype, "tz", None) is None else series
    if _loses_nothing(plain, target) or _only_zeros_and_ones(plain, target, series):
        return series.astype(target)
    raise _refuse(column, str(dtype), "not every value would survive the conversion")


def _from_objects(column: Column, series: Any) -> Any:
    """A column of Python objects as the numbers or times that they are."""
    present = series.dropna()
    if column.type == "double" and len(present) and all(type(v).__name__ == "Decimal" for v in present):
        return series.astype("float64")
    if column.type == "datetime" and all(isinstance(v, datetime.date) for v in present):
        return (
            series.astype("datetime64[ns]")
            if all(getattr(v, "tzinfo", None) is None for v in present)
            else series
        )
    if len(present) == 0 and column.type in {"double", "float"}:
        return series.astype(_NUMPY[column.type])
    return series.infer_objects()


def _enforce_text(column: Column, series: Any) -> Any:
    if getattr(series.dtype, "kind", "") == "O" and str(series.dtype) == "object":
        wanted: tuple[type, ...] = (str,) if column.type == "string" else (bytes, bytearray, str)
        if column.type == "string" or all(isinstance(v, wanted) for v in series.dropna()):
            return series
    elif str(series.dtype) in {"str", "string"} or str(series.dtype).startswith("string["):
        return series
    raise _refuse(column, str(series.dtype), f"it is no {column.type}")


def _refuse(column: Column, found: str, why: str) -> SchemaError:
    expected = type_text(column.type)
    return _mismatch(
        f"column {column.name!r} has {found}; the model takes {expected}: {why}. Convert it before predict.",
        column=column.name,
        expected=expected,
        found=found,
    )


def _loses_nothing(dtype: Any, target: str) -> bool:
    import numpy

    wanted = numpy.dtype(target)
    kind = getattr(dtype, "kind", "O")
    if kind == wanted.kind and kind in "iuf":
        return bool(dtype.itemsize <= wanted.itemsize)
    if kind == "u" and wanted.kind == "i":
        return bool(dtype.itemsize < wanted.itemsize)
    if kind in "iu" and target == "float64":
        return bool(dtype.itemsize <= _EXACT_IN_DOUBLE)
    return False


def _only_zeros_and_ones(dtype: Any, target: str, series: Any) -> bool:
    """MLflow's exception: a column of int64 that is really yes and no."""
    if str(dtype) != "int64" or target not in {"float32", "float64"}:
        return False
    return bool((series.isna() | series.isin([0, 1])).all())


def _enforce_unnamed(columns: Sequence[Column], data: Any) -> Any:
    """Columns without names go by position; fewer fail, more pass."""
    if is_series(data):
        _enforce_series(columns[0], data)
        return data
    if (is_array(data) and data.ndim == 2) or is_frame(data):
        if data.shape[1] < len(columns):
            raise _mismatch(
                f"the model takes {len(columns)} columns; found {data.shape[1]}.",
                column=None,
                expected=f"{len(columns)} columns",
                found=f"{data.shape[1]} columns",
            )
        if is_frame(data):
            for position, column in enumerate(columns):
                _enforce_series(column, data.iloc[:, position])
        return data
    values = data if isinstance(data, list | tuple) else data.tolist() if is_array(data) else [data]
    for value in values if isinstance(values, list | tuple) else [values]:
        _check_value(columns[0].type, value, columns[0].name, required=columns[0].required)
    return data


_PYTHON = {
    "boolean": ("boolean",),
    "integer": ("integer", "long"),
    "long": ("integer", "long"),
    "float": ("float", "double", "integer", "long"),
    "double": ("float", "double", "integer", "long"),
    "string": ("string",),
    "binary": ("binary",),
    "datetime": ("datetime",),
}


def _check_value(kind: ColumnType, value: Any, column: object, *, required: bool) -> None:
    """One Python value against a type; nested ones go down to the leaf."""
    if kind == "any" or (value is None and (not required or kind in {"string", "binary"})):
        return
    if isinstance(kind, ArrayOf) and (isinstance(value, list | tuple) or is_array(value)):
        for each in value:
            _check_value(kind.items, each, column, required=True)
        return
    if isinstance(kind, MapOf) and isinstance(value, Mapping):
        for each in value.values():
            _check_value(kind.values, each, column, required=True)
        return
    if isinstance(kind, ObjectOf) and isinstance(value, Mapping):
        _check_object(kind, value, column)
        return
    found = _kind_of(value)
    if isinstance(kind, str) and found in _PYTHON[kind]:
        return
    where = "a value" if column is None else f"column {column!r}"
    expected = type_text(kind)
    raise _mismatch(
        f"{where} is {found}; the model takes {expected}.", column=column, expected=expected, found=found
    )


def _check_object(kind: ObjectOf, value: Mapping[str, Any], column: object) -> None:
    for name, each, required in kind.properties:
        inner = name if column is None else f"{column}.{name}"
        if name in value:
            _check_value(each, value[name], inner, required=required)
        elif required:
            raise _missing([inner], list(value), type_text_of=type_text(each))


def _kind_of(value: Any) -> str:
    try:
        spec = infer_specs(value)[0]
    except Invalid:
        return type(value).__name__
    if (
        isinstance(spec, Column)
        and isinstance(spec.type, str)
        and not isinstance(value, list | tuple | Mapping)
    ):
        return spec.type
    return type(value).__name__


# Params


def enforce_params(specs: Sequence[Param] | None, params: object) -> dict[str, Any]:
    """The params of one call, defaults filled in.

    Raises:
        SchemaError: one has another type, or ``params`` is no mapping.
    """
    if params is not None and not isinstance(params, Mapping):
        found = type(params).__name__
        raise _mismatch(f"params must be a dict; found {found}.", column=None, expected="dict", found=found)
    given = dict(params or {})
    if specs is None:
        if given:
            text = f"the model's signature has no params: {', '.join(given)} left out"
            warnings.warn(text, PodiumWarning, stacklevel=4)
        return {}
    unknown = [name for name in given if name not in {spec.name for spec in specs}]
    if unknown:
        warnings.warn(f"the model has no param {', '.join(unknown)}: left out", PodiumWarning, stacklevel=4)
    return {spec.name: _enforce_param(spec, given.get(spec.name, spec.default)) for spec in specs}


def _enforce_param(spec: Param, value: Any) -> Any:
    if value is None:
        return None
    if not spec.is_list:
        return _param_value(spec, value)
    if is_array(value):
        value = value.tolist()
    if not isinstance(value, list | tuple):
        raise _bad_param(spec, value)
    return [_param_value(spec, each) for each in value]


def _param_value(spec: Param, value: Any) -> Any:
    if spec.type == "datetime" and isinstance(value, str):
        try:
            return datetime.datetime.fromisoformat(value)
        except ValueError as error:
            raise _bad_param(spec, value) from error
    if isinstance(spec.type, str):
        numpy = sys.modules.get("numpy")
        plain = value.item() if numpy is not None and isinstance(value, numpy.generic) else value
        if spec.type != "any" and _kind_of(plain) not in _PYTHON[spec.type]:
            raise _bad_param(spec, value)
        return float(plain) if spec.type in {"float", "double"} else plain
    _check_value(spec.type, value, spec.name, required=True)
    return value


def _bad_param(spec: Param, value: object) -> SchemaError:
    expected = f"{'list of ' if spec.is_list else ''}{type_text(spec.type)}"
    found = _kind_of(value)
    return _mismatch(
        f"param {spec.name!r} is {found} ({value!r}); the model takes {expected}.",
        column=spec.name,
        expected=expected,
        found=found,
    )
