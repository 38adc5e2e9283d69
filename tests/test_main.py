from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from podium.__main__ import main
from podium.stores import LocalStore
from podium.stores.header import ensure_header
from podium.stores.places import find_place


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(home))
    for name in ("XDG_CONFIG_HOME", "APPDATA", "PODIUM_STORE"):
        monkeypatch.delenv(name, raising=False)
    return home


def test_python_m_podium_trust_lets_a_found_store_run_code(home: Path) -> None:
    repository = home / "cloned"
    ensure_header(LocalStore(repository / ".podium"))
    assert find_place(cwd=repository).origin == "found"

    result = subprocess.run(
        [sys.executable, "-m", "podium", "trust", str(repository)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=dict(os.environ),
    )

    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith(f"trusted: {repository / '.podium'}.")
    assert find_place(cwd=repository).origin == "made"


def test_a_folder_without_a_store_is_said_in_one_line(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trust", str(home)]) == 1

    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"podium: there is no store in {home}")
    assert err.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["trust"], ["distrust", "."]])
def test_a_command_that_does_not_parse_shows_how_it_is_used(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as leaving:
        main(arguments)

    assert leaving.value.code == 2
    assert "usage: podium" in capsys.readouterr().err
