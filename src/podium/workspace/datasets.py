"""Recognise data again: a digest of its values, its shape and its types, and never the data itself.

Equal values have equal digests, whether they come as a pandas or polars frame, a numpy array or Python lists, and
in whichever process: what is hashed is the table column by column, each number as a float64. Column names are no
part of the digest, they are in the schema; so is the width of numbers. The imports of numpy, pandas and polars are
their user's: whoever has a frame has imported them.
"""

from __future__ import annotations

import hashlib
import math
import sys
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from podium.workspace.facts import Dataset

__all__ = ["describe"]

_DIGEST_CHARACTERS = 32
_CHUNK_BYTES = 1 << 20
_EXACT = 2**53
_MISSING_TYPES = ("NAType", "NaTType")  # of pandas


@dataclass(frozen=True, slots=True)
class _Shape:
    dimensions: tuple[int, ...] | None
    schema: Mapping[str, str] | None
    digest: str


def describe(data: object, name: str | None, context: str) -> Dataset:
    """The data set behind some data.

    Args:
        data: a numpy array, tensor or sparse matrix; a frame or series of pandas or polars; a mapping of columns; a
            sequence of numbers, texts, rows or mappings; or a `Path` to a file.
        name: None: the file's name, or ``"dataset"``.
        context: what it is used for.

    Raises:
        TypeError: none of these.
        FileNotFoundError: no file is there.
    """
    shape = _shape_of(data)
    if name is None:
        name = data.name if isinstance(data, Path) else "dataset"
    dimensions = shape.dimensions
    return Dataset(
        name=name,
        digest=shape.digest,
        context=context,
        rows=dimensions[0] if dimensions else None,
        schema=shape.schema,
        shape=dimensions,
    )


def _shape_of(data: Any) -> _Shape:
    if isinstance(data, Path):
        return _Shape(dimensions=None, schema=None, digest=_file_digest(data))
    if hasattr(data, "tocsr"):
        return _of_sparse(data)
    columns = _frame_columns(data)
    if columns is not None:
        types = {name: _type_name(column) for name, column in columns.items()}
        rows = len(next(iter(columns.values()), ()))
        return _of_columns(
            [_column_chunks(_plain_column(each)) for each in columns.values()],
            (rows,) if hasattr(data, "to_frame") else (rows, len(columns)),
            types,
        )
    if hasattr(data, "detach") and hasattr(data, "numpy"):
        data = data.detach().cpu().numpy()  # torch
    if hasattr(data, "__array__") and not hasattr(data, "ndim"):
        data = data.__array__()
    if hasattr(data, "__array__"):
        return _of_array(data)
    if isinstance(data, Mapping):
        return _of_mapping(data)
    if isinstance(data, Sequence) and not isinstance(data, str | bytes | bytearray):
        return _of_rows(data)
    raise TypeError(
        f"a dataset is an array, a frame, a mapping of columns, a sequence of rows or a Path to a file, not "
        f"{type(data).__name__}."
    )


# --- what the data is ----------------------------------------------------------------------------------------


def _frame_columns(data: Any) -> dict[str, Any] | None:
    """The columns of a frame or series by name, or None where it is neither."""
    library = type(data).__module__.partition(".")[0]
    if library not in ("pandas", "polars"):
        return None
    if type(data).__name__ == "LazyFrame":
        data = data.collect()
    if hasattr(data, "columns"):
        return {str(name): data[name] for name in data.columns}
    if hasattr(data, "to_frame"):
        return {str(getattr(data, "name", None) or "0"): data}
    return None


def _type_name(column: Any) -> str:
    return str(column.dtype)


def _of_array(data: Any) -> _Shape:
    import numpy as np

    values = np.asarray(data)
    schema = {"array": f"{values.dtype}[{', '.join(map(str, values.shape))}]"}
    if values.ndim <= 1:
        columns = [_column_chunks(values.reshape(-1))]
    elif values.ndim == 2:
        columns = [_column_chunks(values[:, each]) for each in range(values.shape[1])]
    else:
        # Nothing else has such a form, so there is nothing its columns would have to agree with.
        columns = [_column_chunks(np.array(values.shape)), _column_chunks(values.reshape(-1))]
    return _of_columns(columns, values.shape, schema)


def _of_sparse(data: Any) -> _Shape:
    matrix = data.tocsr().copy()
    matrix.sum_duplicates()
    schema = {"sparse": f"{matrix.dtype}[{', '.join(map(str, matrix.shape))}]"}
    parts = (matrix.indptr, matrix.indices, matrix.data)
    return _of_columns([_column_chunks(each) for each in parts], tuple(map(int, matrix.shape)), schema)


def _of_mapping(data: Mapping[Any, Any]) -> _Shape:
    columns = {str(name): _listed(column) for name, column in data.items()}
    lengths = {len(column) for column in columns.values()}
    if len(lengths) > 1:
        raise TypeError(f"the columns of a dataset have one length; these have {sorted(lengths)}.")
    schema = {name: _element_type(column) for name, column in columns.items()}
    return _of_columns(
        [_column_chunks(column) for column in columns.values()],
        (next(iter(lengths), 0), len(columns)),
        schema,
    )


def _listed(column: Any) -> Any:
    if hasattr(column, "__array__") or (isinstance(column, Sequence) and not isinstance(column, str | bytes)):
        return column
    raise TypeError(f"a mapping as a dataset has sequences as values; one is {type(column).__name__}.")


def _element_type(column: Any) -> str:
    """The type of an array's elements, or the names of those in a list."""
    if hasattr(column, "dtype"):
        return str(column.dtype)
    return " | ".join(sorted({"null" if value is None else type(value).__name__ for value in column}))


def _of_rows(data: Sequence[Any]) -> _Shape:
    if data and all(isinstance(row, Mapping) for row in data):
        names = list(dict.fromkeys(name for row in data for name in row))
        return _of_mapping({name: [row.get(name) for row in data] for name in names})
    if data and all(isinstance(row, Sequence) and not isinstance(row, str | bytes) for row in data):
        widths = {len(row) for row in data}
        if len(widths) > 1:
            raise TypeError(f"the rows of a dataset have one length; these have {sorted(widths)}.")
        return _of_mapping({str(at): list(column) for at, column in enumerate(zip(*data, strict=True))})
    if any(getattr(row, "ndim", 0) for row in data):
        raise TypeError("log each array or frame as a dataset of its own: log_dataset(X, 'X').")
    plain = _of_mapping({"0": data})
    return replace(plain, dimensions=(len(data),))


# --- the digest ----------------------------------------------------------------------------------------------


def _of_columns(
    columns: Iterable[Iterator[bytes]], dimensions: tuple[int, ...], schema: Mapping[str, str] | None
) -> _Shape:
    whole = hashlib.sha256()
    for column in columns:
        one = hashlib.sha256()
        for chunk in column:
            one.update(chunk)
        whole.update(one.digest())
    return _Shape(dimensions=dimensions, schema=schema, digest=whole.hexdigest()[:_DIGEST_CHARACTERS])


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:_DIGEST_CHARACTERS]


def _plain_column(column: Any) -> Any:
    """The column of a frame as an array, or as a list where its values are no plain numbers."""
    kind = str(column.dtype).lower()
    if kind.startswith(("int", "uint", "float", "bool")) and kind != "boolean":
        missing = getattr(column, "null_count", None)
        if not callable(missing) or not missing():
            return column.to_numpy()
    return column.to_list() if hasattr(column, "to_list") else list(column)


def _column_chunks(column: Any) -> Iterator[bytes]:
    """The bytes that stand for a column: the same for the same values, whatever holds them."""
    if hasattr(column, "__array__"):
        import numpy as np

        values = np.asarray(column)
        if values.dtype.kind in "biuf" and not _beyond_float(values):
            return _number_chunks(values)
        column = values.tolist()
    column = [None if type(value).__name__ in _MISSING_TYPES else value for value in column]
    if column and all(isinstance(value, int | float) or value is None for value in column):
        numbers = [math.nan if value is None else value for value in column]
        if all(not isinstance(value, int) or -_EXACT <= value <= _EXACT for value in numbers):
            return iter([_float_bytes(array("d", numbers))])
    return map(_value_bytes, column)


def _beyond_float(values: Any) -> bool:
    """Whether a float64 could not hold all of the whole numbers."""
    if values.dtype.kind not in "iu" or values.dtype.itemsize < 8 or not values.size:
        return bool(values.dtype.kind == "f" and values.dtype.itemsize > 8)
    return bool(values.min() < -_EXACT or values.max() > _EXACT)


def _number_chunks(values: Any) -> Iterator[bytes]:
    import numpy as np

    step = _CHUNK_BYTES // 8
    for start in range(0, len(values), step):
        # + 0.0: minus zero equals zero, so it has its bytes too.
        chunk = np.ascontiguousarray(values[start : start + step], dtype="<f8") + 0.0
        chunk[np.isnan(chunk)] = np.nan
        yield chunk.tobytes()


def _float_bytes(numbers: array[float]) -> bytes:
    for at, value in enumerate(numbers):
        numbers[at] = math.nan if math.isnan(value) else value + 0.0
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


def _value_bytes(value: object) -> bytes:
    """One value of a column that is not all numbers: its kind, its length, its bytes."""
    if value is None or _is_nan(value):
        return b"-;"
    if isinstance(value, bool | int | float):
        text, mark = repr(float(value)) if _fits_float(value) else repr(int(value)), "n"
    elif isinstance(value, bytes):
        return b"b%d:%b" % (len(value), value)
    elif hasattr(value, "isoformat"):
        text, mark = str(value.isoformat()), "t"
    else:
        text, mark = str(value), "s"
    encoded = text.encode("utf-8", "surrogatepass")
    return b"%b%d:%b" % (mark.encode(), len(encoded), encoded)


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _fits_float(value: float) -> bool:
    return not isinstance(value, int) or -_EXACT <= value <= _EXACT
