"""What others see of files that a live run has logged and that are still on their way."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from podium import Workspace, save_model
from podium.errors import ArtifactNotFound, Corrupt
from podium.stores import Key
from podium.stores.remote import RemoteStore
from tests.remote import workers
from tests.remote.proxy import Fate, Proxy, Request
from tests.remote.servers import Server
from tests.remote.test_killed_shipping import Started


def test_a_file_on_its_way_is_listed_and_who_asks_for_it_is_told_so(
    seaweedfs_server: Server, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files_come = threading.Event()

    def hold_files(request: Request) -> Fate:
        if request.method == "PUT" and "/artifacts/" in request.path:
            files_come.set()
            return Fate.HANGS
        return Fate.PASS

    with Proxy(seaweedfs_server.port, schedule=hold_files).running() as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.url)
        writer = Started(workers.log_files_and_wait, bucket)
        run_id = writer.heard.recv()
        assert files_come.wait(60)
        elsewhere = Workspace(bucket)
        run = elsewhere.get_run(run_id)

        assert run.status == "RUNNING"
        assert "notes/a.txt" in [each.path for each in run.artifacts()]
        for ask in asking(elsewhere, run_id, tmp_path / "to"):
            with pytest.raises(ArtifactNotFound, match=rf"of run {run_id} have not arrived in the store"):
                ask()
        assert [*(tmp_path / "to").rglob("*.txt")] == []

        proxy.release()
        writer.heard.send("end")
        assert writer.heard.recv() is True
        writer.process.join()
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", seaweedfs_server.url)
    elsewhere = Workspace(bucket)
    run = elsewhere.get_run(run_id)
    assert run.download("notes/a.txt").read_text() == "hello"
    assert elsewhere.load_model(run.model_uri()).native == {"value": 1}


def asking(workspace: Workspace, run_id: str, to: Path) -> list[Callable[[], object]]:
    run = workspace.get_run(run_id)
    return [
        lambda: run.download("notes/a.txt"),
        lambda: run.download("notes", to / "notes"),
        lambda: workspace.load_model(run.model_uri()),
        lambda: workspace.registry.register(run.model_uri(), "fraud"),
    ]


def test_a_file_that_is_gone_after_its_run_has_ended_is_damage(bucket: str) -> None:
    with Workspace(bucket) as workspace, workspace.start_run() as run:
        run.log_text("hello", "notes/a.txt")
        run.log_model({"value": 1})
    assert run.flush()
    store = RemoteStore(bucket)
    for each in [*store.list(Key.parse("experiments"))]:
        if "artifacts" in each.key.segments:
            store.delete(each.key)
    elsewhere = Workspace(bucket)

    with pytest.raises(Corrupt, match=r"notes/a\.txt"):
        elsewhere.get_run(run.run_id).download("notes/a.txt")
    with pytest.raises(Corrupt, match=r"is missing in the store"):
        elsewhere.load_model(run.model_uri())


def test_a_file_of_a_version_that_is_gone_is_named(bucket: str, tmp_path: Path) -> None:
    save_model({"value": 1}, tmp_path / "model")
    with Workspace(bucket) as workspace:
        workspace.registry.register(tmp_path / "model", "fraud")
    store = RemoteStore(bucket)
    objects = [each.key for each in store.list(Key.parse("models/fraud/objects"))]
    store.delete(next(each for each in objects if each.name == "value.json"))

    with pytest.raises(Corrupt, match=r"'value\.json' of model models:/fraud/1 is missing in the store"):
        Workspace(bucket).load_model("models:/fraud/1")
