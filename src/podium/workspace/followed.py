"""What a live model follows: how its URI is resolved and loaded, in a store at hand and in one that may be away.

Has no thread and serves nothing: when to look, and when to swap, is `podium.models.following`'s business.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from podium.commits.naming import parse_model_uri
from podium.errors import Invalid, StoreUnavailable
from podium.models.following import Followed
from podium.models.live import look_patience_s
from podium.workspace.model_places import OFFLINE_PATIENCE_S

if TYPE_CHECKING:
    from podium.commits.registry import Registry
    from podium.models.model import Model
    from podium.workspace.model_places import ModelPlaces

__all__ = ["followed_at_hand", "followed_from_afar"]


def followed_at_hand(
    uri: str, registry: Registry, load: Callable[[str], Model[Any]], *, poll_s: float
) -> Followed:
    """What is followed in a store on this machine.

    Args:
        uri: ``models:/<name>@<alias>`` or ``models:/<name>/latest``.
        registry: of the store.
        load: loads a pinned URI.
        poll_s: how often the alias is read.

    Raises:
        Invalid: the URI cannot move.
    """
    _check_moves(uri)
    hasty = registry._within(look_patience_s(poll_s))
    return Followed(uri, lambda: registry.resolve(uri), load, resolve_soon=lambda: hasty.resolve(uri))


def followed_from_afar(
    uri: str, registry: Registry, load: Callable[[str], Model[Any]], places: ModelPlaces, *, poll_s: float
) -> Followed:
    """What is followed in a store that may be away: a server that starts meanwhile serves what was last known.

    Args:
        uri: as `followed_at_hand`.
        registry: as `followed_at_hand`.
        load: loads a pinned URI, also while the store is away.
        places: what this machine last knew.
        poll_s: as `followed_at_hand`.

    Raises:
        Invalid: the URI cannot move.
    """
    _check_moves(uri)
    first = registry._within(OFFLINE_PATIENCE_S)
    later = registry._within(min(look_patience_s(poll_s), OFFLINE_PATIENCE_S))
    age_s: float | None = None

    def resolve() -> str:
        nonlocal age_s
        try:
            pinned = (first if age_s is None else later).resolve(uri)
        except StoreUnavailable as error:
            if age_s is not None:
                raise  # something serves: it keeps serving, and says why it looks no further
            recalled = places.last_known().recall(parse_model_uri(uri).name)
            pinned = places.as_last_known(uri, None, error).uri
            age_s = 0.0 if recalled is None else recalled[1]
            return pinned
        age_s = 0.0
        return pinned

    return Followed(uri, resolve, load, age_s=lambda: age_s or 0.0)


def _check_moves(uri: str) -> None:
    if not parse_model_uri(uri).can_move:
        raise Invalid(f"{uri!r} always means the same version: there is nothing to follow. Use load_model.")
