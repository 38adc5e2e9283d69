"""What each verb of the registry does, and what it refuses."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from podium import Workspace
from podium.commits.registry import Registry
from podium.errors import (
    AliasMoved,
    AliasNotFound,
    Corrupt,
    ForkedHistory,
    GateRefused,
    HistoryReplaced,
    Invalid,
    ModelNotFound,
    NothingToRollBack,
    PodiumWarning,
    PreflightFailed,
    Quarantined,
    QueryError,
    Refused,
    StoreError,
    VersionNotFound,
)
from podium.stores import Key, LocalStore, Store
from podium.strictjson import canonical
from podium.testing import Fail, FaultyStore
from tests.commits.conftest import MakeModel, Shop
from tests.commits.flying_models import AT_HOME, Flying

GATE = "metrics.f1 >= 0.9 and metrics.f1 > champion.metrics.f1"


def holder(registry: Registry, alias: str = "champion") -> int | None:
    return registry.get_model("fraud").aliases.get(alias)


# --- registering ---------------------------------------------------------------------------------------------------


def test_versions_count_from_one_and_carry_the_facts_of_their_run(
    registry: Registry, model: MakeModel
) -> None:
    first = registry.register(model(f1=0.9), "fraud", tags={"stage": 1}, note="first", why="a start")
    second = registry.register(model(f1=0.95), "fraud")

    assert (first.version, second.version) == (1, 2)
    assert str(second) == "fraud v2"
    assert first.uri == "models:/fraud/1"
    assert first.params == {"lr": 0.1, "deep": True}
    assert first.metrics == {"f1": 0.9}
    assert first.tags == {"team": "fraud", "stage": "1"}
    assert first.note == "first"
    assert registry.get_model("fraud").latest == 2
    assert registry.history("fraud")[-1].why == "a start"


def test_version_and_alias_are_one_commit(registry: Registry, model: MakeModel) -> None:
    version = registry.register(model(), "fraud", alias="champion")

    assert version.aliases == {"champion"}
    assert len(registry.history("fraud")) == 1


def test_a_model_that_fails_its_gate_is_refused_and_the_refusal_is_kept(
    registry: Registry, model: MakeModel
) -> None:
    with pytest.raises(GateRefused, match=r"metrics\.f1 >= 0\.9") as raised:
        registry.register(model(f1=0.5), "fraud", gate=GATE, alias="champion", why="please")

    assert not raised.value.verdict
    (commit,) = registry.history("fraud")
    assert (commit.verb, commit.refused, commit.to_version, commit.why) == ("register", True, None, "please")
    assert commit.verdict == raised.value.verdict
    with pytest.raises(ModelNotFound):
        registry.get_model("fraud")
    assert registry.register(model(f1=0.91), "fraud", gate=GATE).version == 1


def test_check_decides_the_same_without_doing_it(registry: Registry, model: MakeModel) -> None:
    assert not registry.check(model(f1=0.5), "fraud", gate=GATE)
    assert registry.check(model(f1=0.95), "fraud", gate=GATE)
    assert registry.check(model(), "fraud")
    with pytest.raises(ModelNotFound):
        registry.history("fraud")


def test_a_gate_is_overruled_by_force_and_a_reason(registry: Registry, model: MakeModel) -> None:
    weak = model(f1=0.5)
    with pytest.raises(TypeError, match="why"):
        registry.register(weak, "fraud", gate=GATE, force=True)

    registry.register(weak, "fraud", gate=GATE, force=True, why="the old one leaks memory")

    commit = registry.history("fraud")[0]
    assert commit.forced
    assert not commit.verdict


def test_the_standing_gate_of_an_alias_holds_for_registering_too(
    registry: Registry, model: MakeModel
) -> None:
    registry.register(model(f1=0.92), "fraud", alias="champion")
    registry.set_gate("fraud", "champion", GATE)

    with pytest.raises(GateRefused):
        registry.register(model(f1=0.91), "fraud", alias="champion")

    assert holder(registry) == 1
    assert registry.register(model(f1=0.93), "fraud", alias="champion").version == 2


def file_of(model: str) -> Path:
    """The file of a model that its content lies in."""
    return Path(model) / "value.json"


@pytest.mark.parametrize("alias", [None, "champion"])
def test_a_source_whose_bytes_changed_is_not_registered(
    store: LocalStore, shop: Shop, alias: str | None
) -> None:
    path = shop.make(example=[1])
    before = shop.find(path)
    registry = Registry(store, find_source=lambda _: before)
    file_of(path).write_bytes(file_of(path).read_bytes() + b" ")

    with pytest.raises(Corrupt, match=r"value\.json"):
        registry.register(path, "fraud", alias=alias)

    with pytest.raises(ModelNotFound):
        registry.history("fraud")
    assert not (store.root / "models").exists()


def test_a_source_that_changes_while_it_is_copied_is_not_registered_and_harms_no_version(
    store: LocalStore, shop: Shop
) -> None:
    path = shop.make()
    good = Registry(store, find_source=shop.find).register(path, "fraud")
    (manifest,) = store.root.glob("models/fraud/objects/*.json")
    manifest.unlink()  # half published, as by a killed process: so what is missing is put again
    whole, missing = manifest.with_suffix("") / "value.json", manifest.with_suffix("") / "MLmodel"
    content = whole.read_bytes()
    missing.unlink()
    whole.unlink()

    def change(verb: str, key: Key, number: int) -> None:
        if verb == "put":
            file_of(path).write_bytes(content[:-1] + b"!")

    with pytest.raises(Corrupt, match=r"value\.json.*while it was registered"):
        Registry(FaultyStore(store, change), find_source=shop.find).register(path, "fraud")

    assert missing.exists()
    assert not whole.exists()
    assert not manifest.exists()
    assert Registry(store, find_source=shop.find).get_model("fraud").latest == good.version


def test_what_a_gate_refuses_leaves_no_bytes(registry: Registry, model: MakeModel, store: LocalStore) -> None:
    with pytest.raises(GateRefused):
        registry.register(model(f1=0.5), "fraud", gate=GATE)
    assert list(store.list(Key.parse("models/fraud/objects"))) == []


@pytest.mark.parametrize("uri", ["file:///home/ada/model", "/home/ada/model", "C:/models/fraud"])
def test_no_path_of_a_machine_gets_into_a_commit(store: LocalStore, shop: Shop, uri: str) -> None:
    found = shop.find(shop.make())
    local = replace(found, info=replace(found.info, uri=uri))
    Registry(store, find_source=lambda _: local).register("x", "fraud", alias="champion")

    for file in store.root.rglob("*.json"):
        assert uri.encode() not in file.read_bytes()


def test_a_reason_of_spaces_is_none(registry: Registry, model: MakeModel) -> None:
    registry.register(model(f1=0.5), "fraud")
    for why in (None, "", "  "):
        with pytest.raises(TypeError, match="why"):
            registry.register(model(), "fraud", force=True, why=why)
        with pytest.raises(TypeError, match="why"):
            registry.set_alias("fraud", "champion", 1, force=True, why=why)
    for verb in (registry.quarantine, registry.release, registry.delete_version):
        with pytest.raises(TypeError, match="why"):
            verb("fraud", 1, why=" ")
    with pytest.raises(TypeError, match="why"):
        registry.delete_model("fraud", why="")
    assert len(registry.history("fraud")) == 1


def test_text_without_bytes_is_kept_as_far_as_it_goes(
    registry: Registry, model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PODIUM_USER", "ada\udcff")
    lone = "a\udcff"
    registry.register(model(), "fraud", tags={"a": lone}, note=lone, why=lone)
    registry.set_tag("fraud", "b", lone, version=1)

    tags = registry.get_version("fraud", 1).tags
    assert (tags["a"], tags["b"]) == ("a?", "a?")
    assert registry.history("fraud")[-1].why == "a?"
    assert registry.history("fraud")[-1].user == "ada?"


@pytest.mark.parametrize("key", ["a\nb", "\x1b[31m", "", "a\udcff", "k" * 501], ids=ascii)
def test_a_key_that_no_run_may_have_is_refused_here_too(three: Registry, model: MakeModel, key: str) -> None:
    for act in (
        lambda: three.set_tag("fraud", key, "x"),
        lambda: three.delete_tag("fraud", key),
        lambda: three.register(model(), "fraud", tags={key: "x"}),
        lambda: three.log_metrics("fraud", 1, {key: 0.5}),
    ):
        with pytest.raises(Invalid, match=r"the key of a (tag|metric)"):
            act()
    assert len(three.history("fraud")) == 3


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (
            lambda r, m: r.register(m, "fraud", tags=["a"]),
            "tags come as a mapping of key to value, not as list",
        ),
        (lambda r, m: r.register(m, "fraud", note=5), "note is text, not int: 5"),
        (lambda r, m: r.register(m, "fraud", why=5), "why is text, not int: 5"),
        (lambda r, m: r.register(m, "fraud", gate=5), "gate is text, not int: 5"),
        (lambda r, _: r.set_alias("fraud", "champion", 2, why=["x"]), "why is text, not list"),
        (lambda r, _: r.set_note("fraud", None), "a note is text, not NoneType"),
        (lambda r, _: r.set_tag("fraud", 5, "x"), "the key of a tag is text, not int: 5"),
        (
            lambda r, _: r.log_metrics("fraud", 1, [1]),
            "metrics come as a mapping of key to number, not as list",
        ),
        (lambda r, _: r.models(None), "the filter of models is text, not None"),
        (lambda r, _: r.versions("fraud", None), "the filter of versions is text, not None"),
        (
            lambda r, _: r.alias_at("fraud", "champion", 5),
            "time is an aware datetime or ISO text, not int: 5",
        ),
    ],
)
def test_an_argument_of_the_wrong_type_is_named_and_changes_nothing(
    three: Registry, model: MakeModel, act: Callable[[Registry, str], object], says: str
) -> None:
    with pytest.raises(TypeError, match=re.escape(says)):
        act(three, model())
    assert len(three.history("fraud")) == 3


@pytest.mark.parametrize("uri", [5, None, "fraud", Path("models:/fraud/1")], ids=str)
def test_what_is_no_uri_says_what_one_is(three: Registry, uri: str) -> None:
    with pytest.raises(Invalid, match="models:/<name>@<alias>"):
        three.resolve(uri)


@pytest.mark.parametrize(
    "act", ["set_alias", "delete_alias", "rollback", "set_tag", "quarantine", "set_gate"]
)
def test_a_name_that_is_not_there_is_answered_with_those_that_are_and_leaves_nothing(
    registry: Registry, model: MakeModel, store: LocalStore, act: str
) -> None:
    registry.register(model(), "fraud", alias="champion")
    acts: dict[str, Callable[[str], object]] = {
        "set_alias": lambda name: registry.set_alias(name, "a", 1),
        "delete_alias": lambda name: registry.delete_alias(name, "champion"),
        "rollback": registry.rollback,
        "set_tag": lambda name: registry.set_tag(name, "a", "b"),
        "quarantine": lambda name: registry.quarantine(name, 1, why="x"),
        "set_gate": lambda name: registry.set_gate(name, "champion", None),
    }

    with pytest.raises(ModelNotFound, match="Did you mean 'fraud'"):
        acts[act]("fruad")

    assert [each.name for each in (store.root / "models").iterdir()] == ["fraud"]


@pytest.mark.parametrize("name", ["", " fraud", "a/b", "a@b", "a:b", "a\nb", "x" * 201])
def test_a_name_that_cannot_be_is_refused(registry: Registry, model: MakeModel, name: str) -> None:
    with pytest.raises(Invalid, match="is no name for a model"):
        registry.register(model(), name)


@pytest.mark.parametrize("alias", ["", "latest", "v3", "17", "a b", "a/b", "x" * 256])
def test_an_alias_that_cannot_be_is_refused(registry: Registry, model: MakeModel, alias: str) -> None:
    with pytest.raises(Invalid, match="is no alias"):
        registry.register(model(), "fraud", alias=alias)


def test_odd_names_are_models_like_others(registry: Registry, model: MakeModel) -> None:
    for name in ("Fraud Detector", "fraud detector", "con", "größe", "模型"):
        assert registry.register(model(), name, alias="champion").name == name
        assert registry.resolve(f"models:/{name}@champion") == f"models:/{name}/1"

    assert len(registry.models()) == 5


# --- aliases -------------------------------------------------------------------------------------------------------


@pytest.fixture
def three(registry: Registry, model: MakeModel) -> Registry:
    """Versions 1, 2, 3; champion is 1."""
    for number in range(3):
        registry.register(model(f1=0.9 + number / 100), "fraud", alias="champion" if number == 0 else None)
    return registry


def test_a_version_is_named_in_many_ways(three: Registry) -> None:
    version = three.get_version("fraud", 2)
    three.set_alias("fraud", "@candidate", 2)

    for way in (2, "2", "candidate", "@candidate", "models:/fraud/2", "models:/fraud@candidate", version):
        assert three.get_version("fraud", way).version == 2
    assert three.get_version("fraud").version == 3
    assert three.get_version("fraud", "models:/fraud/latest").version == 3
    assert three.resolve(f"models:/fraud@sha256:{version.sha256[:12]}") == "models:/fraud/2"
    for wrong in ("models:/churn/2", True, 1.5):
        with pytest.raises(Invalid):
            three.get_version("fraud", wrong)  # type: ignore[arg-type]  # the point


def test_what_is_not_there_says_what_is(three: Registry) -> None:
    with pytest.raises(VersionNotFound, match="versions 1 to 3"):
        three.get_version("fraud", 9)
    with pytest.raises(AliasNotFound, match="Did you mean 'champion'"):
        three.get_version("fraud", "champoin")
    with pytest.raises(ModelNotFound, match="Did you mean 'fraud'"):
        three.get_model("fruad")
    with pytest.raises(Invalid, match="models:/<name>@<alias>"):
        three.resolve("models:/fraud")


def test_an_alias_moves_only_from_where_the_caller_expects_it(three: Registry) -> None:
    seen = three.get_version("fraud", "@champion")
    three.set_alias("fraud", "champion", 2, expect=seen)

    with pytest.raises(AliasMoved, match="points to version 2") as raised:
        three.set_alias("fraud", "champion", 3, expect=seen)

    assert (raised.value.expected, raised.value.found) == (1, 2)
    assert holder(three) == 2


@pytest.mark.parametrize("expect", ["absent", 7, 2])
def test_an_expectation_that_was_never_true_is_moved_too(three: Registry, expect: int | str) -> None:
    with pytest.raises(AliasMoved):
        three.set_alias("fraud", "champion", 3, expect=expect)
    assert holder(three) == 1


def test_absent_is_expected_of_a_new_alias(three: Registry) -> None:
    three.set_alias("fraud", "candidate", 2, expect="absent")
    assert holder(three, "candidate") == 2


def test_setting_what_is_so_changes_nothing(three: Registry) -> None:
    before = len(three.history("fraud"))
    assert three.set_alias("fraud", "champion", 1).version == 1
    assert len(three.history("fraud")) == before


def test_an_alias_with_a_standing_gate_refuses_and_keeps_the_refusal(three: Registry) -> None:
    three.set_gate("fraud", "champion", "metrics.f1 > 0.95", why="the board wants it")

    with pytest.raises(GateRefused):
        three.set_alias("fraud", "champion", 2)

    commit = three.history("fraud", "champion")[0]
    assert (commit.verb, commit.refused, commit.from_version, commit.to_version) == ("set_alias", True, 1, 2)
    assert holder(three) == 1
    three.log_metrics("fraud", 2, {"f1": 0.97})
    assert three.set_alias("fraud", "champion", 2).metrics["f1"] == 0.97
    three.set_gate("fraud", "champion", None)
    assert three.get_model("fraud").gates == {}


def test_a_gate_that_does_not_parse_changes_nothing(three: Registry) -> None:
    before = len(three.history("fraud"))
    with pytest.raises(QueryError):
        three.set_gate("fraud", "champion", "f1 >")
    assert len(three.history("fraud")) == before


def test_a_version_whose_bytes_changed_gets_no_alias(three: Registry, store: LocalStore) -> None:
    victim = next(store.root.glob("models/fraud/objects/*/MLmodel"))
    victim.write_bytes(victim.read_bytes() + b"#")
    broken = next(
        each for each in three.versions("fraud") if each.sha256[:32] == victim.parent.name.partition(".")[0]
    )

    with pytest.raises(Corrupt, match="MLmodel"):
        three.set_alias("fraud", "candidate", broken)
    assert holder(three, "candidate") is None


def test_delete_alias(three: Registry) -> None:
    with pytest.raises(AliasMoved):
        three.delete_alias("fraud", "champion", expect=2)
    three.delete_alias("fraud", "champion", expect=1, why="retired")

    assert holder(three) is None
    with pytest.raises(AliasNotFound):
        three.delete_alias("fraud", "champion")


def test_an_expected_alias_is_the_one_at_the_first_look(three: Registry) -> None:
    three.set_alias("fraud", "candidate", 2)
    assert three.set_alias("fraud", "champion", 3, expect="@champion").aliases == {"champion"}
    with pytest.raises(AliasMoved):
        three.set_alias("fraud", "champion", 1, expect="@candidate")
    with pytest.raises(Invalid):
        three.set_alias("fraud", "champion", 1, expect="models:/churn/3")


# --- preflight -----------------------------------------------------------------------------------------------------


@pytest.fixture
def at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(AT_HOME, "yes")


def flying(shop: Shop, does: str) -> str:
    return shop.make(model=Flying(does), example=[1.0, 2.0])


@pytest.mark.usefixtures("at_home")
def test_registering_with_an_alias_loads_the_model_first_and_a_failure_is_recorded(
    registry: Registry, shop: Shop, store: LocalStore
) -> None:
    with pytest.raises(PreflightFailed, match="no weights"):
        registry.register(flying(shop, "raise"), "fraud", alias="champion", why="please")

    (commit,) = registry.history("fraud")
    assert (commit.verb, commit.refused, commit.why, commit.to_version) == ("register", True, "please", None)
    assert commit.preflight == "failed: ValueError: no weights"
    assert list(store.list(Key.parse("models/fraud/objects"))) == []
    assert registry.register(flying(shop, "nothing"), "fraud", alias="champion").version == 1
    assert registry.history("fraud")[0].preflight == "passed"


@pytest.mark.usefixtures("at_home")
def test_an_alias_moves_only_to_what_loads_and_predicts_and_the_refusal_is_recorded(
    registry: Registry, shop: Shop
) -> None:
    registry.register(flying(shop, "nothing"), "fraud", alias="champion")
    registry.register(flying(shop, "raise"), "fraud")

    with pytest.raises(PreflightFailed) as raised:
        registry.set_alias("fraud", "champion", 2, force=True, why="a gate is no preflight")

    assert raised.value.version == 2
    commit = registry.history("fraud")[0]
    assert (commit.refused, commit.forced, commit.from_version, commit.to_version) == (True, False, 1, 2)
    assert holder(registry) == 1
    assert registry.set_alias("fraud", "champion", 2, preflight="skip").aliases == {"champion"}
    assert registry.history("fraud")[0].preflight == "skipped: as asked"


def test_a_flight_that_is_required_refuses_what_cannot_be_tried(three: Registry) -> None:
    with pytest.raises(PreflightFailed, match="no input example"):
        three.set_alias("fraud", "champion", 2, preflight="require")
    three.set_alias("fraud", "champion", 2)
    assert three.history("fraud")[0].preflight == "skipped: it has no input example to predict"
    with pytest.raises(Invalid, match="'auto', 'require' or 'skip'"):
        three.set_alias("fraud", "champion", 3, preflight="maybe")  # type: ignore[arg-type]  # the point


@pytest.fixture
def racing(monkeypatch: pytest.MonkeyPatch) -> None:
    """One writer comes in the middle of another: as from another machine, where the lock is not seen."""
    monkeypatch.setattr("podium.commits.histories._LOCK_PATIENCE_S", 0.01)


# --- roll back -----------------------------------------------------------------------------------------------------


def test_rolling_back_pops_to_the_holder_before_and_again_further(three: Registry) -> None:
    three.set_alias("fraud", "champion", 2)
    three.set_alias("fraud", "champion", 3)

    assert three.rollback("fraud", why="drift").version == 2
    assert three.rollback("fraud").version == 1
    with pytest.raises(NothingToRollBack):
        three.rollback("fraud")
    assert three.history("fraud")[1].why == "drift"


def test_what_was_rolled_back_from_is_passed_over_until_it_is_set_again(three: Registry) -> None:
    three.set_alias("fraud", "champion", 2)
    three.rollback("fraud")  # 2 is rolled back
    three.set_alias("fraud", "champion", 3)
    assert three.rollback("fraud").version == 1  # not 2

    three.set_alias("fraud", "champion", 2)
    three.set_alias("fraud", "champion", 3)
    assert three.rollback("fraud").version == 2


def test_quarantined_and_deleted_holders_are_passed_over(three: Registry) -> None:
    three.set_alias("fraud", "champion", 2)
    three.set_alias("fraud", "champion", 3)
    three.quarantine("fraud", 2, why="trained on test data")

    assert three.rollback("fraud").version == 1


def test_rolling_back_to_an_earlier_holder_counts_all_above_as_rolled_back(
    three: Registry, model: MakeModel
) -> None:
    three.set_alias("fraud", "champion", 2)
    three.set_alias("fraud", "champion", 3)

    assert three.rollback("fraud", to=1).version == 1
    fourth = three.register(model(), "fraud", alias="champion")
    assert three.rollback("fraud", expect=fourth).version == 1
    never = three.register(model(), "fraud")
    with pytest.raises(NothingToRollBack, match="never held it"):
        three.rollback("fraud", to=never)


def test_rolling_back_what_moved_is_refused(three: Registry) -> None:
    three.set_alias("fraud", "champion", 2)

    with pytest.raises(AliasMoved):
        three.rollback("fraud", expect=1)
    assert holder(three) == 2


def test_rolling_back_to_a_version_whose_bytes_changed_is_refused(three: Registry, store: LocalStore) -> None:
    first = three.get_version("fraud", 1)
    three.set_alias("fraud", "champion", 2)
    (victim,) = store.root.glob(f"models/fraud/objects/{first.sha256[:32]}.0/value.json")
    victim.write_bytes(victim.read_bytes()[:-1] + b"!")

    with pytest.raises(Corrupt, match=r"value\.json"):
        three.rollback("fraud")
    assert holder(three) == 2
    assert len(three.history("fraud", "champion")) == 2


@pytest.mark.usefixtures("racing")
@pytest.mark.parametrize("verb", ["rollback", "delete_alias"])
def test_an_alias_that_moves_during_the_call_is_not_touched(
    three: Registry, store: LocalStore, shop: Shop, verb: str
) -> None:
    three.set_alias("fraud", "champion", 2)
    moved = False

    def move(store_verb: str, key: Key, number: int) -> None:
        nonlocal moved
        if store_verb == "create" and not moved:
            moved = True
            three.set_alias("fraud", "champion", 3)

    late = Registry(FaultyStore(store, move), find_source=shop.find)
    with pytest.raises(AliasMoved, match="you expected 2, and now it points to version 3"):
        getattr(late, verb)("fraud", "champion")

    assert holder(three) == 3


@pytest.mark.usefixtures("racing")
def test_a_rollback_goes_to_bytes_it_verified_although_the_holder_before_is_quarantined_meanwhile(
    three: Registry, store: LocalStore, shop: Shop
) -> None:
    three.set_alias("fraud", "champion", 2)
    three.set_alias("fraud", "champion", 3)
    (victim,) = store.root.glob(
        f"models/fraud/objects/{three.get_version('fraud', 1).sha256[:32]}.0/value.json"
    )
    victim.write_bytes(b"!")
    moved = False

    def quarantine(verb: str, key: Key, number: int) -> None:
        nonlocal moved
        if verb == "create" and not moved:
            moved = True
            three.quarantine("fraud", 2, why="trained on test data")

    late = Registry(FaultyStore(store, quarantine), find_source=shop.find)
    with pytest.raises(Corrupt, match=r"models:/fraud/1"):
        late.rollback("fraud")

    assert holder(three) == 3


# --- quarantine and deletion ---------------------------------------------------------------------------------------


def test_a_quarantined_version_gets_no_alias_and_is_not_located_until_released(three: Registry) -> None:
    with pytest.raises(Refused, match="'champion' points to it"):
        three.quarantine("fraud", 1, why="x")
    with pytest.raises(TypeError, match="why"):
        three.quarantine("fraud", 3, why="")
    assert three.quarantine("fraud", 3, why="trained on test data").quarantined

    with pytest.raises(Quarantined):
        three.set_alias("fraud", "candidate", 3)
    with pytest.raises(Quarantined):
        three._locate("models:/fraud/3")
    assert three.get_model("fraud").latest == 2
    three.release("fraud", 3, why="a false alarm")
    assert three.set_alias("fraud", "candidate", 3).version == 3


def test_a_deleted_version_is_gone_and_its_number_is_not_reused(three: Registry, model: MakeModel) -> None:
    with pytest.raises(Refused):
        three.delete_version("fraud", 1, why="x")
    three.delete_version("fraud", 3, why="a mistake")

    with pytest.raises(VersionNotFound, match="was deleted"):
        three.get_version("fraud", 3)
    assert [each.version for each in three.versions("fraud")] == [2, 1]
    assert three.register(model(), "fraud").version == 4


def test_a_deleted_model_is_gone_and_numbers_go_on(three: Registry, model: MakeModel) -> None:
    with pytest.raises(Refused, match="has aliases"):
        three.delete_model("fraud", why="x")
    three.delete_alias("fraud", "champion")
    three.delete_model("fraud", why="replaced by churn")

    with pytest.raises(ModelNotFound, match="was deleted"):
        three.get_model("fraud")
    assert three.models().to_dicts() == []
    assert three.history("fraud")[0].why == "replaced by churn"
    began = three.history("fraud")[-1].time
    assert str(three.alias_at("fraud", "champion", began)) == "fraud v1"
    assert three.register(model(), "fraud").version == 4


# --- tags, notes, history ------------------------------------------------------------------------------------------


def test_tags_and_notes_of_model_and_version(three: Registry) -> None:
    three.set_tag("fraud", "owner", "ada")
    three.set_tag("fraud", "reviewed", True, version=2)
    three.set_note("fraud", "reads pixels")
    three.set_note("fraud", "the good one", version=2)
    three.delete_tag("fraud", "absent")

    assert three.get_model("fraud").tags == {"owner": "ada"}
    assert three.get_model("fraud").note == "reads pixels"
    assert three.get_version("fraud", 2).tags == {"team": "fraud", "reviewed": "True"}
    assert three.get_version("fraud", 2).note == "the good one"
    three.delete_tag("fraud", "owner")
    three.delete_tag("fraud", "reviewed", version=2)
    assert three.get_model("fraud").tags == {}
    assert three.get_version("fraud", 2).tags == {"team": "fraud"}


@pytest.mark.parametrize("copy", ["m \N{EN DASH} Kopie", "m (copy)", "m-copy", "M", "fraud.bak"])
def test_a_folder_that_somebody_copied_beside_a_model_is_no_model(
    three: Registry, store: LocalStore, shop: Shop, copy: str
) -> None:
    shutil.copytree(store.root / "models/fraud", store.root / "models" / copy)
    (store.root / "models/.DS_Store").touch()
    (store.root / "models/linked").symlink_to(store.root / "models/fraud")
    fresh = Registry(store, find_source=shop.find)

    assert [each.name for each in fresh.models()] == ["fraud"]
    assert [each.version for each in fresh.versions()] == [3, 2, 1]
    with pytest.raises(ModelNotFound, match="fraud"):
        fresh.get_model("frau")


def test_models_that_cannot_be_listed_are_an_error_of_the_store(store: LocalStore, shop: Shop) -> None:
    store.root.mkdir(exist_ok=True)
    (store.root / "models").symlink_to("models")  # a circle: no system lists it, also not for root

    with pytest.raises(StoreError, match="models"):
        Registry(store, find_source=shop.find).models()


def test_a_file_where_the_models_should_lie_holds_none(store: LocalStore, shop: Shop) -> None:
    store.root.mkdir(exist_ok=True)
    (store.root / "models").touch()

    assert list(Registry(store, find_source=shop.find).models()) == []


def test_versions_and_models_are_searched_and_ordered(three: Registry, model: MakeModel) -> None:
    three.register(model(f1=0.1), "churn", alias="champion")

    assert [str(each) for each in three.versions(None, "metrics.f1 > 0.905", order_by="metrics.f1 DESC")] == [
        "fraud v3",
        "fraud v2",
    ]
    assert [each.version for each in three.versions("fraud", "aliases = 'champion'")] == [1]
    assert [each.name for each in three.models()] == ["churn", "fraud"]
    assert [each.name for each in three.models("name LIKE 'fr%'", limit=1)] == ["fraud"]
    assert three.versions("fraud").max("metrics.f1").version == 3


def test_history_is_newest_first_and_says_who_when_and_why(
    three: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PODIUM_USER", "ci bot")
    three.set_alias("fraud", "champion", 2, why="beats v1")

    newest = three.history("fraud", "champion")[0]
    assert (newest.verb, newest.from_version, newest.to_version, newest.user, newest.why) == (
        "set_alias",
        1,
        2,
        "ci bot",
        "beats v1",
    )
    assert [each.revision for each in three.history("fraud")] == [4, 3, 2, 1]
    times = [each.time for each in three.history("fraud")]
    assert times == sorted(times, reverse=True)


def test_where_an_alias_pointed_at_a_time(three: Registry) -> None:
    before = datetime.now(UTC)
    moved = three.set_alias("fraud", "champion", 2)
    after = three.history("fraud")[0].time

    assert three.alias_at("fraud", "champion", before - timedelta(days=1)) is None
    held = three.alias_at("fraud", "champion", after)
    assert held is not None
    assert held.version == moved.version
    assert three.alias_at("fraud", "champion", "2100-01-01") == held
    with pytest.raises(Invalid, match="time zone"):
        three.alias_at("fraud", "champion", datetime(2026, 1, 1))


def test_where_an_alias_pointed_before_and_after_each_kind_of_move(three: Registry) -> None:
    three.set_alias("fraud", "champion", 2)
    three.rollback("fraud")
    three.delete_alias("fraud", "champion")
    moments = [each.time for each in reversed(three.history("fraud", "champion"))]
    if len(set(moments)) == len(moments):  # two commits of one millisecond are one moment
        held = [three.alias_at("fraud", "champion", each) for each in moments]
        assert [None if each is None else each.version for each in held] == [1, 2, 1, None]
    assert three.alias_at("fraud", "champion", "2100-01-01") is None
    assert three.alias_at("fraud", "never", "2100-01-01") is None


def test_gates_read_what_was_logged_to_a_version_since(three: Registry) -> None:
    three.set_gate(
        "fraud", "champion", "count(metrics.f1) >= 3 and min(metrics.f1) > 0.8 * champion.metrics.f1"
    )
    with pytest.raises(GateRefused) as raised:
        three.set_alias("fraud", "champion", 2)
    assert [check.outcome for check in raised.value.verdict] == ["fails", "holds"]

    three.log_metrics("fraud", 2, {"f1": 0.5})
    three.log_metrics("fraud", 2, {"f1": 0.95})
    with pytest.raises(GateRefused) as raised:
        three.set_alias("fraud", "champion", 2)
    assert [check.outcome for check in raised.value.verdict] == ["holds", "fails"]

    three.set_gate(
        "fraud", "champion", "max(metrics.f1) >= 0.95 and last(metrics.f1) = 0.95 and metrics.auc > 0.5"
    )
    three.log_metrics("fraud", 2, {"auc": float("nan")})
    with pytest.raises(GateRefused) as raised:
        three.set_alias("fraud", "champion", 2)
    assert [check.outcome for check in raised.value.verdict] == ["holds", "holds", "nan"]

    three.log_metrics("fraud", 2, {"auc": 0.75})
    assert three.set_alias("fraud", "champion", 2).aliases == {"champion"}


@pytest.mark.parametrize("value", ["0.9", b"1", None, [1], {}], ids=str)
def test_a_metric_is_a_number(three: Registry, value: object) -> None:
    with pytest.raises(TypeError, match=r"'f1' is .* no number"):
        three.log_metrics("fraud", 1, {"f1": value})  # type: ignore[dict-item]  # the point
    assert three.get_version("fraud", 1).metrics == {"f1": 0.9}


@pytest.mark.usefixtures("racing")
def test_latest_is_one_version_throughout_a_call(three: Registry, store: LocalStore, shop: Shop) -> None:
    raced = False

    def register(verb: str, key: Key, number: int) -> None:
        nonlocal raced
        if verb == "create" and not raced:
            raced = True
            three.register(shop.make(), "fraud")

    late = Registry(FaultyStore(store, register), find_source=shop.find)
    assert late.log_metrics("fraud", "latest", {"auc": 0.5}).version == 3
    assert three.get_version("fraud", 3).metrics["auc"] == 0.5
    assert "auc" not in three.get_version("fraud", 4).metrics


# --- views and broken stores ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["missing", "torn", "old", "foreign", "flipped"])
def test_index_json_is_only_a_view(three: Registry, store: LocalStore, shop: Shop, damage: str) -> None:
    index = store.root / "models/fraud/index.json"
    old = index.read_bytes()
    three.set_alias("fraud", "champion", 3)
    three.register(shop.make(), "churn")
    new = index.read_bytes()
    match damage:
        case "missing":
            index.unlink()
        case "torn":
            index.write_bytes(new[:100])
        case "old":
            index.write_bytes(old)
        case "foreign":
            index.write_bytes((store.root / "models/churn/index.json").read_bytes())
        case _:
            index.write_bytes(new.replace(b'"version":3', b'"version":1'))

    fresh = Registry(store, find_source=shop.find)

    assert fresh.resolve("models:/fraud@champion") == "models:/fraud/3"
    assert fresh.get_model("fraud") == three.get_model("fraud")


def test_a_hole_in_the_history_is_never_written_to(three: Registry, store: LocalStore, shop: Shop) -> None:
    commits = store.root / "models/fraud/commits"
    (commits / f"{2:020}.json").unlink()
    (store.root / "models/fraud/index.json").unlink()

    with pytest.raises(ForkedHistory):
        Registry(store, find_source=shop.find, patience_s=0.05).set_tag("fraud", "a", 1)

    assert not (commits / f"{4:020}.json").exists()


def test_two_histories_in_one_folder_are_told_apart(
    three: Registry, store: LocalStore, shop: Shop, tmp_path: Path
) -> None:
    other = Registry(LocalStore(tmp_path / "other"), find_source=shop.find)
    for _ in range(4):
        other.register(shop.make(), "fraud")
    foreign = tmp_path / f"other/models/fraud/commits/{4:020}.json"
    (store.root / f"models/fraud/commits/{4:020}.json").write_bytes(foreign.read_bytes())

    with pytest.raises(ForkedHistory, match="two histories"):
        Registry(store, find_source=shop.find).set_tag("fraud", "a", 1)


def test_a_store_that_was_replaced_is_noticed_by_who_saw_the_other(
    three: Registry, store: LocalStore, shop: Shop, tmp_path: Path
) -> None:
    assert three.resolve("models:/fraud@champion") == "models:/fraud/1"
    other = Registry(LocalStore(tmp_path / "other"), find_source=shop.find)
    for _ in range(5):
        other.register(shop.make(), "fraud", alias="champion")
    shutil.rmtree(store.root / "models")
    shutil.copytree(tmp_path / "other" / "models", store.root / "models")

    with pytest.raises(HistoryReplaced):
        three.resolve("models:/fraud@champion")
    with pytest.raises(HistoryReplaced):
        three.set_tag("fraud", "a", 1)


def test_a_flipped_bit_in_a_commit_is_corrupt_by_name(three: Registry, store: LocalStore, shop: Shop) -> None:
    file = store.root / f"models/fraud/commits/{2:020}.json"
    file.write_bytes(file.read_bytes().replace(b'"version":2', b'"version":3'))

    with pytest.raises(Corrupt, match=file.name):
        Registry(store, find_source=shop.find).get_model("fraud")


def test_versions_of_the_same_bytes_share_one_object(
    registry: Registry, model: MakeModel, store: Store
) -> None:
    same = model()
    registry.register(same, "fraud")
    registry.register(same, "fraud")

    manifests = [
        each for each in store.list(Key.parse("models/fraud/objects")) if each.key.name.endswith(".0.json")
    ]
    assert len(manifests) == 1
    assert registry.get_model("fraud").latest == 2


def test_resolving_reads_no_more_where_there_are_more_versions(
    three: Registry, store: LocalStore, shop: Shop
) -> None:
    def reads(registry: Registry, counted: FaultyStore) -> int:
        before = counted.operations
        registry.resolve("models:/fraud@champion")
        return counted.operations - before

    def fresh() -> tuple[int, int]:
        counted = FaultyStore(store, {})
        registry = Registry(counted, find_source=shop.find)
        return reads(registry, counted), reads(registry, counted)

    few = fresh()
    for _ in range(20):
        three.register(shop.make(), "fraud")

    assert fresh() == few
    assert few == (4, 2)  # the index and its commit, that commit again and the next; then only these two


def test_an_index_that_cannot_be_written_costs_nothing_but_time(
    three: Registry, store: LocalStore, shop: Shop
) -> None:
    def full(verb: str, key: Key, number: int) -> Fail | None:
        return (
            Fail(lambda: OSError(28, "no space left")) if key.name == "index.json" and verb == "put" else None
        )

    registry = Registry(FaultyStore(store, full), find_source=shop.find)

    registry.set_alias("fraud", "champion", 2)

    assert registry.resolve("models:/fraud@champion") == "models:/fraud/2"
    assert Registry(store, find_source=shop.find).resolve("models:/fraud@champion") == "models:/fraud/2"


@pytest.mark.usefixtures("racing")
def test_a_lock_that_somebody_holds_spares_retries_and_decides_nothing(
    three: Registry, store: LocalStore
) -> None:
    from filelock import FileLock

    with FileLock(store.root / "models/fraud/.~lock"):
        assert three.set_alias("fraud", "champion", 2).version == 2


def test_nothing_is_changed_through_a_registry_that_only_reads(
    three: Registry, store: LocalStore, shop: Shop
) -> None:
    reading = Registry(store, find_source=shop.find, read_only=True)
    for change in (
        lambda: reading.register(shop.make(), "fraud"),
        lambda: reading.set_alias("fraud", "champion", 2),
        lambda: reading.delete_alias("fraud", "champion"),
        lambda: reading.set_tag("fraud", "a", "b"),
        lambda: reading.delete_model("fraud", why="x"),
    ):
        with pytest.raises(Invalid, match="read_only"):
            change()
    assert reading.history("fraud") == three.history("fraud")


def test_a_wide_hole_that_a_copy_left_is_never_written_into(
    three: Registry, store: LocalStore, shop: Shop
) -> None:
    for number in range(6):
        three.set_tag("fraud", "n", number)
    commits = store.root / "models/fraud/commits"
    for number in (4, 5, 6):
        (commits / f"{number:020}.json").unlink()
    (store.root / "models/fraud/index.json").unlink()

    copy = Registry(store, find_source=shop.find, patience_s=0.05)
    with pytest.raises(ForkedHistory, match=r"commit 7 .* is there and commit 4 is not"):
        copy.set_alias("fraud", "champion", 2)

    assert copy.resolve("models:/fraud@champion") == "models:/fraud/1"
    assert not (commits / f"{4:020}.json").exists()


@pytest.mark.parametrize("what", ["a newer podium", "a fork", "another history", "a flipped bit", "nothing"])
def test_a_live_model_keeps_serving_whatever_happens_to_the_history(
    store: LocalStore, shop: Shop, what: str
) -> None:
    with Workspace(store.root) as workspace:
        for number in range(2):
            workspace.registry.register(shop.make(number), "fraud", alias="champion" if not number else None)
        serving = workspace.live("models:/fraud@champion", poll_s=3_600)
        commits = store.root / "models/fraud/commits"
        _break(what, commits, shop)

        assert not serving.refresh()

        status = serving.status()
        assert (status.version, serving.current.uri) == (1, "models:/fraud/1")
        assert status.last_error is not None
        assert serving.native["content"] == 0
        serving.close()


def _break(what: str, commits: Path, shop: Shop) -> None:
    last, following = commits / f"{2:020}.json", commits / f"{3:020}.json"
    match what:
        case "a newer podium":
            document = json.loads(last.read_bytes())
            previous = hashlib.sha256(last.read_bytes()).hexdigest()
            del document["digest"]
            document |= {"revision": 3, "previous": previous, "needs": ["something new"]}
            document["digest"] = hashlib.sha256(canonical(document)).hexdigest()
            following.write_bytes(canonical(document) + b"\n")
        case "a fork":
            following.write_bytes(last.read_bytes())
        case "another history":
            other = Registry(LocalStore(commits.parents[3] / "other"), find_source=shop.find)
            for _ in range(2):
                other.register(shop.make(), "fraud", alias="champion")
            last.write_bytes((commits.parents[3] / f"other/models/fraud/commits/{last.name}").read_bytes())
        case "a flipped bit":
            data = last.read_bytes()
            following.write_bytes(data[:50] + bytes([data[50] ^ 1]) + data[51:])
        case _:
            shutil.rmtree(commits.parent)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork of POSIX")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_forked_while_another_thread_registers_can_use_the_registry(
    store: LocalStore, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "podium.commits.histories._LOCK_PATIENCE_S", 0.01
    )  # the parent's thread holds it throughout
    inside, forked = threading.Event(), threading.Event()

    def hold(verb: str, key: Key, number: int) -> None:
        if verb == "create" and key.name.endswith("2.json") and not inside.is_set():
            inside.set()
            forked.wait(30)

    registry = Registry(FaultyStore(store, hold), find_source=shop.find)
    models = [shop.make(f1=0.9) for _ in range(3)]
    registry.register(models[0], "fraud", alias="champion")
    thread = threading.Thread(target=registry.register, args=(models[1], "fraud"))
    thread.start()
    assert inside.wait(30)

    child = os.fork()
    if child == 0:
        try:
            registry.register(models[2], "fraud", alias="champion")
            os._exit(0 if registry.resolve("models:/fraud@champion") == "models:/fraud/2" else 1)
        finally:
            os._exit(2)
    _, status = os.waitpid(child, 0)
    forked.set()
    thread.join(30)

    assert os.waitstatus_to_exitcode(status) == 0
    assert [each.version for each in Registry(store, find_source=shop.find).versions("fraud")] == [3, 2, 1]


# --- what errors and tables say ------------------------------------------------------------------------------------


def test_alias_moved_names_the_commit_that_moved_it(three: Registry) -> None:
    three.set_alias("fraud", "champion", 2)
    moved = three.history("fraud")[0].revision
    three.log_metrics("fraud", 1, {"auc": 0.9})

    with pytest.raises(AliasMoved, match=rf"\(commit {moved}\)") as raised:
        three.set_alias("fraud", "champion", 3, expect=1)
    assert (raised.value.expected, raised.value.found, raised.value.commit) == (1, 2, moved)

    three.delete_alias("fraud", "champion")
    with pytest.raises(AliasMoved) as raised:
        three.set_alias("fraud", "champion", 3, expect=2)
    assert (raised.value.found, raised.value.commit) == (None, moved + 2)

    with pytest.raises(AliasMoved) as raised:
        three.set_alias("fraud", "never-set", 3, expect=2)
    assert raised.value.commit is None


def test_alias_moved_names_its_commit_also_where_the_process_had_only_glanced(
    three: Registry, store: Store, shop: Shop
) -> None:
    three.set_alias("fraud", "champion", 2)
    fresh = Registry(store, find_source=shop.find)
    fresh.resolve("models:/fraud@champion")

    with pytest.raises(AliasMoved) as raised:
        fresh.rollback("fraud", "champion", expect=1)

    assert raised.value.commit == three.history("fraud")[0].revision


def test_a_name_whose_registrations_were_refused_is_suggested_to_nobody(
    registry: Registry, model: MakeModel
) -> None:
    with pytest.raises(GateRefused):
        registry.register(model(f1=0.5), "newm", gate=GATE)

    with pytest.raises(ModelNotFound, match="its only registration was refused") as raised:
        registry.get_model("newm")
    assert raised.value.near == ()
    with pytest.raises(ModelNotFound) as raised:
        registry.get_model("newn")
    assert raised.value.near == ()

    registry.register(model(f1=0.95), "newest")
    with pytest.raises(ModelNotFound, match=r"Did you mean 'newest'\?"):
        registry.get_model("newm")


@pytest.mark.parametrize("revision", [1, 2])
def test_a_damaged_model_hides_no_other(
    registry: Registry, store: LocalStore, shop: Shop, model: MakeModel, revision: int
) -> None:
    registry.register(model(), "broken")
    registry.register(model(), "broken")
    registry.register(model(), "whole")
    registry.set_tag("whole", "team", "fraud")
    damaged = store.root.joinpath("models", "broken", "commits", f"{revision:020}.json")
    assert damaged.is_file()
    damaged.write_bytes(b"no commit")
    for index in store.root.glob("models/*/index.json"):
        index.unlink()
    fresh = Registry(store, find_source=shop.find)

    with pytest.warns(PodiumWarning, match="broken.* is left out") as warned:
        seen = [[each.name for each in look()] for look in (fresh.models, fresh.models, fresh.versions)]

    assert seen == [["whole"]] * 3
    assert len(warned) == 1
    with pytest.raises(Corrupt):
        fresh.get_model("broken")
    with pytest.raises(ModelNotFound, match="Did you mean 'whole'"):
        fresh.get_model("whol")


def test_a_table_of_versions_shows_first_what_a_version_is_chosen_by(
    registry: Registry, model: MakeModel
) -> None:
    registry.register(model(f1=0.9), "fraud", alias="champion")
    registry.set_alias("fraud", "shadow", 1)

    head, line, *_ = repr(registry.versions("fraud")).splitlines()

    assert head.split()[:5] == ["name", "version", "aliases", "metrics.f1", "start_time"]
    assert line.startswith("fraud  1        champion, shadow  0.9 ")
    page = registry.versions("fraud")._repr_html_()
    assert page.index("params.lr") < page.index("sha256") < page.index("<th>uri")


def test_a_table_of_the_history_shows_first_what_happened_and_where_to(
    registry: Registry, model: MakeModel
) -> None:
    registry.register(model(), "fraud")
    registry.set_alias("fraud", "champion", 1, why="a start")

    head, line, *_ = repr(registry.history("fraud")).splitlines()

    assert head.split()[:9] == [
        *("revision", "verb", "alias", "from_version", "to_version", "time", "user", "refused", "why")
    ]
    assert line.split()[:4] == ["2", "set_alias", "champion", "1"]
    assert "a start" in line
    assert registry.history("fraud")[:1].to_dicts()[0]["verb"] == "set_alias"
