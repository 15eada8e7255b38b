"""What is left of a GPU's memory, and how much of the rest is our own: asked of NVML, which comes with NVIDIA's driver.

The library is opened for each question and closed after it: one that stays open keeps the driver from being replaced.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Memory:
    """Of one GPU, in millions of bytes: what is free, and what the process that was asked about holds, which None
    stands for not being told: in a container, processes have other numbers than NVML knows them by."""

    free_mb: float
    own_mb: float | None


def memory(device: str, own: int | None) -> Memory | str:
    """Of `device` (auto, cuda or cuda:0) and the process `own`, if there is one; or why that cannot be told."""
    try:
        import pynvml
    except ImportError:
        return "the package nvidia-ml-py is missing: `uv sync --extra gpu`, or pip install nvidia-ml-py"
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return f"no NVIDIA driver answers: {error}"
    try:
        handle = _handle(pynvml, device)
        free_mb = pynvml.nvmlDeviceGetMemoryInfo(handle).free / 1e6
        return Memory(free_mb, _own_mb(pynvml.nvmlDeviceGetComputeRunningProcesses(handle), own))
    except pynvml.NVMLError as error:
        return f"NVIDIA's driver does not tell of {device}: {error}"
    finally:
        pynvml.nvmlShutdown()


def _handle(pynvml: Any, device: str) -> Any:
    """CUDA numbers those GPUs only that the user lets it see, by their numbers or by their names."""
    number = int(device.partition(":")[2] or 0)
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return pynvml.nvmlDeviceGetHandleByIndex(number)
    name = visible.split(",")[number].strip() if number < len(visible.split(",")) else ""
    by_name = pynvml.nvmlDeviceGetHandleByUUID
    return pynvml.nvmlDeviceGetHandleByIndex(int(name)) if name.isdecimal() else by_name(name)


def _own_mb(processes: Iterable[Any], own: int | None) -> float | None:
    if own is None:
        return 0.0
    held = [process.usedGpuMemory for process in processes if process.pid == own]
    return None if None in held or not held else sum(held) / 1e6
