"""Any store held against a dict by hypothesis: whatever is done to both, both must say the same."""

# ruff: noqa: S101 - asserting is its work

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from podium.errors import KeyExists, KeyMissing
from podium.stores.contract import Store
from podium.stores.keys import Key

__all__ = ["store_machine"]

# No value lies below another: a disk cannot do that.
_KEYS = tuple(
    map(
        Key.parse,
        ["a", "a.json", "b/c", "b/c.d", "b/C2", "b/d e/f", "b/d-e/f", "bc/d", "x/y/z/w~0123456789abcdef"],
    )
)
_FOLDERS = tuple(map(Key.parse, ["", "b", "b/d e", "x", "x/y", "nothing/here"]))

_keys = st.sampled_from(_KEYS)
_values = st.binary(max_size=40) | st.builds(lambda byte: byte * 70_000, st.binary(min_size=1, max_size=1))


def store_machine(factory: Callable[[], Store]) -> type[RuleBasedStateMachine]:
    """A state machine for one kind of store.

    Args:
        factory: a new, empty store each time.

    Returns:
        A class; ``hypothesis.stateful.run_state_machine_as_test`` runs it, or ``TestX = machine.TestCase``.
    """

    class StoreMachine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.values: dict[Key, bytes] = {}
            self.folder = Path(tempfile.mkdtemp(prefix="podium-"))

        @initialize()
        def open(self) -> None:
            self.store = factory()

        def teardown(self) -> None:
            shutil.rmtree(self.folder)

        @rule(key=_keys, value=_values)
        def put(self, key: Key, value: bytes) -> None:
            self.store.put(key, value)
            self.values[key] = value

        @rule(key=_keys, value=_values)
        def put_file(self, key: Key, value: bytes) -> None:
            path = self.folder / "source"
            path.write_bytes(value)
            self.store.put(key, path)
            self.values[key] = value

        @rule(key=_keys, value=_values)
        def create(self, key: Key, value: bytes) -> None:
            if key in self.values:
                with pytest.raises(KeyExists):
                    self.store.create(key, value)
            else:
                self.store.create(key, value)
                self.values[key] = value

        @rule(key=_keys)
        def delete(self, key: Key) -> None:
            self.store.delete(key)
            self.values.pop(key, None)

        @rule(key=_keys, start=st.integers(0, 50))
        def get(self, key: Key, start: int) -> None:
            if key in self.values:
                assert self.store.get(key, start) == self.values[key][start:]
            else:
                with pytest.raises(KeyMissing):
                    self.store.get(key, start)

        @rule(key=_keys)
        def download(self, key: Key) -> None:
            path = self.folder / "target"
            path.unlink(missing_ok=True)
            if key in self.values:
                self.store.download(key, path)
                assert path.read_bytes() == self.values[key]
            else:
                with pytest.raises(KeyMissing):
                    self.store.download(key, path)
                assert not path.exists()

        @rule(prefix=st.sampled_from(_FOLDERS))
        def list(self, prefix: Key) -> None:
            depth = len(prefix.segments)
            expected = {
                key: len(value)
                for key, value in self.values.items()
                if key.segments[:depth] == prefix.segments
            }
            entries = [*self.store.list(prefix)]
            assert {entry.key: entry.size for entry in entries} == expected
            assert len(entries) == len(expected)

    return StoreMachine
