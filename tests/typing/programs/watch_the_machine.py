"""System metrics beside a run's own: is the GPU idle, does the memory grow?"""

from podium import track

with track.start_run("watched", system_metrics=True) as run:
    track.log_metric("loss", 0.5)

gauges = {key: value for key, value in run.metrics.items() if key.startswith("system/")}
assert 0 <= gauges["system/system_memory_usage_percentage"] <= 100
assert track.search_runs("metrics.`system/disk_usage_percentage` >= 0")[0].run_id == run.run_id
