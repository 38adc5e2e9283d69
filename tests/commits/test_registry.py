"""What each verb of the registry does, and what it refuses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

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
    Quarantined,
    QueryError,
    Refused,
    VersionNotFound,
)
from podium.stores import Key, LocalStore, Store
from tests.commits.conftest import MakeModel, Shop

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


def test_a_source_whose_bytes_changed_is_not_registered(store: Store, shop: Shop, tmp_path: Path) -> None:
    path = shop.make()
    before = shop.find(path)
    registry = Registry(store, find_source=lambda _: before)
    victim = next(file for file in Path(path).rglob("*") if file.name != "MLmodel" and file.is_file())
    victim.write_bytes(victim.read_bytes() + b" ")

    with pytest.raises(Corrupt, match=victim.name):
        registry.register(path, "fraud")

    with pytest.raises(ModelNotFound):
        registry.history("fraud")


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
        three.locate("models:/fraud/3")
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
    import shutil

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
