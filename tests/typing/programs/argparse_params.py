"""A command line: the Namespace is the params."""

import argparse
from collections.abc import Sequence

from podium import track
from podium.types import Run


def main(argv: Sequence[str]) -> Run:
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--layers", type=int, nargs="+", default=[64])
    parser.add_argument("--resume-from")
    args = parser.parse_args(argv)

    with track.start_run(experiment="cli") as run:
        run.log_params(args)
        run.log_metric("loss", args.lr * 2)
    return run


first = main([])
second = main(["--lr", "0.2", "--layers", "64", "32"])

assert first.params == {"lr": 0.1, "layers": [64], "resume_from": None}
assert second.params["layers"] == [64, 32]
assert track.search_runs("params.lr > 0.1")[0] == track.get_run(second.run_id)
