"""docs/query.md says nothing that is not so."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from podium.errors import QueryError
from podium.search import EXPERIMENTS, MODELS, RUNS, VERSIONS, parse_filter, parse_gate, parse_order, to_text
from tests.search.conftest import PAGE

Blocks = Callable[[str], list[str]]


def test_every_filter_on_the_page_parses(page_blocks: Blocks) -> None:
    queries = [line for block in page_blocks("query-valid") for line in block.splitlines()]

    assert len(queries) >= 15
    for query in queries:
        assert parse_filter(query) is not None


def test_every_order_and_gate_on_the_page_parses(page_blocks: Blocks) -> None:
    orders = [line for block in page_blocks("order-valid") for line in block.splitlines()]
    gates = [line for block in page_blocks("gate-valid") for line in block.splitlines()]

    assert orders
    assert all(parse_order(order) for order in orders)
    assert gates
    assert all(to_text(parse_gate(gate)) for gate in gates)


def test_every_error_on_the_page_reads_as_printed(page_blocks: Blocks) -> None:
    blocks = page_blocks("query-error")

    assert len(blocks) >= 3
    for block in blocks:
        query, message = block.split("\n\n", 1)
        with pytest.raises(QueryError) as caught:
            parse_filter(query)
        assert str(caught.value) == message


def test_every_attribute_is_named_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")

    for family in (RUNS, EXPERIMENTS, VERSIONS, MODELS):
        assert " ".join(family.attributes) in " ".join(text.split())
