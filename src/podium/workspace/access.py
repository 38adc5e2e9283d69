"""What has to hold before a store is read or changed through a workspace; found out once, and then known.

That no newer podium wrote it, that it may be changed, that it is claimed, and that an experiment is there to start runs
in. Knows the store and no run.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from podium.errors import Conflict, Invalid, StoreUnavailable
from podium.runs.experiments import FoundExperiment, ensure_experiment, read_experiment
from podium.runs.layout import experiment_folder
from podium.stores.header import read_header
from podium.stores.places import claim

if TYPE_CHECKING:
    from podium.stores.contract import Store

__all__ = ["Access"]


class Access:
    """How far one workspace may go in its store.

    Args:
        store: the store.
        read_only: refuse every change.
    """

    def __init__(self, store: Store, *, read_only: bool) -> None:
        self._store = store
        self._read_only = read_only
        self._is_known = False
        self._is_claimed = False
        self._experiments: set[str] = set()

    def check_known(self) -> None:
        """Read nothing of a store that a newer podium wrote: what this one does not know it would leave out.

        Raises:
            StoreError: it was written by a newer podium.
            Corrupt: its ``podium.json`` makes no sense.
        """
        if not self._is_known:
            with contextlib.suppress(StoreUnavailable):  # whoever asks now will hear of it, or can do without
                self._is_known = read_header(self._store) is not None

    def check_writable(self) -> None:
        """Also change nothing through a workspace that only reads.

        Raises:
            StoreError, Corrupt: as `check_known`.
            Invalid: it only reads.
        """
        self.check_known()
        if self._read_only:
            raise Invalid("this workspace was opened with read_only=True: nothing is changed through it.")

    def claim(self) -> None:
        """Make the store one of podium's, if it is not: before the first change."""
        if not self._is_claimed:
            claim(self._store)
            self._is_claimed = True

    def ensure_experiment(self, name: str, now_ms: int) -> None:
        """Make the experiment of a new run, if it is not there.

        Raises:
            Conflict: it is deleted.
            Invalid: another name has the same folder.
            StoreUnavailable: it cannot be made.
        """
        self.claim()
        if name not in self._experiments:
            ensure_experiment(self._store, name, now_ms)
            self._refuse_deleted(name)
            self._experiments.add(name)

    def forget_experiment(self, name: str) -> None:
        """It was deleted or restored: whoever starts a run in it looks again."""
        self._experiments.discard(name)

    def _refuse_deleted(self, name: str) -> None:
        found = FoundExperiment(name, experiment_folder(name))
        if read_experiment(self._store, found).deleted:
            raise Conflict(
                f"the experiment {name!r} is deleted, so that nobody would see a run in it. Restore it with "
                f"restore_experiment({name!r}), or name another."
            )
