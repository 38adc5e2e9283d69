"""Track training by itself: ``track.autolog``.

One name in three uses: a statement (on from now on), a context manager (on inside, opens no run), a decorator (each
call is a run). What a call comes to is in `decorator`, what libraries' own training comes to in a module for each, and
how their code is changed in `patching`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import ParamSpec, Self, TypeVar, cast, overload

from podium.autolog.decorator import decorate
from podium.autolog.patching import is_patched, undo_all
from podium.autolog.settings import OFF, Settings, inside, make_settings, set_for_process

__all__ = ["Autolog", "autolog"]

P = ParamSpec("P")
R = TypeVar("R")


class Autolog:
    """What ``track.autolog(...)`` returns: leave it, use it with ``with``, or decorate with it."""

    def __init__(self, settings: Settings, before: Settings | None, *, was_patched: bool) -> None:
        self._settings = settings
        self._before = before
        self._was_patched = was_patched
        self._is_statement = True
        self._entered: list[AbstractContextManager[None]] = []

    def _no_statement(self) -> None:
        """It is used with ``with`` or as a decorator: outside of that all is as it was before."""
        if not self._is_statement:
            return
        self._is_statement = False
        set_for_process(self._before)
        if self._was_patched:
            _patch()
        else:
            undo_all()

    def __enter__(self) -> Self:
        self._no_statement()
        if self._settings is not OFF:
            _patch()
        here = inside(self._settings)
        here.__enter__()
        self._entered.append(here)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._entered.pop().__exit__(kind, error, trace)

    def __call__(self, fn: Callable[P, R], /) -> Callable[P, R]:
        """``fn``, each call of which is a run; itself, where this is ``disable=True``."""
        self._no_statement()
        return fn if self._settings is OFF else cast("Callable[P, R]", decorate(fn, self._settings, _patch))


def _patch() -> None:
    """Follow the libraries there are; again: nothing."""
    if not is_patched():
        from podium.autolog import sklearn

        sklearn.install()


@overload
def autolog(fn: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def autolog(
    *,
    experiment: str | None = None,
    register: str | None = None,
    gate: str | None = None,
    alias: str | None = None,
    returns: str | Sequence[str] | None = None,
    log_models: bool = True,
    log_input_examples: bool = False,
    log_datasets: bool = True,
    disable: bool = False,
    silent: bool = False,
    **libraries: bool | Mapping[str, object],
) -> Autolog: ...
def autolog(
    fn: Callable[P, R] | None = None,
    /,
    *,
    experiment: str | None = None,
    register: str | None = None,
    gate: str | None = None,
    alias: str | None = None,
    returns: str | Sequence[str] | None = None,
    log_models: bool = True,
    log_input_examples: bool = False,
    log_datasets: bool = True,
    disable: bool = False,
    silent: bool = False,
    **libraries: bool | Mapping[str, object],
) -> Autolog | Callable[P, R]:
    """Track by itself: from now on, inside ``with``, or each call of a function.

    Args:
        fn: the function, where this stands above it as ``@track.autolog``.
        experiment: of the runs that are made.
        register: register the model that was trained under this name.
        gate: what must hold of it; a refusal is recorded and warned about, and never raises.
        alias: to point at the new version.
        returns: names of what a decorated function returns: ``("model", "f1", "_")``; "_" skips one.
        log_models: keep models.
        log_input_examples: keep five rows of the input with them.
        log_datasets: note name, digest and shape of the data.
        disable: undo all patches; nothing is tracked by itself any more.
        silent: no warnings.
        **libraries: ``sklearn=False`` turns one off, ``sklearn={"max_tuning_runs": 10}`` sets its options.

    Raises:
        Invalid: an unknown library or option.
        TypeError: ``fn`` is a class, or no function.
    """
    settings = make_settings(
        returns=returns,
        libraries=libraries,
        experiment=experiment,
        register=register,
        gate=gate,
        alias=alias,
        log_models=log_models,
        log_input_examples=log_input_examples,
        log_datasets=log_datasets,
        silent=silent,
    )
    if fn is not None:
        return cast("Callable[P, R]", decorate(fn, settings, _patch))
    was_patched = is_patched()
    if disable:
        undo_all()
        return Autolog(OFF, set_for_process(None), was_patched=was_patched)
    _patch()
    return Autolog(settings, set_for_process(settings), was_patched=was_patched)
