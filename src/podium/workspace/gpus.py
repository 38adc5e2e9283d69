"""The gauges of NVIDIA GPUs, as far as their driver gives them; none where there is no driver or no GPU.

Reads through NVML by the package nvidia-ml-py. Keys are MLflow's.
"""

from __future__ import annotations

from typing import Any

__all__ = ["Gpus"]

_MEGABYTE = 1e6


class Gpus:
    """The GPUs of this machine, found when this is made."""

    def __init__(self) -> None:
        self._nvml: Any = None
        self._devices: list[Any] = []
        try:
            import pynvml
        except ImportError:
            return
        try:
            pynvml.nvmlInit()
            self._devices = [
                pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())
            ]
        except pynvml.NVMLError:
            return  # no driver, or none that answers
        self._nvml = pynvml

    def sample(self) -> dict[str, float]:
        """One value a gauge; what a GPU does not tell is left out."""
        values: dict[str, float] = {}
        for index, device in enumerate(self._devices if self._nvml is not None else ()):
            for name, read in _GAUGES.items():
                try:
                    values[f"system/gpu_{index}_{name}"] = float(read(self._nvml, device))
                except self._nvml.NVMLError:
                    continue
        return values


def _used_percentage(nvml: Any, device: Any) -> float:
    memory = nvml.nvmlDeviceGetMemoryInfo(device)
    return float(100.0 * memory.used / memory.total)


def _power_percentage(nvml: Any, device: Any) -> float:
    return float(100.0 * nvml.nvmlDeviceGetPowerUsage(device) / nvml.nvmlDeviceGetEnforcedPowerLimit(device))


_GAUGES = {
    "utilization_percentage": lambda nvml, device: nvml.nvmlDeviceGetUtilizationRates(device).gpu,
    "memory_usage_megabytes": lambda nvml, device: nvml.nvmlDeviceGetMemoryInfo(device).used / _MEGABYTE,
    "memory_usage_percentage": _used_percentage,
    "power_usage_watts": lambda nvml, device: nvml.nvmlDeviceGetPowerUsage(device) / 1000.0,
    "power_usage_percentage": _power_percentage,
}
