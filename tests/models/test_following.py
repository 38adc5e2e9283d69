"""A swap happens only to a version that loads and passes; else the one before serves on, and it is said why."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from podium.errors import AliasNotFound, Corrupt, StoreUnavailable
from podium.models.following import Followed, Follower
from podium.models.loading import load_directory
from podium.models.model import Model
from podium.models.saving import save_model


class Alias:
    """An alias and its versions on disk, moved and broken by the test; the clock is the test's too."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.version = 1
        self.resolve_error: BaseException | None = None
        self.load_errors: dict[int, BaseException] = {}
        self.loads: list[int] = []
        self.now = 0.0

    def make(self, version: int) -> None:
        save_model(_answers(version), self._folder / str(version), input_example=["a"])

    def resolve(self) -> str:
        if self.resolve_error is not None:
            raise self.resolve_error
        return f"models:/fraud/{self.version}"

    def load(self, pinned: str) -> Model[Any]:
        version = int(pinned.rpartition("/")[2])
        self.loads.append(version)
        if version in self.load_errors:
            raise self.load_errors[version]
        return load_directory(self._folder / str(version), uri=pinned, version=version)

    def clock(self) -> float:
        return self.now

    @property
    def followed(self) -> Followed:
        return Followed("models:/fraud@champion", self.resolve, self.load)


def _answers(version: int) -> Callable[[Any], Any]:
    return lambda data: [version for _ in data]


@pytest.fixture
def alias(tmp_path: Path) -> Alias:
    alias = Alias(tmp_path)
    for version in (1, 2, 3):
        alias.make(version)
    return alias


@pytest.fixture
def follower(alias: Alias) -> Follower:
    return Follower(alias.followed, clock=alias.clock)


def test_it_serves_what_the_alias_means_and_pins_it(alias: Alias, follower: Follower) -> None:
    status = follower.status()

    assert follower.current.predict(["a"]) == [1]
    assert (status.uri, status.version, status.swaps, status.last_error) == ("models:/fraud/1", 1, 0, None)
    assert (status.checked_s, status.refused_version) == (0.0, None)


def test_nothing_is_loaded_while_the_alias_stays(alias: Alias, follower: Follower) -> None:
    assert [follower.look() for _ in range(3)] == [False] * 3
    assert alias.loads == [1]


def test_it_swaps_when_the_alias_moves(alias: Alias, follower: Follower) -> None:
    before = follower.current
    alias.version = 2

    assert follower.look() is True
    assert (follower.current.version, follower.status().swaps) == (2, 1)
    assert before.predict(["a"]) == [1], "whoever took the old one keeps it"


def test_the_age_of_the_answer_is_told_by_the_clock(alias: Alias, follower: Follower) -> None:
    alias.now = 7.0
    assert follower.status().checked_s == 7.0

    follower.look()
    assert follower.status().checked_s == 0.0


def test_the_first_look_is_patient_and_all_others_are_not(alias: Alias) -> None:
    asked: list[str] = []

    def asking(how: str) -> Callable[[], str]:
        def ask() -> str:
            asked.append(how)
            return alias.resolve()

        return ask

    follower = Follower(
        Followed("models:/fraud@champion", asking("patient"), alias.load, resolve_soon=asking("soon")),
        clock=alias.clock,
    )
    follower.look()

    assert asked == ["patient", "soon"]


@pytest.mark.parametrize(
    "error", [StoreUnavailable("gone"), AliasNotFound("no alias"), OSError("disk"), RuntimeError("bug")]
)
def test_an_alias_that_cannot_be_read_keeps_the_old_one(
    alias: Alias, follower: Follower, error: Exception
) -> None:
    alias.version, alias.resolve_error, alias.now = 2, error, 9.0

    assert follower.look() is False
    assert follower.current.version == 1
    assert follower.status().last_error == f"{type(error).__name__}: {error}"
    assert follower.status().checked_s == 9.0, "the alias was not read"

    alias.resolve_error = None
    assert follower.look() is True
    assert follower.status().last_error is None


@pytest.mark.parametrize(
    "error", [Corrupt("a bit", key="x"), ValueError("bad"), MemoryError(), SystemExit(1)]
)
def test_a_version_that_does_not_load_is_refused_and_the_old_one_serves(
    alias: Alias, follower: Follower, error: BaseException
) -> None:
    alias.version, alias.load_errors[2] = 2, error

    assert follower.look() is False
    status = follower.status()
    assert (status.version, status.refused_version, status.swaps) == (1, 2, 0)
    assert status.last_error == f"{type(error).__name__}: {error}"


def test_a_version_that_fails_its_own_example_is_refused(alias: Alias, tmp_path: Path) -> None:
    (tmp_path / "words").write_text("red")
    save_model(
        lambda data: Path(data[0]).read_text(), tmp_path / "4", input_example=[str(tmp_path / "words")]
    )
    (tmp_path / "words").unlink()
    follower = Follower(alias.followed, clock=alias.clock)

    alias.version = 4

    assert follower.look() is False
    assert follower.status().refused_version == 4
    assert "FileNotFoundError" in (follower.status().last_error or "")


@pytest.mark.parametrize("verdict", ["raises", False])
def test_check_refuses_by_raising_or_false(alias: Alias, verdict: object) -> None:
    def check(model: Model[Any]) -> object:
        if model.version != 2:
            return None
        if verdict == "raises":
            raise AssertionError("too few frauds")
        return verdict

    follower = Follower(alias.followed, clock=alias.clock, check=check)
    alias.version = 2
    assert follower.look() is False
    assert follower.status().refused_version == 2

    alias.version = 3
    assert follower.look() is True
    assert follower.status().refused_version is None


def test_the_first_load_raises(alias: Alias) -> None:
    alias.load_errors[1] = Corrupt("a bit", key="x")
    with pytest.raises(Corrupt):
        Follower(alias.followed, clock=alias.clock)

    alias.load_errors.clear()
    with pytest.raises(ValueError, match="check returned False"):
        Follower(alias.followed, clock=alias.clock, check=lambda model: False)


def test_a_refused_version_is_tried_again_ever_less_often(alias: Alias, follower: Follower) -> None:
    alias.version, alias.load_errors[2] = 2, ValueError("bad")
    tried: list[float] = []

    for second in range(0, 3_000, 5):
        alias.now = float(second)
        before = len(alias.loads)
        follower.look()
        if len(alias.loads) > before:
            tried.append(alias.now)

    assert tried == [0, 30, 90, 210, 450, 930, 1530, 2130, 2730]


def test_insisting_tries_it_at_once(alias: Alias, follower: Follower) -> None:
    alias.version, alias.load_errors[2] = 2, ValueError("bad")
    follower.look()
    alias.load_errors.clear()

    assert follower.look() is False
    assert follower.look(insist=True) is True


def test_a_store_that_dies_while_it_loads_is_asked_again_at_the_next_look(
    alias: Alias, follower: Follower
) -> None:
    """It is the store that failed, not the version."""
    alias.version, alias.load_errors[2] = 2, StoreUnavailable("gone")

    assert follower.look() is False
    assert follower.status().refused_version is None
    alias.load_errors.clear()
    assert follower.look() is True


def test_an_alias_that_moves_back_clears_the_refusal(alias: Alias, follower: Follower) -> None:
    alias.version, alias.load_errors[2] = 2, ValueError("bad")
    follower.look()

    alias.version = 1
    assert follower.look() is False
    assert (follower.status().refused_version, follower.status().last_error) == (None, None)


def test_a_refusal_is_of_the_version_that_is_meant_now(alias: Alias, follower: Follower) -> None:
    """Status named version 2 as refused while the alias was at 3."""
    alias.version, alias.load_errors[2] = 2, ValueError("bad")
    follower.look()

    alias.version, alias.load_errors[3] = 3, StoreUnavailable("gone")
    follower.look()

    assert follower.status().refused_version is None


def test_status_says_why_a_version_waits_also_after_the_store_was_away(
    alias: Alias, follower: Follower
) -> None:
    """It went on blaming the store, which had answered long since."""
    alias.version, alias.load_errors[2] = 2, ValueError("bad")
    follower.look()
    alias.resolve_error = StoreUnavailable("gone")
    follower.look()
    assert follower.status().last_error == "StoreUnavailable: gone"

    alias.resolve_error = None
    follower.look()
    assert follower.status().last_error == "ValueError: bad"


def test_swaps_and_failures_are_told(alias: Alias) -> None:
    swaps: list[tuple[int | None, int | None]] = []
    failures: list[Exception] = []
    follower = Follower(
        alias.followed,
        clock=alias.clock,
        on_swap=lambda old, new: swaps.append((old.version, new.version)),
        on_failure=failures.append,
    )

    alias.version = 2
    follower.look()
    alias.resolve_error = StoreUnavailable("gone")
    follower.look()

    assert swaps == [(1, 2)]
    assert failures == [alias.resolve_error]


@pytest.mark.parametrize("error", [ValueError("of the user"), SystemExit()])
def test_a_callback_that_raises_breaks_nothing(alias: Alias, error: BaseException) -> None:
    def fails(*_: object) -> None:
        raise error

    follower = Follower(alias.followed, clock=alias.clock, on_swap=fails, on_failure=fails)
    alias.version = 2
    assert follower.look() is True
    alias.resolve_error = StoreUnavailable("gone")

    assert follower.look() is False
    assert follower.current.version == 2


def test_a_callback_may_look_again(alias: Alias) -> None:
    follower: Follower | None = None

    def again(old: Model[Any], new: Model[Any]) -> None:
        assert follower is not None
        follower.look()

    follower = Follower(alias.followed, clock=alias.clock, on_swap=again)
    alias.version = 2

    assert follower.look() is True


def test_a_store_that_stays_dead_is_one_line_in_the_log(
    alias: Alias, follower: Follower, caplog: pytest.LogCaptureFixture
) -> None:
    alias.resolve_error = StoreUnavailable("gone")

    with caplog.at_level(logging.WARNING, "podium.live"):
        for _ in range(10):
            follower.look()

    assert [each.message for each in caplog.records] == [
        "models:/fraud@champion: models:/fraud/1 keeps serving: StoreUnavailable: gone"
    ]
