"""What the key of a metric, param or tag may be."""

from __future__ import annotations

import pytest

from podium.errors import Invalid
from podium.runs.events import check_key


@pytest.mark.parametrize(
    ("key", "why"),
    [("", "empty"), ("a" * 501, "501"), ("a\nb", "'\\\\n'"), ("a\udcff", "udcff"), ("a\x7f", "x7f")],
)
def test_a_key_that_can_never_be_right_is_refused_with_the_reason(key: str, why: str) -> None:
    with pytest.raises(Invalid, match=why):
        check_key(key, "metric")


def test_a_key_that_is_no_text_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="int"):
        check_key(5, "param")


@pytest.mark.parametrize("key", ["loss", "val/loss", "a" * 500, "naïve 模型 🐍", "x\u00a0y"])
def test_any_printable_key_is_good(key: str) -> None:
    assert check_key(key, "metric") == key
