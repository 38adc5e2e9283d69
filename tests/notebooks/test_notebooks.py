"""podium in a notebook: what a cell leaves open, what a cell that fails leaves behind, and what is shown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from podium import Workspace, track
from podium.workspace.run import Run

if TYPE_CHECKING:
    from tests.notebooks.kernel import Kernel


def runs(here: Path) -> list[Run]:
    """What another process sees, the oldest first."""
    return [*reversed(Workspace(here / ".podium").search_runs())]


def test_a_cell_run_three_times_is_three_runs_and_says_that_it_ended_the_one_before(
    kernel: Kernel, here: Path
) -> None:
    cell = "from podium import track\nrun = track.start_run('try')\ntrack.log_metric('loss', 0.5)"

    first, second, third = (kernel.run(cell) for _ in range(3))

    assert (first.status, second.status, third.status) == ("ok", "ok", "ok")
    assert "is ended" not in first.stderr
    assert second.stderr.count("was still open and is ended: a new one starts") == 1
    assert [run.status for run in runs(here)] == ["FINISHED", "FINISHED", "RUNNING"]
    assert [run.metrics for run in runs(here)] == [{"loss": 0.5}] * 3


def test_a_run_opened_in_one_cell_is_current_in_the_next(kernel: Kernel, here: Path) -> None:
    kernel.run("from podium import track\nrun = track.start_run()")
    kernel.run("track.log_metric('loss', 0.5)")
    assert kernel.run("track.active_run() is run").shown["text/plain"] == "True"
    kernel.run("track.end_run()")

    (run,) = runs(here)
    assert (run.status, run.metrics) == ("FINISHED", {"loss": 0.5})


def test_what_is_logged_without_a_run_goes_to_one_run_over_all_cells(kernel: Kernel, here: Path) -> None:
    kernel.run("from podium import track\ntrack.log_metric('loss', 0.5)")
    kernel.run("track.log_metric('loss', 0.25)")

    (run,) = runs(here)
    assert list(run.history("loss").values) == [0.5, 0.25]


def test_last_run_of_an_earlier_cell_is_known_in_the_next(kernel: Kernel, here: Path) -> None:
    kernel.run("from podium import track\nwith track.start_run('done') as run: pass")

    assert kernel.run("track.last_run().run_name").shown["text/plain"] == "'done'"


def test_a_failing_cell_fails_the_run_whose_with_it_leaves_and_no_other(kernel: Kernel, here: Path) -> None:
    kernel.run("from podium import track\nopened = track.start_run('open')")
    failed = kernel.run("with track.start_run('failing', nested=True):\n    1 / 0")
    assert failed.error == "ZeroDivisionError: division by zero"
    kernel.run("raise ValueError('a cell like any other')")
    kernel.run("track.log_metric('loss', 0.5)")
    kernel.run("track.end_run()")

    opened, failing = runs(here)
    assert (opened.status, opened.metrics) == ("FINISHED", {"loss": 0.5})
    assert failing.status == "FAILED"
    assert failing.error == "ZeroDivisionError: division by zero"


def test_an_interrupted_cell_is_a_killed_run(kernel: Kernel, here: Path) -> None:
    cell = (
        "from podium import track\nimport time\n"
        "with track.start_run('long'):\n"
        "    print('training', flush=True)\n"
        "    while True: time.sleep(0.01)"
    )

    stopped = kernel.run(cell, meanwhile=lambda _: kernel.interrupt())

    assert stopped.error.startswith("KeyboardInterrupt")
    assert [run.status for run in runs(here)] == ["KILLED"]


def test_the_run_of_a_kernel_that_was_killed_is_lost_and_what_it_logged_is_there(
    kernel: Kernel, here: Path
) -> None:
    kernel.run("from podium import track\ntrack.start_run()\ntrack.log_metric('loss', 0.5)")
    assert [run.status for run in runs(here)] == ["RUNNING"]

    kernel.kill()

    (run,) = runs(here)
    assert (run.status, run.metrics) == ("LOST", {"loss": 0.5})


def test_closing_the_notebook_finishes_the_run_that_was_open(kernel: Kernel, here: Path) -> None:
    kernel.run("from podium import track\ntrack.start_run()")
    kernel.run("raise ValueError('an error on the way is not how the session ends')")

    kernel.close()

    assert [run.status for run in runs(here)] == ["FINISHED"]


def test_names_with_markup_are_shown_as_text(kernel: Kernel) -> None:
    attack = "<img src=x onerror=alert(1)>"
    kernel.run(
        "from podium import track\n"
        f"attack = {attack!r}\n"
        "track.set_experiment(attack)\n"
        "with track.start_run(attack, tags={attack: attack}, note=attack) as run:\n"
        "    track.log_param('p' , attack)\n"
        "    track.log_params({attack[:8]: 1})\n"
        "    track.log_text('x', 'a.txt')\n"
        "    track.log_dataset([1, 2], attack)"
    )

    shown = [
        kernel.run(code).shown
        for code in (
            "run",
            "track.search_runs()",
            "track.get_run(run.run_id)",
            "run.artifacts()",
            "run.history()",
            "track.search_runs()[:1]",
        )
    ]

    for data in shown:
        assert "<img" not in data["text/html"]
    assert "&lt;img" in shown[1]["text/html"]
    assert shown[0]["text/plain"].count("\n") == 0


def test_a_table_is_a_table(kernel: Kernel) -> None:
    kernel.run(
        "from podium import track\n"
        "for lr in (0.1, 0.2):\n"
        "    with track.start_run(f'lr={lr}'):\n"
        "        track.log_param('lr', lr)\n"
        "        track.log_metric('loss', lr * 2)"
    )

    shown = kernel.run("track.search_runs()").shown

    assert shown["text/html"].count("<tr") == 3
    for text in ("lr=0.1", "lr=0.2", "0.4"):
        assert text in shown["text/html"]
        assert text in shown["text/plain"]


def test_tab_completion_finds_the_names_that_are_loaded_lazily(kernel: Kernel) -> None:
    names = kernel.run("import podium\nprint(*dir(podium))").stdout.split()

    assert {"track", "registry", "load_model", "live", "Workspace", "set_store"} <= set(names)
    assert kernel.run("podium.load_model.__name__").shown["text/plain"] == "'load_model'"


def test_autolog_tracks_a_fit_in_a_cell_and_last_run_is_it(kernel: Kernel, here: Path) -> None:
    kernel.run("from podium import track\ntrack.autolog()")
    kernel.run(
        "from sklearn.linear_model import Ridge\nfrom sklearn.datasets import load_diabetes\n"
        "X, y = load_diabetes(return_X_y=True)\n_ = Ridge(alpha=0.5).fit(X, y)"
    )

    assert kernel.run("track.last_run().params['alpha']").shown["text/plain"] == "0.5"
    assert [run.status for run in runs(here)] == ["FINISHED"]


def test_a_restarted_kernel_starts_a_run_of_its_own(kernel: Kernel, here: Path) -> None:
    cell = "from podium import track\nrun = track.start_run('again')"
    kernel.run(cell)

    kernel.restart()
    again = kernel.run(cell)

    assert "is ended" not in again.stderr
    assert [run.status for run in runs(here)][1:] == ["RUNNING"]
    assert runs(here)[0].status in ("FINISHED", "LOST")


def test_the_lines_about_runs_are_said_once(kernel: Kernel) -> None:
    cell = "from podium import track\nwith track.start_run(): pass"

    first, second = kernel.run(cell), kernel.run(cell)

    assert first.stderr.count("podium: runs go to") == 1
    assert second.stderr == ""


def test_this_process_has_no_run_of_the_kernels(kernel: Kernel) -> None:
    kernel.run("from podium import track\ntrack.start_run()")

    assert track.active_run() is None
