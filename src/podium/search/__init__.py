"""Ask for rows by what is known of them: one grammar, and one meaning over facts in memory.

Text becomes a frozen tree (`parse_filter`, `parse_gate`, `parse_order`, `parse_field`); `matches` and `sort` hold it
against rows. What is named here is pure. Beside it lies `index`: a view of a store's runs that is asked in SQL, by the
same tree and with the same answers.
"""

from __future__ import annotations

from podium.search.evaluate import Subject, Summary, aggregate_of, matches, sort
from podium.search.expressions import Expr, Field, OrderKey, fields_of, push_not, to_text
from podium.search.families import EXPERIMENTS, GATE, MODELS, RUNS, VERSIONS, Family
from podium.search.fieldnames import is_alias_name
from podium.search.grammar import parse_field, parse_filter, parse_gate, parse_order
from podium.search.selecting import check_limit, select

__all__ = [
    "EXPERIMENTS",
    "GATE",
    "MODELS",
    "RUNS",
    "VERSIONS",
    "Expr",
    "Family",
    "Field",
    "OrderKey",
    "Subject",
    "Summary",
    "aggregate_of",
    "check_limit",
    "fields_of",
    "is_alias_name",
    "matches",
    "parse_field",
    "parse_filter",
    "parse_gate",
    "parse_order",
    "push_not",
    "select",
    "sort",
    "to_text",
]
