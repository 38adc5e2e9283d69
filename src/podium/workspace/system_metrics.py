"""What the machine does while a run is open: processor, memory, disk, network, GPUs, sampled by one thread a process.

The keys are MLflow's. The sampler is honest: it says what psutil says of the whole machine, and of the network what has
passed since the run began. Knows a run only as the function that logs to it.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Mapping
from typing import Any

from podium.errors import PodiumWarning, StoreError, missing_extra
from podium.workspace.gpus import Gpus

__all__ = ["Sampler", "check_available", "follow", "unfollow"]

Log = Callable[[Mapping[str, float]], None]

_MEGABYTE = 1e6
_INTERVAL_S = 10.0


def _psutil() -> Any:
    try:
        import psutil
    except ImportError as error:
        raise missing_extra("system_metrics=True", "system") from error
    return psutil


def check_available() -> None:
    """Raise before a run is begun rather than after.

    Raises:
        MissingExtra: psutil is not installed.
    """
    _psutil()


class Sampler:
    """Reads the machine's gauges; network counts from the time it was made."""

    def __init__(self) -> None:
        self._psutil = _psutil()
        self._psutil.cpu_percent()  # the first call only starts the measurement
        self._network = self._psutil.net_io_counters()
        self._gpus = Gpus()

    def sample(self) -> dict[str, float]:
        """One value a gauge, by its key."""
        memory = self._psutil.virtual_memory()
        disk = self._psutil.disk_usage("/")
        values = {
            "system/cpu_utilization_percentage": self._psutil.cpu_percent(),
            "system/system_memory_usage_megabytes": (memory.total - memory.available) / _MEGABYTE,
            "system/system_memory_usage_percentage": memory.percent,
            "system/disk_usage_megabytes": disk.used / _MEGABYTE,
            "system/disk_usage_percentage": disk.percent,
            "system/disk_available_megabytes": disk.free / _MEGABYTE,
        }
        network = self._psutil.net_io_counters()
        if network is not None and self._network is not None:
            received = network.bytes_recv - self._network.bytes_recv
            sent = network.bytes_sent - self._network.bytes_sent
            values["system/network_receive_megabytes"] = received / _MEGABYTE
            values["system/network_transmit_megabytes"] = sent / _MEGABYTE
        return {**values, **self._gpus.sample()}


class _Followers:
    """The runs that want samples, and the one thread that takes them."""

    def __init__(self) -> None:
        self.lock = threading.RLock()  # a signal handler that ends a run may come while it is held
        self.logs: dict[int, tuple[Sampler, Log]] = {}
        self.thread: threading.Thread | None = None
        self.nobody_left = threading.Event()


_followers = _Followers()


def follow(log: Log) -> int:
    """Log samples from now on, one at once and then one every ten seconds; the number is for `unfollow`.

    Raises:
        MissingExtra: psutil is not installed.
    """
    sampler = Sampler()
    with _followers.lock:
        number = max(_followers.logs, default=0) + 1
        _followers.logs[number] = (sampler, log)
        if _followers.thread is None or not _followers.thread.is_alive():
            _followers.nobody_left = threading.Event()
            _followers.thread = threading.Thread(
                target=_sample_for_all,
                args=(_followers.nobody_left,),
                name="podium-system-metrics",
                daemon=True,
            )
            _followers.thread.start()
    log(sampler.sample())
    return number


def unfollow(number: int) -> None:
    """No more samples; again: nothing."""
    with _followers.lock:
        _followers.logs.pop(number, None)
        if not _followers.logs:
            _followers.nobody_left.set()
            _followers.thread = None


def _sample_for_all(stop: threading.Event) -> None:
    while not stop.wait(_INTERVAL_S):
        with _followers.lock:
            following = list(_followers.logs.items())
        for number, (sampler, log) in following:
            try:
                sample = sampler.sample()
            except OSError:
                continue  # a gauge that cannot be read now may be again in ten seconds
            # Under the lock: a run that ends meanwhile waits in `unfollow`, so that no sample comes after its end.
            # A strict run's loss is raised at its next log call; here it would only end the thread.
            with _followers.lock, contextlib.suppress(StoreError, PodiumWarning):
                if number in _followers.logs:
                    log(sample)


def _forget() -> None:
    # The thread is the parent's, and so are the runs: it samples for them.
    global _followers  # noqa: PLW0603 - the parent may have held its lock at the fork
    _followers = _Followers()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
