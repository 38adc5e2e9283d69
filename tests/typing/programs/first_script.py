"""The first thing anybody writes: no run is named, one is started by the first call."""

from podium import track

track.set_experiment("first-steps")
track.log_params({"lr": 0.1, "epochs": 4, "optimizer": "sgd"})

weight = 5.0
for _ in range(4):
    weight -= 0.1 * 2 * weight
    track.log_metric("loss", weight**2)
track.set_tag("stage", "draft")
track.log_text(f"weight={weight}", "weight.txt")
track.end_run()

run = track.last_run()
assert run is not None
assert run.status == "FINISHED"
assert run.experiment == "first-steps"
assert run.params == {"lr": 0.1, "epochs": 4, "optimizer": "sgd"}
assert run.summary["loss"].count == 4
assert run.summary["loss"].min == run.metrics["loss"]
assert run.download("weight.txt").read_text() == f"weight={weight}"
