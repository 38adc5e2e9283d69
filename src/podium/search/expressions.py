"""What a query means, as plain frozen data: the tree the grammar builds and the evaluators walk.

Pure values: knows neither the text's tokens, nor which fields exist, nor how a fact is looked up. `to_text` writes
a tree so that the grammar reads the same tree back; `push_not` removes every NOT, which is what NOT *means* here.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias, assert_never

__all__ = [
    "AGGREGATES",
    "Ago",
    "And",
    "Comparison",
    "Expr",
    "Field",
    "InList",
    "IsNull",
    "Kind",
    "Linear",
    "Literal",
    "Not",
    "Number",
    "Op",
    "Or",
    "OrderKey",
    "Side",
    "fields_of",
    "push_not",
    "to_text",
]

Number: TypeAlias = int | float

AGGREGATES = ("min", "max", "last", "count", "best")


class Kind(StrEnum):
    """How two sides are compared; as the kind of a field: what its values are."""

    NUMBER = "number"
    TEXT = "text"
    TIME = "time"
    BOOL = "bool"
    ANY = "any"  # a param or tag: a number, text or bool; what it is compared with decides


class Op(StrEnum):
    """The comparisons. Each has its opposite, so that NOT can be pushed into any of them."""

    EQ = "="
    NE = "!="
    GT = ">"
    GE = ">="
    LT = "<"
    LE = "<="
    LIKE = "LIKE"
    NOT_LIKE = "NOT LIKE"
    ILIKE = "ILIKE"
    NOT_ILIKE = "NOT ILIKE"
    IN = "IN"
    NOT_IN = "NOT IN"

    @property
    def opposite(self) -> Op:
        """The operator that holds where this one does not, for a value that is there and is a number."""
        return _OPPOSITE[self]

    @property
    def flipped(self) -> Op:
        """The operator for exchanged sides: ``5 < x`` is ``x > 5``."""
        return _FLIPPED.get(self, self)


_OPPOSITE = {
    one: other
    for pair in (
        (Op.EQ, Op.NE),
        (Op.GT, Op.LE),
        (Op.GE, Op.LT),
        (Op.LIKE, Op.NOT_LIKE),
        (Op.ILIKE, Op.NOT_ILIKE),
        (Op.IN, Op.NOT_IN),
    )
    for one, other in (pair, pair[::-1])
}
_FLIPPED = {Op.GT: Op.LT, Op.LT: Op.GT, Op.GE: Op.LE, Op.LE: Op.GE}


@dataclass(frozen=True, slots=True)
class Field:
    """One fact that can be looked up; hashable, and the key by which a subject is asked.

    Attributes:
        entity: ``"metrics"``, ``"params"``, ``"tags"``, ``"environment"``, ``"dataset"`` or ``"attribute"``.
        key: the key in that entity; for an attribute podium's own name of it, whatever alias was written.
        aggregate: of a metric: ``"min"``, ``"max"``, ``"count"`` or ``"best"``; None is its last value, which
            ``last(...)`` means too.
        owner: in a gate the alias whose holder is asked; None is the candidate, or the run or version searched.
    """

    entity: str
    key: str
    aggregate: str | None = None
    owner: str | None = None

    @property
    def several(self) -> bool:
        """Whether a row has any number of values here."""
        return self.entity == "dataset" or (self.entity == "attribute" and self.key == "aliases")

    def __str__(self) -> str:
        return to_text(self)


@dataclass(frozen=True, slots=True)
class Linear:
    """``scale * field + offset``, a number."""

    field: Field
    scale: Number = 1
    offset: Number = 0


@dataclass(frozen=True, slots=True)
class Literal:
    """A value written in the query. A datetime is aware and in UTC."""

    value: bool | int | float | str | datetime


@dataclass(frozen=True, slots=True)
class Ago:
    """A time before the evaluator's ``now``: ``-7d``. Units: s, m, h, d, w."""

    count: Number
    unit: str


@dataclass(frozen=True, slots=True)
class InList:
    """The values after IN; never empty."""

    values: tuple[Literal, ...]


Side: TypeAlias = Field | Linear | Literal | Ago | InList


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two sides and an operator. The left one always holds a field.

    Attributes:
        compared: what both sides are taken as; ANY: as numbers if either is one, else as text.
        every: for a field of several values: it must hold for each of them, not for one of them.
        start: where it begins in the text, for errors; no part of its meaning, as ``end``.
    """

    left: Field | Linear
    op: Op
    right: Side
    compared: Kind
    every: bool = False
    start: int = dataclasses.field(default=0, compare=False)
    end: int = dataclasses.field(default=0, compare=False)

    def opposite(self) -> Comparison:
        """What NOT makes of it."""
        several = isinstance(self.left, Field) and self.left.several
        return replace(self, op=self.op.opposite, every=several and not self.every)


@dataclass(frozen=True, slots=True)
class IsNull:
    """Whether the field is not there; with ``negated`` whether it is."""

    field: Field
    negated: bool = False
    start: int = dataclasses.field(default=0, compare=False)
    end: int = dataclasses.field(default=0, compare=False)

    def opposite(self) -> IsNull:
        """What NOT makes of it."""
        return replace(self, negated=not self.negated)


@dataclass(frozen=True, slots=True)
class And:
    """All parts hold. At least two, none of them an And."""

    parts: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """One part holds. At least two, none of them an Or."""

    parts: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite of a part, in the sense of `push_not`."""

    part: Expr


Expr: TypeAlias = And | Or | Not | Comparison | IsNull


@dataclass(frozen=True, slots=True)
class OrderKey:
    """One key of an order."""

    field: Field
    descending: bool = False


def push_not(expr: Expr, *, negated: bool = False) -> Expr:
    """The same query without any NOT: each is pushed down to the comparisons, which become their opposites.

    That is podium's definition of NOT. So ``NOT metrics.m > 5`` is ``metrics.m <= 5``: like every comparison it does
    not hold for a run without the metric, nor for one whose value is NaN.
    """
    match expr:
        case Not(part):
            return push_not(part, negated=not negated)
        case And(parts):
            pushed = tuple(push_not(part, negated=negated) for part in parts)
            return any_of(pushed) if negated else all_of(pushed)
        case Or(parts):
            pushed = tuple(push_not(part, negated=negated) for part in parts)
            return all_of(pushed) if negated else any_of(pushed)
        case Comparison() | IsNull():
            return expr.opposite() if negated else expr
        case _:
            assert_never(expr)


def all_of(parts: tuple[Expr, ...]) -> Expr:
    """The conjunction, flat; of one part that part."""
    flat = tuple(each for part in parts for each in (part.parts if isinstance(part, And) else (part,)))
    return flat[0] if len(flat) == 1 else And(flat)


def any_of(parts: tuple[Expr, ...]) -> Expr:
    """The disjunction, flat; of one part that part."""
    flat = tuple(each for part in parts for each in (part.parts if isinstance(part, Or) else (part,)))
    return flat[0] if len(flat) == 1 else Or(flat)


def fields_of(expr: Expr | None) -> frozenset[Field]:
    """Every field the query asks for."""
    return frozenset() if expr is None else frozenset(_fields(expr))


def _fields(expr: Expr) -> Iterator[Field]:
    match expr:
        case And(parts) | Or(parts):
            for part in parts:
                yield from _fields(part)
        case Not(part):
            yield from _fields(part)
        case IsNull():
            yield expr.field
        case Comparison():
            for side in (expr.left, expr.right):
                if isinstance(side, Linear):
                    yield side.field
                elif isinstance(side, Field):
                    yield side
        case _:
            assert_never(expr)


# --- writing -------------------------------------------------------------------------------------------------

_BARE_KEY = re.compile(r"[\w./:\-]*[\w/:\-]")
_BARE_OWNER = re.compile(r"[^\W\d][\w\-]*")
# Words that begin a field of the candidate; an alias of that name is written in backticks.
_ENTITY_WORDS = frozenset(("metric", "metrics", "param", "params", "parameter", "parameters", "tag", "tags"))


def to_text(node: Expr | Side | OrderKey) -> str:
    """The query as text; parsed again it gives the same tree."""
    match node:
        case And(parts):
            return " AND ".join(_grouped(part, Or) for part in parts)
        case Or(parts):
            return " OR ".join(to_text(part) for part in parts)
        case Not(part):
            return f"NOT {_grouped(part, And, Or)}"
        case IsNull():
            return f"{to_text(node.field)} IS {'NOT ' if node.negated else ''}NULL"
        case Comparison():
            return _comparison_text(node)
        case Field():
            return _field_text(node)
        case Linear(of, scale, offset):
            product = to_text(of) if scale == 1 else f"{_number_text(scale)} * {to_text(of)}"
            if offset == 0:
                return product
            return f"{product} {'-' if offset < 0 else '+'} {_number_text(abs(offset))}"
        case Literal(value):
            return _literal_text(value)
        case Ago(count, unit):
            return f"-{_number_text(count)}{unit}"
        case InList(values):
            return f"({', '.join(to_text(value) for value in values)})"
        case OrderKey(of, descending):
            return f"{to_text(of)} {'DESC' if descending else 'ASC'}"
        case _:
            assert_never(node)


def _grouped(part: Expr, *looser: type) -> str:
    return f"({to_text(part)})" if isinstance(part, looser) else to_text(part)


def _comparison_text(node: Comparison) -> str:
    # Where "for each value" is not what the operator says by itself, it is the NOT of "for one value".
    if isinstance(node.left, Field) and node.left.several and node.every != says_every(node.left, node.op):
        return f"NOT {_comparison_text(node.opposite())}"
    return f"{to_text(node.left)} {node.op} {to_text(node.right)}"


def says_every(of: Field, op: Op) -> bool:
    """Whether the operator, as written, asks every value of a field that has several.

    ``aliases != 'champion'`` asks for versions that are not champion. For datasets MLflow decided otherwise:
    ``dataset.name != 'x'`` holds if one of the run's datasets is not x.
    """
    return of.entity == "attribute" and of.several and op in (Op.NE, Op.NOT_LIKE, Op.NOT_ILIKE, Op.NOT_IN)


def _field_text(of: Field) -> str:
    if of.entity == "attribute":
        return of.key
    owner = "" if of.owner is None else f"{_owner_text(of.owner)}."
    key = of.key if _BARE_KEY.fullmatch(of.key) else _backticked(of.key)
    path = f"{owner}{of.entity}.{key}"
    return f"{of.aggregate}({path})" if of.aggregate else path


def _owner_text(owner: str) -> str:
    return owner if _BARE_OWNER.fullmatch(owner) and owner not in _ENTITY_WORDS else _backticked(owner)


def _backticked(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _literal_text(value: bool | int | float | str | datetime) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return f"'{value.isoformat()}'"
    if isinstance(value, str):
        # Backslashes escape only directly before a quote, and only there need be doubled.
        doubled = re.sub(r"(\\+)(?='|\Z)", r"\1\1", value)
        return "'" + doubled.replace("'", "''") + "'"
    return _number_text(value)


def _number_text(value: Number) -> str:
    text = repr(value)
    return text.replace("inf", "1e999")  # the grammar has no word for infinity; this number is it
