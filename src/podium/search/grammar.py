"""Text to tree: the one query language of podium, for runs, experiments, versions, models and gates.

A superset of MLflow's search grammar: what is valid there means the same here. A recursive-descent parser:

    expression  = conjunction { OR conjunction }
    conjunction = factor { [AND] factor } [AND]
    factor      = NOT factor | "(" expression ")" | comparison
    comparison  = side (operator side | [NOT] (IN list | LIKE text | ILIKE text) | IS [NOT] NULL)
    side        = product { ("+" | "-") product }
    product     = value { "*" value }
    value       = ["-"] (number | field | duration) | text | TRUE | FALSE
    field       = [alias "."] entity "." key | attribute | aggregate "(" field ")"

Pure: never looks up a fact, a clock or a store. Whatever the text, it returns a tree or raises QueryError.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from podium.errors import QueryError
from podium.search.expressions import (
    AGGREGATES,
    Ago,
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
    OrderKey,
    Side,
    all_of,
    any_of,
    says_every,
    to_text,
)
from podium.search.families import GATE, RUNS, Family
from podium.search.tokens import Token, TokenKind, query_error, tokenize

__all__ = [
    "MAX_COMPARISONS",
    "MAX_DEPTH",
    "MAX_FILTER_CHARACTERS",
    "MAX_GATE_CHARACTERS",
    "is_alias_name",
    "parse_field",
    "parse_filter",
    "parse_gate",
    "parse_order",
]

MAX_FILTER_CHARACTERS = 100_000  # a list of 3,000 run ids fits
MAX_GATE_CHARACTERS = 10_000  # kept in the registry for ever
MAX_DEPTH = 50
MAX_COMPARISONS = 1_000

_EXACT_DIGITS = 18  # integers longer than this are read as floats; no millisecond or step is

_ALIAS = re.compile(r"[\w-]{1,255}")
_NOT_ALIAS = re.compile(r"latest|v?[0-9]+")
_OPERATORS = {"=": Op.EQ, "==": Op.EQ, "!=": Op.NE, ">": Op.GT, ">=": Op.GE, "<": Op.LT, "<=": Op.LE}
_WORD_OPERATORS = {"LIKE": Op.LIKE, "ILIKE": Op.ILIKE, "IN": Op.IN}
_ORDERING = (Op.GT, Op.GE, Op.LT, Op.LE)
_PATTERNS = (Op.LIKE, Op.NOT_LIKE, Op.ILIKE, Op.NOT_ILIKE)
_KEYWORDS = frozenset(("AND", "OR", "NOT", "IN", "IS", "NULL", "LIKE", "ILIKE", "TRUE", "FALSE"))


def is_alias_name(text: str) -> bool:
    """Whether an alias may have this name: letters, digits, `_` and `-`; not latest, v3 or 3."""
    return bool(_ALIAS.fullmatch(text)) and not _NOT_ALIAS.fullmatch(text)


def parse_filter(text: str | None, *, fields: Family = RUNS) -> Expr | None:
    """The tree of a filter; None, which everything matches, for an empty one.

    Args:
        text: the filter; None is an empty one.
        fields: what is searched: RUNS, EXPERIMENTS, VERSIONS or MODELS.

    Raises:
        QueryError: with the text, a caret, and what was expected.
    """
    if text is None:
        return None
    return _Parser(text, fields, MAX_FILTER_CHARACTERS).filter()


def parse_gate(text: str) -> Expr:
    """The tree of a gate: comparisons of the candidate's facts with numbers and with holders of aliases.

    Raises:
        QueryError: as `parse_filter`; also for a gate that compares nothing.
    """
    expr = _Parser(text, GATE, MAX_GATE_CHARACTERS).filter()
    if expr is None:
        raise query_error(
            text,
            0,
            "an empty gate would let everything through",
            "expected a comparison, as metrics.f1 >= 0.9",
        )
    return expr


def parse_order(order: str | Sequence[str], *, fields: Family = RUNS) -> tuple[OrderKey, ...]:
    """The keys of an order, as ``"metrics.f1 DESC"`` or a sequence of such; several in one text are parted by commas.

    Raises:
        QueryError: as `parse_filter`; also for a field of several values, which has no order.
    """
    texts = [order] if isinstance(order, str) else order
    return tuple(key for text in texts for key in _Parser(text, fields, MAX_FILTER_CHARACTERS).order())


def parse_field(text: str, *, fields: Family = RUNS) -> Field:
    """One field: ``metrics.rmse``, ``min(metrics.loss)``, ``start_time``.

    Raises:
        QueryError: as `parse_filter`.
    """
    return _Parser(text, fields, MAX_FILTER_CHARACTERS).single_field()


@dataclass(frozen=True, slots=True)
class _Part:
    """One side as it was read: what it is, its kind, and where it stands."""

    node: Side
    kind: Kind
    start: int
    end: int
    quote: str = ""  # of a text: how it was quoted

    @property
    def field(self) -> Field | None:
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


class _Parser:
    """Reads one text once. Every method either moves past what it read or raises."""

    def __init__(self, text: str, family: Family, most_characters: int) -> None:
        if not isinstance(text, str):
            raise TypeError(f"a query is text, not {type(text).__name__}")
        if len(text) > most_characters:
            raise query_error(
                text,
                most_characters,
                f"the query has {len(text)} characters",
                f"expected at most {most_characters}",
            )
        self.text = text
        self.family = family
        self.tokens = tokenize(text)
        self.at = 0
        self.depth = 0
        self.comparisons = 0

    # --- the three entries

    def filter(self) -> Expr | None:
        self._skip_ands()
        if self._token.kind is TokenKind.END:
            return None
        expr = self._expression()
        self._expect_end("expected AND, OR or the end")
        return expr

    def order(self) -> list[OrderKey]:
        keys = [self._order_key()]
        while self._take(","):
            keys.append(self._order_key())
        self._expect_end("expected ASC, DESC, a comma or the end")
        return keys

    def single_field(self) -> Field:
        found = self._field(self._token)
        self._expect_end("expected one field and nothing else")
        return found.field

    # --- tokens

    @property
    def _token(self) -> Token:
        return self.tokens[self.at]

    def _next(self) -> Token:
        token = self.tokens[self.at]
        self.at = min(self.at + 1, len(self.tokens) - 1)  # END is never passed
        return token

    def _take(self, word: str) -> bool:
        if self._token.word != word:
            return False
        self._next()
        return True

    def _skip_ands(self) -> None:
        while self._take("AND"):
            pass

    def _error(
        self, where: Token | _Part, problem: str, expected: str, *, meant: str = "", known: Iterable[str] = ()
    ) -> QueryError:
        return query_error(self.text, where.start, problem, expected, meant=meant, known=known)

    def _unexpected(self, expected: str) -> QueryError:
        token = self._token
        if token.kind is TokenKind.END:
            return self._error(token, "the query ends here", expected)
        return self._error(token, f"{_quoted_piece(self.text, token)} does not belong here", expected)

    def _expect_end(self, expected: str) -> None:
        if self._token.kind is not TokenKind.END:
            raise self._unexpected(expected)

    # --- expressions

    def _expression(self) -> Expr:
        parts = [self._conjunction()]
        while self._take("OR"):
            parts.append(self._conjunction())
        return any_of(tuple(parts))

    def _conjunction(self) -> Expr:
        parts = [self._factor()]
        while True:
            if self._take("AND"):
                self._skip_ands()  # as MLflow, which drops every AND
                if self._token.kind is TokenKind.END:
                    break
            elif not self._begins_factor():
                break
            parts.append(self._factor())
        return all_of(tuple(parts))

    def _begins_factor(self) -> bool:
        """Whether a comparison follows without an AND before it, which MLflow takes as an AND."""
        token = self._token
        if token.kind is TokenKind.NAME:
            return token.word not in ("OR", "AND", "IS", "IN", "LIKE", "ILIKE", "NULL", "BETWEEN")
        return token.word == "(" or token.kind in (TokenKind.STRING, TokenKind.NUMBER)

    def _factor(self) -> Expr:
        if self._token.word not in ("NOT", "("):
            return self._comparison()
        opening = self._next()
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self._error(
                opening,
                f"the query is nested more than {MAX_DEPTH} deep",
                "expected fewer NOT and parentheses",
            )
        if opening.word == "NOT":
            inner: Expr = Not(self._factor())
        else:
            inner = self._expression()
            if not self._take(")"):
                raise self._unexpected("expected AND, OR or a closing parenthesis")
        self.depth -= 1
        return inner

    # --- comparisons

    def _comparison(self) -> Expr:
        self.comparisons += 1
        if self.comparisons > MAX_COMPARISONS:
            raise self._error(
                self._token, f"more than {MAX_COMPARISONS} comparisons", "expected fewer; IN takes a list"
            )
        left = self._named(self._side())
        if self._take("IS"):
            return self._is_null(left)
        negated = self._take("NOT")
        operator = self._token
        op = _WORD_OPERATORS.get(operator.word)
        if op is None and not negated:
            op = _OPERATORS.get(operator.word)
        if op is None:
            raise self._unexpected(self._operators_expected(left, negated=negated))
        self._next()
        right = self._list() if op is Op.IN else self._side()
        compared = self._compared(left, op.opposite if negated else op, operator, right)
        if self._token.word in _OPERATORS:
            raise self._unexpected("expected AND between two comparisons: metrics.a > 0 AND metrics.a < 1")
        return compared

    def _operators_expected(self, left: _Part, *, negated: bool) -> str:
        if negated:
            return "expected IN, LIKE or ILIKE after NOT"
        token = self._token
        if token.word == "BETWEEN":
            return "expected two comparisons instead: metrics.a >= 0 AND metrics.a <= 1"
        if token.word == "(" and isinstance(left.node, Field):
            return f"expected an operator; functions are {', '.join(AGGREGATES)}, of a metric"
        return (
            "expected an operator: = != > >= < <= [NOT] LIKE, [NOT] ILIKE, [NOT] IN, IS [NOT] NULL, or + - *"
        )

    def _named(self, left: _Part) -> _Part:
        """A double-quoted left side that is the name of an attribute ("Run name") is that attribute, as in MLflow."""
        if left.quote == '"' and isinstance(left.node, Literal) and isinstance(left.node.value, str):
            name = self.family.aliases.get(left.node.value, left.node.value)
            if name in self.family.attributes:
                return replace(
                    left, node=Field("attribute", name), kind=self.family.attributes[name], quote=""
                )
        return left

    def _is_null(self, left: _Part) -> Expr:
        negated = self._take("NOT")
        if not isinstance(left.node, Field):
            raise self._error(left, "only a field can be NULL", "expected a field, as tags.reviewed")
        if not self._take("NULL"):
            raise self._unexpected("expected NULL" if negated else "expected NULL or NOT NULL")
        return IsNull(left.node, negated, left.start, self._last_end)

    @property
    def _last_end(self) -> int:
        return self.tokens[self.at - 1].end if self.at else 0

    def _list(self) -> _Part:
        start = self._token.start
        if not self._take("("):
            raise self._unexpected("expected a list in parentheses: ('a', 'b')")
        values: list[Literal] = []
        while True:
            part = self._value()
            if not isinstance(part.node, Literal):
                raise self._error(
                    part,
                    "a list holds only values",
                    "expected a quoted text, a number, true or false",
                )
            values.append(part.node)
            comma = self._take(",")
            if self._take(")"):
                break
            if not comma:
                raise self._unexpected("expected a comma or a closing parenthesis")
        return _Part(InList(tuple(values)), Kind.ANY, start, self._last_end)

    def _compared(self, left: _Part, op: Op, operator: Token, right: _Part) -> Comparison:
        """The comparison, with its field on the left, if the two sides can be compared so."""
        if left.field is None and right.field is None:
            raise self._error(
                left,
                "this compares two values, and no field",
                "expected a field, as metrics.f1, on one side",
            )
        if left.field is None or (right.field is not None and right.field.several and not left.field.several):
            if op in _PATTERNS or op in (Op.IN, Op.NOT_IN):
                raise self._error(left, f"{op} looks at a field", "expected the field on its left side")
            left, op, right = right, op.flipped, left
        if right.field is not None and right.field.several:
            raise self._error(right, "both sides have several values", "expected one value on one side")
        if not isinstance(left.node, Field | Linear):
            raise AssertionError("a part with a field is a Field or a Linear")  # by _Part.field
        right = self._coerced(left, right)
        compared = self._kind_of(left, op, operator, right)
        several = isinstance(left.node, Field) and says_every(left.node, op)
        start, end = sorted((left.start, right.start))[0], max(left.end, right.end)
        return Comparison(left.node, op, right.node, compared, several, start, end)

    def _coerced(self, left: _Part, right: _Part) -> _Part:
        """A literal as the left side's kind wants it: a time from its text, a version's number from its text."""
        if isinstance(right.node, InList):
            values = tuple(self._coerced_literal(left, value, right.start) for value in right.node.values)
            return replace(right, node=InList(values))
        if not isinstance(right.node, Literal):
            return right
        literal = self._coerced_literal(left, right.node, right.start)
        return right if literal is right.node else replace(right, node=literal, kind=_kind_of_value(literal))

    def _coerced_literal(self, left: _Part, literal: Literal, position: int) -> Literal:
        if not isinstance(literal.value, str):
            return literal
        if left.kind is Kind.TIME:
            return Literal(self._time(literal.value, position))
        if left.field == _VERSION and literal.value.isascii() and literal.value.isdigit():
            return Literal(_number(literal.value))  # MLflow takes version_number = '1' too
        return literal

    def _time(self, text: str, position: int) -> datetime:
        try:
            moment = datetime.fromisoformat(text.strip())
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise query_error(
                self.text,
                position,
                f"{text!r} is no time",
                "expected '2026-11-01', '2026-11-01T12:30:00+01:00', -7d (seven days ago) or milliseconds since 1970",
            ) from error

    def _kind_of(self, left: _Part, op: Op, operator: Token, right: _Part) -> Kind:
        """As what the sides are compared; an error where they cannot be."""
        if isinstance(right.node, InList):
            for value in right.node.values:
                self._check_kinds(left, _kind_of_value(value), right)
            return left.kind
        compared = self._check_kinds(left, right.kind, right)
        if op in _PATTERNS:
            if left.kind not in (Kind.TEXT, Kind.ANY):
                raise self._error(
                    operator,
                    f"{op} compares text, and the left side is a {left.kind}",
                    "expected = != > >= < or <=",
                )
            if not isinstance(right.node, Literal) or right.kind is not Kind.TEXT:
                raise self._error(right, f"{op} takes a pattern", "expected a quoted text, as '%forest%'")
        if op in _ORDERING and compared is Kind.TEXT:
            unquoted = "; write a number without quotes" if left.kind is Kind.ANY else ""
            raise self._error(
                operator,
                f"{op} compares numbers and times, and here are texts",
                f"expected = != LIKE, ILIKE or IN{unquoted}",
            )
        if op in _ORDERING and compared is Kind.BOOL:
            raise self._error(operator, f"{op} compares numbers and times", "expected = or !=")
        return compared

    def _check_kinds(self, left: _Part, right_kind: Kind, right: _Part) -> Kind:
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
        raise self._error(right, f"a {left.kind} cannot be compared with a {right_kind}", expected)

    # --- sides

    def _side(self) -> _Part:
        total = self._product()
        while self._token.word in ("+", "-"):
            sign = self._next()
            total = self._combined(total, sign, self._product())
        return total

    def _product(self) -> _Part:
        total = self._value()
        while self._token.word == "*":
            sign = self._next()
            total = self._combined(total, sign, self._value())
        return total

    def _combined(self, left: _Part, sign: Token, right: _Part) -> _Part:
        """The sum, difference or product of two sides, as one number or one field that was scaled and shifted."""
        one, other = left.linear, right.linear
        for part, linear in ((left, one), (right, other)):
            if linear is None:
                raise self._error(
                    part,
                    f"this cannot stand beside {sign.text}",
                    "expected a number, a metric, a param or a time",
                )
        assert one is not None  # noqa: S101 - the loop above raised otherwise
        assert other is not None  # noqa: S101
        if one[1] is not None and other[1] is not None:
            raise self._error(
                right,
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
        return self._folded(result, left, right)

    def _folded(self, linear: tuple[Number, Field | None, Number], left: _Part, right: _Part) -> _Part:
        scale, of, offset = linear
        if math.isnan(scale) or math.isnan(offset):
            raise self._error(left, "these constants give no number", "expected smaller ones")
        if of is None:
            return _Part(Literal(_bounded(offset)), Kind.NUMBER, left.start, right.end)
        if scale == 1 and offset == 0:
            field_part = left if left.field is not None else right
            return _Part(of, field_part.kind, left.start, right.end)
        kind = Kind.TIME if Kind.TIME in (left.kind, right.kind) and scale == 1 else Kind.NUMBER
        return _Part(Linear(of, _bounded(scale), _bounded(offset)), kind, left.start, right.end)

    def _value(self) -> _Part:
        token = self._token
        if token.word == "-":
            return self._negative(self._next())
        if token.kind is TokenKind.NUMBER:
            self._next()
            return _Part(Literal(_number(token.text)), Kind.NUMBER, token.start, token.end)
        if token.kind is TokenKind.STRING:
            self._next()
            return _Part(Literal(token.text), Kind.TEXT, token.start, token.end, quote=token.quote)
        if token.kind is TokenKind.DURATION:
            raise self._error(
                token, f"{token.text} is a time still to come", f"expected -{token.text} for that long ago"
            )
        if token.word in ("TRUE", "FALSE"):
            self._next()
            return _Part(Literal(token.word == "TRUE"), Kind.BOOL, token.start, token.end)
        if token.kind is TokenKind.NAME and token.word not in _KEYWORDS:
            found = self._field(token)
            return _Part(found.field, found.kind, token.start, self._last_end)
        raise self._unexpected("expected a field, a number or a quoted text")

    def _negative(self, minus: Token) -> _Part:
        token = self._token
        if token.word == "-":
            raise self._unexpected("expected a number after the minus")
        if token.kind is TokenKind.DURATION:
            self._next()
            count = _number(token.text[:-1])
            return _Part(Ago(count, token.text[-1]), Kind.TIME, minus.start, token.end)
        part = self._value()
        minus_one = _Part(Literal(-1), Kind.NUMBER, minus.start, minus.end)
        if (
            isinstance(part.node, Literal)
            and part.kind is Kind.NUMBER
            and isinstance(part.node.value, int | float)
        ):
            return replace(part, node=Literal(-part.node.value), start=minus.start)
        return self._combined(minus_one, Token(TokenKind.SYMBOL, "*", minus.start, minus.end), part)

    # --- fields

    def _field(self, token: Token) -> _Found:
        """The field that begins at ``token``, which is the next one."""
        if token.kind is TokenKind.STRING and token.quote == '"' and token.text in self._attribute_names:
            self._next()
            return self._attribute(token, token.text)
        if token.kind is not TokenKind.NAME or token.word in _KEYWORDS:
            raise self._unexpected("expected a field, as metrics.f1, params.lr or tags.team")
        following = self.tokens[min(self.at + 1, len(self.tokens) - 1)]
        if following.word == "(" and token.word:
            return self._aggregate(token)
        self._next()
        if token.owner is not None:
            return self._path(token, token.owner, token.text)
        if not token.text:
            return self._attribute(token, token.key or "")
        first, dot, rest = token.text.partition(".")
        if first in self.family.entities and (dot or token.key is not None):
            return self._keyed(token, None, first, rest if dot else None)
        if self.family.owners and (dot or token.key is not None):
            return self._path(token, first, rest)
        if dot or token.key is not None:
            raise self._unknown_entity(token, first)
        return self._attribute(token, first)

    def _aggregate(self, token: Token) -> _Found:
        name = token.text.lower()
        if name not in AGGREGATES:
            raise self._error(
                token,
                f"no function is named {token.text!r}",
                f"expected {', '.join(AGGREGATES)}",
                meant=name,
                known=AGGREGATES,
            )
        self._next()
        self._next()
        inside = self._token
        if self.tokens[min(self.at + 1, len(self.tokens) - 1)].word == "(":
            raise self._error(inside, f"a function inside {name}()", "expected a metric, as metrics.loss")
        found = self._field(inside)
        if found.field.entity != "metrics":
            raise self._error(inside, f"{name}() of what is no metric", "expected a metric, as metrics.loss")
        if not self._take(")"):
            raise self._unexpected("expected a closing parenthesis")
        return _Found(replace(found.field, aggregate=None if name == "last" else name), Kind.NUMBER)

    def _path(self, token: Token, owner: str, rest: str) -> _Found:
        """``<alias>.<entity>.<key>``: of a gate only."""
        if not self.family.owners:
            raise self._error(
                token, "a quoted name before a dot", "expected metrics, params or tags before the dot"
            )
        entity, dot, key = rest.partition(".")
        if entity not in self.family.entities or not (dot or token.key is not None):
            near = difflib.get_close_matches(owner, self.family.entities, n=1, cutoff=0.7)
            advice = f"; or did you mean {near[0]!r} of the candidate?" if near else ""
            raise self._error(
                token,
                f"{owner!r} is taken as an alias, and what is read of its holder is missing",
                f"expected {owner}.metrics.<key>, {owner}.params.<key> or {owner}.tags.<key>{advice}",
            )
        if not is_alias_name(owner):
            raise self._error(
                token,
                f"{owner!r} cannot be an alias",
                "expected letters, digits, _ and -; not latest, v3 or 3",
            )
        return self._keyed(token, owner, entity, key if dot else None)

    def _keyed(self, token: Token, owner: str | None, word: str, key: str | None) -> _Found:
        """A field of an entity. ``key`` is what stood unquoted after the entity's dot, None if nothing did."""
        entity = self.family.entities[word]
        if key is not None and token.key is not None:
            raise self._error(
                token, "a key that is quoted only in part", f"expected the whole key in quotes: {word}.`...`"
            )
        name = token.key if token.key is not None else key
        if not name:
            raise self._error(
                token, f"{word}. without a key", f"expected {word}.<key>, without spaces around the dot"
            )
        if entity == "attribute":
            return self._attribute(token, name)
        if entity == "dataset":
            if name not in _DATASET_KEYS:
                raise self._error(
                    token,
                    f"a dataset has no {name!r}",
                    f"expected one of {', '.join(_DATASET_KEYS)}",
                    meant=name,
                    known=_DATASET_KEYS,
                )
            return _Found(Field("dataset", name), Kind.TEXT)
        return _Found(Field(entity, name, owner=owner), Kind.NUMBER if entity == "metrics" else Kind.ANY)

    @property
    def _attribute_names(self) -> frozenset[str]:
        return frozenset((*self.family.attributes, *self.family.aliases))

    def _attribute(self, token: Token, written: str) -> _Found:
        name = self.family.aliases.get(written, written)
        kind = self.family.attributes.get(name)
        if kind is not None:
            return _Found(Field("attribute", name), kind)
        if name in self.family.absent:
            raise self._error(
                token, f"a {self.family.name} has no {written!r} in podium", self.family.absent[name]
            )
        if not self.family.attributes:
            raise self._error(
                token,
                f"{written!r} names no fact that a gate reads",
                f"expected metrics.{written}, params.{written} or tags.{written}, or those of an alias: "
                f"champion.metrics.{written}",
            )
        entities = [word for word in ("metrics", "params", "tags") if word in self.family.entities]
        raise self._error(
            token,
            f"a {self.family.name} has no attribute {written!r}",
            f"expected one of {', '.join(self.family.attributes)}; or "
            f"{', '.join(f'{each}.<key>' for each in entities)}; a text goes in quotes: '{written}'",
            meant=written,
            known=self._attribute_names,
        )

    def _unknown_entity(self, token: Token, word: str) -> QueryError:
        words = list(dict.fromkeys(self.family.entities.values()))
        words = ["attributes" if each == "attribute" else each for each in words]
        return self._error(
            token,
            f"{word!r} is nothing a {self.family.name} has",
            f"expected {', '.join(f'{each}.<key>' for each in words)}, or an attribute without a dot",
            meant=word,
            known=self.family.entities,
        )

    # --- order

    def _order_key(self) -> OrderKey:
        token = self._token
        found = self._field(token)
        if found.field.several:
            raise self._error(
                token, f"{found.field} has several values, and so no order", "expected a field of one value"
            )
        descending = self._token.word == "DESC"
        if descending or self._token.word == "ASC":
            self._next()
        return OrderKey(found.field, descending)


@dataclass(frozen=True, slots=True)
class _Found:
    """A field that was read, and the kind of its values."""

    field: Field
    kind: Kind


_VERSION = Field("attribute", "version")
_DATASET_KEYS = ("name", "digest", "context")

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


def _number(text: str) -> Number:
    """An int where the text is one, so that milliseconds are exact; else a float."""
    return int(text) if text.isdigit() and len(text) <= _EXACT_DIGITS else float(text)


def _bounded(value: Number) -> Number:
    """A folded constant as the parser would read it again: no int of more digits than it reads."""
    return float(value) if isinstance(value, int) and abs(value) >= 10**_EXACT_DIGITS else value


def _quoted_piece(text: str, token: Token) -> str:
    piece = text[token.start : token.end]
    return repr(piece if len(piece) <= 40 else piece[:39] + "…")
