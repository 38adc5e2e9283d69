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

from collections.abc import Iterable, Sequence
from dataclasses import replace

from podium.errors import QueryError
from podium.search.comparable import compared
from podium.search.expressions import (
    AGGREGATES,
    Ago,
    Expr,
    Field,
    InList,
    IsNull,
    Kind,
    Literal,
    Not,
    Op,
    OrderKey,
    all_of,
    any_of,
)
from podium.search.families import GATE, RUNS, Family
from podium.search.fieldnames import FoundField, attribute, attribute_names, field_named
from podium.search.sides import Part, combined, number_of_text
from podium.search.tokens import Token, TokenKind, query_error, tokenize

__all__ = [
    "MAX_COMPARISONS",
    "MAX_DEPTH",
    "MAX_FILTER_CHARACTERS",
    "MAX_GATE_CHARACTERS",
    "parse_field",
    "parse_filter",
    "parse_gate",
    "parse_order",
]

MAX_FILTER_CHARACTERS = 100_000  # a list of 3,000 run ids fits
MAX_GATE_CHARACTERS = 10_000  # kept in the registry for ever
MAX_DEPTH = 50
MAX_COMPARISONS = 1_000

_OPERATORS = {"=": Op.EQ, "==": Op.EQ, "!=": Op.NE, ">": Op.GT, ">=": Op.GE, "<": Op.LT, "<=": Op.LE}
_WORD_OPERATORS = {"LIKE": Op.LIKE, "ILIKE": Op.ILIKE, "IN": Op.IN}
_KEYWORDS = frozenset(("AND", "OR", "NOT", "IN", "IS", "NULL", "LIKE", "ILIKE", "TRUE", "FALSE"))


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

    @property
    def _following(self) -> Token:
        return self.tokens[min(self.at + 1, len(self.tokens) - 1)]  # END follows itself

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
        self, where: Token | Part, problem: str, expected: str, *, meant: str = "", known: Iterable[str] = ()
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
        comparison = compared(self.text, left, op.opposite if negated else op, operator, right)
        if self._token.word in _OPERATORS:
            raise self._unexpected("expected AND between two comparisons: metrics.a > 0 AND metrics.a < 1")
        return comparison

    def _operators_expected(self, left: Part, *, negated: bool) -> str:
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

    def _named(self, left: Part) -> Part:
        """A double-quoted left side that is the name of an attribute ("Run name") is that attribute, as in MLflow."""
        if left.quote == '"' and isinstance(left.node, Literal) and isinstance(left.node.value, str):
            name = self.family.aliases.get(left.node.value, left.node.value)
            if name in self.family.attributes:
                return replace(
                    left, node=Field("attribute", name), kind=self.family.attributes[name], quote=""
                )
        return left

    def _is_null(self, left: Part) -> Expr:
        negated = self._take("NOT")
        if not isinstance(left.node, Field):
            raise self._error(left, "only a field can be NULL", "expected a field, as tags.reviewed")
        if not self._take("NULL"):
            raise self._unexpected("expected NULL" if negated else "expected NULL or NOT NULL")
        return IsNull(left.node, negated, left.start, self._last_end)

    @property
    def _last_end(self) -> int:
        return self.tokens[self.at - 1].end if self.at else 0

    def _list(self) -> Part:
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
        return Part(InList(tuple(values)), Kind.ANY, start, self._last_end)

    # --- sides

    def _side(self) -> Part:
        total = self._product()
        while self._token.word in ("+", "-"):
            sign = self._next()
            total = combined(self.text, total, sign, self._product())
        return total

    def _product(self) -> Part:
        total = self._value()
        while self._token.word == "*":
            sign = self._next()
            total = combined(self.text, total, sign, self._value())
        return total

    def _value(self) -> Part:
        token = self._token
        if token.word == "-":
            return self._negative(self._next())
        if token.kind is TokenKind.NUMBER:
            self._next()
            return Part(Literal(number_of_text(token.text)), Kind.NUMBER, token.start, token.end)
        if token.kind is TokenKind.STRING:
            self._next()
            return Part(Literal(token.text), Kind.TEXT, token.start, token.end, quote=token.quote)
        if token.kind is TokenKind.DURATION:
            raise self._error(
                token, f"{token.text} is a time still to come", f"expected -{token.text} for that long ago"
            )
        if token.word in ("TRUE", "FALSE"):
            self._next()
            return Part(Literal(token.word == "TRUE"), Kind.BOOL, token.start, token.end)
        if token.kind is TokenKind.NAME and token.word not in _KEYWORDS:
            found = self._field(token)
            return Part(found.field, found.kind, token.start, self._last_end)
        raise self._unexpected("expected a field, a number or a quoted text")

    def _negative(self, minus: Token) -> Part:
        token = self._token
        if token.word == "-":
            raise self._unexpected("expected a number after the minus")
        if token.kind is TokenKind.DURATION:
            self._next()
            count = number_of_text(token.text[:-1])
            return Part(Ago(count, token.text[-1]), Kind.TIME, minus.start, token.end)
        part = self._value()
        minus_one = Part(Literal(-1), Kind.NUMBER, minus.start, minus.end)
        if (
            isinstance(part.node, Literal)
            and part.kind is Kind.NUMBER
            and isinstance(part.node.value, int | float)
        ):
            return replace(part, node=Literal(-part.node.value), start=minus.start)
        return combined(self.text, minus_one, Token(TokenKind.SYMBOL, "*", minus.start, minus.end), part)

    # --- fields

    def _field(self, token: Token) -> FoundField:
        """The field that begins at ``token``, which is the next one."""
        if (
            token.kind is TokenKind.STRING
            and token.quote == '"'
            and token.text in attribute_names(self.family)
        ):
            self._next()
            return attribute(self.text, self.family, token, token.text)
        if token.kind is not TokenKind.NAME or token.word in _KEYWORDS:
            raise self._unexpected("expected a field, as metrics.f1, params.lr or tags.team")
        if self._following.word == "(" and token.word:
            return self._aggregate(token)
        self._next()
        return field_named(self.text, self.family, token)

    def _aggregate(self, token: Token) -> FoundField:
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
        if self._following.word == "(":
            raise self._error(inside, f"a function inside {name}()", "expected a metric, as metrics.loss")
        found = self._field(inside)
        if found.field.entity != "metrics":
            raise self._error(inside, f"{name}() of what is no metric", "expected a metric, as metrics.loss")
        if not self._take(")"):
            raise self._unexpected("expected a closing parenthesis")
        return FoundField(replace(found.field, aggregate=None if name == "last" else name), Kind.NUMBER)

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


def _quoted_piece(text: str, token: Token) -> str:
    piece = text[token.start : token.end]
    return repr(piece if len(piece) <= 40 else piece[:39] + "…")
