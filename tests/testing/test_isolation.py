from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from podium import registry, set_store, track
from podium.current import default_workspace
from podium.errors import ModelNotFound, NotFound, StoreError
from podium.testing import isolated

pytest_plugins = ["pytester"]


def test_inside_there_is_a_fresh_store_and_outside_it_is_gone(tmp_path: Path) -> None:
    with isolated() as workspace:
        with track.start_run("inside"):
            track.log_metric("loss", 0.5)
        assert [run.run_name for run in track.search_runs()] == ["inside"]
        folder = Path(workspace.url)
        assert folder.is_dir()

    assert not folder.exists()
    assert not Path(".podium").exists()


def test_the_default_store_before_is_the_default_store_after(tmp_path: Path) -> None:
    mine = set_store(tmp_path / "mine")
    with track.start_run("outside"):
        pass

    with isolated() as workspace:
        assert default_workspace() is workspace
        assert len(track.search_runs()) == 0

    assert default_workspace() is mine
    assert [run.run_name for run in track.search_runs()] == ["outside"]
    assert os.environ["PODIUM_STORE"] == str(tmp_path / "mine")


def test_the_current_run_is_not_current_inside_and_is_again_after() -> None:
    with track.start_run("outer") as outer:
        with isolated():
            assert track.active_run() is None
            with track.start_run("inner"):
                track.log_metric("loss", 1.0)
        assert track.active_run() is outer
        track.log_metric("loss", 2.0)

    assert outer.metrics == {"loss": 2.0}
    assert track.last_run() is outer


def test_variables_are_as_they_were_whatever_was_set_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PODIUM_EXPERIMENT", "mine")
    monkeypatch.setenv("PODIUM_DISABLED", "1")
    before = {name: value for name, value in os.environ.items() if name.startswith("PODIUM_")}

    with isolated():
        assert "PODIUM_EXPERIMENT" not in os.environ
        track.set_experiment("theirs")
        with track.start_run() as run:
            assert run.enabled
            assert run.experiment == "theirs"

    assert {name: value for name, value in os.environ.items() if name.startswith("PODIUM_")} == before


def test_a_run_left_open_inside_is_ended_and_forgotten() -> None:
    with isolated():
        left = track.start_run("left open")

    assert track.active_run() is None
    assert left._writer.ended  # its log is closed: nothing writes to a folder that is gone


def test_an_exception_inside_comes_through_and_everything_is_put_back() -> None:
    with pytest.raises(ZeroDivisionError), isolated():  # noqa: PT012 - both lines are the situation
        track.start_run("broken")
        raise ZeroDivisionError

    assert track.active_run() is None
    assert "PODIUM_STORE" not in os.environ


def test_isolations_nest() -> None:
    with isolated() as outer:
        with isolated() as inner, track.start_run("inner"):
            assert default_workspace() is inner
        assert default_workspace() is outer
        assert len(track.search_runs()) == 0


def test_strict_is_on_unless_it_is_asked_not_to_be() -> None:
    def log_to_a_store_that_is_gone(*, strict: bool) -> None:
        import shutil

        with isolated(strict=strict) as workspace, track.start_run():
            shutil.rmtree(workspace.url)
            Path(workspace.url).write_text("no folder any more")
            track.log_text("hello", "hello.txt")

    with pytest.raises((StoreError, NotFound)):
        log_to_a_store_that_is_gone(strict=True)
    with pytest.warns(match="could not keep"):
        log_to_a_store_that_is_gone(strict=False)


def test_autolog_that_was_turned_on_inside_is_off_after() -> None:
    from sklearn.linear_model import LinearRegression

    fit = LinearRegression.fit
    with isolated():
        track.autolog()
        LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
        assert len(track.search_runs()) == 1

    assert LinearRegression.fit is fit
    LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
    assert track.active_run() is None
    assert not Path(".podium").exists()


def test_autolog_that_was_on_before_is_off_inside_and_on_after() -> None:
    from sklearn.linear_model import LinearRegression

    track.autolog()
    try:
        with isolated():
            LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
            assert len(track.search_runs()) == 0
            track.autolog(disable=True)

        LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
        assert len(track.search_runs()) == 1
    finally:
        track.autolog(disable=True)


def test_a_child_process_started_inside_writes_to_the_same_store() -> None:
    with isolated():
        subprocess.run(
            [sys.executable, "-c", "from podium import track\nwith track.start_run('child'): pass"],
            check=True,
            timeout=60,
        )
        assert [run.run_name for run in track.search_runs()] == ["child"]


def test_the_registry_is_fresh_too() -> None:
    with isolated():
        with track.start_run() as run:
            run.log_model({"weights": [1, 2]}, "model")
        registry.register(run.model_uri(), "fraud")
        assert registry.get_version("fraud").version == 1

    with isolated(), pytest.raises(ModelNotFound):
        registry.get_version("fraud")


# The pytest plugin ----------------------------------------------------------------------------------------------------


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    return pytester


def test_the_fixture_gives_each_test_a_store_of_its_own(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        from podium import track

        def test_one(podium_workspace):
            with track.start_run():
                track.log_metric("loss", 0.5)
            assert len(podium_workspace.search_runs()) == 1

        def test_two(podium_workspace):
            assert len(track.search_runs()) == 0
        """
    )

    project.runpytest_subprocess().assert_outcomes(passed=2)

    assert not (project.path / ".podium").exists()


def test_the_ini_option_puts_it_around_every_test_also_of_unittest(project: pytest.Pytester) -> None:
    project.makeini("[pytest]\npodium_isolate = true\n")
    project.makepyfile(
        """
        import unittest
        from podium import track

        class TestOld(unittest.TestCase):
            def test_it(self):
                with track.start_run():
                    pass
                self.assertEqual(len(track.search_runs()), 1)

        def test_new():
            with track.start_run():
                pass
            assert len(track.search_runs()) == 1
        """
    )

    project.runpytest_subprocess().assert_outcomes(passed=2)

    assert not (project.path / ".podium").exists()


def test_without_the_option_nothing_is_isolated_and_podium_is_not_loaded(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import sys

        def test_it(request):
            loaded = sorted(name for name in sys.modules if name.startswith("podium."))
            assert loaded == ["podium.testing", "podium.testing.plugin"]
            assert "podium_workspace" not in request.fixturenames
        """
    )

    project.runpytest_subprocess().assert_outcomes(passed=1)
