"""Load and save models: functions on the default workspace.

Names only: what each does is written at the `Workspace` method it stands for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, overload

from podium.current import default_workspace
from podium.models.saving import save_model

if TYPE_CHECKING:
    from podium.commits.source import ModelLike
    from podium.models.info import ModelInfo
    from podium.models.live import LiveModel
    from podium.models.model import Model

__all__ = ["live", "load_model", "model_info", "save_model"]

T = TypeVar("T")


@overload
def load_model(
    model: ModelLike,
    *,
    native_type: type[T],
    trust: bool | None = None,
    strict_environment: bool = False,
    allow_offline: bool = False,
    verify_signature: str | None = None,
) -> Model[T]: ...
@overload
def load_model(
    model: ModelLike,
    *,
    trust: bool | None = None,
    strict_environment: bool = False,
    allow_offline: bool = False,
    verify_signature: str | None = None,
) -> Model[Any]: ...
def load_model(
    model: ModelLike,
    *,
    native_type: type[Any] | None = None,
    trust: bool | None = None,
    strict_environment: bool = False,
    allow_offline: bool = False,
    verify_signature: str | None = None,
) -> Model[Any]:
    """Load a model, every file held against its SHA-256. As `Workspace.load_model`."""
    return default_workspace().load_model(
        model,
        native_type=native_type,
        trust=trust,
        strict_environment=strict_environment,
        allow_offline=allow_offline,
        verify_signature=verify_signature,
    )


def model_info(model: ModelLike) -> ModelInfo:
    """What is known of a model without loading it. As `Workspace.model_info`."""
    return default_workspace().model_info(model)


def live(
    uri: str,
    *,
    poll_s: float = 5.0,
    check: Callable[[Model[Any]], object] | None = None,
    on_swap: Callable[[Model[Any], Model[Any]], object] | None = None,
    on_failure: Callable[[Exception], object] | None = None,
    shadow: str | None = None,
    trust: bool | None = None,
    verify_signature: str | None = None,
) -> LiveModel:
    """A model that follows its alias. As `Workspace.live`."""
    return default_workspace().live(
        uri,
        poll_s=poll_s,
        check=check,
        on_swap=on_swap,
        on_failure=on_failure,
        shadow=shadow,
        trust=trust,
        verify_signature=verify_signature,
    )
