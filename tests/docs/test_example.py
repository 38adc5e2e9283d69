"""The example of the lifecycle, from an empty folder, as somebody new runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "lifecycle.py"


@pytest.mark.soak  # the README's own command runs it as well
def test_the_lifecycle_runs_in_an_empty_folder_and_tells_its_five_steps(here: Path) -> None:
    finished = subprocess.run(
        [sys.executable, str(EXAMPLE)], cwd=here, capture_output=True, text=True, timeout=240, check=False
    )

    assert finished.returncode == 0, finished.stderr
    headlines = [line for line in finished.stdout.splitlines() if line.startswith("=== ")]
    assert [line[4:6] for line in headlines] == ["1.", "2.", "3.", "4.", "5.", "Th"]
    for told in (
        "a library, no server",
        "50 runs. The best five:",
        "The weakest run is refused",
        "v1 is @champion",
        "version 2 served after",
        "rolled back:  version 1 served after",
        " 0 failed, 0 wrong",
        "REFUSED",
    ):
        assert told in finished.stdout
    assert [each.name for each in here.iterdir()] == [".podium"]
