"""Models that behave in every way a preflight has to survive, and only where one flies.

Pickled by reference: the child imports this module. Saving a model lets it predict too; there ``AT_HOME`` is set, which
no child sees, and all of them are harmless.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

AT_HOME = "THIS_IS_WHERE_MODELS_ARE_SAVED"


class Flying:
    """A model that does one thing once it flies; ``when`` it is loaded, or when it predicts."""

    def __init__(self, does: str, when: str = "predicting") -> None:
        self.does = does
        self.when = when

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return unpickled, (self.does, self.when)

    def __repr__(self) -> str:
        return f"{self.does}, {self.when}"

    def __call__(self, data: object) -> object:
        if self.when == "predicting":
            _do(self.does)
        return data


def unpickled(does: str, when: str) -> Flying:
    if when == "loading":
        _do(does)
    return Flying(does, when)


def _do(what: str) -> None:
    if AT_HOME in os.environ:
        return
    match what:
        case "raise":
            raise ValueError("no weights")
        case "exit":
            sys.exit("out of memory")
        case "vanish":
            os._exit(0)
        case "abort":
            os.abort()
        case "hang":
            threading.Event().wait()
        case "leave a child":  # which holds on to what it inherited, a lock among it
            import fcntl

            lock = os.open(Path(os.environ["HOME"]) / "lock", os.O_RDWR | os.O_CREAT)
            fcntl.flock(lock, fcntl.LOCK_EX)
            waiting = [sys.executable, "-c", "import threading; threading.Event().wait()"]
            subprocess.Popen(waiting, pass_fds=[lock])
        case "babble":
            for _ in range(2_000):
                print("podium preflight: maybe", "x" * 100)
        case "tell":  # one line a flight: the names of the variables it sees
            with open(Path(os.environ["HOME"]) / "flights", "a", encoding="utf-8") as file:
                file.write(" ".join(sorted(os.environ)) + "\n")
        case "miss a package":
            __import__("a_package_that_is_not_installed")
