from __future__ import annotations

import pickle
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium.errors import Invalid
from podium.stores import Key
from podium.stores.keys import encoded_path, is_segment, name_segment, portable_path, twins

# Everything a user may type, with more of what hurts than chance would bring.
hostile_text = st.text(max_size=150) | st.lists(
    st.sampled_from(
        [
            "..",
            ".",
            "/",
            "\\",
            "\0",
            " ",
            "~",
            "con",
            "NUL",
            "com1",
            ".txt",
            "a",
            "A",
            "\u212a",
            "\udcff",
            "e\u0301",
        ]
    ),
    max_size=12,
).map("".join)

_DEVICES = {"con", "prn", "aux", "nul"} | {
    f"{port}{number}" for port in ("com", "lpt") for number in range(10)
}


def _is_safe_everywhere(segment: str) -> bool:
    """What Windows, macOS, Linux and the buckets all take, said in another way than the code does."""
    return (
        1 <= len(segment) <= 154
        and segment.isascii()
        and segment.isprintable()
        and not set(segment) & set('/\\:*?"<>|')
        and segment[0] != " "
        and segment[-1] not in " ."
        and segment.partition(".")[0].rstrip(" ").lower() not in _DEVICES
    )


# the table of the format


def test_names_become_the_segments_the_format_says(specified: Callable[[str], Any]) -> None:
    rows = specified("keys")

    assert len(rows) > 40
    assert {row["text"]: name_segment(row["text"]) for row in rows} == {
        row["text"]: row["name"] for row in rows
    }


def test_artifact_paths_become_the_segments_the_format_says(specified: Callable[[str], Any]) -> None:
    rows = specified("keys")

    assert {row["text"]: "/".join(encoded_path(row["text"])) for row in rows} == {
        row["text"]: row["path"] for row in rows
    }


def test_model_paths_are_kept_or_refused_as_the_format_says(specified: Callable[[str], Any]) -> None:
    for row in specified("keys"):
        if row["model"]:
            assert "/".join(portable_path(row["text"])) == row["text"] == row["path"]
        else:
            with pytest.raises(Invalid, match=r"Rename the file|at most 600"):
                portable_path(row["text"])


def test_twins_are_found_as_the_format_says(specified: Callable[[str], Any]) -> None:
    for row in specified("twins"):
        assert twins(row["paths"]) == (tuple(row["twins"]) if row["twins"] else None), row


# rules for any text


@given(hostile_text.filter(bool))
def test_every_name_has_a_safe_segment_in_lower_case(name: str) -> None:
    segment = name_segment(name)

    assert _is_safe_everywhere(segment)
    assert segment == segment.lower()
    assert Key((segment,)).name == segment


@given(hostile_text.filter(bool), hostile_text.filter(bool))
def test_two_names_never_share_a_segment(one: str, other: str) -> None:
    assert (name_segment(one) == name_segment(other)) == (one == other)


@given(hostile_text.filter(bool))
def test_every_artifact_path_has_safe_segments_and_climbs_nowhere(path: str) -> None:
    segments = encoded_path(path)

    assert all(map(_is_safe_everywhere, segments))
    assert Key(segments).segments == segments


@given(hostile_text.filter(bool), hostile_text.filter(bool))
def test_two_artifact_paths_never_share_their_segments(one: str, other: str) -> None:
    assert (encoded_path(one) == encoded_path(other)) == (one == other)


@given(hostile_text.filter(bool))
def test_a_model_path_is_kept_as_it_is_or_refused(path: str) -> None:
    try:
        segments = portable_path(path)
    except Invalid:
        assert encoded_path(path) != tuple(path.split("/"))
    else:
        assert "/".join(segments) == path
        assert all(map(_is_safe_everywhere, segments))
        assert encoded_path(path) == segments


@given(st.lists(hostile_text, max_size=4))
def test_a_key_holds_safe_segments_whatever_made_it(segments: list[str]) -> None:
    try:
        key = Key(tuple(segments))
    except Invalid:
        assert not all(map(is_segment, segments))
    else:
        assert all(map(_is_safe_everywhere, segments))
        assert Key.parse(str(key)) == key


@given(hostile_text)
def test_a_segment_is_checked_the_same_by_slash_and_by_parse(text: str) -> None:
    def made(by: Callable[[], Key]) -> Key | None:
        try:
            return by()
        except Invalid:
            return None

    if "/" not in text and text:
        assert made(lambda: Key.root() / text) == made(lambda: Key.parse(text)) == made(lambda: Key((text,)))


@given(st.text(min_size=1, max_size=20))
def test_forms_of_one_text_are_twins_of_each_other(text: str) -> None:
    for other in (text.casefold(), unicodedata.normalize("NFD", text), unicodedata.normalize("NFKC", text)):
        if other != text:
            assert twins([text, other]) is not None


# keys


def test_a_key_shows_itself_as_it_is_parsed() -> None:
    key = Key.parse("models/fraud/index.json")

    assert key == Key(("models", "fraud", "index.json")) == Key.root() / "models" / "fraud" / "index.json"
    assert str(key) == "models/fraud/index.json"
    assert repr(key) == "Key('models/fraud/index.json')"
    assert key.name == "index.json"
    assert key.parent == Key.parse("models/fraud")
    assert pickle.loads(pickle.dumps(key)) == key
    assert {key: 1}[Key.parse("models/fraud/index.json")] == 1
    assert sorted([key, key.parent]) == [key.parent, key]


def test_the_root_is_the_empty_key() -> None:
    assert Key.parse("") == Key.root() == Key(())
    assert Key.root().parent == Key.root()
    assert str(Key.root()) == Key.root().name == ""


@pytest.mark.parametrize(
    "text", ["a/", "/a", "a//b", "../a", "a/..", "./a", "a\\b", "C:/a", "nul", "a~1", "~a"]
)
def test_no_key_climbs_or_means_two_things(text: str) -> None:
    with pytest.raises(Invalid, match="cannot be part of a key"):
        Key.parse(text)


def test_no_key_is_the_name_of_a_temporary_file() -> None:
    assert not is_segment(f".~{'0' * 20}.tmp")


@pytest.mark.parametrize(
    ("segment", "reason"),
    [
        ("", "is empty"),
        ("..", "means a folder"),
        ("nul.txt", "device on Windows"),
        ("a ", "Windows drops"),
        ("a:b", "holds ':'; allowed are"),
        ("k" * 121, "has 121 characters; at most 120"),
    ],
)
def test_a_refusal_says_what_is_wrong_with_the_segment(segment: str, reason: str) -> None:
    with pytest.raises(Invalid, match=reason):
        Key((segment,))


def test_a_key_longer_than_buckets_take_is_refused_however_it_is_made() -> None:
    longest = Key(("k" * 119,) * 7 + ("v" * 60,))

    assert len(str(longest)) == 900
    with pytest.raises(Invalid, match="at most 900"):
        Key((*longest.segments[:-1], "v" * 61))
    with pytest.raises(Invalid, match="at most 900"):
        longest / "v"


def test_empty_names_and_paths_are_refused() -> None:
    for make in (name_segment, encoded_path, portable_path):
        with pytest.raises(Invalid, match="empty"):
            make("")


def test_an_encoded_name_given_as_a_name_is_encoded_again() -> None:
    segment = name_segment("Fraud")

    assert name_segment(segment) != segment
    assert encoded_path(segment) != (segment,)


def test_a_path_below_a_key_is_checked_as_each_of_its_segments_is() -> None:
    folder = Key.parse("models/fraud")

    assert folder.below("data/a.txt") == folder / "data" / "a.txt"
    for path in ("", "a//b", "../x", "a/..", "/a"):
        with pytest.raises(Invalid):
            folder.below(path)
