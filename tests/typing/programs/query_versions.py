"""Which versions were good, which models are there: the registry asked in the language of runs."""

from podium import registry, track
from podium.errors import QueryError

for name, scores in {"fraud": (0.7, 0.9, 0.8), "churn": (0.6,)}.items():
    for score in scores:
        with track.start_run(experiment=name) as run:
            run.log_metric("f1", score)
            model = run.log_model({"f1": score})
        registry.register(model, name, tags={"team": "risk" if name == "fraud" else "crm"})
registry.set_tag("fraud", "tier", 1)
registry.set_note("fraud", "cards", version=2)

good = registry.versions("fraud", "metrics.f1 >= 0.8", order_by="metrics.f1 DESC")
assert [str(version) for version in good] == ["fraud v2", "fraud v3"]
assert good[0].note == "cards"
assert [version.name for version in registry.versions(filter="tags.team = 'crm'")] == ["churn"]
assert registry.versions("fraud", order_by=["version"], limit=1)[0].version == 1
assert [model.name for model in registry.models("tags.tier = '1'")] == ["fraud"]
assert {model.name: model.latest for model in registry.models()} == {"fraud": 3, "churn": 1}
try:
    registry.versions("fraud", "metrics.f1 >> 0.8")
except QueryError as wrong:
    assert wrong.text == "metrics.f1 >> 0.8"
    assert wrong.text[wrong.position] == ">"
else:
    raise AssertionError("that is no query")
