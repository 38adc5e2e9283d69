"""A person at a terminal sees how far a transfer is; nobody else sees anything, and nothing depends on it."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from podium import Workspace, save_model
from tests.remote.proxy import Proxy
from tests.remote.servers import Server

if sys.platform == "win32":
    pytest.skip("terminals are made another way here", allow_module_level=True)

import fcntl
import pty
import termios

# Transfers of more than a second, over and over; tests/stores/test_progress.py is quick.
pytestmark = pytest.mark.soak

FILES, FILE_BYTES = 40, 100_000

BEGINNING = """
import sys, time
from pathlib import Path
from podium import Workspace
url, folder = sys.argv[1], Path(sys.argv[2])
workspace = Workspace(url)
begun = time.monotonic()
"""
ENDING = """
print(time.monotonic() - begun)
"""
REGISTER = 'workspace.registry.register(folder, "fraud")'
LOAD = 'assert len(workspace.load_model("models:/fraud/1").native) == 1'
COPY = 'assert workspace.copy_to(folder.parent / "copy")'
LOG = """
with workspace.start_run() as run:
    run.log_artifacts(folder, "folder")
begun = time.monotonic()
assert run.flush()
"""
AT_EXIT = """
run = workspace.start_run()
run.log_artifacts(folder, "folder")
"""
WITHOUT_TQDM = "sys.modules['tqdm'] = None\n"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    parts: dict[str, str | os.PathLike[str]] = {}
    for number in range(FILES):
        parts[f"part{number}"] = tmp_path / f"part{number}"
        (tmp_path / f"part{number}").write_bytes(os.urandom(FILE_BYTES))
    save_model({"value": 1}, tmp_path / "model", files=parts)
    return tmp_path / "model"


@pytest.fixture
def slow(seaweedfs_server: Server, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    with Proxy(seaweedfs_server.port).running() as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.url)
        monkeypatch.delenv("PODIUM_QUIET", raising=False)
        yield proxy


def on_a_terminal(script: str, *arguments: str | Path) -> tuple[str, float]:
    """What a person sees on the terminal's screen, and how long the transfer took."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
    child = subprocess.Popen(
        [sys.executable, "-c", BEGINNING + script + ENDING, *arguments],
        stdout=subprocess.PIPE,
        stderr=slave,
        text=True,
    )
    os.close(slave)
    seen = b""
    try:
        while piece := os.read(master, 1 << 16):
            seen += piece
    except OSError:  # how Linux says that nobody holds the other end any more
        pass
    finally:
        os.close(master)
    told, _ = child.communicate()
    assert child.returncode == 0, seen.decode()
    return seen.decode(), float(told)


def bar_frames(seen: str, what: str) -> list[tuple[float, float]]:
    """Bytes moved and bytes in all, of every state of the bar that was drawn."""
    frame = re.compile(re.escape(what) + r": +\d+%\|[^|]*\| ([\d.]+)([kM]?)/([\d.]+)([kM]?) \[")
    units = {"": 1, "k": 1 << 10, "M": 1 << 20}
    return [
        (float(moved) * units[unit], float(total) * units[total_unit])
        for moved, unit, total, total_unit in frame.findall(seen)
    ]


def assert_one_bar(seen: str, what: str, total: int) -> None:
    frames = bar_frames(seen, what)
    assert len(frames) > 1, seen
    assert seen.count("%|") == len(frames), "another bar than that of the whole was drawn"
    assert {round(each / total, 1) for _, each in frames} == {1.0}
    moved = [each for each, _ in frames]
    assert moved == sorted(moved)
    assert moved[-1] > total / 2
    assert seen.endswith("\r"), "the bar goes when it is done"


def size_of(folder: Path) -> int:
    return sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())


def test_registering_and_loading_show_one_bar_of_all_files(slow: Proxy, bucket: str, model: Path) -> None:
    slow.delay_s = 0.5

    seen, _ = on_a_terminal(REGISTER, bucket, model)
    assert_one_bar(seen, "registering fraud", size_of(model))
    seen, _ = on_a_terminal(LOAD, bucket, model)
    assert_one_bar(seen, "fetching models:/fraud/1", size_of(model))


def test_copying_shows_one_bar_of_all_that_is_copied(slow: Proxy, bucket: str, model: Path) -> None:
    with Workspace(bucket) as workspace:
        workspace.registry.register(model, "fraud")
    slow.delay_s = 0.5

    seen, _ = on_a_terminal(COPY, bucket, model)

    assert_one_bar(seen, f"copying to {model.parent / 'copy'}", size_of(model))


@pytest.mark.parametrize("script", [LOG, AT_EXIT])
def test_who_waits_for_what_was_logged_sees_how_far_it_is(
    slow: Proxy, bucket: str, model: Path, script: str
) -> None:
    slow.delay_s = 0.5

    seen, _ = on_a_terminal(script, bucket, model)

    frames = bar_frames(seen, "sending what was logged")
    assert len(frames) > 1, seen
    assert max(moved for moved, _ in frames) > size_of(model) / 2
    assert all(moved <= total for moved, total in frames)


def test_without_a_terminal_nothing_is_shown(slow: Proxy, bucket: str, model: Path) -> None:
    slow.delay_s = 0.5
    script = BEGINNING + REGISTER + "\n" + LOAD + ENDING

    done = subprocess.run(
        [sys.executable, "-c", script, bucket, model], capture_output=True, text=True, check=True
    )

    assert done.stderr == ""
    assert float(done.stdout) > 1


def test_without_tqdm_nothing_is_shown_and_nothing_fails(slow: Proxy, bucket: str, model: Path) -> None:
    slow.delay_s = 0.5

    seen, took_s = on_a_terminal(WITHOUT_TQDM + REGISTER, bucket, model)

    assert seen == ""
    assert took_s > 1


def test_a_transfer_that_is_over_before_a_bar_would_appear_shows_nothing(
    slow: Proxy, bucket: str, model: Path
) -> None:
    slow.delay_s = 0.5
    an_hour = (
        "from podium.stores import progress\nassert progress._SILENT_S == 1.0\nprogress._SILENT_S = 3600.0\n"
    )

    seen, took_s = on_a_terminal(an_hour + REGISTER, bucket, model)

    assert seen == ""
    assert took_s > 1
