"""Input examples: kept with a model as MLflow keeps them, and read back as the model takes them.

A stored example is data from strangers: it is only ever parsed as JSON. Numbers take their types from the signature.
"""

from __future__ import annotations

import base64
import datetime
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from podium.errors import Corrupt, Invalid
from podium.models.columns import Column, Tensor
from podium.models.inference import frame_of_polars, is_array, is_frame, is_polars, is_series, is_sparse
from podium.models.signature import Signature

__all__ = ["read_example", "split_params", "write_example"]

_FILE = "input_example.json"
_SERVING_FILE = "serving_input_example.json"
_UNWRAPPED = frozenset({"messages", "prompt", "input"})


def split_params(example: object) -> tuple[Any, dict[str, Any] | None]:
    """An example as (data, params): a pair whose second is a dict holds params."""
    if isinstance(example, tuple) and len(example) == 2 and isinstance(example[1], Mapping):
        return example[0], dict(example[1])
    return example, None


def write_example(folder: Path, example: object) -> dict[str, object]:
    """Write both files; what ``saved_input_example_info`` of MLmodel says of them.

    Raises:
        Invalid: the example has no JSON form.
    """
    data, params = split_params(example)
    kind, plain, serving = _plain(data)
    info: dict[str, object] = {
        "artifact_path": _FILE,
        "serving_input_path": _SERVING_FILE,
        "type": kind,
    }
    if kind == "dataframe":
        info["pandas_orient"] = "split"
    if params is not None:
        info["params"] = "true"
        plain = {"inputs": plain, "params": params}
        serving = {**serving, "params": params}
    (folder / _FILE).write_bytes(_encode(plain))
    (folder / _SERVING_FILE).write_bytes(_encode(serving, indent=2))
    return info


def _encode(value: object, *, indent: int | None = None) -> bytes:
    try:
        return json.dumps(
            _finite(value), indent=indent, ensure_ascii=False, allow_nan=False, default=_json
        ).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise Invalid(f"this input_example cannot be kept as JSON: {error}.") from error


def _finite(value: Any) -> Any:
    """NaN as null: what a table has for "nothing there", and strict JSON."""
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return value if value is None or isinstance(value, bool | int | str) else _finite(_json(value))


def _json(value: Any) -> Any:
    if type(value).__name__ in {"NaTType", "NAType"}:
        return None
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, bytes | bytearray):
        return base64.encodebytes(value).decode("ascii")
    if type(value).__name__ == "Decimal":
        return float(value)
    if type(value).__name__ == "datetime64":
        return str(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is no JSON value")


def _plain(data: Any) -> tuple[str, Any, dict[str, Any]]:
    """(type, content of the one file, content of the other)."""
    if is_series(data):
        data = data.to_frame()
    if is_polars(data):
        data = frame_of_polars(data)
    if is_frame(data):
        table = data.to_dict(orient="split", index=False)
        plain = {"columns": list(table["columns"]), "data": table["data"]}
        return "dataframe", plain, {"dataframe_split": plain}
    if is_array(data):
        rows = data.tolist()
        return "ndarray", rows, {"inputs": rows}
    if is_sparse(data):
        parts = {name: getattr(data, name).tolist() for name in ("data", "indices", "indptr")}
        return (
            f"sparse_matrix_{data.format}",
            parts | {"shape": list(data.shape)},
            {"inputs": data.toarray().tolist()},
        )
    if isinstance(data, Mapping) and data and all(is_array(value) for value in data.values()):
        arrays = {key: value.tolist() for key, value in data.items()}
        return "ndarray", arrays, {"inputs": arrays}
    if isinstance(data, Mapping) and _UNWRAPPED & data.keys():
        return "json_object", data, dict(data)
    return "json_object", data, {"inputs": data}


def read_example(
    folder: Path, info: Mapping[str, Any], signature: Signature | None
) -> tuple[Any, dict[str, Any] | None] | None:
    """The (data, params) of a stored example; None where the model has none.

    Args:
        folder: the model directory.
        info: ``saved_input_example_info`` of its MLmodel.
        signature: gives numbers their types.

    Raises:
        Corrupt: it does not parse.
        ModuleNotFoundError: a frame without pandas, a sparse matrix without scipy.
    """
    name = info.get("artifact_path")
    if name is None:
        return None
    if name != _FILE or not (folder / _FILE).is_file():
        raise Corrupt(f"MLmodel names the input example {name!r}, which is not in the model.", key=str(name))
    try:
        value = json.loads((folder / _FILE).read_bytes())
        params = None
        if str(info.get("params", "")).lower() == "true":
            value, params = value["inputs"], dict(value["params"])
        return _restored(str(info.get("type")), value, signature), params
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Corrupt(f"the input example {_FILE} does not parse: {error}.", key=_FILE) from error


def _restored(kind: str, value: Any, signature: Signature | None) -> Any:
    specs = signature.inputs if signature is not None and signature.inputs is not None else ()
    if kind == "dataframe":
        return _frame(value, [spec for spec in specs if isinstance(spec, Column)])
    if kind == "ndarray":
        return _arrays(value, [spec for spec in specs if isinstance(spec, Tensor)])
    if kind.startswith("sparse_matrix_"):
        return _sparse(kind.removeprefix("sparse_matrix_"), value, specs)
    return value


def _frame(value: Mapping[str, Any], columns: list[Column]) -> Any:
    import pandas

    frame = pandas.DataFrame(value["data"], columns=value["columns"])
    if not frame.columns.is_unique:
        return frame
    for column in columns:
        if column.name in frame.columns:
            frame[column.name] = _typed(frame[column.name], column)
    return frame


def _typed(series: Any, column: Column) -> Any:
    import pandas

    if column.type == "datetime":
        return pandas.to_datetime(series)
    if column.type == "binary":
        decoded = [None if each is None else base64.decodebytes(each.encode()) for each in series]
        return pandas.Series(decoded, index=series.index, dtype=object)
    target = {"integer": "int32", "long": "int64", "float": "float32", "double": "float64", "boolean": "bool"}
    dtype = target.get(column.type) if isinstance(column.type, str) else None
    if dtype is None or (bool(series.isna().any()) and not dtype.startswith("float")):
        return series
    return series.astype(dtype)


def _arrays(value: Any, tensors: list[Tensor]) -> Any:
    import numpy

    if isinstance(value, Mapping):
        dtypes = {spec.name: spec.dtype for spec in tensors}
        return {key: numpy.array(each, dtype=dtypes.get(key)) for key, each in value.items()}
    return numpy.array(value, dtype=tensors[0].dtype if tensors else None)


def _sparse(layout: str, value: Mapping[str, Any], specs: tuple[Any, ...]) -> Any:
    import numpy
    import scipy.sparse

    make = {"csr": scipy.sparse.csr_matrix, "csc": scipy.sparse.csc_matrix}[layout]
    dtype = specs[0].dtype if specs and isinstance(specs[0], Tensor) else None
    parts = (
        numpy.array(value["data"], dtype=dtype),
        numpy.array(value["indices"]),
        numpy.array(value["indptr"]),
    )
    return make(parts, shape=tuple(value["shape"]))
