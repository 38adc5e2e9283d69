"""joblib's processes each start a child of the run that the script holds."""

import os

from joblib import Parallel, delayed

from podium import set_store, track


def trial(parent_run_id: str, lr: float) -> str:
    with track.start_run(f"lr={lr}", parent=parent_run_id) as run:
        run.log_param("lr", lr)
        run.log_metric("loss", (lr - 0.3) ** 2)
        run.set_tag("pid", os.getpid())
    return run.run_id


if __name__ == "__main__":
    set_store("store")
    with track.start_run("search", experiment="joblib") as search:
        ids = Parallel(n_jobs=2)(delayed(trial)(search.run_id, lr) for lr in (0.1, 0.2, 0.3, 0.4))

    trials = track.search_runs(f"parent_run_id = '{search.run_id}'")
    assert {each.run_id for each in trials} == set(ids)
    assert all(each.status == "FINISHED" for each in trials)
    assert trials.min("metrics.loss").params["lr"] == 0.3
    assert str(os.getpid()) not in {each.tags["pid"] for each in trials}
