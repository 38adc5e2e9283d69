"""Each model imports its own code, whatever models were loaded before or are being loaded meanwhile."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from podium.models import codepath
from podium.models.codepath import importing


@pytest.fixture(autouse=True)
def path_put_back() -> Iterator[None]:
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def code(folder: Path, **modules: str) -> Path:
    folder.mkdir(parents=True)
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def test_two_versions_each_import_their_own(tmp_path: Path) -> None:
    one = code(tmp_path / "1", features_of_mine="N = 1")
    two = code(tmp_path / "2", features_of_mine="N = 2")

    found = []
    for folder in (one, two, one):
        with importing(folder, folder.name):
            found.append(importlib.import_module("features_of_mine").N)

    assert found == [1, 2, 1]


def test_packages_are_kept_apart_too(tmp_path: Path) -> None:
    for n in ("1", "2"):
        code(
            tmp_path / n / "a_package_of_mine",
            __init__="from a_package_of_mine.inner import N",
            inner=f"N = {n}",
        )

    found = []
    for n in ("1", "2"):
        with importing(tmp_path / n, f"package {n}"):
            found.append(importlib.import_module("a_package_of_mine").N)

    assert found == [1, 2]


def test_modules_of_another_model_stay_where_nothing_stands_against_them(tmp_path: Path) -> None:
    first = code(tmp_path / "1", only_in_the_first="N = 1", late_in_the_first="N = 1")
    with importing(first, "first"):
        kept = importlib.import_module("only_in_the_first")

    with importing(code(tmp_path / "2", only_in_the_second="N = 2"), "second"):
        pass

    assert importlib.import_module("only_in_the_first") is kept
    assert importlib.import_module("late_in_the_first").N == 1


def test_importing_leaves_the_models_bytes_as_they_were(tmp_path: Path) -> None:
    folder = code(tmp_path / "1", leaves_no_trace="N = 1")

    with importing(folder, "traceless"):
        importlib.import_module("leaves_no_trace")

    assert [each.name for each in folder.iterdir()] == ["leaves_no_trace.py"]


def test_loads_in_threads_are_not_mixed(tmp_path: Path) -> None:
    """The second load waits until the first has imported: both got the code of whoever came last."""
    one = code(tmp_path / "1", same_name_in_threads="N = 1")
    two = code(tmp_path / "2", same_name_in_threads="N = 2")
    second_begins = threading.Event()
    found: list[int] = []

    def second() -> None:
        second_begins.set()
        with importing(two, "thread 2"):
            found.append(importlib.import_module("same_name_in_threads").N)

    thread = threading.Thread(target=second)
    with importing(one, "thread 1"):
        thread.start()
        second_begins.wait()
        thread.join(
            0.05
        )  # only makes a failure likelier to be seen: without a lock the second is done by now
        found.append(importlib.import_module("same_name_in_threads").N)
    thread.join()

    assert found == [1, 2]


def test_a_fork_while_a_load_is_under_way_does_not_lock_the_child(tmp_path: Path) -> None:
    held = codepath._lock

    codepath._after_fork_in_child()

    assert codepath._lock is not held
