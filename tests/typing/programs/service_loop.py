"""A service that follows an alias: it never names a version, and knows which one answered."""

from collections.abc import Iterable, Iterator
from typing import Any

from podium import live, registry, save_model
from podium.types import LiveModel, Model


def double(rows: list[float]) -> list[float]:
    return [2 * row for row in rows]


def triple(rows: list[float]) -> list[float]:
    return [3 * row for row in rows]


def answers(model: LiveModel, requests: Iterable[list[float]]) -> Iterator[tuple[int | None, list[float]]]:
    for request in requests:
        current = model.current  # once a request: the answer and the version belong together
        yield current.version, current.predict(request)


swaps: list[tuple[int | None, int | None]] = []


def on_swap(old: Model[Any], new: Model[Any]) -> None:
    swaps.append((old.version, new.version))


registry.register(save_model(double, "double"), "scale", alias="champion")
with live("models:/scale@champion", poll_s=60, on_swap=on_swap) as model:
    assert list(answers(model, [[1.0], [2.0]])) == [(1, [2.0]), (1, [4.0])]

    registry.register(save_model(triple, "triple"), "scale", alias="champion")
    assert model.refresh()
    assert list(answers(model, [[1.0]])) == [(2, [3.0])]

    registry.rollback("scale")
    assert model.refresh()
    assert model.predict([1.0]) == [2.0]
    status = model.status()

assert swaps == [(1, 2), (2, 1)]
assert (status.version, status.swaps, status.last_error) == (1, 2, None)
