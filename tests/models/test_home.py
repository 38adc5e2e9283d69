"""Text is resolved in the workspace of the call; objects remember their own, also when they were pickled."""

from __future__ import annotations

import copy
import json
import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fsspec import AbstractFileSystem
from fsspec.registry import known_implementations

from podium import Workspace, load_model, set_store
from podium.errors import Corrupt, Invalid, UntrustedModel
from podium.models.home import home_of
from podium.models.saving import save_model
from podium.stores import MemoryStore
from podium.types import ModelInfo, ModelVersion


@pytest.fixture
def one(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "one")


@pytest.fixture(params=["local", "memory"])
def other(request: pytest.FixtureRequest, tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "other" if request.param == "local" else MemoryStore())


@pytest.fixture
def mine(one: Workspace, tmp_path: Path) -> ModelVersion:
    save_model({"of": "one"}, tmp_path / "saved-one")
    return one.registry.register(str(tmp_path / "saved-one"), "m")


@pytest.fixture
def theirs(other: Workspace, tmp_path: Path) -> ModelVersion:
    save_model({"of": "other"}, tmp_path / "saved-other")
    return other.registry.register(str(tmp_path / "saved-other"), "m", tags={"from": "other"})


Verb = Callable[[Workspace, ModelVersion], object]


@pytest.mark.parametrize(
    "verb",
    [
        lambda w, v: w.registry.set_alias("m", "champion", v),
        lambda w, v: w.registry.set_alias("m", "champion", 1, expect=v),
        lambda w, v: w.registry.rollback("m", "held", to=v),
        lambda w, v: w.registry.rollback("m", "held", expect=v),
        lambda w, v: w.registry.delete_alias("m", "held", expect=v),
        lambda w, v: w.registry.quarantine("m", v, why="bad"),
        lambda w, v: w.registry.release("m", v, why="good"),
        lambda w, v: w.registry.delete_version("m", v, why="bad"),
        lambda w, v: w.registry.log_metrics("m", v, {"auc": 0.5}),
        lambda w, v: w.registry.set_tag("m", "stage", 1, version=v),
        lambda w, v: w.registry.delete_tag("m", "stage", version=v),
        lambda w, v: w.registry.set_note("m", "read me", version=v),
        lambda w, v: w.registry.get_version("m", v),
        lambda w, v: w.registry.compare("m", v),
    ],
)
@pytest.mark.usefixtures("mine")
def test_a_verb_does_not_take_the_version_of_another_store_for_its_own(
    one: Workspace, theirs: ModelVersion, verb: Verb
) -> None:
    one.registry.set_alias("m", "held", 1)
    before = list(one.registry.history("m"))

    with pytest.raises(Invalid, match="is a version of another store"):
        verb(one, theirs)

    assert list(one.registry.history("m")) == before


@pytest.mark.usefixtures("mine")
def test_a_version_of_another_workspace_is_loaded_from_there(
    one: Workspace, other: Workspace, theirs: ModelVersion
) -> None:
    set_store(one)

    for load in (load_model, one.load_model, other.load_model):
        assert load(theirs).native == {"of": "other"}
    assert load_model(theirs.uri).native == {"of": "one"}
    assert one.model_info(theirs).sha256 == theirs.sha256
    assert load_model(load_model(theirs).info).native == {"of": "other"}
    assert all(one.load_model(each).native == {"of": "other"} for each in other.registry.versions("m"))


def test_a_version_of_another_workspace_is_registered_with_its_facts(
    one: Workspace, other: Workspace, theirs: ModelVersion
) -> None:
    other.registry.log_metrics("m", theirs, {"auc": 0.9})

    registered = one.registry.register(theirs, "n", gate="metrics.auc > 0.8")

    assert (registered.sha256, registered.tags) == (theirs.sha256, {"from": "other"})
    assert registered.metrics == {"auc": 0.9}
    assert one.load_model("models:/n/1").native == {"of": "other"}
    assert one.load_model(registered).uri == "models:/n/1"


def test_the_models_of_a_run_are_found_from_every_workspace(one: Workspace, other: Workspace) -> None:
    with other.start_run() as run:
        logged = run.log_model({"of": "a run"})
    read = other.get_run(run.run_id).models[0]

    for info in (logged, read, other.model_info(logged.uri)):
        assert one.load_model(info).native == {"of": "a run"}
        assert one.registry.register(info, "n").run_id == run.run_id


def test_where_a_fact_was_read_is_no_part_of_what_it_says(one: Workspace, mine: ModelVersion) -> None:
    same = replace(mine)

    assert home_of(mine) is not None
    assert home_of(same) is None
    assert same == mine
    assert repr(same) == repr(mine)
    assert one.registry.versions("m").to_dicts()[0].keys() == {
        *("name", "version", "uri", "sha256", "run_id", "start_time", "user", "note", "aliases"),
        *("quarantined", "verdict", "signed_by"),
    }
    assert "_home" not in repr(one.model_info(mine))


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda fact: pickle.loads(pickle.dumps(fact))])
def test_a_copied_or_pickled_fact_still_knows_its_home(
    one: Workspace, mine: ModelVersion, tmp_path: Path, copied: Callable[[object], object]
) -> None:
    elsewhere = Workspace(tmp_path / "elsewhere")
    info = one.model_info(mine)

    for fact in (mine, info):
        again = copied(fact)
        assert isinstance(again, ModelVersion | ModelInfo)
        assert again == fact
        assert elsewhere.load_model(again).native == {"of": "one"}
        assert one.load_model(again).native == {"of": "one"}


def test_what_was_pickled_beside_a_store_that_moved_is_looked_for_here_by_its_bytes(
    one: Workspace, mine: ModelVersion, tmp_path: Path
) -> None:
    pickled = pickle.dumps(mine)
    shutil.move(tmp_path / "one", tmp_path / "moved")
    again = pickle.loads(pickled)

    assert Workspace(tmp_path / "moved").load_model(again).native == {"of": "one"}

    save_model({"of": "another"}, tmp_path / "another")
    another = Workspace(tmp_path / "third")
    another.registry.register(str(tmp_path / "another"), "m")
    with pytest.raises(Corrupt, match="is not the model it was"):
        another.load_model(again)


class ConnectsLater(AbstractFileSystem):  # type: ignore[misc]  # untyped
    """A filesystem of a server that is asked for nothing here."""


@pytest.mark.parametrize(
    "secret", ["user:letmein@models.example/store", "models.example/store?token=letmein"]
)
def test_no_password_of_a_store_is_pickled(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    later = {"class": f"{__name__}.{ConnectsLater.__name__}"}
    monkeypatch.setitem(known_implementations, "connects-later", later)
    far = Workspace(f"connects-later://{secret}")

    assert b"letmein" not in pickle.dumps(far._home())


def test_the_code_of_a_store_that_was_only_found_is_not_trusted_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "function"
    save_model(lambda data: data, source)
    Workspace(tmp_path / "made").registry.register(str(source), "m")
    cloned = tmp_path / "cloned"
    shutil.copytree(tmp_path / "made", cloned / ".podium")
    monkeypatch.delenv("PODIUM_STORE", raising=False)
    monkeypatch.chdir(cloned)
    found = Workspace().registry.get_version("m", 1)

    for fact in (found, pickle.loads(pickle.dumps(found))):
        with pytest.raises(UntrustedModel):
            Workspace(tmp_path / "mine").load_model(fact)


def test_mappings_of_facts_are_read_and_not_written(one: Workspace, mine: ModelVersion) -> None:
    one.registry.set_alias("m", "champion", mine)
    one.registry.set_gate("m", "champion", "metrics.auc > 0.8")
    model = one.registry.get_model("m")

    metadata = one.model_info(mine).metadata
    of_version = (mine.params, mine.metrics, mine.tags)

    for mapping in (model.aliases, model.gates, model.tags, *of_version, metadata):
        with pytest.raises(TypeError, match="is not changed"):
            mapping["x"] = 3  # type: ignore[index]  # the point
        json.dumps(mapping)
    assert pickle.loads(pickle.dumps(model)) == model
    assert copy.deepcopy(model) == model


def test_a_version_is_judged_by_what_was_logged_to_it_since(one: Workspace, mine: ModelVersion) -> None:
    one.registry.set_gate("m", "champion", "metrics.auc > 0.8")
    assert not one.registry.check(mine, "m", alias="champion")

    one.registry.log_metrics("m", 1, {"auc": 0.9})

    assert one.registry.check("models:/m/1", "m", alias="champion")
    assert one.registry.check(mine, "m", alias="champion")


def test_a_version_registered_again_keeps_its_facts_also_when_its_run_is_gone(
    one: Workspace, tmp_path: Path
) -> None:
    with one.start_run() as run:
        run.log_param("depth", 3)
        run.log_metrics({"loss": 0.5})
        run.log_metrics({"loss": 0.7})
        run.set_tag("team", "fraud")
        logged = run.log_model({"of": "a run"})
    one.registry.register(logged, "m")
    one.registry.log_metrics("m", 1, {"auc": 0.9})
    one.registry.set_tag("m", "stage", "tried", version=1)
    shutil.rmtree(tmp_path / "one" / "experiments")

    again = Workspace(tmp_path / "one").registry.register("models:/m/1", "m2", gate="min(metrics.loss) < 0.6")

    assert again.params == {"depth": 3}
    assert again.metrics == {"loss": 0.7, "auc": 0.9}
    assert again.tags == {"team": "fraud", "stage": "tried"}
    assert again.run_id == run.run_id
