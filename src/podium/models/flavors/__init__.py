"""One file a framework: how its models become files and come back.

`flavor_for` chooses by the object, `flavor_of` by the stored bytes. Names read from a file are looked up among the
flavors that are installed and never imported.
"""

from __future__ import annotations

from podium.models.flavors.choosing import flavor_for, flavor_of
from podium.models.flavors.contract import Flavor, Loaded, Saved, Stored

__all__ = ["Flavor", "Loaded", "Saved", "Stored", "flavor_for", "flavor_of"]
