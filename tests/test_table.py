"""Tables: sequences of facts that show themselves, find their best, and turn into frames."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from podium.errors import Invalid, NotFound
from podium.table import MISSING, Table, cell_text


@dataclass(frozen=True)
class Fact:
    name: str
    score: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)


FACTS = Table(
    [
        Fact("a", 1.0, {"loss": 0.5}),
        Fact("b", 3.0, {"loss": math.nan, "f1": 0.9}),
        Fact("c", 3.0, {}),
        Fact("d", None, {"loss": 0.1}),
    ]
)


def test_an_index_gives_a_fact_and_a_slice_a_table() -> None:
    assert FACTS[0].name == "a"
    assert FACTS[-1].name == "d"
    assert isinstance(FACTS[1:3], Table)
    assert [each.name for each in FACTS[1:3]] == ["b", "c"]
    assert len(FACTS) == 4


def test_best_leaves_out_what_is_missing_or_nan_and_takes_the_first_of_equals() -> None:
    assert FACTS.max("score").name == "b"
    assert FACTS.min("metrics.loss").name == "d"
    assert FACTS.max("metrics.loss").name == "a"


def test_best_of_nothing_says_how_many_rows_were_looked_at() -> None:
    with pytest.raises(NotFound, match=r"none of the 4 rows .*'metrics\.auc'"):
        FACTS.max("metrics.auc")


def test_best_of_a_field_that_no_row_has_names_what_was_meant() -> None:
    with pytest.raises(NotFound, match=r"Did you mean 'metrics\.loss'") as raised:
        FACTS.min("metrics.los")

    assert raised.value.near[0] == "metrics.loss"


def test_values_without_an_order_are_refused_with_both_of_them() -> None:
    mixed = Table([Fact("a", metrics={"x": 1.0}), Fact("b", metrics={"x": "one"})])  # type: ignore[dict-item]  # the point

    with pytest.raises(Invalid, match=r"1\.0 in one row and 'one' in another"):
        mixed.min("metrics.x")


def test_dicts_have_a_column_for_each_key_and_none_for_what_a_row_lacks() -> None:
    assert FACTS.to_dicts()[0] == {"name": "a", "score": 1.0, "metrics.loss": 0.5}
    assert "metrics.loss" not in FACTS.to_dicts()[2]


def test_a_pandas_frame_has_every_column_any_row_has() -> None:
    frame = FACTS.to_pandas()

    assert list(frame.columns) == ["name", "score", "metrics.loss", "metrics.f1"]
    assert frame["score"].max() == 3.0
    assert frame["metrics.f1"].isna().tolist() == [True, False, True, True]


def test_a_polars_frame_keeps_nan_and_missing_apart() -> None:
    polars = pytest.importorskip("polars")

    loss = FACTS.to_polars()["metrics.loss"]

    assert loss.dtype == polars.Float64
    assert loss.is_nan().to_list() == [False, True, None, False]


def test_the_text_shows_ten_rows_and_counts_the_rest() -> None:
    text = repr(Table([Fact(f"n{each}", float(each)) for each in range(50)]))

    assert text.splitlines()[0].split() == ["name", "score"]
    assert "n9" in text
    assert "n10" not in text
    assert text.endswith("... and 40 more")


def test_a_line_is_no_wider_than_the_terminal_and_says_what_it_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    wide = Table([Fact("n", metrics={f"metric_{each}": 0.5 for each in range(20)}) for _ in range(12)])

    lines = repr(wide).splitlines()

    assert max(map(len, lines)) <= 60
    assert lines[0].split()[0] == "name"
    assert lines[-1] == f"... and 2 more, {22 - len(lines[0].split())} more columns"


def test_a_narrow_terminal_still_shows_the_first_column(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "2")

    assert repr(FACTS).splitlines()[1] == "a"


def test_a_name_cannot_move_the_cursor_of_who_lists_it() -> None:
    text = repr(Table([Fact("a\x1b[2Jb\u202ec")]))

    assert "\x1b" not in text
    assert "\u202e" not in text
    assert r"a\x1b[2Jb\u202ec" in text


def test_html_is_escaped() -> None:
    html = Table([Fact("<script>alert(1)</script>", metrics={"<b>": 1.0})])._repr_html_()

    assert "<script>" not in html
    assert "<b>" not in html
    assert "&lt;script&gt;" in html


def test_cells_are_short_and_on_one_line() -> None:
    assert cell_text(MISSING) == cell_text(None) == ""
    assert cell_text(1 / 3) == "0.333333"
    assert cell_text("a\nb") == "a b"
    assert len(cell_text("x" * 1_000)) == 40
    assert cell_text(datetime(2026, 11, 1, 12, 30, 5, tzinfo=UTC)) == "2026-11-01 12:30:05"


def test_tables_compare_by_their_rows() -> None:
    assert Table([1, 2]) == Table([1, 2])
    assert Table([1, 2]) != Table([2, 1])
