"""A promotion job in CI: exit code 0 if the candidate was promoted, 1 with a table if it was refused."""

import sys
from typing import TextIO

from podium import registry, track
from podium.errors import GateRefused, ModelNotFound

GATE = "metrics.f1 > champion.metrics.f1 + 0.005 and metrics.latency_ms < 50"


def promote(name: str, out: TextIO) -> int:
    try:
        candidate = registry.get_version(name, "@candidate")
    except ModelNotFound as missing:
        print(f"{missing.name} is no model; near: {', '.join(missing.near)}", file=out)
        return 2
    registry.set_gate(name, "champion", GATE)
    try:
        promoted = registry.set_alias(name, "champion", candidate, why="nightly promotion")
    except GateRefused as refused:
        for check in refused.verdict:
            mark = "ok  " if check.outcome in ("holds", "no incumbent") else "FAIL"
            print(f"{mark} {check.text}: {check.left} against {check.right}", file=out)
        return 1
    print(f"{promoted} is champion", file=out)
    return 0


def candidate(f1: float, latency_ms: float) -> None:
    with track.start_run(experiment="nightly") as run:
        run.log_metrics({"f1": f1, "latency_ms": latency_ms})
        registry.register(run.log_model("a prompt"), "summarizer", alias="candidate")


candidate(0.9, 20)
assert promote("summarizer", sys.stdout) == 0
candidate(0.902, 20)
assert promote("summarizer", sys.stdout) == 1
candidate(0.95, 49)
assert promote("summarizer", sys.stdout) == 0
assert promote("sumarizer", sys.stdout) == 2

audit = registry.history("summarizer", "champion")
assert [commit.refused for commit in audit if commit.verb == "set_alias"] == [False, True, False]
