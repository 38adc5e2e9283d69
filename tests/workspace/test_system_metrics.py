"""The machine's gauges beside a run's own metrics: asked for, sampled by one thread, gone with the run."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from podium import track
from podium.errors import MissingExtra
from podium.workspace import system_metrics
from podium.workspace.gpus import Gpus
from podium.workspace.system_metrics import Sampler

PATIENCE_S = 30.0
ALWAYS = {
    "system/cpu_utilization_percentage",
    "system/system_memory_usage_megabytes",
    "system/system_memory_usage_percentage",
    "system/disk_usage_megabytes",
    "system/disk_usage_percentage",
    "system/disk_available_megabytes",
}


def threads() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "podium-system-metrics"]


def wait_until(holds: Callable[[], bool]) -> None:
    tick = threading.Event()
    for _ in range(int(PATIENCE_S * 100)):
        if holds():
            return
        tick.wait(0.01)
    pytest.fail("it never came to hold")


def test_no_run_has_them_unless_it_asks() -> None:
    with track.start_run() as run:
        assert threads() == []

    assert run.metrics == {}


def test_a_run_that_asks_has_every_gauge_from_its_start() -> None:
    with track.start_run(system_metrics=True) as run:
        pass

    assert run.metrics.keys() >= ALWAYS
    assert 0 <= run.metrics["system/system_memory_usage_percentage"] <= 100
    assert run.metrics["system/disk_usage_megabytes"] > 0


def test_samples_are_taken_at_an_interval_until_the_run_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system_metrics, "_INTERVAL_S", 0.01)

    with track.start_run(system_metrics=True) as run:
        wait_until(lambda: run.summary["system/cpu_utilization_percentage"].count >= 4)
        track.log_metric("loss", 0.5)
    history = run.history("system/cpu_utilization_percentage")

    assert list(history.steps) == list(range(len(history)))
    assert run.metrics["loss"] == 0.5
    wait_until(lambda: threads() == [])
    assert len(run.history("system/cpu_utilization_percentage")) == len(history)


def test_two_runs_share_one_thread_and_each_has_its_own_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system_metrics, "_INTERVAL_S", 0.01)

    with track.start_run(system_metrics=True) as outer:
        with track.start_run(nested=True, system_metrics=True) as inner:
            wait_until(lambda: inner.summary["system/cpu_utilization_percentage"].count >= 2)
            assert len(threads()) == 1
        wait_until(lambda: outer.summary["system/cpu_utilization_percentage"].count >= 4)

    assert inner.status == outer.status == "FINISHED"


def test_a_gauge_that_cannot_be_read_now_is_read_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system_metrics, "_INTERVAL_S", 0.01)
    sample, failures = Sampler.sample, iter([False, True, True, False, False])

    def sometimes(self: Sampler) -> dict[str, float]:
        if next(failures, False):
            raise OSError("the disk is away")
        return sample(self)

    monkeypatch.setattr(Sampler, "sample", sometimes)
    with track.start_run(system_metrics=True) as run:
        wait_until(lambda: run.summary["system/cpu_utilization_percentage"].count >= 3)

    assert run.status == "FINISHED"


def test_without_psutil_the_start_says_what_to_install_and_no_run_is_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)

    with pytest.raises(MissingExtra, match=r"podium\[system\]"):
        track.start_run(system_metrics=True)
    assert len(track.search_runs()) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_worker_takes_no_samples_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system_metrics, "_INTERVAL_S", 0.01)

    with track.start_run(system_metrics=True) as run:
        pid = os.fork()
        if pid == 0:
            track.log_metric("child", 1.0)
            os._exit(0 if threads() == [] and not system_metrics._followers.logs else 1)
        _, status = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        wait_until(lambda: run.summary["system/cpu_utilization_percentage"].count >= 3)

    assert run.metrics["child"] == 1.0


# GPUs -----------------------------------------------------------------------------------------------------------------


class NoAnswer(Exception):
    pass


def nvml(*, utilization: float = 37.0) -> SimpleNamespace:
    """NVML of a machine with two GPUs, the second of which does not tell its power: what a test machine lacks."""

    def power(device: int) -> int:
        if device == 1:
            raise NoAnswer
        return 150_000

    return SimpleNamespace(
        NVMLError=NoAnswer,
        nvmlInit=lambda: None,
        nvmlDeviceGetCount=lambda: 2,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetUtilizationRates=lambda device: SimpleNamespace(gpu=utilization),
        nvmlDeviceGetMemoryInfo=lambda device: SimpleNamespace(used=2_000_000_000, total=8_000_000_000),
        nvmlDeviceGetPowerUsage=power,
        nvmlDeviceGetEnforcedPowerLimit=lambda device: 300_000,
    )


def test_each_gpu_has_its_gauges_and_what_one_does_not_tell_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", nvml())

    assert Gpus().sample() == {
        "system/gpu_0_utilization_percentage": 37.0,
        "system/gpu_0_memory_usage_megabytes": 2000.0,
        "system/gpu_0_memory_usage_percentage": 25.0,
        "system/gpu_0_power_usage_watts": 150.0,
        "system/gpu_0_power_usage_percentage": 50.0,
        "system/gpu_1_utilization_percentage": 37.0,
        "system/gpu_1_memory_usage_megabytes": 2000.0,
        "system/gpu_1_memory_usage_percentage": 25.0,
    }


def test_a_run_has_the_gauges_of_the_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", nvml())

    with track.start_run(system_metrics=True) as run:
        pass

    assert run.metrics["system/gpu_0_utilization_percentage"] == 37.0


def test_a_machine_without_a_driver_or_without_the_package_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    pynvml = pytest.importorskip("pynvml")
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        assert Gpus().sample() == {}
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert Gpus().sample() == {}
