"""Who may run code is decided in one table, and nothing inside a model is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from podium.errors import Invalid, UntrustedModel
from podium.models.trust import check_trust, remember_written, written_here


def allowed(*, origin: bool = False, trust: bool | None = None, word: str | None = None) -> bool:
    environ = {} if word is None else {"PODIUM_TRUST": word}
    try:
        check_trust(
            "uri", "it is pickled", needs_code=True, origin_trusted=origin, trust=trust, environ=environ
        )
    except UntrustedModel:
        return False
    return True


@pytest.mark.parametrize(
    ("origin", "trust", "word", "expected"),
    [
        (False, None, None, False),
        (False, False, None, False),
        (False, True, None, True),
        (True, None, None, True),
        (True, True, None, True),
        (True, False, None, False),
        (False, True, "data", False),
        (True, None, "data", False),
        (True, True, " DATA ", False),
        (True, None, "", True),
    ],
)
def test_code_runs_only_where_origin_or_caller_says_so_and_the_environment_does_not_forbid_it(
    origin: bool, trust: bool | None, word: str | None, expected: bool
) -> None:
    assert allowed(origin=origin, trust=trust, word=word) is expected


@pytest.mark.parametrize("trust", [None, True, False])
def test_data_always_loads(trust: bool | None) -> None:
    check_trust(
        "uri", "", needs_code=False, origin_trusted=False, trust=trust, environ={"PODIUM_TRUST": "data"}
    )


def test_an_unknown_word_in_the_environment_is_no_permission() -> None:
    with pytest.raises(Invalid, match="the only value it knows is 'data'"):
        allowed(origin=True, word="all")


def test_the_refusal_says_what_would_run_and_how_to_go_on() -> None:
    with pytest.raises(
        UntrustedModel, match=r"would run code \(it is pickled\).*`podium trust ./clone`.*trust=True"
    ) as caught:
        check_trust(
            "models:/m/1", "it is pickled", needs_code=True, origin_trusted=False, trust=None, path="./clone"
        )

    assert caught.value.uri == "models:/m/1"


def test_no_advice_that_would_not_help() -> None:
    """A directory of its own lies in no store: there is nothing that `podium trust` could trust."""
    with pytest.raises(UntrustedModel) as caught:
        check_trust("./m", "it is pickled", needs_code=True, origin_trusted=False, trust=None)

    assert "podium trust" not in str(caught.value)
    assert "trust=True" in str(caught.value)


def test_what_this_process_wrote_is_known_by_place_and_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "model")
    remember_written(tmp_path / "model", "aa")
    monkeypatch.chdir(tmp_path)

    assert written_here(Path("model"), "aa")
    assert written_here(tmp_path / "link", "aa")
    assert not written_here(tmp_path / "model", "bb")
    assert not written_here(tmp_path / "copy", "aa")
