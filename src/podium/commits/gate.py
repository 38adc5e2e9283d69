"""Decide whether a candidate may pass a quality gate, and say why.

Pure: takes facts, returns a `Verdict`. Must never read a store, a clock or the environment, so that every verdict
can be replayed from the history of a model.

A gate is an expression of the search grammar over the candidate's metrics, params and tags and over those of the
holders of aliases. NOT is first pushed to the comparisons (`podium.search.push_not`). Then, for each comparison:

1. a value that the candidate, or an incumbent that exists, lacks: ``missing``, and it fails;
2. a value that is NaN, or no number where numbers are compared: ``nan``, and it fails (in search ``!=`` holds);
3. an incumbent that does not exist: ``no incumbent``, and it holds (the first version has nothing to be better than);
4. else it ``holds`` or ``fails`` as in search.

``IS NULL`` asks for what rule 1 refuses: it holds or fails, and holds as ``no incumbent`` by rule 3.
"""

from __future__ import annotations

import html
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self, TypeAlias, assert_never, cast

from podium.errors import Corrupt
from podium.search.evaluate import (
    Summary,
    aggregate_of,
    holds,
    number_of,
    side_value,
)
from podium.search.expressions import (
    And,
    Comparison,
    Expr,
    Field,
    InList,
    IsNull,
    Kind,
    Linear,
    Not,
    Op,
    Or,
    fields_of,
    push_not,
    to_text,
)
from podium.search.grammar import parse_gate
from podium.strictjson import JsonValue, decode_value, encode_value
from podium.table import MISSING, Table, cell_text

__all__ = [
    "Check",
    "GateFacts",
    "Outcome",
    "Verdict",
    "evaluate_gate",
    "gate_aliases",
    "verdict_from_json",
    "verdict_to_json",
]

Outcome: TypeAlias = Literal["holds", "fails", "missing", "nan", "no incumbent"]

_PASSING = ("holds", "no incumbent")


@dataclass(frozen=True, slots=True)
class GateFacts:
    """What a gate may know of a candidate or of the holder of an alias.

    Attributes:
        metrics: last values.
        params: with their JSON types.
        tags: texts.
        summaries: of each metric min, max, count and goal, where they are known; a gate that asks for one that is not
            known finds it missing.
    """

    metrics: Mapping[str, float] = field(default_factory=dict)
    params: Mapping[str, object] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    summaries: Mapping[str, Summary] = field(default_factory=dict)

    def lookup(self, of: Field) -> object:
        """The value of a field, whoever its owner, or MISSING."""
        match of.entity:
            case "metrics" if of.aggregate is None:
                return self.metrics.get(of.key, MISSING)
            case "metrics":
                summary = self.summaries.get(of.key)
                return MISSING if summary is None else aggregate_of(summary, of.aggregate)
            case "params":
                return self.params.get(of.key, MISSING)
            case "tags":
                return self.tags.get(of.key, MISSING)
            case _:
                return MISSING


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison of a gate, as it came out.

    Attributes:
        text: the comparison, with any NOT already pushed into it.
        left: its left side, scaled and shifted as the gate says; None if it is not there.
        right: its right side likewise.
        outcome: why it holds (``holds``, ``no incumbent``) or fails (``fails``, ``missing``, ``nan``). A verdict that
            a newer podium recorded may carry another word.
    """

    text: str
    left: float | str | None
    right: float | str | None
    outcome: Outcome
    _more: Mapping[str, JsonValue] = field(default_factory=dict, repr=False, hash=False)  # of a newer podium


class Verdict(Table[Check]):
    """What a gate says of a candidate: every comparison, and whether the whole holds.

    True if the gate holds; prints as a table of its checks.
    """

    gate: str

    def __init__(
        self,
        gate: str,
        checks: Sequence[Check],
        *,
        holds: bool,
        more: Mapping[str, JsonValue] | None = None,
    ) -> None:
        super().__init__(checks)
        self.gate = gate
        self._holds = holds
        self._more = dict(more or {})

    def __bool__(self) -> bool:
        return self._holds

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Verdict):
            return NotImplemented
        return verdict_to_json(self) == verdict_to_json(other)  # there a NaN equals itself

    __hash__: ClassVar[None]  # compared by its rows, as Table

    def __repr__(self) -> str:
        return f"{self._headline()}\n{super().__repr__()}"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self._headline())}</p>{super()._repr_html_()}"

    def _headline(self) -> str:
        return f"gate {'holds' if self._holds else 'does not hold'}: {' '.join(self.gate.split())}"

    # All checks, and whole: a refusal is read for the one comparison that failed.

    def _shown_width(self) -> int:
        return sys.maxsize

    def _shown(self) -> tuple[list[str], list[list[str]]]:
        rows = [[check.text, *_shown_sides(check), check.outcome] for check in self]
        return ["text", "left", "right", "outcome"], rows

    def _with_rows(self, rows: Sequence[Check]) -> Self:
        return type(self)(self.gate, rows, holds=self._holds, more=self._more)


def _shown_sides(check: Check) -> tuple[str, str]:
    left, right = cell_text(check.left), cell_text(check.right)
    if left == right and check.left != check.right:
        return repr(check.left), repr(check.right)  # they differ beyond the digits a table shows
    return left, right


def gate_aliases(gate: Expr | str) -> frozenset[str]:
    """The aliases whose holders the gate compares with.

    Raises:
        QueryError: the text does not parse.
    """
    expr = parse_gate(gate) if isinstance(gate, str) else gate
    return frozenset(of.owner for of in fields_of(expr) if of.owner is not None)


def evaluate_gate(
    gate: Expr | str,
    candidate: GateFacts,
    incumbents: Callable[[str], GateFacts | None],
) -> Verdict:
    """Hold a gate against a candidate.

    Args:
        gate: its text, or the tree of it.
        candidate: what is known of the version or model that asks to pass.
        incumbents: the holder of an alias, None if there is none; asked once for each alias.

    Returns:
        The verdict; every comparison was made, also those that no longer could decide.

    Raises:
        QueryError: the text does not parse.
    """
    expr = parse_gate(gate) if isinstance(gate, str) else gate
    facts: dict[str | None, GateFacts | None] = {
        alias: incumbents(alias) for alias in sorted(gate_aliases(expr))
    }
    facts[None] = candidate
    checks: list[Check] = []
    passed = _decide(push_not(expr), facts, checks)
    return Verdict(gate if isinstance(gate, str) else to_text(gate), checks, holds=passed)


_Facts: TypeAlias = Mapping[str | None, GateFacts | None]


def _decide(expr: Expr, facts: _Facts, checks: list[Check]) -> bool:
    """Whether the tree holds; appends a check for each comparison, in the order of the text."""
    match expr:
        case And(parts) | Or(parts):
            decided = [
                _decide(part, facts, checks) for part in parts
            ]  # all are checked, also when one decides
            return all(decided) if isinstance(expr, And) else any(decided)
        case Comparison():
            check = _check_comparison(expr, facts)
        case IsNull():
            check = _check_null(expr, facts)
        case Not():
            return _decide(push_not(expr), facts, checks)
        case _:
            assert_never(expr)
    checks.append(check)
    return check.outcome in _PASSING


def _check_comparison(comparison: Comparison, facts: _Facts) -> Check:
    def lookup(of: Field) -> object:
        owner = facts[of.owner]
        return MISSING if owner is None else owner.lookup(of)

    left, right = side_value(comparison.left, lookup), side_value(comparison.right, lookup)
    return Check(
        to_text(comparison),
        _shown(left),
        to_text(comparison.right) if isinstance(comparison.right, InList) else _shown(right),
        _outcome(comparison, facts, left, right),
    )


def _outcome(comparison: Comparison, facts: _Facts, left: object, right: object) -> Outcome:
    sides = ((comparison.left, left), (comparison.right, right))
    # A side whose owner exists; the others are an incumbent's that does not.
    present = [(side, value) for side, value in sides if _owned(side, facts)]
    if any(value is MISSING for _, value in present):
        return "missing"
    if any(_is_nan(comparison, value) for _, value in present):
        return "nan"
    if len(present) < len(sides):
        return "no incumbent"
    return "holds" if holds(comparison, left, right) else "fails"


def _owned(side: object, facts: _Facts) -> bool:
    of = side.field if isinstance(side, Linear) else side
    return not isinstance(of, Field) or facts[of.owner] is not None


def _is_nan(comparison: Comparison, value: object) -> bool:
    """NaN itself, and what is no number where numbers are compared: a gate lets nothing through that it cannot tell."""
    if isinstance(value, tuple):
        return False  # an IN list is written by the gate's author
    if isinstance(value, float) and math.isnan(value):
        return True
    numbers = comparison.compared in (Kind.NUMBER, Kind.TIME) or comparison.op in (Op.GT, Op.GE, Op.LT, Op.LE)
    number = number_of(value) if numbers else 0
    # math.isnan refuses an int of more than 308 digits.
    return isinstance(number, float) and math.isnan(number)


def _check_null(asked: IsNull, facts: _Facts) -> Check:
    owner = facts[asked.field.owner]
    if owner is None:
        return Check(to_text(asked), None, None, "no incumbent")
    value = owner.lookup(asked.field)
    outcome: Outcome = "holds" if (value is MISSING) is not asked.negated else "fails"
    return Check(to_text(asked), _shown(value), None, outcome)


def _shown(value: object) -> float | str | None:
    if value is MISSING:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:  # an int param of more than 308 digits
            return math.inf if value > 0 else -math.inf
    return str(value)


# --- as JSON, in commits and events --------------------------------------------------------------------------


def verdict_to_json(verdict: Verdict) -> dict[str, JsonValue]:
    """The verdict as a plain JSON object; `verdict_from_json` gives the same verdict back."""
    return {
        **verdict._more,
        "gate": verdict.gate,
        "holds": bool(verdict),
        "checks": [
            {
                **check._more,
                "text": check.text,
                "left": encode_value(check.left),
                "right": encode_value(check.right),
                "outcome": check.outcome,
            }
            for check in verdict
        ],
    }


def verdict_from_json(value: Any, *, key: str = "verdict") -> Verdict:
    """The verdict behind `verdict_to_json`.

    What a newer podium added (fields, outcomes) is kept and written again unharmed; whether the gate holds is read,
    not decided again.

    Args:
        value: as JSON was parsed; it is checked.
        key: where it was read, for the error.

    Raises:
        Corrupt: it is no verdict.
    """
    verdict = _Object(value, key)
    checks = [
        _check_from_json(each, f"{key}: check {at}") for at, each in enumerate(verdict.take("checks", list))
    ]
    gate, passed = verdict.take("gate", str), verdict.take("holds", bool)
    return Verdict(gate, checks, holds=passed, more=verdict.rest)


def _check_from_json(value: object, key: str) -> Check:
    check = _Object(value, key)
    return Check(
        text=check.take("text", str),
        left=check.take_side("left"),
        right=check.take_side("right"),
        outcome=cast("Outcome", check.take("outcome", str)),  # a newer podium may know more
        _more=check.rest,
    )


class _Object:
    """A JSON object of which fields are taken one by one; what is left over is of a newer podium."""

    def __init__(self, value: object, key: str) -> None:
        if not isinstance(value, dict):
            raise Corrupt(
                f"{key} is no JSON object.", key=key, expected="an object", found=type(value).__name__
            )
        self.key = key
        self.rest: dict[str, JsonValue] = dict(value)

    def take(self, name: str, kind: type[Any]) -> Any:
        value: object = self.rest.pop(name, MISSING)
        if not isinstance(value, kind):
            raise Corrupt(
                f"{self.key} has no {name} of type {kind.__name__}.",
                key=self.key,
                expected=f"{name}: {kind.__name__}",
                found=repr(value),
            )
        return value

    def take_side(self, name: str) -> float | str | None:
        value = decode_value(self.rest.pop(name, None))
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float | str)):
            raise Corrupt(
                f"{self.key} has a {name} that is no number and no text.",
                key=self.key,
                expected=f"{name}: a number, text or null",
                found=repr(value),
            )
        return float(value) if isinstance(value, int) else value
