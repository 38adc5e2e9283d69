from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

_FORMAT = Path(__file__).parents[2] / "docs" / "format.md"


@pytest.fixture(scope="session")
def specified() -> Callable[[str], Any]:
    """The JSON of a block of docs/format.md, by its label."""
    text = _FORMAT.read_text(encoding="utf-8")

    def block(label: str) -> Any:
        found = re.findall(rf"^```json podium:{re.escape(label)}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
        assert len(found) == 1, f"docs/format.md has {len(found)} blocks podium:{label}"
        return json.loads(found[0])

    return block


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """The environment of a user with a home of their own."""
    home = tmp_path / "home"
    home.mkdir()
    return {"HOME": str(home), "USERPROFILE": str(home)}


@pytest.fixture
def home(environ: dict[str, str]) -> Path:
    return Path(environ["HOME"])
