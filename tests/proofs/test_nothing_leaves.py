"""Promise 6 with a whole lifecycle in a process of its own: no network, no value of the environment in the store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

SECRETS = {
    "AWS_SECRET_ACCESS_KEY": "hunter2-of-aws",
    "DATABASE_URL": "postgres://ada:hunter2-of-the-database@db/prod",
    "MY_OWN_SETTING": "hunter2-of-mine",
    "WANDB_API_KEY": "hunter2-of-another-tool",
}
AUDITED = textwrap.dedent(
    """
    import json, os, sys

    watched = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.sendmsg",
               "urllib.Request", "http.client.connect")
    heard, seen = [], set()

    def hook(event, arguments):
        seen.add(event)
        if event in watched:
            heard.append((event, repr(arguments[-1])))

    sys.addaudithook(hook)
    """
)
LIFECYCLE = textwrap.dedent(
    """
    import numpy as np
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression
    import podium
    from podium import live, load_model, registry, track

    X, y = load_iris(return_X_y=True)
    track.autolog()
    with track.start_run("first", experiment="iris", system_metrics=True):
        track.log_params({"C": 1.0})
        track.log_metric("accuracy", 0.97)
        track.log_dataset(X, "iris")
        track.log_text("hello", "note.txt")
        info = track.log_model(LogisticRegression(max_iter=500).fit(X, y), input_example=X[:3])
    version = registry.register(info, "iris", alias="champion", gate="metrics.accuracy > 0.9")
    registry.register(info, "iris")
    registry.set_alias("iris", "champion", 2, why="newer", preflight="require")
    assert load_model("models:/iris@champion").predict(X[:1]).tolist() == [0]
    with live("models:/iris@champion") as api:
        assert api.predict(X[:1]).tolist() == [0]
    registry.rollback("iris", why="back")
    assert registry.resolve("models:/iris@champion") == "models:/iris/1"
    assert track.search_runs("max(metrics.accuracy) > 0.9").max("metrics.accuracy").params["C"] == 1.0
    """
)
REPORT = "\nprint('HEARD', json.dumps({'heard': heard, 'opened': 'open' in seen}))\n"


def audited(folder: Path, code: str) -> dict[str, object]:
    """What a script in a process of its own was heard to do with the network."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PODIUM_", "XDG_"))}
    done = subprocess.run(
        [sys.executable, "-c", AUDITED + code + REPORT],
        cwd=folder,
        env={**kept, **SECRETS, "HOME": str(folder / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (line,) = [each for each in done.stdout.splitlines() if each.startswith("HEARD ")]
    heard: dict[str, object] = json.loads(line.removeprefix("HEARD "))
    for secret in SECRETS.values():
        assert secret not in done.stdout + done.stderr
    return heard


def test_a_whole_lifecycle_connects_to_nothing_and_records_no_value_of_the_environment(
    tmp_path: Path,
) -> None:
    assert audited(tmp_path, LIFECYCLE) == {"heard": [], "opened": True}

    store = tmp_path / ".podium"
    files = [each for each in store.rglob("*") if each.is_file()]
    assert len(files) > 10
    for file in files:
        for secret in SECRETS.values():
            assert secret.encode() not in file.read_bytes(), file


@pytest.mark.parametrize(
    "leak",
    [
        "import socket\ns = socket.socket()\ns.settimeout(1)\ns.connect_ex(('127.0.0.1', 9))\n",
        "import socket\nsocket.getaddrinfo('localhost', 80)\n",
    ],
    ids=["a connection", "a look-up of a name"],
)
def test_who_listens_like_this_would_hear_it(tmp_path: Path, leak: str) -> None:
    assert audited(tmp_path, leak)["heard"]
