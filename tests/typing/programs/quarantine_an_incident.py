"""An incident: a version is rolled back, quarantined so that nobody moves to it again, and released later."""

from podium import load_model, registry, track
from podium.errors import AliasNotFound, Quarantined, Refused, VersionNotFound

for number in range(3):
    with track.start_run(experiment="incident") as run:
        registry.register(run.log_model([number]), "pricing", alias="champion")

try:
    registry.quarantine("pricing", 3, why="negative prices")
except Refused as refusal:
    assert "champion" in str(refusal)
else:
    raise AssertionError("it is in use")
registry.rollback("pricing", why="negative prices")
bad = registry.quarantine("pricing", 3, why="negative prices")
assert bad.quarantined
assert registry.get_model("pricing").latest == 2
for blocked in (lambda: registry.set_alias("pricing", "champion", bad), lambda: load_model(bad.uri)):
    try:
        blocked()
    except Quarantined:
        continue
    raise AssertionError("a quarantined version is out of use")

assert not registry.release("pricing", 3, why="fixed downstream").quarantined
registry.delete_alias("pricing", "champion", expect=2)
registry.delete_version("pricing", 1, why="retention")
errors: list[str] = []
for version in ("@champion", 1):
    try:
        registry.get_version("pricing", version)
    except (AliasNotFound, VersionNotFound) as error:
        errors.append(type(error).__name__)
assert errors == ["AliasNotFound", "VersionNotFound"]
verbs = [commit.verb for commit in registry.history("pricing") if not commit.refused]
assert verbs[:4] == ["delete_version", "delete_alias", "release", "quarantine"]
