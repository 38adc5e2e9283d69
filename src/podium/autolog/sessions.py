"""The runs that autolog logs to, while they are open, and the registering of what was trained.

Opens no store: it asks the current run, and the default workspace for a new one.
"""

from __future__ import annotations

import warnings
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

__all__ = ["Session", "open_session", "register_model"]


@dataclass(eq=False, slots=True)
class Session:
    """A run, as one training or one call of a decorated function logs to it.

    Attributes:
        run: the run.
        settings: that hold for it.
        is_own: whether autolog made the run for this session, which then ends it.
        kept: the models kept so far, by the id of the object; shared by all sessions of the run.
        defers: whether registering waits for the end: a decorated call has its metrics only then.
    """

    run: ActiveRun
    settings: Settings
    is_own: bool
    kept: dict[int, ModelInfo] = field(default_factory=dict)
    defers: bool = False

    def keep_model(
        self, model: object, name: str, *, input_example: object = None, signature: Signature | None = None
    ) -> None:
        """Keep a model, unless it was kept already; and register it, unless that waits for the end."""
        if id(model) in self.kept:
            return
        info = self.run.log_model(model, name, input_example=input_example, signature=signature)
        self.kept[id(model)] = info
        if not self.defers:
            register_model(self, info)

    @contextmanager
    def here(self) -> Iterator[None]:
        """The run is current, and its settings hold."""
        seat = self.run._seat
        if seat is None or not self.is_own:
            with inside(self.settings):
                yield
            return
        open_runs.push(seat)
        try:
            with inside(self.settings):
                yield
        finally:
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


def open_session(
    settings: Settings, *, name: str | None = None, child: bool = False, is_fit: bool = False
) -> Session:
    """Where to log to now: the current run, or a new one.

    Args:
        settings: that hold.
        name: of the run, where one is made.
        child: make one in any case, below the current run.
        is_fit: a training: a run takes one of them.
    """
    current = active_run()
    if current is None or child or (is_fit and current.run_id in _fitted):
        session = _new_session(settings, name, experiment=settings.experiment if current is None else None)
    else:
        known = _sessions.get(current.run_id)
        kept = known.kept if known is not None else {}
        session = Session(
            current, settings, is_own=False, kept=kept, defers=known is not None and known.defers
        )
    if is_fit:
        _fitted.add(session.run.run_id)
    return session


def _new_session(settings: Settings, name: str | None, *, experiment: str | None) -> Session:
    run = default_workspace().start_run(name, experiment=experiment, nested=True)
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
        version = default_workspace().registry.register(
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
