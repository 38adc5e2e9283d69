"""What differs between runs, or between versions: a row a param, metric, tag or fact of the environment.

Pure: knows neither runs nor versions, only what each says. "Best" exists only where the goal is known.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self, TypeAlias

from podium.runs.equality import same_value
from podium.search.goals import Goal, known_goal
from podium.strictjson import JsonValue
from podium.table import MISSING, Table, cell_text

__all__ = ["Compared", "Comparison", "Difference", "compare"]

Kind: TypeAlias = Literal["param", "metric", "tag", "environment"]


@dataclass(frozen=True, slots=True)
class Compared:
    """One of those that are compared.

    Attributes:
        title: how it is called at the head of its column.
        params: by key.
        metrics: last values, by key.
        tags: by key.
        environment: by key.
        goals: of its metrics, where they are known beyond their names.
    """

    title: str
    params: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    goals: Mapping[str, Goal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not the same everywhere.

    Attributes:
        kind: what it is.
        key: its key.
        values: one for each that was compared, in their order; None also where it is not there.
        min: place of the smallest number among them, the first of equals; None where there are no two numbers.
        max: place of the largest.
        best: place of the best value of a metric; None where its goal is not known.
    """

    kind: Kind
    key: str
    values: tuple[JsonValue, ...]
    min: int | None = None
    max: int | None = None
    best: int | None = None


class Comparison(Table[Difference]):
    """Only what differs: params, then metrics, tags and environment, each by key.

    In a terminal the smallest and the largest number of a row end in ``v`` and ``^``, the best value in ``*``.
    """

    def __init__(self, rows: Sequence[Difference] = (), titles: Sequence[str] = ()) -> None:
        super().__init__(rows)
        self._titles = tuple(titles)

    def _with_rows(self, rows: Sequence[Difference]) -> Self:
        return type(self)(rows, self._titles)

    def _columns(self, row: Difference) -> dict[str, Any]:
        return {
            "kind": row.kind,
            "key": row.key,
            **dict(zip(self._titles, row.values, strict=True)),
            "min": row.min,
            "max": row.max,
            "best": row.best,
        }

    def _shown(self) -> tuple[list[str], list[list[str]]]:
        first = list(self)[:_SHOWN_ROWS]
        return ["kind", "key", *self._titles], [
            [row.kind, row.key, *(_shown_value(row, at) for at in range(len(row.values)))] for row in first
        ]


_SHOWN_ROWS = 20


def _shown_value(row: Difference, at: int) -> str:
    text = cell_text(row.values[at])
    if row.best is not None:
        return f"{text} *" if at == row.best else text
    if row.kind == "metric" or (row.min is not None and row.min != row.max):
        return f"{text} v" if at == row.min else f"{text} ^" if at == row.max else text
    return text


def compare(compared: Sequence[Compared]) -> Comparison:
    """What differs between several, in a table with a column for each."""
    rows = [
        row
        for kind, several in (
            ("param", [each.params for each in compared]),
            ("metric", [each.metrics for each in compared]),
            ("tag", [each.tags for each in compared]),
            ("environment", [each.environment for each in compared]),
        )
        for row in _differences(kind, several, compared)  # type: ignore[arg-type]  # the words above are Kinds
    ]
    return Comparison(rows, _distinct([each.title for each in compared]))


def _differences(
    kind: Kind, several: Sequence[Mapping[str, Any]], compared: Sequence[Compared]
) -> Iterable[Difference]:
    for key in sorted({key for each in several for key in each}):
        values = [each.get(key, MISSING) for each in several]
        if all(_same(values[0], each) for each in values[1:]):
            continue
        numbers = {
            at: each
            for at, each in enumerate(values)
            if isinstance(each, int | float) and not isinstance(each, bool) and not math.isnan(each)
        }
        low = min(numbers, key=numbers.__getitem__) if len(numbers) > 1 else None
        high = max(numbers, key=numbers.__getitem__) if len(numbers) > 1 else None
        best = {"min": low, "max": high}.get(_goal(key, compared) or "") if kind == "metric" else None
        shown = tuple(None if each is MISSING else each for each in values)
        yield Difference(kind, key, shown, low, high, best)


def _same(one: object, other: object) -> bool:
    if one is MISSING or other is MISSING:
        return one is other
    return same_value(one, other)


def _goal(key: str, compared: Sequence[Compared]) -> Goal | None:
    """What is better, if all that say so say the same."""
    said = {each.goals[key] for each in compared if key in each.goals}
    if len(said) > 1:
        return None
    return said.pop() if said else known_goal(key)


def _distinct(titles: Sequence[str]) -> list[str]:
    """Titles that head columns of their own: those that several have are numbered."""
    taken: set[str] = set()
    out = []
    for title in titles:
        name, count = title, 2
        while name in taken or name in ("kind", "key", "min", "max", "best"):
            name, count = f"{title} ({count})", count + 1
        taken.add(name)
        out.append(name)
    return out
