"""What was acknowledged reaches the bucket once, whoever ships it and whoever is killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.context import ForkServerProcess

import pytest

from podium import Workspace
from podium.runs.layout import LogName
from podium.runs.spool import spool_root
from podium.stores import Key
from podium.stores.remote import RemoteStore
from tests.remote import workers
from tests.remote.proxy import Fate, Proxy, Request
from tests.remote.servers import Server

_KILLS = 50
_contexts = multiprocessing.get_context("forkserver")
_contexts.set_forkserver_preload(["tests.remote.workers", "s3fs"])


class Started:
    """A process, and what it tells."""

    def __init__(self, work: object, *arguments: object) -> None:
        self.heard, there = _contexts.Pipe()
        self.process: ForkServerProcess = _contexts.Process(
            target=_with_environment, args=(dict(os.environ), work, *arguments, there), daemon=True
        )
        self.process.start()
        there.close()

    def kill(self) -> None:
        if self.process.pid is not None and self.process.is_alive():
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.join()

    def acknowledged(self) -> list[bytes]:
        """All that was sent whole before the other end died."""
        received = []
        while True:
            try:
                received.append(self.heard.recv_bytes())
            except EOFError:
                return received


def _with_environment(environment: dict[str, str], work: object, *arguments: object) -> None:
    os.environ.clear()
    os.environ.update(environment)
    assert callable(work)
    work(*arguments)


class Moment:
    """A schedule that says when so many requests of a kind have come; whoever waits for it kills in their midst."""

    def __init__(self, which: Callable[[Request], bool], count: int) -> None:
        self._which = which
        self._left = count
        self._guard = threading.Lock()
        self._come = threading.Event()

    def __call__(self, request: Request) -> Fate:
        with self._guard:
            self._left -= self._which(request)
            if self._left <= 0:
                self._come.set()
        return Fate.PASS

    @property
    def has_come(self) -> bool:
        return self._come.is_set()

    def wait(self) -> None:
        assert self._come.wait(120)


@pytest.fixture
def proxy(seaweedfs_server: Server, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    with Proxy(seaweedfs_server.port).running() as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.url)
        yield proxy


def _is_part_of_log(request: Request) -> bool:
    return request.method == "PUT" and ".jsonl." in request.path


def _is_file(request: Request) -> bool:
    return request.method == "PUT" and "/artifacts/" in request.path


def _is_check(request: Request) -> bool:
    return request.method == "GET" and ".jsonl.0-" in request.path


def _is_removal(request: Request) -> bool:
    return request.method == "DELETE"


def _of_run(run_id: str, which: Callable[[Request], bool]) -> Callable[[Request], bool]:
    return lambda request: run_id in request.path and which(request)


# While the first part is on its way, the fifth, a file, or parts that were put together go.
_AMID = (
    (_is_part_of_log, 1),
    (_is_file, 1),
    (_is_part_of_log, 2),
    (_is_removal, 1),
    (_is_part_of_log, 3),
    (_is_file, 3),
    (_is_part_of_log, 5),
    (_is_part_of_log, 8),
    (_is_removal, 5),
    (_is_file, 6),
)
_AMID_THE_END = (_is_part_of_log, _is_check, _is_removal)


@pytest.fixture
def shippers(bucket: str) -> Iterator[list[Started]]:
    """Two processes that ship what waits, all the time, beside whoever writes."""
    started = [Started(workers.sync_again_and_again, bucket) for _ in range(2)]
    yield started
    for each in started:
        each.kill()


def _steps_in_bucket(url: str, run_id: str) -> list[int]:
    run = Workspace(url, read_only=True).get_run(run_id)
    assert run.dropped == 0
    return [point.step for point in run.history("loss")]


@pytest.mark.soak
def test_fifty_killed_processes_lose_and_double_nothing_while_two_others_ship(
    proxy: Proxy, bucket: str, shippers: list[Started]
) -> None:
    acknowledged: dict[str, int] = {}
    for number in range(_KILLS):
        writer = Started(workers.log_until_killed, bucket)
        run_id = writer.heard.recv_bytes().decode()
        kind, count = _AMID[number % len(_AMID)]
        moment = Moment(_of_run(run_id, kind), count)
        proxy.schedule = moment
        last = -1
        while not moment.has_come:
            assert writer.heard.poll(120)
            last = int(writer.heard.recv_bytes())
        writer.kill()
        acknowledged[run_id] = max(map(int, writer.acknowledged()), default=last)
    assert min(acknowledged.values()) >= 0
    problems = []
    for shipper in shippers:
        shipper.heard.send(None)
        problems += shipper.heard.recv()[1]
    assert problems == []
    with Workspace(bucket) as workspace:
        assert workspace.sync().waiting == 0

    assert len(acknowledged) == _KILLS
    for run_id, last in acknowledged.items():
        steps = _steps_in_bucket(bucket, run_id)
        assert steps == list(range(len(steps))), "a line was lost, doubled or put out of its place"
        assert len(steps) > last
        run = Workspace(bucket).get_run(run_id)
        assert run.status == "LOST" or time.time() - run.start_time.timestamp() < 600
        for step in range(0, last + 1, 50):
            assert run.download(f"notes/{step}.txt").read_text() == f"step {step}"
    logs = [
        LogName.parse(each.key.name)
        for each in RemoteStore(bucket).list(Key.parse("experiments/killed/runs"))
    ]
    assert len({each.run_id for each in logs if each}) == _KILLS
    assert [
        path for path in spool_root().rglob("*") if path.is_file() and not path.name.startswith(".~")
    ] == []


@pytest.mark.soak
def test_a_killed_shipper_leaves_what_another_finishes(proxy: Proxy, bucket: str) -> None:
    ids = []
    for number in range(12):
        writer = Started(workers.log_until_killed, bucket)
        ids.append(writer.heard.recv_bytes().decode())
        while int(writer.heard.recv_bytes()) < 150:
            pass
        writer.kill()
        moment = Moment(_of_run(ids[-1], _AMID_THE_END[number % len(_AMID_THE_END)]), 1)
        proxy.schedule = moment
        shipper = Started(workers.sync_again_and_again, bucket)
        moment.wait()
        shipper.kill()
    with Workspace(bucket) as workspace:
        assert workspace.sync()

    for run_id in ids:
        steps = _steps_in_bucket(bucket, run_id)
        assert steps == list(range(len(steps)))
        assert len(steps) > 150
