"""What a process knows of the models of one store, brought up to date at each look.

Drives the generators of `calls.py`; decides nothing, and knows no verb.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator
from typing import TypeVar

from podium.commits.calls import glance, look, write
from podium.commits.driver import run
from podium.commits.fold import ModelState
from podium.commits.protocol import History, Outcome, Steps, commit_key, fetch
from podium.commits.vocabulary import decode_commit
from podium.errors import Corrupt
from podium.stores.contract import Store
from podium.stores.folders import folders_in
from podium.stores.keys import Key, name_segment

__all__ = ["Histories", "model_folder"]

Result = TypeVar("Result")

_MODELS = Key.parse("models")
_LOCK_PATIENCE_S = 10.0


def model_folder(name: str) -> Key:
    """Where a model lies in a store."""
    return _MODELS / name_segment(name)


class Histories:
    """The histories of a store's models.

    Attributes:
        store: where they lie.
        patience_s: how long a call waits for a store that does not answer, and for others' commits.
    """

    def __init__(self, store: Store, *, patience_s: float) -> None:
        self.store = store
        self.patience_s = patience_s
        self._seen: dict[str, History] = {}
        self._names: dict[Key, str] = {}

    def within(self, patience_s: float) -> Histories:
        """The same, for who does not want to wait so long; what either reads the other knows."""
        hasty = copy.copy(self)
        hasty.patience_s = patience_s
        return hasty

    def last_seen(self, name: str) -> ModelState:
        """A model as this process last read it, without reading."""
        return self._known(name).state

    def knows(self, name: str) -> bool:
        """Whether this process has seen that there is such a model."""
        return self._known(name).state.exists

    def look(self, name: str) -> History:
        """The whole history of a model as it is now; empty if there never was one."""
        return self._remembered(self._run(look(self._known(name))))

    def glance(self, name: str) -> ModelState:
        """A model as it is now, perhaps without metrics; the fast way."""
        return self._remembered(self._run(glance(self._known(name)))).state

    def write(self, name: str, committing: Callable[[History], Steps[Outcome]]) -> Outcome:
        """Run a protocol that commits, and refresh the index.

        Raises:
            PodiumError: the refusal, where one was recorded; else whatever ``committing`` raises.
        """
        with self._lock(name):
            outcome = self._run(write(self._known(name), committing))
            self._remembered(outcome.history)
        if outcome.draft is not None and outcome.draft.refusal is not None:
            raise outcome.draft.refusal
        return outcome

    def fetch(self, key: Key) -> bytes | None:
        """A value of the store, asked for again while it does not answer; None where there is none."""
        return self._run(fetch(key))

    def names(self, *, damaged: Callable[[str, Corrupt], None]) -> list[str]:
        """The names of all models there ever were, in order.

        The folders are few, and each holds its model's name in commit 1. A folder of another name is a copy somebody
        put there: it is no model.

        Args:
            damaged: told of each folder whose commit 1 makes no sense, so that it has no name.
        """
        found = []
        for folder in folders_in(self.store, _MODELS):
            try:
                name = self._name_in(folder)
            except Corrupt as error:
                damaged(f"in the folder {folder}", error)
            else:
                found += [] if name is None else [name]
        return sorted(found)

    def _name_in(self, folder: Key) -> str | None:
        if folder not in self._names:
            key = commit_key(folder, 1)
            data = self.fetch(key)
            if data is None:
                return None  # objects without a commit: somebody is registering, or was killed
            name = decode_commit(data, key=str(key)).model
            if model_folder(name) != folder:
                return None
            self._names[folder] = name
        return self._names[folder]

    def _known(self, name: str) -> History:
        return self._seen.get(name) or History(model_folder(name), name)

    def _remembered(self, history: History) -> History:
        # No lock: a forked child would inherit it held. Where two threads race the older one costs a look more.
        known = self._seen.get(history.name)
        newer = known is None or history.state.revision > known.state.revision
        if newer or (history.state.whole and known is not None and not known.state.whole):
            self._seen[history.name] = history
        return history

    def _run(self, steps: Steps[Result]) -> Result:
        return run(steps, self.store, patience_s=self.patience_s)

    @contextlib.contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        """Spare racing processes of this machine their retries; nothing that must be right rests on it."""
        folder = self.store.local_path(model_folder(name))
        if folder is None or not folder.is_dir():
            yield  # nothing to lock, or the first commit is yet to come
            return
        from filelock import FileLock, Timeout

        lock = FileLock(folder / ".~lock", timeout=_LOCK_PATIENCE_S)
        try:
            lock.acquire()
        except (Timeout, OSError, NotImplementedError):
            yield  # the protocol is right without it
            return
        try:
            yield
        finally:
            lock.release()
