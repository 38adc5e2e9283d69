"""What podium adds to pytest: the fixture `podium_workspace`, and an ini option that puts it around every test.

pytest loads this in every environment podium is installed in, so it must import nothing of podium until a test asks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from podium.workspace.workspace import Workspace

_OPTION = "podium_isolate"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the ini option."""
    parser.addini(
        _OPTION,
        "give every test a podium store of its own, as the fixture podium_workspace does",
        type="bool",
        default=False,
    )


@pytest.fixture
def podium_workspace() -> Iterator[Workspace]:
    """A fresh default workspace for this test; see `podium.testing.isolated`."""
    from podium.testing.isolation import isolated

    with isolated() as workspace:
        yield workspace


class _EveryTest:
    """Registered only where the option is on, so that nobody else's tests have one fixture more."""

    @pytest.fixture(autouse=True)
    def podium_isolate(self, podium_workspace: Workspace) -> None:
        """Give each test a podium of its own."""


def pytest_configure(config: pytest.Config) -> None:
    """Put the fixture around every test, where the ini file says so."""
    if config.getini(_OPTION):
        config.pluginmanager.register(_EveryTest(), "podium-every-test")
