"""One side of a comparison as it was read: what it is, of which kind, and where it stands; and sums of such sides.

A sum or product comes to one number, or to one field that was scaled and shifted: more the language does not have.
Pure: knows no token but the sign, and not which fields exist.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from podium.search.expressions import Field, Kind, Linear, Literal, Number, Side
from podium.search.tokens import Token, query_error

__all__ = ["Part", "combined", "number_of_text"]

_EXACT_DIGITS = 18  # integers longer than this are read as floats; no millisecond or step is


@dataclass(frozen=True, slots=True)
class Part:
    """One side as it was read: what it is, its kind, and where it stands."""

    node: Side
    kind: Kind
    start: int
    end: int
    quote: str = ""  # of a text: how it was quoted

    @property
    def field(self) -> Field | None:
        """The field it holds."""
        if isinstance(self.node, Linear):
            return self.node.field
        return self.node if isinstance(self.node, Field) else None

    @property
    def linear(self) -> tuple[Number, Field | None, Number] | None:
        """It as scale, field and offset; None if it cannot be added or multiplied."""
        match self.node:
            case Linear(of, scale, offset):
                return scale, of, offset
            case Field() if self.kind in (Kind.NUMBER, Kind.ANY, Kind.TIME) and not self.node.several:
                return 1, self.node, 0
            case Literal(value) if self.kind is Kind.NUMBER and isinstance(value, int | float):
                return 0, None, value
            case _:
                return None


def combined(text: str, left: Part, sign: Token, right: Part) -> Part:
    """The sum, difference or product of two sides, as one number or one field that was scaled and shifted.

    Raises:
        QueryError: it comes to neither.
    """
    one, other = left.linear, right.linear
    for part, linear in ((left, one), (right, other)):
        if linear is None:
            raise query_error(
                text,
                part.start,
                f"this cannot stand beside {sign.text}",
                "expected a number, a metric, a param or a time",
            )
    assert one is not None  # noqa: S101 - the loop above raised otherwise
    assert other is not None  # noqa: S101
    if one[1] is not None and other[1] is not None:
        raise query_error(
            text,
            right.start,
            "two fields on one side",
            f"expected a number here: {sign.text} takes a field and a constant; the other field goes to the other "
            "side of the comparison",
        )
    if sign.word == "*":
        (scale, of, offset), (_, _, factor) = (one, other) if one[1] is not None else (other, one)
        result = (scale * factor, of, offset * factor if offset else offset)  # 0 * inf would be NaN
    else:
        factor = -1 if sign.word == "-" else 1
        scale, of = one[:2] if one[1] is not None else (factor * other[0], other[1])
        result = (scale, of, one[2] + factor * other[2])
    return _folded(text, result, left, right)


def _folded(text: str, linear: tuple[Number, Field | None, Number], left: Part, right: Part) -> Part:
    scale, of, offset = linear
    if math.isnan(scale) or math.isnan(offset):
        raise query_error(text, left.start, "these constants give no number", "expected smaller ones")
    if of is None:
        return Part(Literal(_bounded(offset)), Kind.NUMBER, left.start, right.end)
    if scale == 1 and offset == 0:
        field_part = left if left.field is not None else right
        return Part(of, field_part.kind, left.start, right.end)
    kind = Kind.TIME if Kind.TIME in (left.kind, right.kind) and scale == 1 else Kind.NUMBER
    return Part(Linear(of, _bounded(scale), _bounded(offset)), kind, left.start, right.end)


def number_of_text(text: str) -> Number:
    """An int where the text is one, so that milliseconds are exact; else a float."""
    return int(text) if text.isdigit() and len(text) <= _EXACT_DIGITS else float(text)


def _bounded(value: Number) -> Number:
    """A folded constant as the parser would read it again: no int of more digits than it reads."""
    return float(value) if isinstance(value, int) and abs(value) >= 10**_EXACT_DIGITS else value
