"""The other way to train on many ranks: all run the same code, and only rank 0 keeps what it logs."""

from podium import track
from podium.types import ActiveRun


def train(rank: int) -> ActiveRun:
    with track.start_run(f"rank {rank}", experiment="ranks", enabled=rank == 0) as run:
        track.log_param("lr", 0.1)
        for loss in (0.5, 0.25):
            track.log_metric("loss", loss)
        track.log_text("done", "notes.txt")
    return run


runs = [train(rank) for rank in range(4)]
assert [run.enabled for run in runs] == [True, False, False, False]
kept = track.search_runs(experiment="ranks")
assert [run.run_id for run in kept] == [runs[0].run_id]
assert kept[0].metrics == {"loss": 0.25}
