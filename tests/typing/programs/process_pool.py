"""An open run goes to the workers of a ProcessPoolExecutor; what they log is in the one run."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from podium import Workspace
from podium.types import ActiveRun


def work(run: ActiveRun, worker: int) -> int:
    for step in range(5):
        run.log_metric(f"worker {worker}/loss", 1 / (step + 1), step=step)
    return worker


if __name__ == "__main__":
    workspace = Workspace("store")
    with workspace.start_run("parallel", experiment="pool") as run:
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            futures = [pool.submit(work, run, worker) for worker in range(2)]
        assert [future.result() for future in futures] == [0, 1]

    read = workspace.get_run(run.run_id)
    assert read.status == "FINISHED"
    assert {key: each.count for key, each in read.summary.items()} == {"worker 0/loss": 5, "worker 1/loss": 5}
