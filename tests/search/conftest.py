"""Rows for queries, and the examples of docs/query.md."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from podium.search import Field, Subject, matches, parse_filter, to_text
from podium.search.families import RUNS, Family
from podium.table import MISSING

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
PAGE = Path(__file__).parents[2] / "docs" / "query.md"


def _subject(facts: Mapping[str, object]) -> Subject:
    def lookup(of: Field) -> object:
        return facts.get(to_text(of), MISSING)

    return lookup


@pytest.fixture(scope="session")
def subject() -> Callable[[Mapping[str, object]], Subject]:
    """A row made of ``{"metrics.f1": 0.9}``."""
    return _subject


@pytest.fixture(scope="session")
def found() -> Callable[..., bool]:
    """Whether a query finds a row, at noon of 24 November 2026."""

    def find(query: str, facts: Mapping[str, object], fields: Family = RUNS) -> bool:
        return matches(parse_filter(query, fields=fields), _subject(facts), now=NOW)

    return find


@pytest.fixture(scope="session")
def page_blocks() -> Callable[[str], list[str]]:
    """The blocks of docs/query.md with a label."""

    def blocks(label: str) -> list[str]:
        return re.findall(
            rf"^```text podium:{label}\n(.*?)\n```$",
            PAGE.read_text(encoding="utf-8"),
            re.DOTALL | re.MULTILINE,
        )

    return blocks
