"""A signature is a value: it checks itself, shows itself, and survives its JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium.errors import Invalid
from podium.models.columns import SCALARS, ArrayOf, Column, ColumnType, MapOf, ObjectOf, Param, Spec, Tensor
from podium.models.signature import Signature

A, B = Column("double", "a"), Column("string", "b", required=False)


def test_it_is_kept_as_three_json_texts() -> None:
    kept = Signature((A,), (Tensor("int64", (-1,)),), (Param("k", "long", 2),)).to_json()

    assert kept == {
        "inputs": '[{"type": "double", "name": "a", "required": true}]',
        "outputs": '[{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1]}}]',
        "params": '[{"name": "k", "default": 2, "shape": null, "type": "long"}]',
    }
    assert Signature((A,)).to_json()["outputs"] is None


@pytest.mark.parametrize(
    ("specs", "why"),
    [
        ((), "no columns"),
        ((A, Tensor("int64", (-1,), "t")), "mix columns and tensors"),
        ((A, Column("long")), "mix named and unnamed"),
        ((Tensor("int64", (1,)), Tensor("int64", (1,))), "must all be named"),
    ],
)
def test_sides_that_mean_nothing_are_refused(specs: tuple[Spec, ...], why: str) -> None:
    with pytest.raises(Invalid, match=why):
        Signature(specs)
    with pytest.raises(Invalid, match=why):
        Signature((A,), specs)


def test_a_signature_of_nothing_is_refused() -> None:
    with pytest.raises(Invalid, match="at least one"):
        Signature()


@pytest.mark.parametrize(
    "value", [{"inputs": [{"type": "long"}]}, {"inputs": "{}"}, {"inputs": "[1"}, {"params": "[1]"}]
)
def test_json_that_is_no_signature_is_refused(value: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        Signature.from_json(value)


def test_it_shows_itself_in_one_line() -> None:
    shown = repr(
        Signature((A, B), (Tensor("int64", (-1, 3), "t"),), (Param("k", "long", [1], is_list=True),))
    )

    assert shown == (
        "Signature(inputs: a double, b string (optional); outputs: t int64[*, 3]; params: k list of long = [1])"
    )


def test_without_inputs_anything_passes() -> None:
    data = object()

    assert Signature(outputs=(A,)).enforce(data) is data


_types: st.SearchStrategy[ColumnType] = st.recursive(
    st.sampled_from(SCALARS),
    lambda inner: st.one_of(
        inner.map(ArrayOf),
        inner.map(MapOf),
        st.lists(st.tuples(st.text(), inner, st.booleans()), unique_by=lambda each: each[0]).map(
            lambda properties: ObjectOf(tuple(properties))
        ),
    ),
    max_leaves=5,
)
_columns = st.lists(
    st.builds(Column, _types, st.one_of(st.text(), st.integers()), st.booleans()), min_size=1, max_size=4
).map(tuple)
_tensors = st.lists(
    st.builds(
        Tensor,
        st.sampled_from(["float64", "str", "bool"]),
        st.lists(st.integers(-1, 9), max_size=3).map(tuple),
        st.text(),
    ),
    min_size=1,
    max_size=3,
).map(tuple)


@given(st.one_of(_columns, _tensors), st.one_of(st.none(), _columns, _tensors))
def test_every_signature_survives_its_json(
    inputs: tuple[Spec, ...], outputs: tuple[Spec, ...] | None
) -> None:
    signature = Signature(inputs, outputs)

    assert Signature.from_json(json.loads(json.dumps(signature.to_json()))) == signature
