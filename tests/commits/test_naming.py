"""What a model, an alias and a version may be called, and what each way to say it means."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium.commits.facts import ModelVersion
from podium.commits.naming import (
    ModelUri,
    check_alias,
    check_model_name,
    find_version,
    number_of,
    parse_model_uri,
)
from podium.commits.views import version_fact
from podium.commits.vocabulary import DeleteVersion, Quarantine, encode_commit
from podium.errors import AliasNotFound, Invalid, VersionNotFound
from podium.stores.keys import name_segment
from tests.commits.histories import folded, record, registered

STATE = folded(
    [
        registered(1, "champion", content="a"),
        registered(2, content="b"),
        registered(3, content="c"),
        registered(4, content="d"),
        registered(5, content="b"),
        DeleteVersion(3),
        Quarantine(5),
    ]
)


def meant(version: int | str | ModelVersion) -> int:
    return find_version(STATE, "fraud", version).version


# --- models ----------------------------------------------------------------------------------------------------------


@given(name=st.text(max_size=210))
def test_a_name_is_refused_or_can_be_written_down_and_read_in_a_uri(name: str) -> None:
    try:
        check_model_name(name)
    except Invalid:
        return
    assert parse_model_uri(f"models:/{name}@champion") == ModelUri(name, alias="champion")
    assert parse_model_uri(f"models:/{name}/7") == ModelUri(name, version=7)
    assert parse_model_uri(f"models:/{name}/latest") == ModelUri(name)
    encode_commit(dataclasses.replace(record(registered(1)), model=name))
    name_segment(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        " a",
        "a ",
        "a/b",
        "a:b",
        "a@b",
        "a\nb",
        "a\x00",
        "a\x85b",
        "a\u2028b",
        "\udcff",
        "x" * 201,
        3,
        None,
    ],
    ids=ascii,
)
def test_a_name_that_cannot_be_is_refused(name: object) -> None:
    with pytest.raises(Invalid, match="is no name for a model"):
        check_model_name(name)


@pytest.mark.parametrize("name", ["fraud", "Fraud", "con", "größe", "模型", "a b", "..", "a~b", "x" * 200])
def test_names_that_no_file_could_have_are_names_all_the_same(name: str) -> None:
    assert check_model_name(name) == name


# --- aliases ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "alias", ["champion", "@champion", "prod-EU_2", "größe", "1a", "version3", "x" * 255]
)
def test_an_alias_may_be_any_word(alias: str) -> None:
    assert check_alias(alias) == alias.removeprefix("@")


@pytest.mark.parametrize(
    "alias",
    [
        "",
        "@",
        "@@a",
        "latest",
        "@latest",
        "Latest",
        "v3",
        "V12",
        "17",
        "٣",
        "a b",
        "a.b",
        "a/b",
        "x" * 256,
        3,
        None,
    ],
    ids=ascii,
)
def test_an_alias_that_would_read_as_a_version_or_breaks_a_uri_is_refused(alias: object) -> None:
    with pytest.raises(Invalid, match="is no alias"):
        check_alias(alias)


# --- versions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("way", "version"),
    [
        (2, 2),
        ("2", 2),
        ("latest", 4),
        ("champion", 1),
        ("@champion", 1),
        ("models:/fraud/2", 2),
        ("models:/fraud@champion", 1),
        ("models:/fraud/latest", 4),
        (f"models:/fraud@sha256:{STATE.versions[4].sha256}", 4),
        (f"models:/fraud@sha256:{STATE.versions[4].sha256[:8].upper()}", 4),
        (f"sha256:{STATE.versions[4].sha256[:8]}", 4),
        (version_fact(STATE, 2), 2),
        (5, 5),
    ],
    ids=str,
)
def test_a_version_is_named_in_each_of_these_ways(way: int | str | ModelVersion, version: int) -> None:
    assert meant(way) == version


def test_of_versions_with_the_same_bytes_the_usable_one_is_meant() -> None:
    assert STATE.versions[2].sha256 == STATE.versions[5].sha256
    assert meant(f"sha256:{STATE.versions[2].sha256}") == 2


@pytest.mark.parametrize("way", [0, -1, 3, 9, "9", "models:/fraud/9", "sha256:00000000", 10**30], ids=str)
def test_a_version_that_is_not_there_is_not_found(way: int | str) -> None:
    with pytest.raises(VersionNotFound):
        meant(way)


def test_an_alias_that_is_not_there_is_answered_with_the_one_that_was_meant() -> None:
    with pytest.raises(AliasNotFound, match="Did you mean 'champion'") as raised:
        meant("@champoin")
    assert raised.value.near == ("champion",)


@pytest.mark.parametrize(
    "way",
    [
        True,
        1.0,
        None,
        "",
        "v2",
        "a b",
        "models:/churn/1",
        "models:/churn@champion",
        "models:/fraud",
        "models:/fraud/",
        "models:/fraud/two",
        "sha256:",
        "sha256:xyz",
        "9" * 5_000,
        "models:/fraud/" + "9" * 5_000,
        ModelVersion(
            "churn",
            1,
            "models:/churn/1",
            "",
            None,
            datetime(2026, 1, 1, tzinfo=UTC),
            "",
            "",
            frozenset(),
            False,
            {},
            {},
            {},
        ),
    ],
    ids=lambda way: ascii(way)[:30],
)
def test_what_names_no_version_or_one_of_another_model_is_invalid(way: object) -> None:
    with pytest.raises(Invalid):
        find_version(STATE, "fraud", way)  # type: ignore[arg-type]  # the point


def test_some_ways_say_the_number_by_themselves() -> None:
    assert [number_of("fraud", way) for way in (7, "7", "models:/fraud/7", version_fact(STATE, 2))] == [
        7,
        7,
        7,
        2,
    ]
    assert [number_of("fraud", way) for way in ("latest", "@champion", "models:/fraud@champion")] == [
        None
    ] * 3


@pytest.mark.parametrize(
    ("uri", "moves"),
    [
        ("models:/fraud@champion", True),
        ("models:/fraud/latest", True),
        ("models:/fraud/3", False),
        ("models:/fraud@sha256:" + "0" * 64, False),
    ],
)
def test_only_an_alias_and_latest_can_mean_another_version_tomorrow(uri: str, moves: bool) -> None:
    assert parse_model_uri(uri).can_move is moves
