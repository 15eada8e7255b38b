"""The tests' stand-in for NVML: takes the place of the module `pynvml`, and tells what a file says about GPUs.

`Cards` writes that file, whose name is in the environment, so that a daemon in another process is told the same. What
is real around it: everything but the driver's library.
"""

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

VARIABLE = "STAND_IN_NVML"
MB = 1_000_000

opened = 0
"""How often the library was opened and not closed again."""


class Cards:
    """GPUs of 8,000 MB each, and who holds how much of them; `fault` is why the driver does not answer."""

    def __init__(self, file: Path, monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
        self._file = file
        self._names = names or ("GPU-0",)
        self._held: dict[str, dict[str, float | None]] = {name: {} for name in self._names}
        monkeypatch.setenv(VARIABLE, str(file))
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        self.fault("")

    def hold(self, pid: int, mb: float | None, number: int = 0) -> None:
        """A process has so much; None is as much as the driver does not tell, of which there are 1,000 MB."""
        self._held[self._names[number]][str(pid)] = mb
        self.fault("")

    def leave(self, pid: int) -> None:
        for held in self._held.values():
            held.pop(str(pid), None)
        self.fault("")

    def fault(self, what: str) -> None:
        half = self._file.with_suffix(".half")
        half.write_text(json.dumps({"fault": what, "cards": self._held}), encoding="utf-8")
        half.replace(self._file)


# ---- what lowkeyd uses of pynvml


class NVMLError(Exception):
    pass


def _told() -> dict[str, Any]:
    told: dict[str, Any] = json.loads(Path(os.environ[VARIABLE]).read_text(encoding="utf-8"))
    if told["fault"]:
        raise NVMLError(told["fault"])
    return told


def nvmlInit() -> None:
    global opened  # noqa: PLW0603 - as in the library itself
    _told()
    opened += 1


def nvmlShutdown() -> None:
    global opened  # noqa: PLW0603
    opened -= 1


def nvmlDeviceGetHandleByIndex(number: int) -> str:
    names = list(_told()["cards"])
    if number >= len(names):
        raise NVMLError("Invalid Argument")
    return str(names[number])


def nvmlDeviceGetHandleByUUID(name: str) -> str:
    if name not in _told()["cards"]:
        raise NVMLError("Not Found")
    return name


def nvmlDeviceGetMemoryInfo(handle: str) -> SimpleNamespace:
    held = sum(1000 if mb is None else mb for mb in _told()["cards"][handle].values())
    return SimpleNamespace(free=int((8000 - held) * MB))


def nvmlDeviceGetComputeRunningProcesses(handle: str) -> list[SimpleNamespace]:
    held = _told()["cards"][handle]
    return [
        SimpleNamespace(pid=int(pid), usedGpuMemory=None if mb is None else int(mb * MB)) for pid, mb in held.items()
    ]
