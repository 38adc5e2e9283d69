"""Small tables as files: columns and rows as JSON (the form of MLflow and of pandas' ``orient="split"``) or CSV.

Pure: from a table and what the file holds already to the new bytes. Knows no run.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from podium.errors import Invalid
from podium.strictjson import JsonValue, encode_float
from podium.workspace.params import plain_value

__all__ = ["Rows", "check_table_path", "read_rows", "rows_of", "table_bytes"]


@dataclass(frozen=True, slots=True)
class Rows:
    """A table by rows.

    Attributes:
        columns: their names.
        data: a list a row, as long as ``columns``.
    """

    columns: Sequence[str]
    data: Sequence[Sequence[JsonValue]]

    def followed_by(self, other: Rows) -> Rows:
        """The rows of both; columns that only one has are empty in the other."""
        columns = list(dict.fromkeys([*self.columns, *other.columns]))
        return Rows(columns, [row for each in (self, other) for row in each._as(columns)])

    def _as(self, columns: Sequence[str]) -> list[list[JsonValue]]:
        places = {name: at for at, name in enumerate(self.columns)}
        return [[row[places[name]] if name in places else None for name in columns] for row in self.data]


def check_table_path(path: str) -> None:
    """Raise `Invalid` unless the name ends in a format tables have."""
    if not path.lower().endswith((".json", ".csv")):
        raise Invalid(f"{path!r} does not say in which format to keep the table: end it in .json or .csv.")


def rows_of(table: Any) -> Rows:
    """The rows of a frame or of a mapping of columns; a mapping of single values is one row.

    Raises:
        TypeError: it is neither.
        Invalid: its columns differ in length.
    """
    if isinstance(table, Mapping):
        columns = {str(name): _column(column) for name, column in table.items()}
        if all(column is None for column in columns.values()):
            columns = {str(name): [value] for name, value in table.items()}
    elif hasattr(table, "columns") and callable(getattr(table, "__getitem__", None)):
        columns = {str(name): _column(table[name]) for name in table.columns}
    else:
        raise TypeError(f"a table is a frame or a mapping of columns, not {type(table).__name__}.")
    if not columns:
        raise Invalid("a table has at least one column; this one has none.")
    lengths = {name: -1 if column is None else len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name!r} {'one value' if n < 0 else n}" for name, n in lengths.items())
        raise Invalid(f"the columns of a table have one length; these have: {shown}.")
    cells = [[_cell(value) for value in column or ()] for column in columns.values()]
    return Rows(list(columns), [list(row) for row in zip(*cells, strict=True)])


def _column(values: Any) -> list[Any] | None:
    """The values of a column; None where this is one value."""
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()  # torch
    for name in ("to_list", "tolist"):
        listed = getattr(values, name, None)
        if callable(listed) and getattr(values, "ndim", 1) != 0:
            return list(listed())
    if isinstance(values, Sequence) and not isinstance(values, str | bytes):
        return list(values)
    return None


def _cell(value: Any) -> JsonValue:
    if type(value).__name__ in ("NAType", "NaTType"):  # of pandas
        return None
    plain = value.isoformat() if hasattr(value, "isoformat") else plain_value(value)
    return _strict(plain)


def _strict(value: JsonValue) -> JsonValue:
    """NaN is no value; an infinity, which JSON has no word for, is its text."""
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else encode_float(value)
    if isinstance(value, list):
        return [_strict(each) for each in value]
    if isinstance(value, dict):
        return {key: _strict(each) for key, each in value.items()}
    return value


def table_bytes(rows: Rows, path: str) -> bytes:
    """The file."""
    if path.lower().endswith(".json"):
        return json.dumps(
            {"columns": rows.columns, "data": rows.data}, ensure_ascii=False, allow_nan=False
        ).encode("utf-8", "surrogatepass")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(rows.columns)
    writer.writerows(
        [json.dumps(cell) if isinstance(cell, list | dict) else cell for cell in row] for row in rows.data
    )
    return text.getvalue().encode("utf-8", "surrogatepass")


def read_rows(data: bytes, path: str) -> Rows:
    """What `table_bytes` wrote; of CSV all cells are texts.

    Raises:
        Invalid: the file is no such table.
    """
    text = data.decode("utf-8", "surrogatepass")
    if path.lower().endswith(".csv"):
        lines = list(csv.reader(io.StringIO(text)))
        return Rows(lines[0], lines[1:]) if lines else Rows([], [])
    try:
        found = json.loads(text)
        return Rows([str(name) for name in found["columns"]], [list(row) for row in found["data"]])
    except (ValueError, KeyError, TypeError) as error:
        raise Invalid(
            f"{path!r} of this run is no table that rows can be added to. Use another name."
        ) from error
