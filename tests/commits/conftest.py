"""A registry on a real store, and models to register: small JSON ones whose metrics a test names."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from podium.commits.registry import Registry
from podium.commits.source import ModelLike, ModelSource
from podium.models.loading import model_info_of
from podium.models.manifest import manifest_of
from podium.models.saving import save_model
from podium.stores import LocalStore, Store

MakeModel = Callable[..., str]
_FORMAT = Path(__file__).parents[2] / "docs" / "format.md"


@pytest.fixture(scope="session")
def specified() -> Callable[[str], bytes]:
    """The bytes of a block of docs/format.md, by its label."""
    text = _FORMAT.read_text(encoding="utf-8")

    def block(label: str) -> bytes:
        found = re.findall(
            rf"^```jsonl? podium:{re.escape(label)}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE
        )
        assert len(found) == 1, f"docs/format.md has {len(found)} blocks podium:{label}"
        return str(found[0]).encode()

    return block


class Shop:
    """Where `register` finds what it is given: model directories, each with the facts of a run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._facts: dict[str, Mapping[str, float]] = {}

    def make(
        self, content: object = "a model", *, model: object = None, example: object = None, **metrics: float
    ) -> str:
        """A new model directory, as if a run with these metrics had logged it."""
        path = str(self._folder / f"model{len(self._facts)}")
        value = {"content": content, "number": len(self._facts)} if model is None else model
        save_model(value, path, input_example=example)
        self._facts[path] = metrics
        return path

    def find(self, source: ModelLike) -> ModelSource:
        """What the workspace does for a registry."""
        path = str(source)
        return ModelSource(
            info=model_info_of(path),
            manifest=manifest_of(Path(path)),
            folder=Path(path),
            trusted=True,
            params={"lr": 0.1, "deep": True},
            metrics=self._facts[path],
            tags={"team": "fraud"},
        )


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


@pytest.fixture
def model(shop: Shop) -> MakeModel:
    return shop.make


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return LocalStore(tmp_path / "store")


@pytest.fixture
def registry(store: Store, shop: Shop) -> Registry:
    return Registry(store, find_source=shop.find, patience_s=0.2)
