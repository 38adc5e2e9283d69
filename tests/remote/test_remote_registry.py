"""Many machines on one model in a bucket: versions 1..N, no lost alias move, whatever the network does."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from podium import Workspace
from podium.stores.header import ensure_header
from podium.stores.remote import open_remote
from tests.remote import workers
from tests.remote.proxy import Fate, Proxy, Request, Schedule
from tests.remote.servers import Server
from tests.remote.test_killed_shipping import Started

WORKERS, REGISTRATIONS = 8, 25


def assert_one_history(url: str, given: dict[int, list[int]]) -> None:
    total = sum(map(len, given.values()))
    numbers = sorted(number for mine in given.values() for number in mine)
    assert numbers == list(range(1, total + 1))
    with Workspace(url, read_only=True) as workspace:
        commits = workspace.registry.history("fraud")
        assert [each.revision for each in commits] == list(range(total, 0, -1)), "one call, one commit"
        assert workspace.registry.get_model("fraud").aliases == {
            f"worker-{worker}": mine[-1] for worker, mine in given.items()
        }
        for worker, mine in given.items():
            for number, version in enumerate(mine):
                if number % 12 == 0:
                    native = workspace.load_model(f"models:/fraud/{version}").native
                    assert native == {"worker": worker, "number": number}


def register_in_processes(url: str, times: int) -> dict[int, list[int]]:
    started = [Started(workers.register_many, url, worker, times) for worker in range(WORKERS)]
    given = {worker: each.heard.recv() for worker, each in enumerate(started)}
    for each in started:
        each.process.join()
    return given


@pytest.mark.soak
def test_eight_processes_of_25_registrations_give_1_to_200(bucket: str) -> None:
    assert_one_history(bucket, register_in_processes(bucket, REGISTRATIONS))


def lossy() -> Schedule:
    """Of every 40 requests some are lost, some only their answers, some come late; the same in each run."""
    fates = {
        3: Fate.LOST_ANSWER,
        9: Fate.ERROR_500,
        14: Fate.TURNED_500,
        21: Fate.REFUSED,
        26: Fate.LATE,
        31: Fate.CONFLICT_409,
        37: Fate.THROTTLED_503,
    }

    def schedule(request: Request) -> Fate:
        fate = fates.get(request.number % 40, Fate.PASS)
        # A server answers 409 to conditional requests alone.
        return Fate.PASS if fate is Fate.CONFLICT_409 and not request.condition else fate

    return schedule


@pytest.mark.soak
def test_eight_processes_of_25_registrations_give_1_to_200_through_a_lossy_network(
    seaweedfs_server: Server, use: Callable[[Server], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = use(seaweedfs_server)
    ensure_header(
        open_remote(url)
    )  # whose store it is, is no part of this: a first word gives up sooner than a commit
    with Proxy(seaweedfs_server.port, lossy()).running() as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.url)
        given = register_in_processes(url, REGISTRATIONS)
        commits = [each for each in proxy.requests if "/commits/" in each.path and each.method == "PUT"]

    assert len(commits) > WORKERS * REGISTRATIONS, "nothing was lost on this network: it proves nothing"
    assert all(each.condition for each in commits), "a commit that is sent again carries its condition"
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", seaweedfs_server.url)
    assert_one_history(url, given)
