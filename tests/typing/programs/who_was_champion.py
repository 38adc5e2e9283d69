"""An auditor's questions: which version answered at that moment, and who moved the alias, and why."""

import os
import time
from datetime import UTC, datetime, timedelta

from podium import registry, track

os.environ["PODIUM_USER"] = "ana"
with track.start_run(experiment="audit") as run:
    models = [run.log_model({"version": number}, f"model-{number}") for number in (1, 2)]
for model in models:
    registry.register(model, "credit")

before = datetime.now(UTC)
time.sleep(0.002)  # commits are timed in milliseconds
registry.set_alias("credit", "champion", 1, why="launch")
os.environ["PODIUM_USER"] = "ben"
registry.set_alias("credit", "champion", 2, why="more data")
registry.rollback("credit", why="wrong currency")

audit = registry.history("credit", "champion")
assert [(commit.user, commit.verb, commit.from_version, commit.to_version) for commit in audit] == [
    ("ben", "rollback", 2, 1),
    ("ben", "set_alias", 1, 2),
    ("ana", "set_alias", None, 1),
]
assert [commit.why for commit in audit if commit.user == "ben"] == ["wrong currency", "more data"]
assert audit.min("revision").why == "launch"

now = registry.alias_at("credit", "champion", datetime.now(UTC) + timedelta(seconds=1))
assert now is not None
assert now.version == 1
assert registry.alias_at("credit", "champion", before) is None
assert registry.alias_at("credit", "champion", "2020-01-01") is None
