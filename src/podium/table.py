"""A sequence of facts that shows itself, finds its best, and turns into frames.

Facts are frozen dataclasses. What the rows mean is no business of this module; a table whose fields are more
than attributes and mappings (runs, with ``min(metrics.loss)``) overrides `Table._lookup` and `Table._columns`.
"""

from __future__ import annotations

import dataclasses
import html
import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar, overload

from podium.errors import Invalid, NotFound, missing_extra, near_names

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

__all__ = ["MISSING", "Shown", "Table", "cell_text"]

T_co = TypeVar("T_co", covariant=True)

_SHOWN_ROWS = 10
_SHOWN_WIDTH = 40
_WIDTH_WITHOUT_TERMINAL = 120


class _Missing:
    """What a row says of a field it does not have; not None, which may be a value."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING = _Missing()


class Shown:
    """A fact that a notebook shows as its one-line repr, escaped."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        return f"<code>{html.escape(repr(self))}</code>"


class Table(Sequence[T_co]):
    """A read-only sequence of facts.

    Indexing gives one fact, slicing a table of the same kind. Fields are named as attributes are, with a dot
    into mappings: ``"version"``, ``"metrics.rmse"``.
    """

    _rows: Sequence[T_co]

    def __init__(self, rows: Sequence[T_co] = ()) -> None:
        self._rows = rows if isinstance(rows, tuple) else tuple(rows)

    def _with_rows(self, rows: Sequence[T_co]) -> Self:
        """The same table with other rows; overridden where a table carries more than rows."""
        return type(self)(rows)

    @overload
    def __getitem__(self, index: int) -> T_co: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> T_co | Self:
        if isinstance(index, slice):
            return self._with_rows(self._rows[index])
        return self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[T_co]:
        return iter(self._rows)

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, Table) else NotImplemented

    __hash__: ClassVar[None]  # type: ignore[assignment]  # a sequence compared by its rows, as list is

    def min(self, field: str) -> T_co:
        """The fact with the smallest ``field``; of equals the first. Missing values and NaN are left out.

        Raises:
            NotFound: no row has a number, text or time there.
        """
        return self._extreme(field, smallest=True)

    def max(self, field: str) -> T_co:
        """The fact with the largest ``field``; of equals the first. Missing values and NaN are left out.

        Raises:
            NotFound: no row has a number, text or time there.
        """
        return self._extreme(field, smallest=False)

    def to_dicts(self) -> list[dict[str, Any]]:
        """One flat dict a row, columns in the table's order; a field the row lacks is left out."""
        return [self._columns(row) for row in self]

    def to_pandas(self) -> pd.DataFrame:
        """A pandas frame, one line a row; what a row lacks is NaN or None as pandas has it.

        Raises:
            MissingExtra: pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise missing_extra(f"{type(self).__name__}.to_pandas", "pandas") from error
        dicts = self.to_dicts()
        return pd.DataFrame(dicts, columns=self._column_names(dicts))

    def to_polars(self) -> pl.DataFrame:
        """A polars frame, one line a row; what a row lacks is null.

        Raises:
            MissingExtra: polars is not installed.
        """
        try:
            import polars as pl
        except ImportError as error:
            raise missing_extra(f"{type(self).__name__}.to_polars", "polars") from error
        dicts = self.to_dicts()
        names = self._column_names(dicts)
        return pl.DataFrame(
            {name: [row.get(name) for row in dicts] for name in names}, strict=False, nan_to_null=False
        )

    def __repr__(self) -> str:
        names, rows = self._shown()
        if not rows:
            return f"{type(self).__name__}: no rows"
        widths = [max(len(line[at]) for line in [names, *rows]) for at in range(len(names))]
        fitting = _fitting(widths, self._shown_width())
        lines = [
            "  ".join(text.ljust(width) for text, width in zip(line, widths[:fitting], strict=False)).rstrip()
            for line in [names, *rows]
        ]
        more = []
        if len(self) > len(rows):
            more.append(f"{len(self) - len(rows)} more")
        if fitting < len(names):
            more.append(f"{len(names) - fitting} more columns")
        if more:
            lines.append(f"... and {', '.join(more)}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        names, rows = self._shown()
        head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(text)}</td>" for text in row) + "</tr>" for row in rows
        )
        more = f"<p>... and {len(self) - len(rows)} more</p>" if len(self) > len(rows) else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"

    def _lookup(self, row: Any, field: str) -> object:
        """The value of ``field`` in ``row``, or MISSING. ``row`` is a T_co, which Python cannot say here."""
        name, _, key = field.partition(".")
        value: object = getattr(row, name, MISSING) if not name.startswith("_") else MISSING
        if not key:
            return value
        return value.get(key, MISSING) if isinstance(value, Mapping) else MISSING

    def _columns(self, row: Any) -> dict[str, Any]:
        """The row as flat named values; a mapping becomes a column a key."""
        columns: dict[str, Any] = {}
        for field in dataclasses.fields(row):
            if field.name.startswith("_"):
                continue
            value = getattr(row, field.name)
            if isinstance(value, Mapping):
                columns.update({f"{field.name}.{key}": each for key, each in value.items()})
            else:
                columns[field.name] = value
        return columns

    def _shown_width(self) -> int:
        """How wide its text may be: as wide as the terminal."""
        return shutil.get_terminal_size((_WIDTH_WITHOUT_TERMINAL, 0)).columns

    def _shown_columns(self, names: list[str], shown: list[dict[str, Any]]) -> list[str]:
        """Which columns of the rows that a terminal or notebook shows, in order; all, unless a table knows better."""
        return names

    def _column_names(self, dicts: list[dict[str, Any]]) -> list[str]:
        return list(dict.fromkeys(name for row in dicts for name in row))

    def _shown(self) -> tuple[list[str], list[list[str]]]:
        first = self[:_SHOWN_ROWS].to_dicts()
        names = self._shown_columns(self._column_names(first), first)
        return names, [[cell_text(row.get(name, MISSING)) for name in names] for row in first]

    def _extreme(self, field: str, *, smallest: bool) -> T_co:
        best: T_co | None = None
        best_value: Any = None
        for row in self:
            value = self._lookup(row, field)
            if not isinstance(value, int | float | str | datetime) or (
                isinstance(value, float) and math.isnan(value)
            ):
                continue
            try:
                better = best is None or (value < best_value if smallest else value > best_value)
            except TypeError as error:
                raise Invalid(
                    f"{field!r} is {best_value!r} in one row and {value!r} in another: they have no order. "
                    "Filter the rows to those of one type first."
                ) from error
            if better:
                best, best_value = row, value
        if best is None:
            raise NotFound(
                f"none of the {len(self)} rows has a value for {field!r} that can be compared.",
                name=field,
                near=near_names(field, self._column_names(self.to_dicts())),
            )
        return best


def _fitting(widths: Sequence[int], columns: int) -> int:
    """How many columns of a table a line of the terminal holds; one in any case."""
    used = -2
    for count, width in enumerate(widths):
        used += 2 + width
        if used > columns:
            return max(count, 1)
    return len(widths)


def cell_text(value: object) -> str:
    """One value as a table shows it: short, on one line, nothing for what is missing."""
    if value is MISSING or value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, frozenset):  # in no order of its own: the same one each time
        value = ", ".join(sorted(map(str, value)))
    text = " ".join(str(value).split())
    if not text.isprintable():  # a name must not move the cursor or colour the screen of who lists it
        text = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
    return text if len(text) <= _SHOWN_WIDTH else text[: _SHOWN_WIDTH - 1] + "…"
