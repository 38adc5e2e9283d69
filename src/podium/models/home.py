"""Where a fact about a model was read, so that the object means the same bytes in every workspace.

A home holds the store itself and, where another process can open it, its place: a pickled fact keeps only the place.
Knows no workspace, no run and no registry: who opens a home is above. It is no part of what a fact says: it is neither
shown nor compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from podium.stores.contract import Store
    from podium.stores.places import Place

__all__ = ["Home", "at_home", "home_in", "home_of"]

Fact = TypeVar("Fact")


@dataclass(frozen=True, slots=True, eq=False)
class Home:
    """A store that facts were read from.

    Attributes:
        store: in the process that read it; None in another.
        place: where another process finds it, and how far it is trusted; None where nothing but ``store`` leads there.
    """

    store: Store | None
    place: Place | None

    def __reduce__(self) -> tuple[type[Home], tuple[None, Place | None]]:
        return Home, (None, self.place)

    def __copy__(self) -> Home:
        return self

    def __deepcopy__(self, memo: object) -> Home:
        return self


def home_in(store: Store) -> Home:
    """The home of what lies in a store of which nobody says how it was found: no code of it is trusted for that."""
    from podium.stores.keys import Key
    from podium.stores.places import Place

    root = store.local_path(Key.root())
    return Home(store, None if root is None else Place(str(root), "found"))


def at_home(fact: Fact, home: Home | None) -> Fact:
    """The fact, which was made just now and remembers from here on where it was read."""
    object.__setattr__(fact, "_home", home)
    return fact


def home_of(fact: object) -> Home | None:
    """Where a fact was read; None where it does not say, and for whatever is no fact."""
    found = getattr(fact, "_home", None)
    return found if isinstance(found, Home) else None
