# mypy: ignore-errors
"""Calls on models and the registry that cannot be right, each with the rule that has to report it."""

from pathlib import Path

from podium import live, load_model, model_info, registry, save_model, track
from podium.errors import AliasMoved, GateRefused
from podium.stores import Key, MemoryStore, Store
from podium.types import Model

version = registry.get_version("fraud")
run = track.get_run("0123456789")

registry.register(run, "fraud")  # error: reportArgumentType
registry.register("runs:/x/model")  # error: reportCallIssue
registry.register("runs:/x/model", "fraud", "champion")  # error: reportCallIssue
registry.register("runs:/x/model", "fraud", aliases=["champion"])  # error: reportCallIssue
registry.register("runs:/x/model", "fraud", gate=0.9)  # error: reportArgumentType
registry.set_alias("fraud", "champion")  # error: reportCallIssue
registry.set_alias("fraud", "champion", 1.0)  # error: reportArgumentType
registry.set_alias("fraud", "champion", version, 1)  # error: reportCallIssue
registry.set_alias("fraud", "champion", version, preflight=False)  # error: reportArgumentType
registry.set_gate("fraud", "champion")  # error: reportCallIssue
registry.quarantine("fraud", 3)  # error: reportCallIssue
registry.delete_version("fraud", version=3)  # error: reportCallIssue
registry.delete_model("fraud", "old")  # error: reportCallIssue
registry.rollback("fraud", "champion", 1)  # error: reportCallIssue
registry.log_metrics("fraud", {"f1": 0.9})  # error: reportCallIssue
registry.log_metrics("fraud", 3, {"f1": "high"})  # error: reportArgumentType
registry.versions("fraud", filter=None)  # error: reportArgumentType
registry.alias_at("fraud", "champion", 1763885728)  # error: reportArgumentType
registry.promote("fraud", 3)  # error: reportAttributeAccessIssue
registry.alias_at("fraud", "champion", "2026-01-01").version  # error: reportOptionalMemberAccess
version.version = 4  # error: reportAttributeAccessIssue
version.aliases.add("champion")  # error: reportAttributeAccessIssue
version.metrics["f1"] = 1.0  # error: reportIndexIssue
number: int = registry.register("runs:/x/model", "fraud")  # error: reportAssignmentType

champion = "models:/fraud@champion"
load_model(run)  # error: reportArgumentType
load_model(champion, Path)  # error: reportCallIssue
load_model(champion, trust="yes")  # error: reportArgumentType
load_model(champion, native_type=Path).native.fit()  # error: reportAttributeAccessIssue
model: Model[str] = load_model(champion, native_type=Path)  # error: reportAssignmentType
save_model([1])  # error: reportCallIssue
model_info(3)  # error: reportArgumentType
live(version)  # error: reportArgumentType
live(champion, check=True)  # error: reportArgumentType
live(champion, on_swap=len)  # error: reportArgumentType
live(champion).current = load_model("x")  # error: reportAttributeAccessIssue


class Incomplete:
    """A store without most of the verbs."""

    def get(self, key: Key, start: int = 0) -> bytes:
        return MemoryStore().get(key, start)


store: Store = Incomplete()  # error: reportAssignmentType
store.get("experiments")  # error: reportArgumentType

try:
    registry.set_alias("fraud", "champion", 3, expect="absent")
except GateRefused as refused:
    print(refused.verdict.why)  # error: reportAttributeAccessIssue
except AliasMoved as moved:
    print(moved.found + 1)  # error: reportOptionalOperand


@track.autolog
def fit(depth: int, *, seed: int = 0) -> list[float]:
    return [float(depth), float(seed)]


fit("deep")  # error: reportArgumentType
fit(3, 4)  # error: reportCallIssue
fitted: str = fit(3)  # error: reportAssignmentType
