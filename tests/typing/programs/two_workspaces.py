"""No global state: two stores side by side, runs and models of each named by their own workspace."""

from podium import Workspace, track
from podium.errors import Invalid, ModelNotFound


def train(workspace: Workspace, score: float) -> str:
    with workspace.start_run("train", experiment="shop") as run:
        run.log_metric("score", score)
        run.log_model({"score": score})
    return run.model_uri()


with Workspace("here") as here, Workspace("there") as there:
    here.registry.register(train(here, 0.5), "shop", alias="champion")
    there.registry.register(train(there, 0.7), "shop")
    there.registry.register(train(there, 0.8), "shop", alias="champion")

    assert here.registry.get_version("shop", "@champion").metrics == {"score": 0.5}
    assert there.load_model("models:/shop@champion").native == {"score": 0.8}
    assert there.model_info("models:/shop/1").name == "shop"
    assert len(here.search_runs()) == 1
    assert len(there.search_runs(experiment=["shop"])) == 2
    assert track.active_run() is None

reader = Workspace("there", read_only=True)
assert reader.registry.resolve("models:/shop@champion") == "models:/shop/2"
try:
    reader.start_run()
except Invalid as refusal:
    assert "read_only" in str(refusal)
else:
    raise AssertionError("nothing can be started here")
try:
    reader.registry.get_model("shp")
except ModelNotFound as missing:
    assert missing.near == ("shop",)
else:
    raise AssertionError("there is no such model")
