"""Promise 4, of stores at rest: copied by whatever copies files they are the same, and merged runs are the union."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from podium import Workspace
from podium.errors import ParamConflict

Copy = Callable[[Path, Path], None]


def cp(source: Path, target: Path) -> None:
    subprocess.run(["cp", "-r", str(source), str(target)], check=True)


def python(source: Path, target: Path) -> None:
    shutil.copytree(source, target)


def rsync(source: Path, target: Path) -> None:
    subprocess.run(["rsync", "-a", f"{source}/", str(target)], check=True)


def rsync_missing(source: Path, target: Path) -> None:
    subprocess.run(["rsync", "-a", "--ignore-existing", f"{source}/", str(target)], check=True)


def copy_missing(source: Path, target: Path) -> None:
    """As ``rsync --ignore-existing``, file by file."""
    for file in sorted(source.rglob("*")):
        there = target / file.relative_to(source)
        if file.is_file() and not there.exists():
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, there)


needs_rsync = pytest.mark.skipif(shutil.which("rsync") is None, reason="rsync is not installed")
copies = pytest.mark.parametrize(
    "copy", [cp, python, pytest.param(rsync, marks=needs_rsync)], ids=lambda each: each.__name__
)
merges = pytest.mark.parametrize(
    "merge", [copy_missing, pytest.param(rsync_missing, marks=needs_rsync)], ids=lambda each: each.__name__
)


def log(store: Path, name: str, *, experiment: str = "fraud", points: int = 3) -> str:
    with Workspace(store) as workspace, workspace.start_run(name, experiment=experiment) as run:
        run.log_param("name", name)
        for step in range(points):
            run.log_metric("loss", len(name) + step, step)
        run.log_text(f"of {name}", "notes/about.txt")
        run.log_model({"name": name})
    return run.run_id


def facts(store: Path) -> dict[str, object]:
    """All that a store says of its runs, every artifact verified, by id."""
    with Workspace(store, read_only=True) as workspace:
        return {
            run.run_id: (
                run.run_name,
                run.experiment,
                run.status,
                dict(run.params),
                dict(run.tags),
                list(run.history("loss").steps),
                list(run.history("loss").values),
                run.download("notes/about.txt").read_text(),
                workspace.load_model(run.model_uri(), trust=True).native,
            )
            for run in workspace.search_runs()
        }


@copies
def test_a_store_at_rest_is_the_same_wherever_it_is_copied(tmp_path: Path, copy: Copy) -> None:
    store, target = tmp_path / "store", tmp_path / "copy"
    run_id = log(store, "first")
    with Workspace(store) as workspace:
        workspace.registry.register(f"runs:/{run_id}/model", "fraud", alias="champion", why="the first")

    copy(store, target)

    assert facts(target) == facts(store)
    with Workspace(store) as old, Workspace(target) as new:
        assert list(new.registry.history("fraud")) == list(old.registry.history("fraud"))
        assert new.load_model("models:/fraud@champion").native == {"name": "first"}
        # And it goes on by itself: the other does not change with it.
        assert new.registry.register(f"runs:/{run_id}/model", "fraud", alias="champion").version == 2
        assert old.registry.resolve("models:/fraud@champion") == "models:/fraud/1"
    log(target, "second")
    assert len(facts(target)) == 2
    assert len(facts(store)) == 1


@merges
def test_runs_of_two_stores_merge_into_the_union_by_copying_files(tmp_path: Path, merge: Copy) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for name in ("a", "bb"):
        log(here, name)
    log(here, "alone", experiment="only here")
    for name in ("ccc", "dddd"):
        log(there, name)
    log(there, "also alone", experiment="only there")
    expected = {**facts(here), **facts(there)}
    assert len(expected) == 6

    merge(there, here)

    assert facts(here) == expected
    merge(there, here)  # again: nothing
    merge(here, there)
    assert facts(here) == facts(there) == expected


@merges
def test_what_two_copies_added_to_one_run_is_all_there_after_merging(tmp_path: Path, merge: Copy) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    run_id = log(here, "shared")
    shutil.copytree(here, there)
    for store, step, tag in ((here, 10, "here"), (there, 20, "there")):
        with Workspace(store) as workspace, workspace.amend_run(run_id) as run:
            run.log_metric("loss", step / 2, step)
            run.set_tag(tag, "yes")
            run.log_text(tag, f"from/{tag}.txt")

    merge(there, here)

    with Workspace(here) as workspace:
        merged = workspace.get_run(run_id)
        assert list(merged.history("loss").steps) == [0, 1, 2, 10, 20]
        assert merged.tags["here"] == merged.tags["there"] == "yes"
        assert merged.status == "FINISHED"
        for tag in ("here", "there"):
            assert merged.download(f"from/{tag}.txt").read_text() == tag
        with workspace.amend_run(run_id) as run, pytest.raises(ParamConflict):
            run.log_param("name", "another")
