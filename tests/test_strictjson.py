"""JSON as podium writes it: strict, one spelling, and every value comes back as it went in."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium.strictjson import canonical, decode_float, decode_value, encode_float, encode_value, loads

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | TEXTS
    | st.sampled_from(["NaN", "$float", "$object"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(TEXTS | st.sampled_from(["$float", "$object"]), inner, max_size=3)
    ),
    max_leaves=12,
)


def same(one: object, other: object) -> bool:
    """Equal in type and value, NaN like NaN."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isnan(one) and math.isnan(other) if math.isnan(one) else repr(one) == repr(other)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return type(one) is type(other) and one == other


@given(VALUES)
def test_any_value_comes_back_as_it_went_in(value: object) -> None:
    assert same(decode_value(loads(canonical(encode_value(value)))), value)


@given(st.floats())
def test_any_float_comes_back_as_it_went_in(value: float) -> None:
    assert same(decode_float(loads(canonical(encode_float(value)))), value)


def test_canonical_text_has_sorted_keys_no_spaces_and_no_needless_escapes() -> None:
    assert canonical({"ü": [1, 2.5], "a": None}) == '{"a":null,"ü":[1,2.5]}'.encode()


@pytest.mark.parametrize("text", ["NaN", '{"a": Infinity}', "[-Infinity]"])
def test_bare_nan_and_infinities_are_refused(text: str) -> None:
    assert json.loads(text) is not None

    with pytest.raises(ValueError, match="is not JSON"):
        loads(text)


@pytest.mark.parametrize("value", [math.nan, [math.inf]])
def test_a_float_that_was_not_encoded_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical(value)


@pytest.mark.parametrize("value", ["nan", True, None, "1"])
def test_what_is_no_number_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="is no number"):
        decode_float(value)


@pytest.mark.parametrize("value", [{1: 2}, {"a": object()}, b"x"])
def test_what_is_no_json_value_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        encode_value(value)
