"""Find out by racing whether a server's exclusive create decides.

A server can accept the condition and ignore it, and a single creator would never notice. So eight create one object
at the same moment, three times: each time one has to win, and its bytes have to lie there. Knows no filesystem.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from podium.errors import KeyExists, StoreError, StoreUnavailable

__all__ = ["decides_races"]

_CREATORS = 8
_ROUNDS = 3
_MOST_TRIES = 4
_PATIENCE_S = 120.0


@dataclass(slots=True)
class _Round:
    """How one race went."""

    winners: list[bytes] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)
    seen: bytes | None = None

    @property
    def is_refuted(self) -> bool:
        """Two were told that they were first, or what lies there is not what the first one sent."""
        if len(self.winners) > 1:
            return True
        return len(self.winners) == 1 and self.seen is not None and self.seen != self.winners[0]

    @property
    def is_proof(self) -> bool:
        return len(self.winners) == 1 and self.seen == self.winners[0]


def decides_races(
    *,
    create: Callable[[str, bytes], object],
    read: Callable[[str], bytes],
    remove: Callable[[str], object],
    where: str,
) -> bool:
    """Whether of racing creators exactly one wins.

    Args:
        create: creates an object of this name; raises `KeyExists` where it is taken.
        read: its bytes.
        remove: removes it.
        where: the store, for messages.

    Raises:
        StoreError: the store refuses them.
        StoreUnavailable: so many answers were lost that it could not be learnt.
    """
    last: BaseException | None = None
    proofs = 0
    for _ in range(_MOST_TRIES):
        # All rounds at once: some servers make each loser of a race wait for a second.
        with ThreadPoolExecutor(_ROUNDS) as pool:
            races = [*pool.map(lambda _: _race(create, read, remove), range(_ROUNDS - proofs))]
        if any(race.is_refuted for race in races):
            return False
        proofs += sum(race.is_proof for race in races)
        if proofs == _ROUNDS:
            return True
        failures = [failure for race in races for failure in race.failures]
        for failure in failures:
            if isinstance(failure, StoreError) and not isinstance(failure, StoreUnavailable):
                raise failure  # wrong credentials, no such bucket: no race was run
        last = failures[0] if failures else last
    raise StoreUnavailable(
        f"could not find out whether {where} decides between two writers: too many of its answers were lost"
        f"{f' ({last})' if last else ''}. Try again."
    ) from last


def _race(
    create: Callable[[str, bytes], object], read: Callable[[str], bytes], remove: Callable[[str], object]
) -> _Round:
    name = f".~{os.urandom(10).hex()}.tmp"  # no key has such a name
    race = _Round()
    start = threading.Barrier(_CREATORS)

    def creator(number: int) -> None:
        mine = b"creator %d of a race\n" % number
        start.wait(_PATIENCE_S)
        try:
            create(name, mine)
        except KeyExists:
            return
        except Exception as error:  # noqa: BLE001 - its outcome is unknown, and told so
            race.failures.append(error)
            return
        race.winners.append(mine)

    creators = [threading.Thread(target=creator, args=(number,)) for number in range(_CREATORS)]
    for each in creators:
        each.start()
    for each in creators:
        each.join(_PATIENCE_S)
    try:
        race.seen = read(name)
    except Exception as error:  # noqa: BLE001 - as above
        race.failures.append(error)
    with contextlib.suppress(
        Exception
    ):  # who may not delete leaves three small objects, which no listing shows
        remove(name)
    return race
