"""``index.json`` is a view: it says what the fold says, or nothing."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium.commits.fold import ModelState, VersionState, fold
from podium.commits.index import decode_index, encode_index, is_due
from podium.commits.vocabulary import DeleteVersion, Quarantine, SetNote, SetTag, Sweep, decode_commit
from podium.strictjson import canonical
from tests.commits.histories import folded, registered

STATE = folded(
    [
        registered(1, "champion"),
        registered(2),
        registered(3),
        Quarantine(2),
        DeleteVersion(3),
        SetTag("owner", "ada"),
        SetNote("größe"),
        Sweep(("a" * 32 + ".0",)),
    ]
)


def glanced(state: ModelState) -> ModelState:
    """What an index keeps of a state."""
    versions = {
        number: dataclasses.replace(
            VersionState(number, each.object_key, each.sha256),
            quarantined=each.quarantined,
            deleted=each.deleted,
        )
        for number, each in state.versions.items()
    }
    return dataclasses.replace(state, versions=versions, stacks={}, moved={}, whole=False)


def test_the_specified_history_has_the_specified_index(specified: Callable[[str], bytes]) -> None:
    lines = specified("commits").splitlines(keepends=True)
    commits = [(decode_commit(line, key="k"), hashlib.sha256(line).hexdigest()) for line in lines]

    assert encode_index(fold(ModelState(), commits)) == specified("index")


def test_the_specified_index_is_read_and_is_the_fold_without_metrics_params_and_stacks(
    specified: Callable[[str], bytes],
) -> None:
    state = decode_index(specified("index"), name="fraud")

    assert state is not None
    assert not state.whole
    assert encode_index(state) == specified("index")
    assert state.aliases == {"champion": 1}


def test_what_is_read_is_what_was_written() -> None:
    assert decode_index(encode_index(STATE), name="fraud") == glanced(STATE)


@given(at=st.integers(0), bit=st.integers(0, 7))
def test_an_index_with_a_flipped_bit_is_not_believed(at: int, bit: int) -> None:
    data = encode_index(STATE)
    at %= len(data) - 1
    flipped = data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]

    read = decode_index(flipped, name="fraud")

    assert read is None


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"null", b'"x"', b"[" * 100_000, b"\xff\x00"])
def test_what_is_no_index_is_not_believed(data: bytes) -> None:
    assert decode_index(data, name="fraud") is None


def test_the_index_of_another_model_or_format_is_not_believed() -> None:
    assert decode_index(encode_index(STATE), name="churn") is None
    document: dict[str, Any] = json.loads(encode_index(STATE))
    del document["checksum"]
    document["format"] = 2
    document["checksum"] = hashlib.sha256(canonical(document)).hexdigest()
    assert decode_index(canonical(document), name="fraud") is None


@pytest.mark.parametrize(
    ("revision", "size_bytes", "due"),
    [
        (1, 10, True),
        (63, (1 << 20) - 1, True),
        (63, 1 << 20, False),
        (64, 1 << 20, True),
        (65, 1 << 30, False),
    ],
)
def test_a_small_index_is_rewritten_each_time_and_a_large_one_every_64th(
    revision: int, size_bytes: int, due: bool
) -> None:
    assert is_due(revision, size_bytes) is due


def test_a_row_a_version_is_short() -> None:
    state = ModelState()
    state = folded([registered(number) for number in range(1, 101)], state)
    assert len(encode_index(state)) < 100 * 140 + 500
