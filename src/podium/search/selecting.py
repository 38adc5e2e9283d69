"""Which rows were asked for: a filter, an order and a limit over rows of one kind. Pure: ``now`` is passed in."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import SupportsIndex, TypeVar

from podium.errors import Invalid
from podium.search.evaluate import Subject, matches, sort
from podium.search.families import Family
from podium.search.grammar import parse_filter, parse_order

__all__ = ["check_limit", "select"]

Row = TypeVar("Row")


def check_limit(limit: SupportsIndex | None) -> int | None:
    """How many rows at most; None for all.

    Raises:
        Invalid: it is no count.
    """
    if limit is None:
        return None
    if isinstance(limit, bool) or not hasattr(limit, "__index__") or operator.index(limit) < 0:
        raise Invalid(f"limit={limit!r}: give a whole number from 0, or None for all.")
    return operator.index(limit)


def select(
    rows: Iterable[Row],
    filter_text: str,
    *,
    order_by: str | Sequence[str],
    limit: int | None,
    subject_of: Callable[[Row], Subject],
    fields: Family,
    now: datetime,
) -> list[Row]:
    """The rows that match, in order; none is looked at before the question is known to make sense.

    Raises:
        QueryError: filter or order do not parse.
        Invalid: the limit is no count.
    """
    most = check_limit(limit)
    expr, order = parse_filter(filter_text, fields=fields), parse_order(order_by, fields=fields)
    kept = [row for row in rows if matches(expr, subject_of(row), now=now)]
    return sort(kept, order, subject_of, fields=fields)[:most]
