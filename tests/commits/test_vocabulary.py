"""What a commit says comes back from its bytes, and bytes that nobody wrote are told from those of a newer podium."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Mapping
from pprint import pformat
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium.commits import vocabulary
from podium.commits.gate import Check, Verdict
from podium.commits.vocabulary import (
    Body,
    CommitRecord,
    DeleteModel,
    LogMetrics,
    MetricFacts,
    Register,
    SetAlias,
    SetTag,
    decode_commit,
    encode_commit,
)
from podium.errors import Corrupt, StoreError
from podium.strictjson import canonical
from tests.commits.histories import record, registered


def resealed(data: bytes, **changes: object) -> bytes:
    """A commit that says something else and carries the right digest of it, as another podium would write it."""
    document: dict[str, Any] = {**json.loads(data), **changes}
    del document["digest"]
    document["digest"] = hashlib.sha256(canonical(document)).hexdigest()
    return canonical(document) + b"\n"


def test_every_commit_of_the_specified_history_is_written_again_byte_for_byte(
    specified: Callable[[str], bytes],
) -> None:
    lines = (specified("commits") + specified("commits-of-an-end")).splitlines(keepends=True)

    records = [decode_commit(line, key=f"line {at}") for at, line in enumerate(lines, start=1)]

    assert [encode_commit(each) for each in records] == lines
    assert [each.revision for each in records] == list(range(1, len(lines) + 1))
    previous = [None, *(hashlib.sha256(line).hexdigest() for line in lines[:-1])]
    assert [each.previous for each in records] == previous


def test_the_specified_history_shows_every_verb(specified: Callable[[str], bytes]) -> None:
    lines = [*specified("commits").splitlines(), *specified("commits-of-an-end").splitlines()]
    shown = {json.loads(line)["verb"] for line in lines}
    assert shown == set(vocabulary._BODIES)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
FLOATS = st.floats()
METRICS = st.builds(
    MetricFacts,
    FLOATS,
    FLOATS,
    FLOATS,
    st.integers(1, 2**40),
    st.none() | st.sampled_from(["min", "max"]),
)
VERDICTS = st.none() | st.builds(
    lambda text, left, holds: Verdict(
        text, [Check(text, left, None, "holds" if holds else "missing")], holds=holds
    ),
    st.text(),
    st.none() | st.text() | FLOATS,
    st.booleans(),
)
BODIES: st.SearchStrategy[Body] = st.one_of(
    st.builds(
        Register,
        st.none() | st.integers(1, 10**6),
        st.none() | st.text(),
        st.text(),
        st.integers(0, 2**60),
        st.text(),
        st.sampled_from(["data", "code"]),
        params=st.dictionaries(st.text(), VALUES, max_size=3),
        metrics=st.dictionaries(st.text(), METRICS, max_size=3),
        tags=st.dictionaries(st.text(), st.text(), max_size=3),
        verdict=VERDICTS,
        preflight=st.none() | st.text(),
    ),
    st.builds(SetAlias, st.text(), st.integers(1), verdict=VERDICTS),
    st.builds(LogMetrics, st.integers(1), st.dictionaries(st.text(), FLOATS)),
    st.builds(SetTag, st.text(), st.text(), st.none() | st.integers(1)),
    st.builds(DeleteModel),
)


@given(body=BODIES, why=st.text(), forced=st.booleans(), refused=st.booleans())
def test_whatever_a_commit_says_comes_back(body: Body, why: str, forced: bool, refused: bool) -> None:
    said = dataclasses.replace(record(body), why=why, forced=forced, refused=refused)

    data = encode_commit(said)
    read = decode_commit(data, key="k")

    assert encode_commit(read) == data
    assert pformat(read) == pformat(said)  # by text: a NaN equals itself there


@given(at=st.integers(0), bit=st.integers(0, 7))
def test_no_flipped_bit_of_a_commit_goes_unnoticed(at: int, bit: int) -> None:
    data = encode_commit(record(registered(1, "champion")))
    at %= len(data) - 1  # the newline at the end carries nothing
    flipped = data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]

    with pytest.raises(Corrupt, match="k is damaged"):
        decode_commit(flipped, key="k")


@pytest.mark.parametrize(
    ("changes", "named"),
    [({"needs": ["packs"]}, "packs"), ({"format": 2}, "format 2"), ({"verb": "paint"}, "verb 'paint'")],
)
def test_what_must_not_be_passed_over_stops_a_reader_and_says_to_upgrade(
    changes: Mapping[str, object], named: str
) -> None:
    newer = resealed(encode_commit(record(registered(1))), **changes)

    with pytest.raises(StoreError, match=f"{named}.*pip install --upgrade podium") as raised:
        decode_commit(newer, key="k")
    assert not isinstance(raised.value, Corrupt)


def test_fields_of_a_newer_podium_do_not_stop_a_reader() -> None:
    data = encode_commit(record(registered(1)))
    body = {**json.loads(data)["body"], "colour": "blue"}

    read = decode_commit(resealed(data, body=body, mood=["good"]), key="k")

    assert read == record(registered(1))


def test_a_field_that_came_later_is_its_default_in_an_older_commit() -> None:
    data = encode_commit(record(registered(1)))
    body = {key: value for key, value in json.loads(data)["body"].items() if key != "preflight"}

    assert decode_commit(resealed(data, body=body), key="k") == record(registered(1))


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"[1]", b"null", b"\x00" * 300, b'{"digest":', b"[" * 100_000],
    ids=lambda data: repr(data[:10]),
)
def test_bytes_that_are_no_commit_are_corrupt(data: bytes) -> None:
    with pytest.raises(Corrupt, match="k is damaged"):
        decode_commit(data, key="k")


@pytest.mark.parametrize("body", [{}, [], {"alias": 1.5, "version": 1}, {"version": 1}])
def test_a_body_that_its_verb_cannot_have_is_corrupt(body: object) -> None:
    data = encode_commit(record(SetAlias("champion", 1)))
    with pytest.raises(Corrupt):
        decode_commit(resealed(data, body=body), key="k")


def test_nan_and_infinities_are_strict_json() -> None:
    said: CommitRecord = record(LogMetrics(1, {"a": math.nan, "b": -math.inf}))

    data = encode_commit(said)

    assert json.loads(data)["body"]["metrics"] == {"a": "NaN", "b": "-Infinity"}
    assert b": " not in data
    assert data.endswith(b"}\n")
