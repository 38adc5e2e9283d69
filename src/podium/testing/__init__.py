"""Shipped to users: what podium's own stores are tested with.

`isolated()` gives a test a podium of its own (so does the pytest fixture ``podium_workspace``, in `plugin`).
`StoreTests` is the conformance suite to subclass, `store_machine` holds a store against a dict, `FaultyStore` and
`LossyStore` are stores around stores that go wrong on schedule. Loaded name by name: importing this package
imports neither pytest nor hypothesis.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from podium.testing.faulty import Fail, FaultyStore, Kill
    from podium.testing.isolation import isolated
    from podium.testing.lossy import Late, LossyStore, LostAnswer, Stale
    from podium.testing.store_machine import store_machine
    from podium.testing.store_tests import StoreTests

__all__ = [
    "Fail",
    "FaultyStore",
    "Kill",
    "Late",
    "LossyStore",
    "LostAnswer",
    "Stale",
    "StoreTests",
    "isolated",
    "store_machine",
]

_HOMES = {
    "Fail": "faulty",
    "FaultyStore": "faulty",
    "Kill": "faulty",
    "Late": "lossy",
    "LossyStore": "lossy",
    "LostAnswer": "lossy",
    "Stale": "lossy",
    "StoreTests": "store_tests",
    "isolated": "isolation",
    "store_machine": "store_machine",
}
_ASSERTING = frozenset({"StoreTests", "store_machine"})


if not TYPE_CHECKING:  # or checkers would take every misspelt name for one that this makes

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module 'podium.testing' has no attribute {name!r}")
        home = f"podium.testing.{_HOMES[name]}"
        if name in _ASSERTING:
            import pytest

            # A failing assert then shows its values, as in the user's own tests.
            pytest.register_assert_rewrite(home)
        value = getattr(import_module(home), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return list(__all__)
