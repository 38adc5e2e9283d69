# mypy: ignore-errors
"""Calls on runs that cannot be right, each with the rule that has to report it."""

import podium
from podium import Workspace, set_store, track
from podium.types import ActiveRun, Run

track.start_run("a", "b")  # error: reportCallIssue
track.start_run(name="a")  # error: reportCallIssue
track.start_run(run_id="x", resume="never")  # error: reportArgumentType
track.start_run(tags=["a"])  # error: reportArgumentType
track.start_run(parent=3)  # error: reportArgumentType
track.log_metric("loss", "high")  # error: reportArgumentType
track.log_metric("loss")  # error: reportCallIssue
track.log_metric("loss", 0.5, step="1")  # error: reportArgumentType
track.log_metric("loss", 0.5, 1, 1763885728.0)  # error: reportCallIssue
track.log_metrics({"loss": [0.5]})  # error: reportArgumentType
track.log_metrics(loss=0.5)  # error: reportCallIssue
track.log_param("lr")  # error: reportCallIssue
track.log_params({"lr": 0.1}, True)  # error: reportCallIssue
track.define_metric("clicks", goal="maximize")  # error: reportArgumentType
track.define_metric("clicks")  # error: reportCallIssue
track.set_tag("team")  # error: reportCallIssue
track.set_tags([("team", "risk")])  # error: reportArgumentType
track.log_text({"a": 1}, "a.json")  # error: reportArgumentType
track.log_artifact(b"bytes")  # error: reportArgumentType
track.log_model([1], "model", [1])  # error: reportCallIssue
track.log_model([1], signature={"x": "double"})  # error: reportArgumentType
track.end_run("RUNNING")  # error: reportArgumentType
track.search_runs(["fraud"])  # error: reportArgumentType
track.search_runs("", "fraud")  # error: reportCallIssue
track.search_runs(limit="10")  # error: reportArgumentType
track.set_experiment(experiment_name="fraud")  # error: reportCallIssue
track.log_metirc("loss", 0.5)  # error: reportAttributeAccessIssue
track.autolog(log_models="yes")  # error: reportArgumentType
set_store(3)  # error: reportArgumentType
Workspace("store", True)  # error: reportCallIssue

run = track.get_run("0123456789")
run.log_metric("loss", 0.5)  # error: reportAttributeAccessIssue
run.status = "FINISHED"  # error: reportAttributeAccessIssue
run.params["lr"] = 0.1  # error: reportIndexIssue
print(run.params["depth"] * 2)  # error: reportOperatorIssue
run.end_time.isoformat()  # error: reportOptionalMemberAccess
_ = run.status == "DONE"  # error: reportUnnecessaryComparison
track.active_run().log_metric("loss", 0.5)  # error: reportOptionalMemberAccess
last: ActiveRun = run  # error: reportAssignmentType
best: float = track.search_runs().max("metrics.f1")  # error: reportAssignmentType
podium.log_metric("loss", 0.5)  # error: reportAttributeAccessIssue
first: Run = track.search_runs()[:1]  # error: reportAssignmentType
