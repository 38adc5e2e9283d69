"""What a query means, as SQL over the index: the second evaluator.

Pure: a tree becomes text and the values bound to it; nothing a user wrote ever becomes part of the text. Means exactly
what `podium.search.evaluate` means, and is held against it by the tests. What SQL cannot say within its limits (a
thousand fields, lists of many thousand values) it does not say: `Unsayable`, and the rows are looked at in memory.

How values lie in the index: a row of ``metrics`` has numbers, NaN being NULL; a row of ``texts`` (params, tags) has
``kind`` (0 a number, 1 anything else, 2 NaN), ``num`` (the number it is or spells, or NULL), ``text`` and ``flag`` (the
bool it is or spells, or NULL). A field that a run lacks has no row. Since NULL is NaN once a row is there, equality is
asked with what NULL means said beside it; ``<`` and its kin need nothing, for NULL holds in none of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias, assert_never

from podium.search.evaluate import (
    UNIT_MS,
    Number,
    bool_of,
    kind_beside,
    number_of,
    text_of,
)
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
    Op,
    Or,
    OrderKey,
    Side,
    push_not,
)
from podium.search.families import RUNS

__all__ = ["Bound", "Selection", "Unsayable", "bindable", "selection"]

Bound: TypeAlias = "int | float | str | bytes | None"
KeyOf: TypeAlias = Callable[[str, str], int]
GoalOf: TypeAlias = Callable[[str], "str | None"]

# SQLite joins at most 64 tables.
_MOST_JOINS = 40
_MOST_COMPARISONS = 400
_MOST_VALUES = 5_000

_COMPARED = {Op.GT: ">", Op.GE: ">=", Op.LT: "<", Op.LE: "<="}
_NULLABLE = frozenset({"end_time", "parent_run_id", "error"})
_FALSE, _TRUE = "0", "1"


class Unsayable(Exception):
    """The query is beyond what one statement of SQLite takes."""


def bindable(text: str) -> str | bytes:
    """A text as SQLite takes it; half a character, which UTF-8 has no place for, as the bytes it would have."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text


@dataclass(frozen=True, slots=True)
class Selection:
    """A query of the index: which runs, in which order.

    Attributes:
        sql: selects the id of each run.
        values: bound to it, in order.
    """

    sql: str
    values: tuple[Bound, ...]


def selection(
    expr: Expr | None,
    order: Sequence[OrderKey],
    *,
    key_of: KeyOf,
    goal_of: GoalOf,
    now_ms: Number,
    deleted: bool,
    gone: Sequence[int] = (),
    experiments: Sequence[int] | None = None,
    limit: int | None = None,
) -> Selection:
    """The statement that finds the runs of a query.

    Args:
        expr: as `podium.search.grammar.parse_filter` returns it.
        order: the keys asked for; what they leave equal is newest first, then by id, then by experiment.
        key_of: the index's number of an entity's key; one that no run has when it is not there.
        goal_of: the goal a metric has by its name.
        now_ms: the time, in milliseconds since 1970.
        deleted: those that were deleted, instead of those that were not.
        gone: ids of the experiments that were deleted, and their runs with them.
        experiments: ids of the experiments to look in; None: all.
        limit: at most so many.

    Raises:
        Unsayable: see there.
    """
    builder = _Builder(key_of, goal_of, now_ms)
    where = ["r.deleted = ?"]
    builder.where_values.append(int(deleted))
    if gone and deleted:
        where = [f"({where[0]} OR r.place IN ({builder.in_where(list(gone))}))"]
    elif gone:
        where.append(f"r.place NOT IN ({builder.in_where(list(gone))})")
    if experiments is not None:
        where.append(f"r.place IN ({builder.in_where(list(experiments))})")
    if expr is not None:
        where.append(builder.condition(push_not(expr)))
    ordered = [term for key in (*order, *RUNS.ties) for term in builder.order(key)]
    limited = ""
    if limit is not None:
        limited = " LIMIT ?"
    sql = (
        # Every value of the user's is bound.
        f"SELECT r.id FROM runs r{''.join(builder.joins)} WHERE {' AND '.join(where)} "  # noqa: S608
        f"ORDER BY {', '.join([*ordered, 'r.place'])}{limited}"
    )
    values = (*builder.join_values, *builder.where_values, *builder.order_values)
    return Selection(sql, values if limit is None else (*values, min(limit, 2**62)))


@dataclass(frozen=True, slots=True)
class _Form:
    """One side of a comparison, as SQL: what tells that it is there, and what it is as a number, a text, a bool.

    Each is text in which ``?`` stands for the values beside it, in order.
    """

    there: str = _TRUE
    num: str = "NULL"
    text: str = "NULL"
    flag: str = "NULL"
    is_number: str = _FALSE
    num_values: tuple[Bound, ...] = ()
    text_values: tuple[Bound, ...] = ()
    flag_values: tuple[Bound, ...] = ()


@dataclass(slots=True)
class _Builder:
    key_of: KeyOf
    goal_of: GoalOf
    now_ms: Number
    joins: list[str] = field(default_factory=list)
    join_values: list[Bound] = field(default_factory=list)
    where_values: list[Bound] = field(default_factory=list)
    order_values: list[Bound] = field(default_factory=list)
    comparisons: int = 0
    _aliases: dict[tuple[str, str], str] = field(default_factory=dict)
    _asks_live: bool = False

    def in_where(self, values: list[Bound]) -> str:
        self.where_values.extend(values)
        return ", ".join("?" * len(values))

    # --- conditions

    def condition(self, expr: Expr) -> str:
        match expr:
            case And(parts):
                return _balanced([self.condition(part) for part in parts], "AND")
            case Or(parts):
                return _balanced([self.condition(part) for part in parts], "OR")
            case IsNull(of, negated):
                there = self._there(of)
                return there if negated else f"NOT ({there})"
            case Comparison():
                self.comparisons += 1
                if self.comparisons > _MOST_COMPARISONS:
                    raise Unsayable("too many comparisons")
                return self._comparison(expr)
            case Not():
                raise AssertionError("push_not leaves no NOT")
            case _:
                assert_never(expr)

    def _comparison(self, comparison: Comparison) -> str:
        left, right = comparison.left, comparison.right
        if isinstance(left, Field) and left.several:
            return self._among_several(comparison, left)
        form = self._form(left)
        return self._holds(comparison, form, right)

    def _among_several(self, comparison: Comparison, of: Field) -> str:
        """Of the datasets of a run: one for which it holds, or none for which its opposite does."""
        column = f"d.{of.key}"
        each = _Form(text=column)
        some = "EXISTS (SELECT 1 FROM datasets d WHERE d.run = r.id"
        if not comparison.every:
            return f"({some} AND {self._holds(comparison, each, comparison.right)}))"
        # None for which its opposite holds; texts have no NaN, so one of the two always does.
        opposite = replace(comparison, op=comparison.op.opposite)
        there = self._right_there(comparison.right)
        return f"({there} AND {some}) AND NOT {some} AND {self._holds(opposite, each, comparison.right)}))"

    def _right_there(self, right: Side) -> str:
        return self._there(right) if isinstance(right, Field) else _TRUE

    def _holds(self, comparison: Comparison, left: _Form, side: Side) -> str:
        op, compared = comparison.op, comparison.compared
        if isinstance(side, InList):
            return self._in_list(comparison, left, side)
        right = self._form(side)
        there = _both(left.there, right.there)
        if op in _COMPARED:
            return f"({self._use(left.num, left.num_values)} {_COMPARED[op]} {self._use(right.num, right.num_values)})"
        if op in (Op.EQ, Op.NE):
            return f"({there} AND {self._equality(op, compared, left, right)})"
        if not isinstance(side, Literal):
            raise AssertionError("a pattern is a literal")
        pattern = text_of(side.value)
        folded = op in (Op.ILIKE, Op.NOT_ILIKE)
        function = "podium_ilike" if folded else "podium_like"
        fits = f"{function}(CAST({self._use(left.text, left.text_values)} AS BLOB), ?)"
        self.where_values.append((pattern.lower() if folded else pattern).encode("utf-8", "surrogatepass"))
        return f"({there} AND {'NOT ' if op in (Op.NOT_LIKE, Op.NOT_ILIKE) else ''}{fits})"

    def _equality(self, op: Op, compared: Kind, left: _Form, right: _Form) -> str:
        match compared:
            case Kind.NUMBER | Kind.TIME:
                return self._equal(op, left.num, left.num_values, right.num, right.num_values)
            case Kind.TEXT:
                return self._equal(op, left.text, left.text_values, right.text, right.text_values)
            case Kind.BOOL:
                return self._equal(op, left.flag, left.flag_values, right.flag, right.flag_values)
            case Kind.ANY:
                number = f"({left.is_number} OR {right.is_number})"
                numbers = self._equal(op, left.num, left.num_values, right.num, right.num_values)
                texts = self._equal(op, left.text, left.text_values, right.text, right.text_values)
                return f"CASE WHEN {number} THEN {numbers} ELSE {texts} END"
            case _:
                assert_never(compared)

    def _equal(
        self, op: Op, one: str, one_values: tuple[Bound, ...], other: str, other_values: tuple[Bound, ...]
    ) -> str:
        sides = f"{self._use(one, one_values)} {{}} {self._use(other, other_values)}"
        return f"({sides.format('=')})" if op is Op.EQ else f"coalesce({sides.format('<>')}, 1)"

    def _in_list(self, comparison: Comparison, left: _Form, several: InList) -> str:
        if len(several.values) > _MOST_VALUES:
            raise Unsayable("a list of too many values")
        numbers: list[Bound] = []
        texts: list[Bound] = []
        flags: list[Bound] = []
        for each in several.values:
            kind = kind_beside(each.value) if comparison.compared is Kind.ANY else comparison.compared
            if kind in (Kind.NUMBER, Kind.TIME):
                numbers.append(_number(each.value))
            elif kind is Kind.BOOL:
                flags.append(_flag(each.value))
            else:
                texts.append(bindable(text_of(each.value)))
        negated = comparison.op is Op.NOT_IN
        found = [
            f"{self._use(form, values)} IN ({self._listed(these)})"
            for form, values, these in (
                (left.num, left.num_values, numbers),
                (left.text, left.text_values, texts),
                (left.flag, left.flag_values, flags),
            )
            if these
        ]
        if not negated:
            return f"({left.there} AND ({' OR '.join(found)}))"
        return f"({left.there} AND NOT ({' OR '.join(f'coalesce({each}, 0)' for each in found)}))"

    def _listed(self, values: list[Bound]) -> str:
        self.where_values.extend(values)
        return ", ".join("CAST(? AS TEXT)" if isinstance(each, bytes) else "?" for each in values)

    def _use(self, sql: str, values: tuple[Bound, ...]) -> str:
        self.where_values.extend(values)
        return sql

    # --- sides

    def _there(self, of: Field) -> str:
        if of.entity == "dataset":
            return "EXISTS (SELECT 1 FROM datasets d WHERE d.run = r.id)"
        return self._form(of).there

    def _form(self, side: Side) -> _Form:
        match side:
            case Field():
                return self._field(side)
            case Linear(of, scale, offset):
                form = self._field(of)
                return _Form(
                    form.there,
                    num=f"(? * {form.num} + ?)",
                    is_number=_TRUE,
                    num_values=(float(scale), *form.num_values, float(offset)),
                )
            case Literal(value):
                text = bindable(text_of(value))
                return _Form(
                    num="?",
                    text="CAST(? AS TEXT)" if isinstance(text, bytes) else "?",
                    flag="?",
                    is_number=_TRUE if kind_beside(value) is Kind.NUMBER else _FALSE,
                    num_values=(_number(value),),
                    text_values=(text,),
                    flag_values=(_flag(value),),
                )
            case Ago(count, unit):
                return _Form(num="?", is_number=_TRUE, num_values=(self.now_ms - count * UNIT_MS[unit],))
            case InList():
                raise AssertionError("a list is no side by itself")
            case _:
                assert_never(side)

    def _field(self, of: Field) -> _Form:
        match of.entity:
            case "metrics":
                return self._metric(of)
            case "params" | "tags" | "environment":
                alias = self._joined(of)
                return _Form(
                    f"{alias}.key IS NOT NULL",
                    num=f"{alias}.num",
                    text=f"{alias}.text",
                    flag=f"{alias}.flag",
                    is_number=f"{alias}.kind <> 1",
                )
            case "attribute":
                return self._attribute(of.key)
            case _:
                raise Unsayable(f"no field of {of.entity}")

    def _metric(self, of: Field) -> _Form:
        alias = self._joined(of)
        there = f"{alias}.key IS NOT NULL"
        if of.aggregate != "best":
            return _Form(there, num=f"{alias}.{of.aggregate or 'last'}", is_number=_TRUE)
        # What nobody defined, its name may say; where neither does there is no best, and the number is NULL.
        by_name = self.goal_of(of.key)
        goal = f"coalesce({alias}.goal, '{by_name}')" if by_name in ("min", "max") else f"{alias}.goal"
        return _Form(
            f"({there} AND {goal} IS NOT NULL)",
            num=f"CASE {goal} WHEN 'min' THEN {alias}.min WHEN 'max' THEN {alias}.max END",
            is_number=_TRUE,
        )

    def _attribute(self, key: str) -> _Form:
        kind = RUNS.attributes[key]
        column = self._column(key)
        there = f"{column} IS NOT NULL" if key in _NULLABLE else _TRUE
        match kind:
            case Kind.NUMBER | Kind.TIME:
                return _Form(there, num=column, is_number=_TRUE)
            case Kind.BOOL:
                return _Form(there, flag=column)
            case _:
                return _Form(there, text=column)

    def _column(self, key: str) -> str:
        match key:
            case "status":
                self._ask_live()
                return "coalesce(l.status, r.status)"
            case "end_time":
                self._ask_live()
                return "CASE WHEN l.status IS 'RUNNING' THEN NULL ELSE r.end_ms END"
            case "error":
                self._ask_live()
                return "CASE WHEN l.status IS 'RUNNING' THEN NULL ELSE r.error END"
            case "start_time":
                return "r.start_ms"
            case "user":
                return "r.user_name"
            case _:
                return f"r.{key}"

    def _ask_live(self) -> None:
        if not self._asks_live:
            self._asks_live = True
            self.joins.append(" LEFT JOIN temp.live l ON l.run = r.id")

    def _joined(self, of: Field) -> str:
        """The alias under which the values of a key stand beside each run."""
        alias = self._aliases.get((of.entity, of.key))
        if alias is not None:
            return alias
        if len(self._aliases) >= _MOST_JOINS:
            raise Unsayable("too many fields")
        alias = self._aliases[of.entity, of.key] = f"f{len(self._aliases)}"
        table, on = {
            "metrics": ("metrics", "run = r.id"),
            "environment": ("surroundings", "environment = r.environment"),
        }.get(of.entity, ("texts", "run = r.id"))
        self.joins.append(f" LEFT JOIN {table} {alias} ON {alias}.key = ? AND {alias}.{on}")
        self.join_values.append(self.key_of(of.entity, of.key))
        return alias

    # --- order

    def order(self, key: OrderKey) -> list[str]:
        """Numbers, then texts, the other way round when descending; then NaN, then what is not there."""
        of, direction = key.field, " DESC" if key.descending else ""
        match of.entity:
            case "metrics":
                form = self._metric(of)
                return [
                    f"CASE WHEN NOT ({form.there}) THEN 2 WHEN {form.num} IS NULL THEN 1 ELSE 0 END",
                    f"{form.num}{direction}",
                ]
            case "params" | "tags" | "environment":
                alias = self._joined(of)
                number, text = (1, 0) if key.descending else (0, 1)
                return [
                    f"CASE {alias}.kind WHEN 0 THEN {number} WHEN 1 THEN {text} WHEN 2 THEN 2 ELSE 3 END",
                    f"CASE {alias}.kind WHEN 0 THEN {alias}.num END{direction}",
                    f"CASE {alias}.kind WHEN 1 THEN {alias}.text END{direction}",
                ]
            case "attribute":
                column = self._column(of.key)
                missing = [f"{column} IS NULL"] if of.key in _NULLABLE else []
                return [*missing, f"{column}{direction}"]
            case _:
                raise Unsayable(f"no order by {of.entity}")


def _balanced(parts: list[str], word: str) -> str:
    """Conditions joined as a tree that is as flat as can be: SQLite goes no deeper than 1,000."""
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    return f"({_balanced(parts[:middle], word)} {word} {_balanced(parts[middle:], word)})"


def _both(one: str, other: str) -> str:
    parts = [each for each in (one, other) if each != _TRUE]
    return " AND ".join(parts) or _TRUE


def _number(value: object) -> Number | None:
    number = number_of(value)
    return None if math.isnan(number) else number


def _flag(value: object) -> int | None:
    flag = bool_of(value)
    return None if flag is None else int(flag)
