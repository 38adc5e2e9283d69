"""A finished run gets what was learnt afterwards; its status and its times stay as they were."""

from podium import track

with track.start_run("train", experiment="amend") as run:
    run.log_metric("val_auc", 0.81)
before = track.get_run(run.run_id)

with track.amend_run(run.run_id) as amended:
    amended.log_metric("test_auc", 0.79)
    amended.set_tags({"reviewed": True, "reviewer": "ana"})
    amended.delete_tag("reviewer")
    amended.set_note("held out in June")

after = track.get_run(run.run_id[:12])
assert (after.status, after.end_time) == (before.status, before.end_time)
assert after.metrics == {"val_auc": 0.81, "test_auc": 0.79}
assert after.tags == {"reviewed": "True"}
assert after.note == "held out in June"
assert (before.note, before.tags) == ("", {})
assert track.active_run() is None
