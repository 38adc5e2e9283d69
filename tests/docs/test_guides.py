"""Every block of every guide is run, in order, in an empty folder.

A block whose fence names a file (```` ```python train.py ````) is written there; ``sh`` without a name is run;
``python`` without a name is a cell of a notebook and is run in a real kernel.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.notebooks.kernel import Kernel

GUIDES = Path(__file__).parents[2] / "docs" / "guides"


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the file it names or "", and its text."""

    language: str
    file: str
    text: str


def blocks_of(page: Path) -> list[Block]:
    fences = re.findall(
        r"^```(\w+)(?: (\S+))?\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.M | re.S
    )
    return [Block(*fence) for fence in fences]


# What is about a bucket runs against one, in tests/remote.
PAGES = sorted(page for page in GUIDES.glob("*.md") if page.stem != "team")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_of_a_guide_runs(page: Path, here: Path) -> None:
    blocks = blocks_of(page)
    assert blocks
    cells = [block for block in blocks if block.language == "python" and not block.file]
    kernel = Kernel(here) if cells else None
    try:
        for block in blocks:
            if block.file:
                (here / block.file).write_text(block.text, encoding="utf-8")
            elif block.language == "sh":
                _run_in_shell(block.text, here)
            else:
                assert kernel is not None, f"a block of language {block.language!r} that nothing runs"
                assert kernel.run(block.text).error == ""
    finally:
        if kernel is not None:
            kernel.close()


def _run_in_shell(text: str, folder: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    finished = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert finished.returncode == 0, f"{text}\n{finished.stdout}\n{finished.stderr}"


def test_a_file_that_a_guide_writes_is_also_used_by_it() -> None:
    unused = [
        f"{page.name}: {block.file}"
        for page in PAGES
        for blocks in [blocks_of(page)]
        for block in blocks
        if block.file
        and block.file not in ("pytest.ini", "test_training.py")
        and not any(
            block.file in other.text or f"from {Path(block.file).stem} import" in other.text
            for other in blocks
            if other is not block
        )
    ]

    assert unused == []
