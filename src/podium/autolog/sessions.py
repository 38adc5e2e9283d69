"""The runs that autolog logs to, while they are open, and the registering of what was trained.

Opens no store: it asks the current run, and the default workspace for a new one.
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from podium.autolog.settings import Settings, inside
from podium.current import active_run, default_workspace
from podium.errors import GateRefused, PodiumWarning
from podium.workspace import open_runs
from podium.workspace.endings import ending_of

if TYPE_CHECKING:
    from podium.models.info import ModelInfo
    from podium.models.signature import Signature
    from podium.workspace.active import ActiveRun

__all__ = ["Session", "forget_kept", "open_call", "open_candidate", "open_fit", "register_model"]


class _Kept:
    """A model that was kept, as long as the object lives: another may get its number after it."""

    __slots__ = ("_held", "_ref", "info")

    def __init__(self, model: object, info: ModelInfo) -> None:
        self.info = info
        self._held: object = None
        self._ref: weakref.ref[Any] | None = None
        try:
            self._ref = weakref.ref(model)
        except TypeError:
            self._held = model

    def is_of(self, model: object) -> bool:
        return model is (self._held if self._ref is None else self._ref())


@dataclass(eq=False, slots=True)
class Session:
    """A run, as one training or one call of a decorated function logs to it.

    Attributes:
        run: the run.
        settings: that hold for it.
        is_own: whether autolog made the run for this session, which then ends it.
        kept: the models kept so far in this run; shared by all its sessions.
        is_call: whether this is the call of a decorated function.
        trained: what has been kept inside a decorated call so far, in runs below it too; None outside of one. There
            registering waits for the end, when the metrics are known and what is returned.
    """

    run: ActiveRun
    settings: Settings
    is_own: bool
    kept: list[_Kept] = field(default_factory=list)
    is_call: bool = False
    trained: list[ModelInfo] | None = None

    def keep_model(
        self, model: object, name: str, *, input_example: object = None, signature: Signature | None = None
    ) -> ModelInfo:
        """Keep a model, unless it was kept already; and register it, unless that waits for the end."""
        for each in self.kept:
            if each.is_of(model):
                return each.info
        info = self.run.log_model(model, name, input_example=input_example, signature=signature)
        self.kept.append(_Kept(model, info))
        if self.trained is None:
            register_model(self, info)
        else:
            self.trained.append(info)
        return info

    @contextmanager
    def here(self) -> Iterator[None]:
        """The run is current, and its settings hold."""
        seat = self.run._seat
        if seat is None or not self.is_own:
            with inside(self.settings):
                yield
            return
        open_runs.push(seat)
        # In the body of a decorated function threads without a run of their own may mean it, as any run that is the
        # only one open. While a library trains nobody does, nor between two values of a generator.
        seat.confined = not self.is_call
        try:
            with inside(self.settings):
                yield
        finally:
            seat.confined = True
            open_runs.pop(seat)

    def end(self, error: BaseException | None = None) -> None:
        """End the run, if it is this session's."""
        if self.is_own:
            _sessions.pop(self.run.run_id, None)
            _fitted.discard(self.run.run_id)
            self.run._end_as(ending_of(error))


_sessions: dict[str, Session] = {}
# Runs a training was logged to: another one, whose params are others, gets a run of its own below it.
_fitted: set[str] = set()


def open_call(settings: Settings, name: str | None) -> Session:
    """A run for one call of a decorated function: a child of the current one."""
    session = _new_session(settings, name, experiment=settings.experiment)
    session.is_call, session.trained = True, []
    return session


def open_fit(settings: Settings, name: str) -> Session:
    """Where to log a training to: the current run, if none was logged to it before; else a new one."""
    current = _run_of_training()
    if current is None or current.run_id in _fitted:
        session = _new_session(settings, name, experiment=settings.experiment if current is None else None)
    else:
        session = Session(current, settings, is_own=False)
    known = None if current is None else _sessions.get(current.run_id)
    if known is not None:
        session.trained = known.trained
        if not session.is_own:
            session.kept = known.kept
    _fitted.add(session.run.run_id)
    return session


def open_candidate(settings: Settings, name: str) -> Session:
    """A run below the current one, in its experiment."""
    return _new_session(settings, name, experiment=None)


def forget_kept(model: object) -> None:
    """The object was trained anew: what was kept of it is not what it is now."""
    for session in list(_sessions.values()):
        session.kept[:] = [each for each in session.kept if not each.is_of(model)]


def _run_of_training() -> ActiveRun | None:
    """This context's run, else the only one open; but never one that autolog made for another thread."""
    if open_runs.current() is not None:
        return active_run()
    run = active_run()
    return None if run is None or run.run_id in _sessions else run


def _new_session(settings: Settings, name: str | None, *, experiment: str | None) -> Session:
    current = open_runs.current()
    # A child lies where its parent lies.
    workspace = default_workspace() if current is None else current.run._home
    run = workspace.start_run(name, experiment=experiment, nested=True)
    seat = run._seat
    if seat is not None:
        seat.confined = True
    session = _sessions[run.run_id] = Session(run, settings, is_own=True)
    return session


def register_model(session: Session, info: ModelInfo) -> None:
    """Register a model that was just kept, if the settings say so; a refusal is recorded and warned about."""
    settings = session.settings
    if settings.register is None:
        return
    from podium.commits.gate import verdict_to_json

    verdict: Any
    try:
        version = session.run._home.registry.register(
            info, settings.register, gate=settings.gate, alias=settings.alias
        )
        verdict = version.verdict
    except GateRefused as refusal:
        verdict = refusal.verdict
        if not settings.silent:
            warnings.warn(
                f"the model of run {session.run.run_id} was not registered as {settings.register!r}: {refusal}",
                PodiumWarning,
                stacklevel=2,
            )
    if verdict is not None:
        session.run._log_verdict(verdict_to_json(verdict))
