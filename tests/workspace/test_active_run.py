"""What is logged comes back, with its type, at once and for ever; what the world refuses is said once."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from podium import Workspace, load_model, model_info, set_store, track
from podium.errors import (
    ArtifactNotFound,
    Conflict,
    Corrupt,
    Invalid,
    NotFound,
    ParamConflict,
    PodiumWarning,
    RunNotFound,
    StoreUnavailable,
)
from podium.stores import LocalStore, MemoryStore
from podium.testing import FaultyStore
from podium.types import ActiveRun, Run

X, y = load_iris(return_X_y=True)


def test_params_come_back_with_the_type_they_went_in_with() -> None:
    values = {"f": 0.1, "i": 3, "b": True, "n": None, "t": "0.1", "l": [1, "a", None], "nan": float("nan")}

    with track.start_run() as run:
        track.log_params(values)
        track.log_param("numpy", np.float32(0.5))
        track.log_param("path", Path("a/b"))

    read = track.get_run(run.run_id).params
    assert {key: type(read[key]) for key in values} == {key: type(value) for key, value in values.items()}
    assert read["nan"] != read["nan"]
    assert {key: read[key] for key in ("f", "i", "b", "n", "t", "l")} == {
        key: values[key] for key in ("f", "i", "b", "n", "t", "l")
    }
    assert read["numpy"] == 0.5
    assert read["path"] == "a/b"


def test_nested_params_are_joined_by_dots() -> None:
    with track.start_run() as run:
        track.log_params({"opt": {"lr": 0.1, "betas": [0.9, 0.99]}})

    assert run.params == {"opt.lr": 0.1, "opt.betas": [0.9, 0.99]}


def test_a_param_that_contradicts_is_refused_unless_overwritten() -> None:
    with track.start_run() as run:
        run.log_param("lr", 1)
        run.log_param("lr", 1.0)
        with pytest.raises(ParamConflict) as raised:
            run.log_param("lr", True)
        with pytest.raises(ParamConflict):
            run.log_params({"new": 1, "lr": 2})
        assert run.params == {"lr": 1}
        run.log_param("lr", 2, overwrite=True)

    assert (raised.value.key, raised.value.old, raised.value.new) == ("lr", 1, True)
    assert run.params == {"lr": 2}
    (log,) = Path(".podium").glob("experiments/*/runs/*/*.jsonl")
    logged = [
        json.loads(line) for line in log.read_text().splitlines() if line.startswith('{"event":"params"')
    ]
    assert [event["params"] for event in logged] == [{"lr": 1}, {"lr": 2}]  # the old one stays in the log


def test_an_open_run_is_always_up_to_date_also_in_another_workspace(tmp_path: Path) -> None:
    with Workspace(tmp_path / "store") as workspace, workspace.start_run("here") as run:
        run.log_metric("loss", 0.5)
        assert run.metrics == {"loss": 0.5}
        assert (run.status, run.end_time) == ("RUNNING", None)
        with Workspace(tmp_path / "store", read_only=True) as other:
            assert other.get_run(run.run_id).metrics == {"loss": 0.5}
            assert other.get_run(run.run_id).status == "RUNNING"
        run.set_tag("team", "fraud")
        run.set_tags({"a": 1, "b": None})
        run.delete_tag("a")
        run.set_note("looks good")
    assert run.tags == {"team": "fraud", "b": "None"}
    assert run.note == "looks good"
    assert workspace.get_run(run.run_id).status == "FINISHED"
    assert run.end_time is not None
    assert run.end_time >= run.start_time


def test_steps_count_by_themselves_and_a_summary_knows_extremes() -> None:
    with track.start_run() as run:
        for value in (0.5, 0.1, 0.3):
            track.log_metric("loss", value)
        track.log_metrics({"loss": 9.0, "acc": 0.7}, step=10)
        track.log_metric("loss", 0.2)

    loss = run.summary["loss"]
    assert (loss.last, loss.last_step, loss.min, loss.min_step, loss.max, loss.max_step, loss.count) == (
        0.2,
        11,
        0.1,
        1,
        9.0,
        10,
        5,
    )
    assert loss.goal == "min"
    assert run.summary["acc"].goal == "max"
    history = run.history("loss")
    assert list(history.steps) == [0, 1, 2, 10, 11]
    assert list(history.values) == [0.5, 0.1, 0.3, 9.0, 0.2]
    assert len(run.history().to_pandas()) == 6


@pytest.mark.parametrize("value", ["0.5", None, [1], np.array([1.0, 2.0])])
def test_what_is_no_number_is_no_metric(value: Any) -> None:
    with track.start_run() as run, pytest.raises(TypeError, match="loss"):
        run.log_metric("loss", value)


def test_a_log_call_after_the_end_amends_and_says_so_once() -> None:
    with track.start_run() as run:
        pass

    with pytest.warns(PodiumWarning, match="after its end"):
        run.log_metric("late", 1)
    run.log_metric("late", 2)

    assert run.metrics == {"late": 2.0}
    assert run.status == "FINISHED"


def test_files_and_folders_are_kept_with_their_bytes(tmp_path: Path) -> None:
    folder = tmp_path / "plots"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    (folder / "deep" / "b.txt").write_text("b")

    with track.start_run() as run:
        track.log_artifact(folder / "a.txt", "files")
        track.log_artifact(folder)
        track.log_artifacts(folder, "all")
        track.log_text("héllo", "notes/x.txt")
        track.log_dict({"a": [1, None]}, "config.json")
        track.log_dict({"a": 1}, "config.yaml")
        with pytest.raises(FileNotFoundError):
            track.log_artifact(tmp_path / "nothing")
        with pytest.raises(NotADirectoryError):
            track.log_artifacts(folder / "a.txt")

    assert [each.path for each in run.artifacts()] == [
        "all/a.txt",
        "all/deep/b.txt",
        "config.json",
        "config.yaml",
        "files/a.txt",
        "notes/x.txt",
        "plots/a.txt",
        "plots/deep/b.txt",
    ]
    assert run.download("notes/x.txt").read_text(encoding="utf-8") == "héllo"
    assert run.download("config.yaml").read_text() == "a: 1\n"
    target = run.download("plots", tmp_path / "down")
    assert (target / "deep" / "b.txt").read_text() == "b"
    with pytest.raises(ArtifactNotFound, match=r"notes/x\.txt"):
        run.download("notes/y.txt")


def test_a_path_logged_again_keeps_the_last_and_loses_nothing() -> None:
    with track.start_run() as run:
        track.log_text("first", "report.txt")
        track.log_text("second", "report.txt")
        track.log_text("other case", "Report.txt")

    assert run.download("report.txt").read_text() == "second"
    assert run.download("Report.txt").read_text() == "other case"


def test_odd_names_are_kept_under_safe_ones() -> None:
    with track.start_run() as run:
        for path in ("con.txt", "a\\b", "naïve.txt", "deep/aux"):
            run.log_text(path, path)
            assert run.download(path).read_text(encoding="utf-8") == path


@pytest.mark.parametrize("path", ["", "/", "/etc/passwd", "..", "../escape.txt", "a/../b", "a//b", "a/"])
def test_a_path_that_is_none_inside_a_run_is_refused(path: str) -> None:
    with track.start_run() as run, pytest.raises(Invalid, match="no path inside a run"):
        run.log_text("x", path)


def test_a_strangers_log_cannot_make_a_download_leave_its_folder(tmp_path: Path) -> None:
    with Workspace(tmp_path / "store") as workspace:
        with workspace.start_run() as run:
            run.log_text("x", "plots/escaped.txt")
        (log,) = (tmp_path / "store").glob("experiments/*/runs/*/*.jsonl")
        log.write_bytes(
            log.read_bytes().replace(b'"path":"plots/escaped.txt"', b'"path":"plots/../../escaped.txt"')
        )

        down = workspace.get_run(run.run_id).download("plots", tmp_path / "a" / "down")

    assert [file.read_text() for file in down.rglob("*") if file.is_file()] == ["x"]
    outside = [file for file in tmp_path.rglob("escaped.txt") if tmp_path / "store" not in file.parents]
    assert [file for file in outside if down not in file.parents] == []


def test_a_flipped_bit_in_an_artifact_is_refused_by_name(tmp_path: Path) -> None:
    with Workspace(tmp_path / "store") as workspace:
        with workspace.start_run() as run:
            run.log_text("important", "report.txt")
        (file,) = (tmp_path / "store").glob("experiments/*/artifacts/*/*/report.txt")
        file.write_text("imqortant")

        with pytest.raises(Corrupt, match=r"report\.txt"):
            run.download("report.txt", tmp_path / "copy.txt")
        assert not (tmp_path / "copy.txt").exists()


def test_data_are_noted_by_digest_and_never_kept(tmp_path: Path) -> None:
    with Workspace(tmp_path / "store") as workspace, workspace.start_run() as run:
        noted = run.log_dataset(X, "iris")
        same = run.log_dataset(X.copy(), "iris again", context="test")

    assert noted.rows == 150
    assert noted.digest == same.digest
    assert [each.name for each in run.datasets] == ["iris", "iris again"]
    assert sum(file.stat().st_size for file in (tmp_path / "store").rglob("*") if file.is_file()) < 5_000


def test_a_model_is_logged_with_its_signature_and_loads_again() -> None:
    model = LogisticRegression(max_iter=500).fit(X, y)

    with track.start_run() as run:
        info = track.log_model(model, input_example=X[:5], metadata={"team": "a"})

    assert info.uri == f"runs:/{run.run_id}/model"
    assert (info.flavor, info.trust, info.run_id) == ("sklearn", "data", run.run_id)
    assert run.models[0] == info == model_info(info.uri)
    loaded = load_model(info, native_type=LogisticRegression)
    assert loaded.predict(X).tolist() == model.predict(X).tolist()
    assert loaded.info.metadata == {"team": "a"}
    with pytest.raises(TypeError, match="LogisticRegression"):
        load_model(info, native_type=dict)
    with pytest.raises(NotFound, match="its models: 'model'"):
        load_model(run.model_uri("other"))


def test_a_plain_function_is_a_model_that_this_users_stores_may_load() -> None:
    def double(data: Any) -> Any:
        return data * 2

    with track.start_run():
        info = track.log_model(double, input_example=np.array([1.0]))

    assert info.trust == "code"
    assert load_model(info.uri).predict(np.array([3.0])).tolist() == [6.0]


def test_what_nothing_saves_raises_at_the_call() -> None:
    with track.start_run(), pytest.raises(TypeError):
        track.log_model(object())


def test_an_amended_run_keeps_its_status_and_times() -> None:
    with track.start_run() as run:
        run.log_metric("loss", 1)
    before = track.get_run(run.run_id)

    with track.amend_run(run) as amended:
        amended.log_metric("evaluated", 0.9)
        amended.log_text("later", "later.txt")

    after = track.get_run(run.run_id)
    assert after.metrics == {"loss": 1.0, "evaluated": 0.9}
    assert (after.status, after.start_time, after.end_time) == (
        "FINISHED",
        before.start_time,
        before.end_time,
    )
    assert after.download("later.txt").read_text() == "later"
    with pytest.raises(RunNotFound):
        track.amend_run("01jd0000000000000000000000")


def _log_in_worker(run: ActiveRun) -> None:
    run.log_metric("worker", 1.0)
    run.end()


def test_what_was_read_is_frozen_and_pickles(tmp_path: Path) -> None:
    with track.start_run() as active:
        active.log_params({"lr": 0.1, "sizes": [1, 2]})
        active.set_tag("team", "fraud")
        active.log_metric("loss", 1)
    run = track.get_run(active.run_id)

    for mapping in (run.params, run.tags, run.metrics, run.summary, run.environment):
        mapping["new"] = 1  # type: ignore[index]  # whoever does it changes a copy
    with pytest.raises(AttributeError):
        run.note = "changed"  # type: ignore[misc]  # the point

    assert run == track.get_run(active.run_id)
    assert json.loads(json.dumps(run.params)) == {"lr": 0.1, "sizes": [1, 2]}
    there = pickle.loads(pickle.dumps(run))
    assert there == run
    assert list(there.history("loss").values) == [1.0]
    track.amend_run(run).set_tag("later", 1)
    assert "later" not in run.tags
    assert "later" in active.tags


def test_an_active_run_has_all_of_a_run_also_after_its_end() -> None:
    with track.start_run("mine", experiment="fraud", note="n", tags={"a": 1}) as run:
        run.log_metric("loss", 1)
        run.log_text("x", "x.txt")
        run.log_dataset([1, 2], "numbers")
        run.log_model({"a": 1})

    read = track.get_run(run.run_id)
    public = [name for name in dir(Run) if not name.startswith("_") and not callable(getattr(Run, name))]
    assert len(public) >= 20
    assert {name: getattr(run, name) for name in public} == {name: getattr(read, name) for name in public}
    assert run.artifacts() == read.artifacts()
    assert run.history() == read.history()
    assert run.model_uri("other") == f"runs:/{run.run_id}/other"


def test_downloads_without_a_place_go_to_a_private_folder_and_are_verified_each_time(tmp_path: Path) -> None:
    with Workspace(tmp_path / "store") as workspace:
        with workspace.start_run() as run:
            run.log_text("one", "a/report.txt")
        first = run.download("a/report.txt")
        assert first.read_text() == "one"
        assert tmp_path / "store" not in first.parents
        private = next(each for each in first.parents if each.name == "artifacts")
        assert os.name == "nt" or private.stat().st_mode & 0o077 == 0
        first.write_text("changed by somebody")

        assert run.download("a/report.txt").read_text() == "one"
        with workspace.amend_run(run) as amended:
            amended.log_text("two", "a/report.txt")
        assert (run.download("a") / "report.txt").read_text() == "two"
        with pytest.raises(Conflict, match="already"):
            run.download("a", tmp_path)


def test_a_run_pickled_to_another_process_is_amended_there(tmp_path: Path) -> None:
    with Workspace(tmp_path / "store") as workspace, workspace.start_run() as run:
        with multiprocessing.get_context("fork").Pool(1) as pool:
            pool.apply(pickle.loads, (pickle.dumps(run),))
        _log_in_worker(pickle.loads(pickle.dumps(run)))
        assert workspace.get_run(run.run_id).status == "RUNNING"

    assert run.metrics == {"worker": 1.0}
    assert workspace.get_run(run.run_id).status == "FINISHED"


def test_a_memory_store_does_all_of_it() -> None:
    with Workspace(MemoryStore()) as workspace:
        with workspace.start_run() as run:
            run.log_metric("loss", 0.5)
            run.log_text("x", "x.txt")
            info = run.log_model(LogisticRegression(max_iter=500).fit(X, y))
            assert workspace.search_runs("metrics.loss = 0.5")[0].run_id == run.run_id
        version = workspace.registry.register(info, "iris", alias="champion")
        assert workspace.load_model("models:/iris@champion").version == version.version == 1
        assert run.download("x.txt").read_text() == "x"


def test_a_read_only_workspace_refuses_to_write(tmp_path: Path) -> None:
    with (
        Workspace(tmp_path / "absent", read_only=True) as workspace,
        pytest.raises(Invalid, match="read_only"),
    ):
        workspace.start_run()
    assert not (tmp_path / "absent").exists()
    with Workspace(tmp_path / "store") as workspace, workspace.start_run() as run:
        workspace.registry.register(run.log_model({"a": 1}), "fraud")
    before = {file: file.read_bytes() for file in (tmp_path / "store").rglob("*") if file.is_file()}

    with Workspace(tmp_path / "store", read_only=True) as workspace:
        for change in (
            workspace.start_run,
            lambda: workspace.amend_run(run),
            lambda: workspace.registry.set_tag("fraud", "a", 1),
            lambda: workspace.registry.set_alias("fraud", "champion", 1),
        ):
            with pytest.raises(Invalid, match="read_only"):
                change()
        assert workspace.get_run(run.run_id) == run
        assert workspace.load_model("models:/fraud/1").native == {"a": 1}

    assert {file: file.read_bytes() for file in (tmp_path / "store").rglob("*") if file.is_file()} == before


def failing_puts(path: Path) -> FaultyStore:
    from podium.testing import Fail

    def refuse(verb: str, key: object, number: int) -> Fail | None:
        return Fail(lambda: StoreUnavailable("the disk is full")) if verb == "put" else None

    return FaultyStore(LocalStore(path), refuse)


def test_a_file_that_cannot_be_kept_is_counted_and_warned_about_once(tmp_path: Path) -> None:
    with Workspace(failing_puts(tmp_path / "store")) as workspace, workspace.start_run() as run:
        with pytest.warns(PodiumWarning, match="the disk is full"):
            run.log_text("x", "x.txt")
        run.log_text("y", "y.txt")
        run.log_metric("loss", 1)
        assert run.dropped == 2

    assert run.metrics == {"loss": 1.0}
    assert len(run.artifacts()) == 0


def test_a_strict_run_raises_instead(tmp_path: Path) -> None:
    with Workspace(failing_puts(tmp_path / "store")) as workspace, workspace.start_run(strict=True) as run:
        with pytest.raises(StoreUnavailable):
            run.log_text("x", "x.txt")
        run.log_metric("loss", 1)


def test_names_with_html_are_escaped_in_a_notebook() -> None:
    with track.start_run("<script>alert(1)</script>", experiment="<b>") as run:
        run.log_param("<i>", "<img src=x onerror=alert(1)>")

    for html in (run._repr_html_(), track.search_runs()._repr_html_()):
        assert "<script>" not in html
        assert "<img" not in html
        assert "&lt;script&gt;" in html


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_links_keep_their_own_name_folders_behind_links_are_kept_and_a_pipe_hangs_nothing(
    tmp_path: Path,
) -> None:
    (tmp_path / "epoch3.ckpt").write_text("weights")
    (tmp_path / "best.ckpt").symlink_to("epoch3.ckpt")
    plots = tmp_path / "plots"
    plots.mkdir()
    (plots / "loss.txt").write_text("falling")
    data = tmp_path / "data"
    data.mkdir()
    (data / "linked").symlink_to(plots)
    (data / "round").symlink_to(data)
    (data / "broken").symlink_to("nothing")
    os.mkfifo(data / "pipe")

    with track.start_run() as run:
        run.log_artifact(tmp_path / "best.ckpt")
        with pytest.raises(Invalid, match="neither a file nor a folder"):
            run.log_artifact(data / "pipe")
        with pytest.warns(PodiumWarning, match="could not keep"):
            run.log_artifacts(data)

    assert [each.path for each in run.artifacts()] == ["best.ckpt", "linked/loss.txt"]
    assert run.download("best.ckpt").read_text() == "weights"
    assert run.dropped == 3
    with track.start_run(strict=True) as strict, pytest.raises(OSError, match="is no file"):
        strict.log_artifacts(data)


def test_a_list_among_the_params_is_a_copy_each_time() -> None:
    with track.start_run() as run:
        run.log_param("layers", [64, 64])
        layers = run.params["layers"]
        assert isinstance(layers, list)
        layers.append(9)

    assert run.params["layers"] == [64, 64]


@pytest.mark.parametrize("wrong", [5, [], b"x", 1.5])
def test_what_is_no_store_is_refused_at_once(wrong: Any) -> None:
    with pytest.raises(Invalid, match="is no store"):
        Workspace(wrong)
    with pytest.raises(Invalid, match="is no store"):
        set_store(wrong)


def test_a_child_of_a_process_whose_store_is_in_memory_does_not_write_to_the_store_before(
    tmp_path: Path,
) -> None:
    set_store(tmp_path / "before")
    set_store("memory:")

    subprocess.run(
        [sys.executable, "-c", "from podium import track\nwith track.start_run(): pass"],
        check=True,
        timeout=60,
    )

    assert not (tmp_path / "before").exists()
    assert not Path(".podium").exists()


def test_facts_show_themselves_escaped() -> None:
    attack = "<img src=x>"
    with track.start_run(attack, experiment=attack) as run:
        run.log_metric(attack, 0.5)
        run.log_text("x", "a.txt")
        run.log_dataset([1, 2], attack)
        run.log_model([1], "model")

    facts = [
        run.artifacts()[0],
        run.datasets[0],
        run.summary[attack],
        run.history()[0],
        run.models[0],
        track.experiments()[0],
    ]
    for fact in facts:
        shown: str = fact._repr_html_()
        assert "<img" not in shown
        assert "\n" not in repr(fact)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows removes no file that is open")
def test_a_run_whose_store_was_removed_still_says_what_it_lost_and_its_log_comes_back(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "store")
    run = workspace.start_run()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "broken").symlink_to("nothing")
    with pytest.warns(PodiumWarning, match="could not keep"):
        run.log_artifacts(tmp_path / "data")
    shutil.rmtree(tmp_path / "store")

    assert run.dropped == 1

    run.log_metric("loss", 0.5)
    with pytest.warns(PodiumWarning, match="was removed while it was written"):
        run.end()
    read = Workspace(tmp_path / "store").get_run(run.run_id)
    assert (read.status, read.summary["loss"].last, read.dropped) == ("FINISHED", 0.5, 1)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows removes no file that is open")
def test_a_run_has_ended_also_where_the_last_warning_of_its_end_is_an_error(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "store")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run = workspace.start_run()
        shutil.rmtree(tmp_path / "store")
        with pytest.raises(PodiumWarning, match="was removed while it was written"):
            run.end()

    assert track.active_run() is None
    assert track.last_run() is run
    assert run.status == "FINISHED"
