"""A model is named by URI, path, ModelInfo or ModelVersion, and what is loaded is pinned and verified, on any store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from podium.errors import (
    Corrupt,
    Invalid,
    NotFound,
    StoreError,
    UntrustedModel,
    VersionNotFound,
)
from podium.models.cache import default_cache_folder
from podium.models.saving import save_model
from podium.stores import LocalStore, MemoryStore, Store
from podium.workspace.workspace import Workspace


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return LocalStore(tmp_path / "store") if request.param == "local" else MemoryStore()


@pytest.fixture
def workspace(store: Store) -> Workspace:
    return Workspace(store)


def doubled(data: Any) -> Any:
    return data * 2


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save_model({"threshold": 0.5}, tmp_path / "saved")
    return tmp_path / "saved"


def test_every_way_to_name_a_version_loads_it_pinned(workspace: Workspace, saved: Path) -> None:
    version = workspace.registry.register(str(saved), "fraud", alias="champion")

    for named in (
        "models:/fraud@champion",
        "models:/fraud/1",
        "models:/fraud/latest",
        f"models:/fraud@sha256:{version.sha256}",
        f"models:/fraud@sha256:{version.sha256[:12]}",
        version,
        workspace.model_info("models:/fraud@champion"),
    ):
        model = workspace.load_model(named)
        assert (model.uri, model.version, model.native) == ("models:/fraud/1", 1, {"threshold": 0.5})
        assert (model.info.name, model.info.sha256) == ("fraud", version.sha256)
        assert workspace.model_info(named) == model.info


def test_a_model_of_a_run_is_named_by_its_uri(workspace: Workspace) -> None:
    with workspace.start_run() as run:
        info = run.log_model(doubled, "deep/model")

    for named in (f"runs:/{run.run_id}/deep/model", info, run.model_uri("deep/model")):
        model = workspace.load_model(named)
        assert (model.uri, model.version) == (f"runs:/{run.run_id}/deep/model", None)
        assert (model.info.run_id, model.info.name) == (run.run_id, "model")
        assert model.predict(4) == 8


def test_a_path_is_named_in_every_way_a_path_is(
    workspace: Workspace, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(saved.parent)

    for named in ("saved", "./saved", str(saved), saved, saved.as_uri(), f"file:{saved}"):
        assert workspace.load_model(named).native == {"threshold": 0.5}


def test_facts_load_only_the_bytes_they_are_about(workspace: Workspace, tmp_path: Path) -> None:
    """A ModelInfo of a path loaded whatever lay there by then."""
    info = save_model({"threshold": 0.5}, tmp_path / "model")
    assert workspace.load_model(info).native == {"threshold": 0.5}
    value = tmp_path / "model" / "value.json"

    value.write_text(value.read_text().replace("0.5", "0.9"))

    with pytest.raises(Corrupt, match="not the model it was") as caught:
        workspace.load_model(info)
    assert caught.value.expected == info.sha256


@pytest.mark.parametrize(
    ("named", "error"),
    [
        ("models:/nobody@champion", NotFound),
        ("models:/fraud@nobody", NotFound),
        ("models:/fraud/7", VersionNotFound),
        ("models:/fraud@sha256:0123456789abcdef", VersionNotFound),
        ("models:/fraud@sha256:xyz", Invalid),
        ("models:/fraud", Invalid),
        ("runs:/nobodysrun/model", NotFound),
        ("runs:/", Invalid),
        ("nowhere", NotFound),
        ("s3://bucket/model", StoreError),
    ],
)
def test_what_names_nothing_says_so(
    workspace: Workspace, saved: Path, named: str, error: type[Exception]
) -> None:
    workspace.registry.register(str(saved), "fraud")

    with pytest.raises(error):
        workspace.load_model(named)
    with pytest.raises(error):
        workspace.model_info(named)


def test_a_name_that_a_run_did_not_log_lists_those_it_did(workspace: Workspace) -> None:
    with workspace.start_run() as run:
        run.log_model({"a": 1}, "good")

    with pytest.raises(NotFound, match="'good'"):
        workspace.load_model(f"runs:/{run.run_id}/other")


def test_far_models_are_verified_on_every_load_and_mended_in_the_cache(tmp_path: Path) -> None:
    workspace = Workspace(MemoryStore())
    save_model({"threshold": 0.5}, tmp_path / "saved")
    version = workspace.registry.register(str(tmp_path / "saved"), "fraud")
    workspace.load_model("models:/fraud/1")
    cached = default_cache_folder() / version.sha256 / "value.json"

    cached.write_bytes(b'{"threshold": 0.9}')

    assert workspace.load_model("models:/fraud/1").native == {"threshold": 0.5}


def test_a_flipped_bit_in_the_store_is_refused_at_load_by_name(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "store")
    with workspace.start_run() as run:
        run.log_model({"threshold": 0.5})
    workspace.registry.register(run.model_uri(), "fraud", alias="champion")

    for value in (tmp_path / "store").rglob("value.json"):
        value.write_bytes(value.read_bytes().replace(b"5", b"9"))

    for uri in ("models:/fraud@champion", run.model_uri()):
        with pytest.raises(Corrupt) as caught:
            workspace.load_model(uri)
        assert caught.value.key == "value.json"


def test_what_the_workspace_holds_is_trusted_and_a_path_is_not(workspace: Workspace, tmp_path: Path) -> None:
    save_model(doubled, tmp_path / "mine")
    workspace.registry.register(str(tmp_path / "mine"), "fraud")
    (tmp_path / "mine").rename(tmp_path / "strangers")

    assert workspace.load_model("models:/fraud/1").predict(2) == 4
    with pytest.raises(UntrustedModel):
        workspace.load_model(tmp_path / "strangers")
    assert workspace.load_model(tmp_path / "strangers", trust=True).predict(2) == 4
