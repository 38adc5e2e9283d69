# mypy: ignore-errors
# What the programs use of joblib, which ships no types.
from collections.abc import Callable, Iterable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

class _Job: ...

def delayed(function: Callable[P, R]) -> Callable[P, _Job]: ...

class Parallel:
    def __init__(self, n_jobs: int | None = None, *, backend: str | None = None) -> None: ...
    def __call__(self, jobs: Iterable[_Job]) -> list[object]: ...
