"""A rollout with a check of one's own: a version that answers nonsense never serves, and the failure is seen."""

import logging
import sys
from typing import Any

from podium import default_workspace, live, registry, save_model, set_store
from podium.types import Model


def good(rows: list[float]) -> list[float]:
    return [min(1.0, abs(row)) for row in rows]


def bad(rows: list[float]) -> list[float]:
    return [row * 1_000 for row in rows]


def is_a_probability(model: Model[Any]) -> bool:
    return all(0 <= value <= 1 for value in model.predict([0.2, 0.9]))


logging.basicConfig(stream=sys.stdout)
workspace = set_store("store")
assert default_workspace() is workspace
failures: list[Exception] = []
registry.register(save_model(good, "good"), "risk", alias="champion")
with live("models:/risk@champion", poll_s=60, check=is_a_probability, on_failure=failures.append) as model:
    registry.register(save_model(bad, "bad"), "risk", alias="champion")
    assert not model.refresh()
    status = model.status()
    assert (status.version, status.refused_version) == (1, 2)
    assert status.last_error is not None
    assert model.predict([0.5]) == [0.5]
    registry.rollback("risk", why="refused by the check of the service")
    model.refresh()
    assert model.status().version == 1
assert len(failures) == 1
