"""Models as directories that MLflow reads: saved, judged, verified, loaded, and followed while they serve.

Knows neither runs nor versions nor aliases: places and trust are handed in. To bring a flavor of your own, keep the
promises of `Flavor` and name it in the entry-point group ``podium.flavors``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from podium.models.flavors.contract import Flavor as Flavor

__all__ = ["Flavor"]


def __getattr__(name: str) -> object:
    if name == "Flavor":
        from podium.models.flavors.contract import Flavor

        return Flavor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
