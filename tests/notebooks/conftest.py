"""A notebook session for a test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.notebooks.kernel import Kernel


@pytest.fixture
def kernel(here: Path) -> Iterator[Kernel]:
    started = Kernel(here)
    yield started
    started.close()
