"""Keeps one worker for a device: starts it when it is wanted, listens to it, notices how it died, starts it anew."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from lowkeyd import config
from lowkeyd.errors import ConfigError, OutOfMemory
from lowkeyd.worker.child import Child
from lowkeyd.worker.messages import BatchDone, Broken, Finished, Reached, Ready, Stepped, Task, Unfit

log = structlog.get_logger()

_POLL_S = 0.2
"""How soon a stop is noticed while the child works."""
_LONGEST_DELAY_S = 60.0


@dataclass
class Hands:
    """What a worker holds right now, for `status`."""

    device: str
    state: str = "off"
    pid: int | None = None
    start_s: float | None = None
    peak_mb: float | None = None
    photos: int = 0
    faces: int = 0
    done_steps: int = 0
    all_steps: int = 0
    held: bool = False
    fault: str | None = None
    since: float = field(default_factory=time.time)


class WorkerDied(Exception):
    """The worker died while it was listened to. `to_blame`: whether the photos in its hands may be."""

    def __init__(self, how: str, to_blame: bool) -> None:
        super().__init__(how)
        self.how = how
        self.to_blame = to_blame


class Supervisor:
    """Of the worker on one device. `failed_starts`: in a row. `worked_on`: the device where it was ready last, if ever.
    `moved_at` (monotonic): last sign of life. Everything ends within seconds once `stopping` is set."""

    def __init__(
        self, device: str, worker: config.Worker, start_child: Callable[[], Child], stopping: threading.Event
    ) -> None:
        self._device = device
        self._worker = worker
        self._start_child = start_child
        self._stopping = stopping
        self._child: Child | None = None
        self._deaths = 0
        self._served = 0
        self._worn = False
        self.failed_starts = 0
        self.worked_on: str | None = None
        self.moved_at = time.monotonic()
        self.hands = Hands(device)

    @property
    def is_up(self) -> bool:
        """Whether there is a worker that is ready."""
        return self._child is not None

    def start(self) -> None:
        """Have a worker that is ready, or none when it could not be had this time. Raises ConfigError when it never
        will be."""
        if self._stopping.wait(delay_s(self._deaths)):
            return
        self.hands.state = "starting"
        self._child = self._start_child()
        self.hands.pid = self._child.pid
        try:
            self._await_ready(self._child)
        except WorkerDied as death:
            self.failed_starts += 1
            self.hands.state = f"waiting: the worker does not start: it {death.how}"

    def _await_ready(self, child: Child) -> None:
        for message in self._listen(child):
            match message:
                case Ready("cpu", _) if self.worked_on not in (None, "cpu"):
                    return self._wait_for_device(f"{self.worked_on} is gone, and the processor would take for ever")
                case Ready(device, seconds):
                    self.worked_on = device
                    log.info("worker ready", device=device, pid=child.pid, seconds=round(seconds, 2))
                    self.failed_starts = 0
                    self.hands.device, self.hands.start_s = device, round(seconds, 2)
                    return self.rest()
                case Unfit(reason) if self.worked_on is not None:
                    return self._wait_for_device(reason)
                case Unfit(reason):
                    raise ConfigError(reason)

    def _wait_for_device(self, why: str) -> None:
        """It worked here before: a driver may be changed under us, or the machine woke up without its GPU. No photo is
        to blame, so none is taken until the device is back."""
        log.warning("device unavailable", reason=why)
        self.end()
        self._deaths += 1
        self.failed_starts += 1
        self.hands.state = f"waiting: {why}"

    def batch(self, tasks: Sequence[Task]) -> Iterator[Reached[int] | Stepped | Finished]:
        """Have tasks done, and tell what the worker says meanwhile, until all are finished or everything stops. Raises
        WorkerDied."""
        assert self._child is not None
        self.hands.state, self.hands.photos, self.hands.since = "busy", len(tasks), time.time()
        for message in self._listen(self._child, tasks):
            match message:
                case BatchDone(peak_mb):
                    self.hands.peak_mb = round(peak_mb)
                    if self._worn or self._served >= self._worker.recycle:
                        self.end()
                    return
                case Stepped(done, total, faces):
                    self.hands.done_steps, self.hands.all_steps, self.hands.faces = done, total, faces
                case Finished(_, outcome):
                    self._deaths = 0
                    self._served += 1
                    self._worn |= isinstance(outcome, OutOfMemory)
            yield message

    def _listen(self, child: Child, tasks: Sequence[Task] = ()) -> Iterator[Any]:
        """Hand over tasks, then yield what the child says until it dies or we are told to stop. Raises WorkerDied."""
        heard_at = time.monotonic()
        try:
            if tasks:
                child.send(tasks)
        except EOFError:  # it died before it had them
            raise self._bury(child.death()[0], to_blame=False) from None
        while not self._stopping.is_set():
            try:
                message = child.receive(_POLL_S)
            except EOFError:
                how, to_blame = child.death()
                raise self._bury(how, to_blame=to_blame) from None
            self.moved_at = time.monotonic()
            if isinstance(message, Broken):
                log.error("worker broke", trace=message.trace)
                raise self._bury(f"broke: {message.trace.splitlines()[-1]}", to_blame=True)
            if message is not None:
                heard_at = time.monotonic()
                yield message
            elif time.monotonic() - heard_at > self._worker.stall_s:
                child.kill()
                raise self._bury(f"did nothing for {self._worker.stall_s:.0f} s and was ended", to_blame=True)

    def _bury(self, how: str, *, to_blame: bool) -> WorkerDied:
        log.warning("worker died", device=self._device, how=how, photos=self.hands.photos)
        self._deaths += 1
        self.end()
        return WorkerDied(how, to_blame)

    def end(self) -> None:
        """The worker, if there is one."""
        if self._child is not None:
            self._child.end()
            self._child = None
            self._served, self._worn = 0, False
            self.hands.pid = None
            self.rest()

    def rest(self, hold: str | None = None) -> None:
        """Nothing is in its hands, and nothing is to come while there is a `hold`."""
        idle = "idle" if self.is_up else "off"
        self.hands.state = idle if hold is None else f"waiting: {hold}"
        self.hands.held = hold is not None
        self.hands.photos = self.hands.faces = self.hands.done_steps = self.hands.all_steps = 0


def delay_s(deaths: int) -> float:
    """How long to wait before the next start of a worker that has died so often in a row."""
    return min(_LONGEST_DELAY_S, 2.0 ** min(deaths - 1, 10)) if deaths else 0.0
