"""Whether a run or a model belongs to another store than the one it is looked for in.

Text (an id, a URI, a path) means the store at hand; an object remembers its own. Decides only: opening the other one is
the workspace's business.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from podium.stores.keys import Key
from podium.workspace.run import Run, RunLike

if TYPE_CHECKING:
    from podium.commits.source import ModelLike
    from podium.models.home import Home
    from podium.stores.contract import Store
    from podium.stores.places import Place

__all__ = ["id_of", "other_home_of_model", "other_store_of_run", "same_place"]


def id_of(run: RunLike) -> str:
    """The id by which a run is looked for.

    Raises:
        TypeError: this is neither an id nor a run.
    """
    if isinstance(run, Run):
        return run.run_id
    if isinstance(run, str):
        return run
    raise TypeError(f"a run is named by its id or given as a Run, not as {type(run).__name__}: {run!r:.100}")


def other_store_of_run(run: RunLike, here: Store) -> Store | None:
    """The store a run remembers; None where that is this one."""
    store = run._source.store if isinstance(run, Run) else here
    return None if store is here or same_place(store, here) else store


def other_home_of_model(model: ModelLike, here: Store, named_as: str | None) -> Home | None:
    """The home a model remembers; None where it is looked for here.

    Args:
        model: as users name it.
        here: the store at hand.
        named_as: what opens that in another process, if anything does.
    """
    from podium.models.home import home_of

    home = home_of(model)
    if home is None or home.store is here:
        return None
    if home.store is None and not _can_be_opened(home.place):
        # Pickled on another machine, or in memory: the SHA-256 tells whether the bytes are here.
        return None
    if home.place is not None and home.place.url == named_as:
        return None
    return home


def same_place(one: Store, other: Store) -> bool:
    """Whether two stores are one folder of this machine."""
    roots = [store.local_path(Key.root()) for store in (one, other)]
    return None not in roots and len({os.path.realpath(str(root)) for root in roots}) == 1


def _can_be_opened(place: Place | None) -> bool:
    """Whether a store may be where another process saw it: a folder that is not here is not."""
    return place is not None and ("://" in place.url or Path(place.url).is_dir())
