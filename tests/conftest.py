"""Every test has a home, a folder and an environment of its own, and leaves no run behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says how busy the machine is.
settings.register_profile("podium", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("podium")

_HOMES = ("HOME", "USERPROFILE", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")


def pytest_xdist_auto_num_workers() -> int:
    """Many tests wait for servers and processes more than they compute: two processors have work for four."""
    return max(os.cpu_count() or 1, 4)


@pytest.fixture(autouse=True)
def isolated_process(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """What a new process of a new user would find: no configuration, no cache, no store, no current run."""
    home = tmp_path_factory.mktemp("home")
    for name in [each for each in os.environ if each.startswith("PODIUM_")]:
        monkeypatch.delenv(name)
    for name in _HOMES:
        folder = home / name.lower()
        folder.mkdir()
        monkeypatch.setenv(name, str(folder))
    monkeypatch.setenv("APPDATA", str(home / "xdg_config_home"))
    monkeypatch.setenv("LOCALAPPDATA", str(home / "xdg_cache_home"))
    monkeypatch.setenv("PODIUM_QUIET", "1")
    monkeypatch.setenv("COLUMNS", "200")  # how wide a table is shown is no accident of the terminal
    (home / "work").mkdir()
    monkeypatch.chdir(home / "work")
    yield
    _forget_runs()


def _forget_runs() -> None:
    import sys

    if "podium.current" not in sys.modules:
        return
    from podium import current
    from podium.workspace import open_runs
    from podium.workspace.endings import FINISHED

    for seat in open_runs.open_seats():
        seat.end(FINISHED)
    current.reset()


@pytest.fixture
def here() -> Path:
    """The folder this test runs in."""
    return Path.cwd()
