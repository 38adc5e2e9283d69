"""A store, a run in it, and a clock that tests set."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from podium.runs.events import Start
from podium.runs.layout import RunKeys
from podium.runs.writer import Writer
from podium.stores import LocalStore

_FORMAT = Path(__file__).parents[2] / "docs" / "format.md"
RUN_ID = "01kapgsxk0e7n3x5v8h2m4q6ab"


@pytest.fixture(scope="session")
def specified() -> Callable[[str], str]:
    """The text of a block of docs/format.md, by its label."""
    text = _FORMAT.read_text(encoding="utf-8")

    def block(label: str) -> str:
        found = re.findall(
            rf"^```jsonl? podium:{re.escape(label)}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE
        )
        assert len(found) == 1, f"docs/format.md has {len(found)} blocks podium:{label}"
        return str(found[0])

    return block


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


@pytest.fixture
def keys() -> RunKeys:
    return RunKeys.of("fraud", RUN_ID)


@pytest.fixture
def session() -> Start:
    from podium.runs.locking import machine

    return Start("session", "fraud", run_name="first", user="ada", host="here", machine=machine())


@pytest.fixture
def writer(store: LocalStore, keys: RunKeys, session: Start) -> Iterator[Writer]:
    opened = Writer(store, keys, session)
    yield opened
    opened.end()


@pytest.fixture
def lines(store: LocalStore, keys: RunKeys) -> Callable[[Writer], list[object]]:
    """What a writer's log holds, read by the back door."""

    def read(writer: Writer) -> list[object]:
        path = store.local_path(keys.log(writer.writer_id))
        assert path is not None
        return [json.loads(line) for line in path.read_bytes().splitlines()]

    return read
