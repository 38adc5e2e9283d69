"""A version is loaded and tried in a real process of its own before an alias points at it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest

from podium.commits import preflight as preflight_module
from podium.commits.decisions import Preflight
from podium.commits.preflight import preflight
from podium.errors import PreflightFailed
from podium.models.manifest import manifest_of
from podium.models.saving import save_model
from tests.commits.flying_models import AT_HOME, Flying

Fly = Callable[..., Preflight]


@pytest.fixture(autouse=True)
def at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(AT_HOME, "yes")


@pytest.fixture
def fly(tmp_path: Path) -> Fly:
    """Save a model with an example, and fly it."""
    numbers = iter(range(100))

    def fly_one(
        model: object,
        *,
        mode: Literal["auto", "require"] = "auto",
        trusted: bool = True,
        example: object = (1.0, 2.0),
    ) -> Preflight:
        folder = tmp_path / f"model{next(numbers)}"
        save_model(model, folder, input_example=None if example is None else [1.0, 2.0])
        return preflight(folder, manifest_of(folder), mode, trusted=trusted, version=7)

    return fly_one


def test_a_model_that_loads_and_predicts_its_example_passes(fly: Fly) -> None:
    assert fly(Flying("nothing")) == Preflight("passed")


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (Flying("raise"), "ValueError: no weights"),
        (Flying("exit"), "status 1: out of memory"),
        (Flying("vanish"), "status 0: it said nothing"),
        (Flying("abort"), "status -6"),
        (Flying("raise", "loading"), "ValueError: no weights"),
        (Flying("exit", "loading"), "status 1: out of memory"),
        (Flying("abort", "loading"), "status -6"),
    ],
    ids=str,
)
def test_a_model_that_fails_exits_or_crashes_fails_its_flight_and_nothing_else(
    fly: Fly, model: object, said: str
) -> None:
    flown = fly(model)

    assert flown.text.startswith("failed: ")
    assert said in flown.text
    assert isinstance(flown.error, PreflightFailed)
    assert flown.error.version == 7
    assert said in str(flown.error)


@pytest.mark.parametrize("model", [Flying("hang"), Flying("hang", "loading")], ids=str)
def test_a_model_that_hangs_is_ended(fly: Fly, monkeypatch: pytest.MonkeyPatch, model: object) -> None:
    monkeypatch.setattr(preflight_module, "TIME_LIMIT_S", 2.0)

    flown = fly(model)

    assert flown.text == "failed: It took longer than 2 s."
    assert flown.error is not None


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="process groups")
def test_what_a_model_starts_neither_holds_the_flight_up_nor_outlives_it(fly: Fly) -> None:
    import fcntl

    assert fly(Flying("leave a child")) == Preflight("passed")

    with open(Path(os.environ["HOME"]) / "lock", "rb") as lock:
        for _ in range(1_000):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.01)  # it was killed; the system is still taking it down
            else:
                return
    raise AssertionError("the process that the model started is still there")


def test_a_model_that_prints_without_end_is_judged_by_its_own_answer(fly: Fly) -> None:
    assert fly(Flying("babble")) == Preflight("passed")


@pytest.mark.parametrize(
    ("model", "options", "why"),
    [
        (Flying("nothing"), {"example": None}, "it has no input example to predict"),
        (
            Flying("miss a package"),
            {},
            "a package is missing: No module named 'a_package_that_is_not_installed'",
        ),
        (Flying("nothing"), {"trusted": False}, "its code is not trusted here"),
    ],
    ids=["no example", "no package", "no trust"],
)
def test_what_cannot_be_tried_is_skipped_and_says_why_unless_a_flight_is_required(
    fly: Fly, model: object, options: dict[str, object], why: str
) -> None:
    assert fly(model, **options) == Preflight(f"skipped: {why}")

    required = fly(model, mode="require", **options)

    assert required.text == f"failed: {why}"
    assert isinstance(required.error, PreflightFailed)


def test_the_child_sees_no_credentials_and_no_store(fly: Fly, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = [
        "AWS_SECRET_ACCESS_KEY",
        "AWS_PROFILE",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "AZURE_STORAGE_KEY",
        "PODIUM_STORE",
        "GITHUB_TOKEN",
        "DATABASE_URL",
    ]
    for name in secrets:
        monkeypatch.setenv(name, "a secret")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    assert fly(Flying("tell")).text == "passed"

    (seen,) = flights()
    assert not set(secrets) & set(seen)
    assert {"PATH", "HOME", "OMP_NUM_THREADS"} <= set(seen)
    assert set(seen) <= preflight_module._KEPT | {name for name in seen if name.startswith("LC_")}


def flights() -> list[list[str]]:
    """Of each flight that took place, the variables it saw."""
    file = Path(os.environ["HOME"]) / "flights"
    return [line.split() for line in file.read_text().splitlines()] if file.exists() else []


def test_what_passed_is_flown_once_a_digest_and_python_environment(
    fly: Fly, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, elsewhere = tmp_path / "a", tmp_path / "b"
    save_model(Flying("tell"), folder, input_example=[1.0], metadata={"only": "here"})
    manifest = manifest_of(folder)
    preflight(folder, manifest, "auto", trusted=True, version=1)
    assert len(flights()) == 1

    folder.rename(elsewhere)  # the same bytes at another place, as an object of the registry is
    assert preflight(elsewhere, manifest, "require", trusted=True, version=2).text == "passed"
    assert len(flights()) == 1

    packages = tmp_path / "site-packages"
    packages.mkdir()
    monkeypatch.syspath_prepend(str(packages))
    assert preflight(elsewhere, manifest, "auto", trusted=True, version=2).text == "passed"
    assert len(flights()) == 2

    (packages / "installed_since").mkdir()
    os.utime(packages, ns=(1, 1))
    assert preflight(elsewhere, manifest, "auto", trusted=True, version=2).text == "passed"
    assert len(flights()) == 3


def test_what_did_not_pass_is_flown_again(fly: Fly, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "model"
    save_model(Flying("miss a package"), folder, input_example=[1.0])
    manifest = manifest_of(folder)
    assert preflight(folder, manifest, "auto", trusted=True, version=1).text.startswith("skipped")

    packages = tmp_path / "packages"
    packages.mkdir()
    (packages / "a_package_that_is_not_installed.py").write_text("")
    monkeypatch.syspath_prepend(str(packages))

    assert preflight(folder, manifest, "auto", trusted=True, version=1).text == "passed"
