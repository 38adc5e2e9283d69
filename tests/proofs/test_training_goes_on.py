"""Promise 5: a script that trains comes to its end, whatever becomes of the store under it.

Each world goes wrong for real, in a process of its own: a limit on the size of files stands in for a full disk where
nobody may mount a small one (`tests/runs/test_processes.py` does where it can), the folder of the store is removed or
replaced by a file, a figure raises while it is drawn. The script's own result must be the one it has without tracking.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

TRAINING = textwrap.dedent(
    """
    import os, pathlib, resource, shutil, signal, sys, warnings
    from podium import track
    from podium.errors import PodiumWarning

    def full_disk():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))

    def store_removed():
        shutil.rmtree(".podium")

    def store_replaced_by_a_file():
        shutil.rmtree(".podium")
        pathlib.Path(".podium").write_text("not a folder")

    def figure_that_will_not_render():
        from matplotlib.figure import Figure

        figure = Figure()
        figure.suptitle(r"$\\frac{$")  # matplotlib reads formulas when it draws
        run.log_figure(figure, "loss.png")

    happens = {
        each.__name__: each
        for each in (full_disk, store_removed, store_replaced_by_a_file, figure_that_will_not_render)
    }
    world, strict = happens[sys.argv[1]], len(sys.argv) > 2

    weight = 1.0
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with track.start_run("training", experiment="e", strict=strict) as run:
            for step in range(2_000):
                if step == 20:
                    world()
                weight -= 0.001 * weight
                run.log_metric("loss", weight)
                if step % 100 == 0:
                    run.log_param(f"param_{step}", "x" * 100)
                    run.set_tag("step", step)
                if step % 500 == 0:
                    run.log_text("a note" * 1_000, f"notes/{step}.txt")
                    run.log_dict({"weight": weight}, f"weights/{step}.json")
            run.log_model({"weight": weight})
            run.set_note("done")
    said = [str(each.message) for each in caught if issubclass(each.category, PodiumWarning)]
    print(f"weight {weight:.6f}; {len(said)} warnings")
    """
)
WEIGHT = "weight 0.135200"
WORLDS = ["full_disk", "store_removed", "store_replaced_by_a_file", "figure_that_will_not_render"]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="limits and signals of POSIX")


def train(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PODIUM_", "XDG_"))}
    return subprocess.run(
        [sys.executable, "-c", TRAINING, *arguments],
        cwd=folder,
        env={**kept, "HOME": str(folder / "home")},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("world", WORLDS)
def test_a_script_that_trains_ends_with_its_own_result(tmp_path: Path, world: str) -> None:
    done = train(tmp_path, world)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(WEIGHT)
    assert "FINISHED" in done.stderr


@pytest.mark.parametrize("world", ["full_disk", "store_replaced_by_a_file", "figure_that_will_not_render"])
def test_what_was_lost_is_counted_and_said_and_a_strict_run_raises_it(tmp_path: Path, world: str) -> None:
    done = train(tmp_path, world)
    assert re.search(r"FINISHED; [1-9]\d* events? could not be kept", done.stderr), done.stderr
    assert 1 <= int(done.stdout.split("; ")[1].split()[0]) <= 5  # of thousands of calls

    (tmp_path / "strict").mkdir()
    strict = train(tmp_path / "strict", world, "strict")
    assert strict.returncode == 1
    assert "Traceback" in strict.stderr
