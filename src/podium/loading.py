"""Load and save models: functions on the default workspace.

Names only: what each does is written at the `Workspace` method it stands for.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

from podium.current import default_workspace

if TYPE_CHECKING:
    from podium.commits.source import ModelLike
    from podium.models.info import ModelInfo
    from podium.models.live import LiveModel
    from podium.models.model import Model
    from podium.models.signature import Signature

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


def save_model(
    model: object,
    path: str | os.PathLike[str],
    *,
    input_example: object = None,
    signature: Signature | None = None,
    files: Mapping[str, str | os.PathLike[str]] | None = None,
    code: Sequence[str | os.PathLike[str]] = (),
    requirements: Sequence[str] | None = None,
    flavor: str | None = None,
    metadata: Mapping[str, object] | None = None,
) -> ModelInfo:
    """Save a model as an MLflow model directory. As `podium.models.saving.save_model`."""
    from podium.models import saving

    return saving.save_model(
        model,
        path,
        input_example=input_example,
        signature=signature,
        files=files,
        code=code,
        requirements=requirements,
        flavor=flavor,
        metadata=metadata,
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
