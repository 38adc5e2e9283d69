"""Distributed training: each rank is a process, and all of them hold the one run."""

import os
from multiprocessing import get_context

from podium import Workspace

RANKS = 3


def rank_main(rank: int, run_id: str) -> None:
    os.environ["RANK"] = str(rank)  # as torchrun does
    workspace = Workspace("store")
    with workspace.start_run("ddp", experiment="ddp", run_id=run_id, resume="allow") as run:
        run.log_param("world_size", RANKS)  # the same from every rank
        for step in range(4):
            run.log_metric(f"rank{rank}/loss", 1 / (step + 1), step)
        if os.environ["RANK"] == "0":
            run.log_model({"weights": [0.1, 0.2]})


if __name__ == "__main__":
    context = get_context("spawn")
    ranks = [context.Process(target=rank_main, args=(rank, "ddp-1")) for rank in range(RANKS)]
    for each in ranks:
        each.start()
    for each in ranks:
        each.join()
    assert [each.exitcode for each in ranks] == [0] * RANKS

    run = Workspace("store", read_only=True).get_run("ddp-1")
    assert run.status == "FINISHED"
    assert run.params == {"world_size": RANKS}
    assert {key: each.count for key, each in run.summary.items()} == {
        f"rank{n}/loss": 4 for n in range(RANKS)
    }
    assert [model.name for model in run.models] == ["model"]
