"""Which sides can be compared, by which operator and as what; an error says what would have been right.

A closed table of kinds decides. Pure: sees two sides and an operator, never where they came from.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from podium.search.expressions import (
    Comparison,
    Field,
    InList,
    Kind,
    Linear,
    Literal,
    Op,
    says_every,
    to_text,
)
from podium.search.sides import Part, number_of_text
from podium.search.tokens import Token, query_error

__all__ = ["compared"]

_ORDERING = (Op.GT, Op.GE, Op.LT, Op.LE)
_PATTERNS = (Op.LIKE, Op.NOT_LIKE, Op.ILIKE, Op.NOT_ILIKE)
_VERSION = Field("attribute", "version")

# As what two kinds are compared; a pair that is not here cannot be.
_COMPARED = {
    (Kind.NUMBER, Kind.NUMBER): Kind.NUMBER,
    (Kind.NUMBER, Kind.ANY): Kind.NUMBER,
    (Kind.ANY, Kind.NUMBER): Kind.NUMBER,
    (Kind.TIME, Kind.TIME): Kind.TIME,
    (Kind.TIME, Kind.NUMBER): Kind.TIME,
    (Kind.NUMBER, Kind.TIME): Kind.TIME,
    (Kind.TEXT, Kind.TEXT): Kind.TEXT,
    (Kind.TEXT, Kind.ANY): Kind.TEXT,
    (Kind.ANY, Kind.TEXT): Kind.TEXT,
    (Kind.BOOL, Kind.BOOL): Kind.BOOL,
    (Kind.BOOL, Kind.ANY): Kind.BOOL,
    (Kind.ANY, Kind.BOOL): Kind.BOOL,
    (Kind.ANY, Kind.ANY): Kind.ANY,
}


def compared(text: str, left: Part, op: Op, operator: Token, right: Part) -> Comparison:
    """The comparison, with its field on the left, if the two sides can be compared so.

    Args:
        text: the query, for the error.
        left: what stands before the operator.
        op: the operator, with its NOT.
        operator: where it stands.
        right: what stands after it.

    Raises:
        QueryError: they cannot be.
    """
    if left.field is None and right.field is None:
        raise query_error(
            text,
            left.start,
            "this compares two values, and no field",
            "expected a field, as metrics.f1, on one side",
        )
    if left.field is None or (right.field is not None and right.field.several and not left.field.several):
        if op in _PATTERNS or op in (Op.IN, Op.NOT_IN):
            raise query_error(
                text, left.start, f"{op} looks at a field", "expected the field on its left side"
            )
        left, op, right = right, op.flipped, left
    if right.field is not None and right.field.several:
        raise query_error(
            text, right.start, "both sides have several values", "expected one value on one side"
        )
    if not isinstance(left.node, Field | Linear):
        raise AssertionError("a part with a field is a Field or a Linear")  # by Part.field
    right = _coerced(text, left, right)
    kind = _kind_of(text, left, op, operator, right)
    several = isinstance(left.node, Field) and says_every(left.node, op)
    start, end = sorted((left.start, right.start))[0], max(left.end, right.end)
    return Comparison(left.node, op, right.node, kind, several, start, end)


def _coerced(text: str, left: Part, right: Part) -> Part:
    """A literal as the left side's kind wants it: a time from its text, a version's number from its text."""
    if isinstance(right.node, InList):
        values = tuple(_coerced_literal(text, left, value, right.start) for value in right.node.values)
        return replace(right, node=InList(values))
    if not isinstance(right.node, Literal):
        return right
    literal = _coerced_literal(text, left, right.node, right.start)
    return right if literal is right.node else replace(right, node=literal, kind=_kind_of_value(literal))


def _coerced_literal(text: str, left: Part, literal: Literal, position: int) -> Literal:
    if not isinstance(literal.value, str):
        return literal
    if left.kind is Kind.TIME:
        return Literal(_time(text, literal.value, position))
    if left.field == _VERSION and literal.value.isascii() and literal.value.isdigit():
        return Literal(number_of_text(literal.value))  # MLflow takes version_number = '1' too
    return literal


def _time(text: str, written: str, position: int) -> datetime:
    try:
        moment = datetime.fromisoformat(written.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise query_error(
            text,
            position,
            f"{written!r} is no time",
            "expected '2026-11-01', '2026-11-01T12:30:00+01:00', -7d (seven days ago) or milliseconds since 1970",
        ) from error


def _kind_of(text: str, left: Part, op: Op, operator: Token, right: Part) -> Kind:
    """As what the sides are compared; an error where they cannot be."""
    if isinstance(right.node, InList):
        for value in right.node.values:
            _check_kinds(text, left, _kind_of_value(value), right)
        return left.kind
    kind = _check_kinds(text, left, right.kind, right)
    if op in _PATTERNS:
        if left.kind not in (Kind.TEXT, Kind.ANY):
            raise query_error(
                text,
                operator.start,
                f"{op} compares text, and the left side is a {left.kind}",
                "expected = != > >= < or <=",
            )
        if not isinstance(right.node, Literal) or right.kind is not Kind.TEXT:
            raise query_error(
                text, right.start, f"{op} takes a pattern", "expected a quoted text, as '%forest%'"
            )
    if op in _ORDERING and kind is Kind.TEXT:
        unquoted = "; write a number without quotes" if left.kind is Kind.ANY else ""
        raise query_error(
            text,
            operator.start,
            f"{op} compares numbers and times, and here are texts",
            f"expected = != LIKE, ILIKE or IN{unquoted}",
        )
    if op in _ORDERING and kind is Kind.BOOL:
        raise query_error(text, operator.start, f"{op} compares numbers and times", "expected = or !=")
    return kind


def _check_kinds(text: str, left: Part, right_kind: Kind, right: Part) -> Kind:
    kinds = (left.kind, right_kind)
    if kinds in _COMPARED:
        return _COMPARED[kinds]
    named = to_text(left.node)
    if left.kind is Kind.NUMBER and isinstance(right.node, Literal | InList) and right_kind is Kind.TEXT:
        expected = f"expected a number without quotes: {named} is a number"
    elif left.kind is Kind.TEXT and right_kind is Kind.NUMBER:
        expected = f"expected a text in quotes: {named} is a text"
    elif left.kind is Kind.BOOL:
        expected = f"expected true or false, without quotes: {named} is one of them"
    else:
        expected = f"expected a {left.kind}, as {named} is one"
    raise query_error(text, right.start, f"a {left.kind} cannot be compared with a {right_kind}", expected)


def _kind_of_value(literal: Literal) -> Kind:
    match literal.value:
        case bool():
            return Kind.BOOL
        case str():
            return Kind.TEXT
        case datetime():
            return Kind.TIME
        case _:
            return Kind.NUMBER
