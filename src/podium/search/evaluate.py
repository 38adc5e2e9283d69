"""Whether a row matches a query, and in which order rows come: the meaning of the tree, over facts in memory.

Pure: a row is a function from a field to its value, ``now`` is passed in. Never reads text, a clock or a store.

The rules, each a sentence of docs/query.md: a comparison with a field that is not there does not hold, whatever its
operator; NaN holds only with ``!=``; NOT means the opposite operator; a param or tag compared with a number is taken
as the number it is or spells, and is otherwise as NaN; compared with a text it is its text.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Protocol, TypeAlias, TypeVar, assert_never

from podium.search.expressions import (
    Ago,
    And,
    Comparison,
    Expr,
    Field,
    InList,
    IsNull,
    Kind,
    Linear,
    Literal,
    Not,
    Number,
    Op,
    Or,
    OrderKey,
    Side,
)
from podium.search.families import RUNS, Family
from podium.table import MISSING
from podium.times import milliseconds_of

__all__ = [
    "UNIT_MS",
    "Number",
    "Subject",
    "Summary",
    "aggregate_of",
    "bool_of",
    "holds",
    "is_missing",
    "kind_beside",
    "like",
    "matches",
    "number_of",
    "side_value",
    "sort",
    "text_of",
]

Subject: TypeAlias = Callable[[Field], object]
"""One row: the value of a field, or MISSING. A time is an aware datetime or milliseconds since 1970."""

Row = TypeVar("Row")

UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
# Of a text that is a number; float() would also take "nan", "1_000" and digits of other scripts.
_NUMBER_TEXT = re.compile(r"\s*[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\s*")
_MOST_NUMBER_CHARACTERS = 400
_INT64 = 2**63


class Summary(Protocol):
    """What is known of a metric beside its last value."""

    @property
    def last(self) -> float: ...  # noqa: D102
    @property
    def min(self) -> float: ...  # noqa: D102
    @property
    def max(self) -> float: ...  # noqa: D102
    @property
    def count(self) -> int: ...  # noqa: D102
    @property
    def goal(self) -> str | None:
        """``"min"``, ``"max"`` or None."""


def aggregate_of(summary: Summary, aggregate: str | None) -> object:
    """The value an aggregate reads, None being the last; MISSING for ``best`` where the goal is not known."""
    match aggregate:
        case None | "last":
            return summary.last
        case "min":
            return summary.min
        case "max":
            return summary.max
        case "count":
            return summary.count
        case "best" if summary.goal == "min":
            return summary.min
        case "best" if summary.goal == "max":
            return summary.max
        case _:
            return MISSING


def matches(expr: Expr | None, subject: Subject, *, now: datetime) -> bool:
    """Whether a row matches; None, the empty filter, matches every row.

    Args:
        expr: as `podium.search.grammar.parse_filter` returns it.
        subject: the row.
        now: what ``-7d`` is seven days before; aware.
    """
    return expr is None or _matches(expr, subject, milliseconds_of(now), negated=False)


def _matches(expr: Expr, subject: Subject, now_ms: Number, *, negated: bool) -> bool:
    # NOT travels down as `negated`: the same as push_not, without building a tree for each row.
    match expr:
        case Not(part):
            return _matches(part, subject, now_ms, negated=not negated)
        case And(parts) | Or(parts):
            quantifier = all if isinstance(expr, And) != negated else any
            return quantifier(_matches(part, subject, now_ms, negated=negated) for part in parts)
        case IsNull():
            return is_missing(expr.field, subject(expr.field)) is not (expr.negated != negated)
        case Comparison():
            comparison = expr.opposite() if negated else expr
            left = side_value(comparison.left, subject, now_ms)
            right = side_value(comparison.right, subject, now_ms)
            return left is not MISSING and right is not MISSING and holds(comparison, left, right)
        case _:
            assert_never(expr)


def is_missing(of: Field, value: object) -> bool:
    """Whether the row lacks the field: an attribute that is None, and datasets of which there are none, are lacking.

    A param whose value is None was logged: it is there.
    """
    if value is MISSING or (value is None and of.entity == "attribute"):
        return True
    return of.entity == "dataset" and not _values(value)


def side_value(side: Side, subject: Subject, now_ms: Number = math.nan) -> object:
    """What one side of a comparison is for this row: MISSING, a plain value, or the values of an IN list."""
    match side:
        case Field():
            value = subject(side)
            return MISSING if is_missing(side, value) else value
        case Linear(of, scale, offset):
            value = side_value(of, subject, now_ms)
            return MISSING if value is MISSING else _linear(number_of(value), scale, offset)
        case Literal(value):
            return value
        case Ago(count, unit):
            return now_ms - count * UNIT_MS[unit]
        case InList(values):
            return tuple(each.value for each in values)
        case _:
            assert_never(side)


def _linear(value: Number, scale: Number, offset: Number) -> float:
    """In floats, whatever the numbers are, so that every evaluator computes the same."""
    return float(scale) * float(value) + float(offset)


def holds(comparison: Comparison, left: object, right: object) -> bool:
    """Whether a comparison holds of two values that are there, as `side_value` returns them."""
    if isinstance(comparison.left, Field) and comparison.left.several:
        quantifier = all if comparison.every else any
        return quantifier(_one_holds(comparison, each, right) for each in _values(left))
    return _one_holds(comparison, left, right)


def _one_holds(comparison: Comparison, left: object, right: object) -> bool:
    compared = comparison.compared
    match comparison.op:
        case Op.EQ:
            return _equal(left, right, compared)
        case Op.NE:
            return not _equal(left, right, compared)
        case Op.GT:
            return number_of(left) > number_of(right)
        case Op.GE:
            return number_of(left) >= number_of(right)
        case Op.LT:
            return number_of(left) < number_of(right)
        case Op.LE:
            return number_of(left) <= number_of(right)
        case Op.IN:
            return _among(left, right, compared)
        case Op.NOT_IN:
            return not _among(left, right, compared)
        case Op.LIKE:
            return like(text_of(left), text_of(right))
        case Op.NOT_LIKE:
            return not like(text_of(left), text_of(right))
        case Op.ILIKE:
            return like(text_of(left).lower(), text_of(right).lower())
        case Op.NOT_ILIKE:
            return not like(text_of(left).lower(), text_of(right).lower())
        case _:
            assert_never(comparison.op)


def _among(value: object, several: object, compared: Kind) -> bool:
    # An element of a list decides for itself how it is compared with a param or tag.
    return any(
        _equal(value, each, kind_beside(each) if compared is Kind.ANY else compared)
        for each in _values(several)
    )


def kind_beside(value: object) -> Kind:
    """As what a param or tag is compared with a value: as a bool or number where that is one, else as text."""
    if isinstance(value, bool):
        return Kind.BOOL
    return Kind.NUMBER if isinstance(value, int | float) else Kind.TEXT


def _equal(left: object, right: object, compared: Kind) -> bool:
    match compared:
        case Kind.NUMBER | Kind.TIME:
            return number_of(left) == number_of(right)
        case Kind.TEXT:
            return text_of(left) == text_of(right)
        case Kind.BOOL:
            one, other = bool_of(left), bool_of(right)
            return one is not None and one is other
        case Kind.ANY:
            number = Kind.NUMBER in (kind_beside(left), kind_beside(right))
            return _equal(left, right, Kind.NUMBER if number else Kind.TEXT)
        case _:
            assert_never(compared)


# --- a value as a number, a text, a bool ---------------------------------------------------------------------


def number_of(value: object) -> Number:
    """The number a value is or spells, a time as milliseconds since 1970; NaN for everything else, True included.

    An integer of more than 64 bits is the float nearest to it, past the largest float an infinity.
    """
    if isinstance(value, bool):
        return math.nan
    if isinstance(value, int):
        return value if -_INT64 <= value < _INT64 else _float_of(value)
    if isinstance(value, float):
        return value
    if isinstance(value, datetime):
        return milliseconds_of(value)
    if isinstance(value, str) and len(value) <= _MOST_NUMBER_CHARACTERS and _NUMBER_TEXT.fullmatch(value):
        return float(value)
    return math.nan


def _float_of(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def text_of(value: object) -> str:
    """The text MLflow would have stored for the value: "0.1", "True", "None"."""
    return value if isinstance(value, str) else str(value)


def bool_of(value: object) -> bool | None:
    """The bool a value is or spells, or None."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower())
    return None


def _values(value: object) -> tuple[object, ...]:
    """The values of a field of several; one text is one value."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        return () if value is MISSING or value is None else (value,)
    return tuple(value)


def like(text: str, pattern: str) -> bool:
    """Whether a text fits a pattern of LIKE; of ILIKE if both are in lower case."""
    return _like_pattern(pattern).fullmatch(text) is not None


@functools.lru_cache(maxsize=256)
def _like_pattern(pattern: str) -> re.Pattern[str]:
    """``%`` is any text, ``_`` one character, everything else itself."""
    first, *rest = (
        "".join("." if each == "_" else re.escape(each) for each in piece)
        for piece in re.split("%+", pattern)
    )
    if not rest:
        return re.compile(first, re.DOTALL)
    # Atomic groups: the first place where a piece fits is as good as any later one, so that a pattern of many % does
    # not try them all over again.
    middle = "".join(f"(?>.*?{piece})" for piece in rest[:-1])
    return re.compile(f"{first}{middle}.*{rest[-1]}", re.DOTALL)


# --- order ---------------------------------------------------------------------------------------------------


def sort(
    rows: Iterable[Row],
    order: Sequence[OrderKey],
    subject_of: Callable[[Row], Subject],
    *,
    fields: Family = RUNS,
) -> list[Row]:
    """The rows in order: by the keys, then as `Family.ties` says (newest first, then by id).

    Total: independent of the order the rows came in. Numbers, -inf to +inf, come before texts, and after them when
    descending; NaN, then rows without the field, come last both ways.
    """
    decorated = [(row, subject_of(row)) for row in rows]
    for key in reversed((*order, *fields.ties)):
        # Stable, also when reversed: so the least important key goes first.
        decorated.sort(key=lambda pair: _sort_key(key, pair[1]), reverse=key.descending)
    return [row for row, _ in decorated]


_SortKey: TypeAlias = tuple[int, int, Number | str]


def _sort_key(key: OrderKey, subject: Subject) -> _SortKey:
    value = subject(key.field)
    absent, nan = (0, 1) if key.descending else (2, 1)
    present = 2 if key.descending else 0
    if is_missing(key.field, value):
        return (absent, 0, 0)
    if isinstance(value, float) and math.isnan(value):
        return (nan, 0, 0)
    if isinstance(value, int | float | datetime) and not isinstance(value, bool):
        return (present, 0, number_of(value))
    return (present, 1, text_of(value))
