"""Bring a log to a store that is not on this machine's disk.

The writer appends to a spool file; its whole lines are put as parts named by the bytes they hold,
``<log>.<start>-<end>``. Any parts that cover a log are the log, so that sending one twice changes nothing; after the
end one part holds it all and the others go. Knows bytes and places, no events.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from podium.runs.events import whole_lines
from podium.runs.layout import RunKeys
from podium.stores.contract import Store
from podium.stores.keys import Key

__all__ = ["Spool", "new_spool"]


class Spool:
    """A log on its way.

    Attributes:
        path: the local file the writer appends to.
    """

    def __init__(self, store: Store, keys: RunKeys, writer_id: str, path: Path) -> None:
        self.path = path
        self._store = store
        self._keys = keys
        self._writer_id = writer_id
        self._shipped = 0
        self._parts: list[Key] = []

    def ship(self, *, last: bool = False) -> None:
        """Put what is not in the store yet.

        Args:
            last: the log has ended: leave one part, and no spool.

        Raises:
            StoreUnavailable: the store did not take it; the spool stays.
        """
        data = self._read(0 if last else self._shipped)
        begin = 0 if last else self._shipped
        whole = len(data) if last else whole_lines(data)
        if whole:
            part = self._keys.part(self._writer_id, begin, begin + whole)
            self._store.put(part, data[:whole])
            superseded = [each for each in self._parts if each != part] if last else []
            self._parts.append(part)
            self._shipped = begin + whole
            for each in superseded:
                self._store.delete(each)
        if last:
            with contextlib.suppress(OSError):
                self.path.unlink()
                self.path.parent.rmdir()

    def _read(self, start: int) -> bytes:
        with open(self.path, "rb") as file:
            file.seek(start)
            return file.read()


def new_spool(store: Store, keys: RunKeys, writer_id: str) -> Spool:
    """A spool for a log, in a folder only this user can read."""
    folder = Path(tempfile.mkdtemp(prefix="podium-spool-"))
    os.chmod(folder, 0o700)
    return Spool(store, keys, writer_id, folder / f"{writer_id}.jsonl")
