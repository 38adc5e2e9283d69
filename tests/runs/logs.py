"""Logs as other processes left them, for the tests of whoever reads them."""

from __future__ import annotations

from collections.abc import Mapping

from podium.runs.codec import encode
from podium.runs.events import Event, Start
from podium.runs.finding import FoundRun, find_run
from podium.runs.layout import RunKeys
from podium.stores import LocalStore, MemoryStore

SESSION = Start("session", "fraud")


def put_logs(
    store: LocalStore | MemoryStore, keys: RunKeys, logs: Mapping[str, list[tuple[int, Event]]]
) -> FoundRun:
    for writer_id, events in logs.items():
        store.put(keys.log(writer_id), b"".join(encode(event, time_ms) for time_ms, event in events))
    return find_run(store, keys.run_id)
