"""Leaves a GPU to others who need it: a game, a film, a language model. Asked before photos are given to its worker."""

import structlog

from lowkeyd.machine import gpu
from lowkeyd.machine.gpu import Memory
from lowkeyd.work.gate import Hold

log = structlog.get_logger()

_UNHEEDED = "[worker] free_vram_mb is not heeded"
_OWN_UNKNOWN = (
    "[worker] free_vram_mb is heeded only while no worker runs: the driver does not tell what the worker holds itself"
)


class Sharing:
    """Of one device. `fault` says what keeps it from being shared. Work goes on then: to protect photos is what we are
    here for, to leave the GPU alone is a courtesy, and one that nobody can check would keep them waiting for ever."""

    def __init__(self, free_vram_mb: float) -> None:
        self._wanted_mb = free_vram_mb
        self._hold: Hold | None = None
        self.fault: str | None = None

    def hold(self, device: str, worker: int | None) -> Hold | None:
        """What keeps work waiting for other programs' sake, if anything does; `worker` is the process that is at work
        there for us, whose own memory is not held against it."""
        if not self._wanted_mb:
            return None
        told = gpu.memory(device, worker)
        self._note(told)
        hold = None if isinstance(told, str) else self._judge(told)
        if (hold is None) is not (self._hold is None):
            log.info("holding" if hold else "working", device=device, why=hold.reason if hold else None)
        self._hold = hold
        return hold

    def _note(self, told: Memory | str) -> None:
        fault = f"{_UNHEEDED}: {told}" if isinstance(told, str) else _OWN_UNKNOWN if told.own_mb is None else None
        if fault is not None and fault != self.fault:
            log.warning("gpu not shared", reason=fault)
        self.fault = fault

    def _judge(self, memory: Memory) -> Hold | None:
        if memory.own_mb is None:
            return None  # for all we know, it is our own worker that fills the GPU
        left_mb = memory.free_mb + memory.own_mb
        if left_mb >= self._wanted_mb:
            return None
        what = f"other programs leave {left_mb:,.0f} MB of the GPU's memory, and {self._wanted_mb:,.0f} MB are wanted"
        return Hold("gpu", what)
