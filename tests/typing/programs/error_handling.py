"""Errors that code can act on: each says in its fields what was asked, and what may have been meant."""

from podium import load_model, registry, track
from podium.errors import (
    AliasNotFound,
    ArtifactNotFound,
    Invalid,
    ModelNotFound,
    NotFound,
    NothingToRollBack,
    PodiumError,
    RunActive,
    VersionNotFound,
)
from podium.types import Model


def load_or_suggest(name: str) -> Model[object] | str:
    try:
        return load_model(f"models:/{name}@champion")
    except NotFound as missing:
        return f"did you mean {missing.near[0]}?" if missing.near else f"nothing is like {missing.name}"


with track.start_run(experiment="errors") as run:
    run.log_text("all is well", "report.txt")
    registry.register(run.log_model({"w": 1}), "fraud-detector", alias="champion")
    try:
        track.start_run()
    except RunActive as active:
        assert active.run.run_id == run.run_id
    else:
        raise AssertionError("one run at a time, unless nested")

assert not isinstance(load_or_suggest("fraud-detector"), str)
assert load_or_suggest("fraud-detectro") == "did you mean fraud-detector?"
assert load_or_suggest("zzz") == "nothing is like zzz"

met: list[type[PodiumError]] = []
for uri in (
    "models:/fraud-detector@champoin",
    "models:/fraud-detector/7",
    "models:/fraud/1",
    "models:/fraud-detector",
    f"runs:/{run.run_id}/modle",
):
    try:
        load_model(uri)
    except PodiumError as error:
        met.append(type(error))
assert met == [AliasNotFound, VersionNotFound, ModelNotFound, Invalid, NotFound]

try:
    run.download("reprot.txt")
except ArtifactNotFound as missing:
    assert missing.near[0] == "report.txt"
else:
    raise AssertionError("there is no such file")

try:
    registry.rollback("fraud-detector")
except NothingToRollBack as refusal:
    assert "fraud-detector" in str(refusal)
else:
    raise AssertionError("there is nothing before the first")
