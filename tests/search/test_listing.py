"""What is listed of a store at each look: all that matters, in few requests, whatever its days are called."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from podium.search.listing import beginnings

days = st.dates().map(lambda day: day.isoformat())
names = st.one_of(days, st.sampled_from(["named", "2026", "2026-0", "x"]))


@given(st.dictionaries(names, st.integers(0, 3_000), max_size=40), st.integers(1, 5_000))
def test_each_day_is_listed_by_exactly_one_beginning(sizes: dict[str, int], most: int) -> None:
    found = beginnings(sizes, most)

    assert all(sum(f"{day}/".startswith(each) for each in found) == 1 for day in sizes)


@given(st.dictionaries(names, st.integers(0, 3_000), max_size=40), st.integers(1, 5_000))
def test_no_listing_is_longer_than_it_may_be_if_it_can_be_cut(sizes: dict[str, int], most: int) -> None:
    for begins in beginnings(sizes, most):
        together = [size for day, size in sizes.items() if f"{day}/".startswith(begins)]
        assert sum(together) <= most or len(together) == 1


def test_days_are_cut_by_years_then_months_then_tens_then_days() -> None:
    sizes = {f"2025-{month:02}-10": 10 for month in range(1, 13)}
    sizes |= {f"2026-05-{day:02}": 100 for day in range(1, 32)}
    sizes |= {"2026-06-01": 2_000, "2026-06-02": 3_000, "2026-06-11": 5, "named": 7}

    assert beginnings(sizes, 4_000) == [
        "2025-",
        "2026-05-",
        "2026-06-01/",
        "2026-06-02/",
        "2026-06-11/",
        "named/",
    ]


def test_a_few_logs_are_listed_in_one_go() -> None:
    assert beginnings({"2026-05-01": 3, "named": 4}, 4_000) == [""]
    assert beginnings({"2026-05-01": 9_000}, 4_000) == ["2026-05-01/"]
    assert beginnings({}, 4_000) == []
