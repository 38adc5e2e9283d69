"""One registry call at a time on a store that goes wrong, and what is left of the store afterwards."""

from __future__ import annotations

import json
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from podium.commits.registry import Registry
from podium.commits.source import ModelLike, ModelSource
from podium.models.loading import model_info_of
from podium.models.manifest import manifest_of
from podium.models.saving import save_model
from podium.stores import LocalStore, Store
from podium.testing import FaultyStore, Kill

__all__ = ["ACTS", "State", "act", "act_and_be_killed", "first_two", "open_registry", "state_of"]

ACTS = ("register", "set_alias")


@dataclass(frozen=True, slots=True)
class State:
    """What a store says of the model "fraud", every version of it verified.

    Attributes:
        contents: of each version, by number.
        aliases: alias to version.
        commits: how many.
    """

    contents: tuple[int, ...]
    aliases: frozenset[tuple[str, int]]
    commits: int


def find_source(source: ModelLike) -> ModelSource:
    """A model directory by its path."""
    path = Path(str(source))
    return ModelSource(
        info=model_info_of(path), manifest=manifest_of(path), folder=path, trusted=True, metrics={"f1": 0.9}
    )


def open_registry(store: Store, *, patience_s: float = 0.05) -> Registry:
    """As a process that has seen nothing yet."""
    return Registry(store, find_source=find_source, patience_s=patience_s)


def first_two(folder: Path) -> None:
    """A store with two versions, the first of them champion; and a third model beside it."""
    for number in (1, 2, 3):
        save_model({"number": number}, folder / f"model{number}")
    registry = open_registry(LocalStore(folder / "store"))
    registry.register(folder / "model1", "fraud", alias="champion")
    registry.register(folder / "model2", "fraud")


def act(what: str, store: Store, folder: Path, *, patience_s: float = 0.05) -> None:
    """One call, of a process that has seen nothing yet."""
    registry = open_registry(store, patience_s=patience_s)
    if what == "register":
        registry.register(
            folder / "model3", "fraud", alias="candidate", gate="metrics.f1 > 0.5", why="better"
        )
    else:
        registry.set_alias("fraud", "champion", 2, expect=None, why="better")


def act_and_be_killed(what: str, folder: str, operation: int, applied: bool, done: Connection) -> None:
    """One call that SIGKILL ends at one operation of the store."""
    store = FaultyStore(LocalStore(Path(folder) / "store"), {operation: Kill(applied=applied)})
    act(what, store, Path(folder))
    done.send("survived")


def state_of(folder: Path) -> State:
    """What a new process finds."""
    store = LocalStore(folder / "store")
    registry = open_registry(store)
    contents: list[int] = []
    for version in sorted(registry.versions("fraud"), key=lambda each: each.version):
        located = registry._locate(version.uri)
        path = registry._verified(located)
        contents.append(json.loads((path / "value.json").read_bytes())["number"])
    model = registry.get_model("fraud")
    for alias, number in model.aliases.items():
        assert registry.resolve(f"models:/fraud@{alias}") == f"models:/fraud/{number}"
    return State(tuple(contents), frozenset(model.aliases.items()), len(registry.history("fraud")))
