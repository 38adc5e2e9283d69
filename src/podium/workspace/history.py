"""Every point of some metrics of some runs, in columns.

A million points are three arrays, not a million objects: a `Point` is made when one is looked at. Knows arrays and
times; where the points come from is no business of this module.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar, overload

from podium.errors import missing_extra
from podium.table import Table
from podium.times import time_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import polars as pl

__all__ = ["History", "Point", "Series"]

V_co = TypeVar("V_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Point:
    """One logged value.

    Attributes:
        run_id: of the run.
        key: of the metric.
        step: as logged, or counted.
        time: when it was logged, or the time the caller gave.
        value: NaN and infinities are kept.
    """

    run_id: str
    key: str
    step: int
    time: datetime
    value: float


@dataclass(frozen=True, slots=True)
class Series:
    """The points of one metric of one run, as three arrays of one length.

    Attributes:
        run_id: of the run.
        key: of the metric.
        steps: array of ``q``.
        times_ms: array of ``q``: milliseconds since 1970.
        values: array of ``d``.
    """

    run_id: str
    key: str
    steps: array[int]
    times_ms: array[int]
    values: array[float]


class Column(Sequence[V_co], Generic[V_co]):
    """A read-only array that shows itself; numpy takes it without looking at each value."""

    __slots__ = ("_data", "_seen_as")

    def __init__(self, data: array[Any], seen_as: Callable[[Any], V_co] | None = None) -> None:
        self._data = data
        self._seen_as = seen_as

    @overload
    def __getitem__(self, index: int) -> V_co: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> V_co | Self:
        if isinstance(index, slice):
            return type(self)(self._data[index], self._seen_as)
        value: V_co = self._data[index]
        return value if self._seen_as is None else self._seen_as(value)

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[V_co]:
        return iter(self._data) if self._seen_as is None else map(self._seen_as, self._data)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__: ClassVar[None]  # type: ignore[assignment]  # compared by its values, as list is

    def __repr__(self) -> str:
        if len(self) <= 10:
            return repr(list(self))
        first = ", ".join(map(repr, self[:5]))
        return f"[{first}, ... {len(self):,} values ..., {self[-1]!r}]"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        import numpy as np

        if self._seen_as is None:
            values = np.frombuffer(self._data, dtype=self._data.typecode)
        else:
            values = np.frombuffer(self._data, dtype="q").astype("datetime64[ms]")
        values.flags.writeable = False
        if dtype is not None and values.dtype != dtype:
            return values.astype(dtype)
        return values.copy() if copy else values


class History(Table[Point]):
    """Every point of some metrics, one long table: a series after the other.

    Attributes:
        steps: of every point.
        values: of every point.
        times: of every point, aware UTC.
    """

    def __init__(self, series: Iterable[Series] = ()) -> None:
        self._series = tuple(each for each in series if len(each.values))
        self._steps = _joined("q", [each.steps for each in self._series])
        self._times_ms = _joined("q", [each.times_ms for each in self._series])
        self._values = _joined("d", [each.values for each in self._series])
        starts = [0]
        for each in self._series:
            starts.append(starts[-1] + len(each.values))
        self._starts = starts[:-1]
        self._rows = _Points(self)

    @property
    def steps(self) -> Sequence[int]:
        """The step of every point."""
        return Column[int](self._steps)

    @property
    def values(self) -> Sequence[float]:
        """The value of every point."""
        return Column[float](self._values)

    @property
    def times(self) -> Sequence[datetime]:
        """The time of every point, aware UTC."""
        return Column(self._times_ms, time_of)

    def to_pandas(self) -> pd.DataFrame:
        """A frame of run_id, key, step, time, value: straight from the arrays.

        Raises:
            MissingExtra: pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise missing_extra("History.to_pandas", "pandas") from error
        import numpy as np

        counts = [len(each.values) for each in self._series]
        return pd.DataFrame(
            {
                "run_id": np.repeat(np.array([each.run_id for each in self._series], dtype=object), counts),
                "key": np.repeat(np.array([each.key for each in self._series], dtype=object), counts),
                "step": np.array(self._steps, dtype="int64"),
                "time": pd.to_datetime(np.array(self._times_ms, dtype="datetime64[ms]"), utc=True),
                "value": np.array(self._values, dtype="float64"),
            }
        )

    def to_polars(self) -> pl.DataFrame:
        """A frame of run_id, key, step, time, value: straight from the arrays.

        Raises:
            MissingExtra: polars is not installed.
        """
        try:
            import polars as pl
        except ImportError as error:
            raise missing_extra("History.to_polars", "polars") from error
        return pl.DataFrame(
            {
                "run_id": [each.run_id for each in self._series for _ in each.values],
                "key": [each.key for each in self._series for _ in each.values],
                "step": pl.Series(self._steps.tolist(), dtype=pl.Int64),
                "time": pl.Series(self._times_ms.tolist(), dtype=pl.Int64).cast(pl.Datetime("ms", "UTC")),
                "value": pl.Series(self._values.tolist(), dtype=pl.Float64),
            }
        )

    def _point(self, at: int) -> Point:
        series = self._series[bisect_right(self._starts, at) - 1]
        return Point(
            run_id=series.run_id,
            key=series.key,
            step=self._steps[at],
            time=time_of(self._times_ms[at]),
            value=self._values[at],
        )

    def _with_rows(self, rows: Sequence[Point]) -> Self:
        series: list[Series] = []
        for point in rows:
            if not series or (series[-1].run_id, series[-1].key) != (point.run_id, point.key):
                series.append(Series(point.run_id, point.key, array("q"), array("q"), array("d")))
            series[-1].steps.append(point.step)
            series[-1].times_ms.append(round(point.time.timestamp() * 1000))
            series[-1].values.append(point.value)
        return type(self)(series)


class _Points(Sequence[Point]):
    """The points of a history, each made when it is asked for."""

    __slots__ = ("_history",)

    def __init__(self, history: History) -> None:
        self._history = history

    @overload
    def __getitem__(self, index: int) -> Point: ...
    @overload
    def __getitem__(self, index: slice) -> list[Point]: ...
    def __getitem__(self, index: int | slice) -> Point | list[Point]:
        at = range(len(self))[index]
        return (
            [self._history._point(each) for each in at] if isinstance(at, range) else self._history._point(at)
        )

    def __len__(self) -> int:
        return len(self._history._values)

    def __iter__(self) -> Iterator[Point]:
        return map(self._history._point, range(len(self)))


def _joined(typecode: str, parts: Sequence[array[Any]]) -> array[Any]:
    if len(parts) == 1:
        return parts[0]
    joined = array(typecode)
    for part in parts:
        joined += part
    return joined
