"""Fresh processes that start fast: a server that has imported podium and forks on demand."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any

import pytest

Start = Callable[..., tuple[ForkServerProcess, Connection]]


@pytest.fixture(scope="session")
def processes() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.proofs.workers"])
    return context


@pytest.fixture
def start(processes: ForkServerContext) -> Iterator[Start]:
    """Start ``work(*arguments, connection)`` in a process of its own; whatever still runs at the end is killed."""
    started: list[ForkServerProcess] = []

    def start_one(work: Callable[..., None], *arguments: Any) -> tuple[ForkServerProcess, Connection]:
        here, there = processes.Pipe()
        process = processes.Process(target=work, args=(*arguments, there))
        process.start()
        there.close()
        started.append(process)
        return process, here

    yield start_one
    for process in started:
        if process.is_alive():
            process.kill()
        process.join()


def kill_after(process: ForkServerProcess, seconds: float) -> None:
    """SIGKILL: no handler, no exit hook, no flush."""
    time.sleep(seconds)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()


def drain(acks: Connection, receive: Callable[[], Any]) -> list[Any]:
    """All that was sent whole before the other end died."""
    received: list[Any] = []
    while True:
        try:
            if not acks.poll(0):
                return received
            received.append(receive())
        except (EOFError, OSError):
            return received
