"""Listing part of a bucket is listing all of it and keeping that part, whichever server lists."""

from __future__ import annotations

import pytest

from podium.ids import new_id
from podium.stores import Key, MemoryStore, RemoteStore, Retrying
from podium.stores.contract import Store
from podium.stores.fetched import Fetched
from podium.stores.folders import beginning, folders_in, part_lister
from podium.testing import FaultyStore
from tests.remote.conftest import new_url
from tests.remote.proxy import Proxy
from tests.remote.servers import Server

KEYS = [
    Key.parse(path)
    for path in (
        "podium.json",
        "experiments/fraud/experiment.json",
        "experiments/fraud/edits/a.jsonl",
        "experiments/fraud/runs/2026-05-30/a.jsonl",
        "experiments/fraud/runs/2026-06-01/b.jsonl",
        "experiments/fraud/runs/named/c.jsonl",
        "experiments/fraud/artifacts/named/c/x.txt",
        "experiments/fraud-2/experiment.json",
        "experiments/fraud-2/runs/2026-05-30/d.jsonl",
        "models/fraud/index.json",
    )
]
EXPERIMENT = Key.parse("experiments/fraud")
PARTS = [
    (EXPERIMENT, "e"),
    (EXPERIMENT, "runs/"),
    (EXPERIMENT, "runs/2026-0"),
    (EXPERIMENT / "runs", ""),
    (EXPERIMENT / "runs", "2026-05-30/"),
    (EXPERIMENT / "runs" / "named", "c.j"),
    (EXPERIMENT, "nothing"),
    (Key.parse("experiments"), "fraud"),
    (Key.root(), "models/"),
    (Key.root(), ""),
    (Key.parse("nowhere"), "x"),
]


@pytest.fixture(params=["SeaweedFS", "moto", "memory of fsspec", "memory", "retried", "read ahead", "faulty"])
def store(request: pytest.FixtureRequest) -> Store:
    match request.param:
        case "memory of fsspec":
            made: Store = RemoteStore(f"memory://parts-{new_id()}")
        case "memory":
            made = MemoryStore()
        case "faulty":
            made = FaultyStore(MemoryStore(), {})
        case "moto":
            server: Server = request.getfixturevalue("moto_server")
            made = RemoteStore(new_url(), **server.options())
        case name:
            server = request.getfixturevalue("seaweedfs_server")
            made = RemoteStore(new_url(), **server.options())
            made = {"retried": Retrying, "read ahead": Fetched}.get(name, lambda each: each)(made)
            assert part_lister(made) is not None
    for key in KEYS:
        made.put(key, b"x")
    return made


def test_what_begins_so_is_what_a_whole_listing_has_of_it(store: Store) -> None:
    for prefix, begins in PARTS:
        depth = len(prefix.segments)
        wanted = [
            each for each in store.list(prefix) if "/".join(each.key.segments[depth:]).startswith(begins)
        ]

        found = beginning(store, prefix, begins)

        assert sorted(found, key=lambda each: each.key) == sorted(wanted, key=lambda each: each.key), begins


def test_folders_are_those_below_which_something_lies(store: Store) -> None:
    assert folders_in(store, Key.root()) == {Key.parse("experiments"), Key.parse("models")}
    assert folders_in(store, Key.parse("experiments")) == {EXPERIMENT, Key.parse("experiments/fraud-2")}
    assert {each.name for each in folders_in(store, EXPERIMENT)} == {"edits", "runs", "artifacts"}
    assert folders_in(store, EXPERIMENT / "runs" / "named") == set()
    assert folders_in(store, Key.parse("nowhere")) == set()


def test_a_listing_of_a_folder_where_nothing_lies_is_one_request(seaweedfs_server: Server) -> None:
    with Proxy(seaweedfs_server.port).running() as proxy:
        store = RemoteStore(new_url(), **{**seaweedfs_server.options(), "endpoint_url": proxy.url})

        assert list(store.list(EXPERIMENT)) == []
        assert list(store._list_beginning(EXPERIMENT, "e")) == []

        assert proxy.kinds() == {"list": 2}
