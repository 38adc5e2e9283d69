"""What is tracked by itself, and where: settings, and which of them hold here.

``track.autolog(...)`` as a statement sets the ones of the process; ``with`` and decorated calls set those of their
context (a thread started inside does not inherit them). Knows no library and opens no store.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from podium.errors import Invalid, did_you_mean, near_names

__all__ = [
    "LIBRARIES",
    "OFF",
    "Settings",
    "active",
    "inside",
    "make_settings",
    "set_aside",
    "set_for_process",
]

# Each library with the options it takes, and their defaults. The estimators of lightgbm and xgboost are scikit-learn's
# kind, and tracked as these are.
LIBRARIES: Mapping[str, Mapping[str, object]] = {
    "lightgbm": {},
    "sklearn": {"max_tuning_runs": 0},
    "xgboost": {},
}


@dataclass(frozen=True, slots=True)
class Settings:
    """One call of `track.autolog`; its arguments say what each is.

    Attributes:
        experiment: of the runs that are made; None: as everywhere.
        register: the model to register what was trained as; None: it is not registered.
        gate: of that.
        alias: of that.
        returns: names of the elements a decorated function returns; "_" skips one.
        log_models: whether models are kept.
        log_input_examples: whether five rows of the input are kept with them.
        log_datasets: whether the data are noted.
        silent: no warnings.
        libraries: the libraries that are on, each with its options.
    """

    experiment: str | None = None
    register: str | None = None
    gate: str | None = None
    alias: str | None = None
    returns: tuple[str, ...] | None = None
    log_models: bool = True
    log_input_examples: bool = False
    log_datasets: bool = True
    silent: bool = False
    libraries: Mapping[str, Mapping[str, object]] = field(default_factory=lambda: dict(LIBRARIES))


OFF = Settings(libraries={})
"""Nothing is tracked by itself."""


def make_settings(
    *, returns: str | Sequence[str] | None, libraries: Mapping[str, bool | Mapping[str, object]], **plain: Any
) -> Settings:
    """Settings of the arguments of `track.autolog`.

    Raises:
        Invalid: a library or option that does not exist, or a gate, alias or register with nothing to register.
    """
    named = (returns,) if isinstance(returns, str) else None if returns is None else tuple(returns)
    if plain.get("register") is None and (plain.get("gate") is not None or plain.get("alias") is not None):
        raise Invalid("gate= and alias= say how to register: pass register=<name of the model> as well.")
    if plain.get("register") is not None and not plain.get("log_models", True):
        raise Invalid("register= registers the model that is kept: it cannot go with log_models=False.")
    return Settings(returns=named, libraries=_libraries(libraries), **plain)


def _libraries(given: Mapping[str, bool | Mapping[str, object]]) -> dict[str, Mapping[str, object]]:
    chosen = dict(LIBRARIES)
    for name, options in given.items():
        if name not in LIBRARIES:
            hint = did_you_mean(near_names(name, LIBRARIES))
            raise Invalid(
                f"autolog has no option and knows no library {name!r}; the libraries are {', '.join(LIBRARIES)}.{hint}"
            )
        if options is False:
            del chosen[name]
        elif options is not True:
            chosen[name] = {**LIBRARIES[name], **_checked_options(name, options)}
    return chosen


def _checked_options(library: str, options: object) -> Mapping[str, object]:
    if not isinstance(options, Mapping):
        raise TypeError(f"{library}= takes True, False or a mapping of options, not {options!r:.100}.")
    unknown = sorted(map(str, set(options) - set(LIBRARIES[library])))
    if unknown:
        known = ", ".join(LIBRARIES[library]) or "none"
        raise Invalid(f"autolog of {library} has no option {unknown[0]!r}; its options: {known}.")
    most = options.get("max_tuning_runs", 0)
    if most is not None and (isinstance(most, bool) or not isinstance(most, int) or most < 0):
        raise Invalid(f"max_tuning_runs={most!r}: give a number from 0, or None for all candidates.")
    return options


class _Process:
    settings: Settings | None = None


_process = _Process()
_context: ContextVar[Settings | None] = ContextVar("podium_autolog", default=None)


def active() -> Settings | None:
    """The settings that hold here; None where nothing is tracked by itself."""
    return _context.get() or _process.settings


def set_for_process(settings: Settings | None) -> Settings | None:
    """On from now on, or off; the settings before."""
    before, _process.settings = _process.settings, settings
    return before


@contextmanager
def inside(settings: Settings) -> Iterator[None]:
    """On in this context."""
    token = _context.set(settings)
    try:
        yield
    finally:
        _context.reset(token)


@contextmanager
def set_aside() -> Iterator[None]:
    """Inside nothing is tracked by itself; after it what was on is on again."""
    before, token = set_for_process(None), _context.set(None)
    try:
        yield
    finally:
        _context.reset(token)
        set_for_process(before)
