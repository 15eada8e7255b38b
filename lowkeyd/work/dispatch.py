"""The parent's side of one worker: claims photos, hands them over, files what comes back, and survives its deaths."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import structlog

from lowkeyd import config
from lowkeyd.errors import ConfigError, OutboxUnavailable, OutOfMemory, PhotoError, TryLater
from lowkeyd.model import Job, Stage
from lowkeyd.store.queue import Queue
from lowkeyd.work import retry
from lowkeyd.work.admit import Admission
from lowkeyd.work.child import Child
from lowkeyd.work.conclude import Conclusion
from lowkeyd.work.gate import Gate, Hold
from lowkeyd.work.messages import BatchDone, Broken, Finished, Outcome, Reached, Ready, Stepped, Task, Unfit
from lowkeyd.work.roots import Roots
from lowkeyd.work.sharing import Sharing

log = structlog.get_logger()

_LOOK_S = 2.0
"""The longest nap: a photo whose waiting time is over is claimed this much later at worst."""
_POLL_S = 0.2
"""How soon a stop is noticed while the child works."""
_OUTBOX_PAUSE_S = 10.0
"""Between probes of an outbox that cannot be written."""


@dataclass
class Hands:
    """What a dispatcher holds right now, for `status`."""

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


@dataclass(frozen=True)
class Turn:
    """Which photos may be claimed now, if any."""

    photos: Queue
    gate: Gate
    roots: Roots
    newest_first: bool
    sharing: Sharing
    unsettled: Callable[[], bool]
    """Whether other settings may be about to come: who has them read and then asks for photos means the new ones."""

    def hold(self) -> Hold | None:
        """What stands in the way of all work."""
        return self.gate.hold(time.time())

    def is_anybodys(self) -> bool:
        """Whether a photo can be claimed now."""
        return not self.unsettled() and self.photos.is_due(time.time(), self.roots.offline())

    def claim(self, limit: int) -> list[Job]:
        """Take the next photos."""
        return self.photos.claim(limit, time.time(), self.roots.offline(), newest=self.newest_first)


class Dispatcher(threading.Thread):
    """One thread per device. `wake` is set when photos may be ready. `moved_at` (monotonic): last sign of life."""

    def __init__(
        self,
        device: str,
        worker: config.Worker,
        start_child: Callable[[], Child],
        photos: Queue,
        turn: Turn,
        admission: Admission,
        conclusion: Conclusion,
        wake: threading.Event,
    ) -> None:
        super().__init__(name=f"dispatch {device}")
        self._device = device
        self._worker = worker
        self._start_child = start_child
        self._photos = photos
        self._whose_turn = turn
        self._admission = admission
        self._conclusion = conclusion
        self._wake = wake
        self._stopping = threading.Event()
        self._child: Child | None = None
        self._deaths = 0
        self._died = ""
        self._failed_starts = 0
        self._worked_on: str | None = None
        self._in_hand: dict[int, Job] = {}
        self._stages: dict[int, Stage] = {}
        self._outbox_works = True
        self._served = 0
        self._worn = False
        self.hold: Hold | None = None
        self.moved_at = time.monotonic()
        self.hands = Hands(device)

    def stop(self) -> None:
        """Release the work in hand and end, within seconds."""
        self._stopping.set()
        self._wake.set()

    @property
    def busy(self) -> bool:
        """Whether photos are in its hands."""
        return bool(self._in_hand)

    @property
    def stuck(self) -> bool:
        """Whether there may be work that it cannot do: it is held, the outbox refuses, or the worker dies before it is
        ready."""
        return self.hold is not None or not self._outbox_works or self._failed_starts >= retry.MAX_ATTEMPTS

    def run(self) -> None:
        """Until `stop`."""
        worked_at = time.monotonic()
        self._crowd()  # what is wrong with it is said now, and not with the first photo
        try:
            while not self._stopping.is_set():
                self.moved_at = time.monotonic()
                if self._turn():
                    worked_at = time.monotonic()
                elif time.monotonic() - worked_at > self._worker.idle_s:
                    self._end_child()
        finally:
            self._end_child()

    def _turn(self) -> bool:
        """Work if there is any; False after a nap."""
        hold = self._whose_turn.hold()
        is_due = hold is None and self._whose_turn.is_anybodys()
        if is_due:  # only then is the GPU asked, which may sleep
            hold = self._crowd()
        self.hold = hold
        if hold is not None or not is_due:
            self._rest()
            self._nap(_LOOK_S)
            return False
        if not self._outbox_is_back():
            self._nap(_OUTBOX_PAUSE_S)
            return False
        if self._child is not None:
            self._work(self._child)
        else:
            self._start()  # which takes its time: whether work is wanted still is asked again
        return True

    def _crowd(self) -> Hold | None:
        """Other programs on our GPU, if they leave too little of it."""
        if "cpu" in (self._device, self._worked_on):
            self.hands.fault = None
            return None
        hold = self._whose_turn.sharing.hold(self._device, self.hands.pid)
        self.hands.fault = self._whose_turn.sharing.fault
        return hold

    def _nap(self, seconds: float) -> None:
        self._wake.wait(seconds)
        self._wake.clear()

    def _outbox_is_back(self) -> bool:
        if not self._outbox_works:
            try:
                self._conclusion.publisher.outbox.probe()
            except OutboxUnavailable as error:
                self.hands.state = f"waiting: {error.reason}"
                return False
            self._outbox_works = True
            self._rest()
        return True

    def _start(self) -> None:
        """Have a child that is ready, or none when it could not be had this time."""
        if self._stopping.wait(retry.restart_delay_s(self._deaths)):
            return
        self.hands.state = "starting"
        self._child = self._start_child()
        self.hands.pid = self._child.pid
        for message in self._listen(self._child):
            match message:
                case Ready("cpu", _) if self._worked_on not in (None, "cpu"):
                    return self._wait_for_device(f"{self._worked_on} is gone, and the processor would take for ever")
                case Ready(device, seconds):
                    self._worked_on = device
                    log.info("worker ready", device=device, pid=self._child.pid, seconds=round(seconds, 2))
                    self._failed_starts = 0
                    self.hands.device, self.hands.start_s = device, round(seconds, 2)
                    return self._rest()
                case Unfit(reason) if self._worked_on is not None:
                    return self._wait_for_device(reason)
                case Unfit(reason):
                    raise ConfigError(reason)
        self._failed_starts += 1
        if not self._stopping.is_set():
            self.hands.state = f"waiting: the worker does not start: it {self._died}"

    def _wait_for_device(self, why: str) -> None:
        """It worked here before: a driver may be changed under us, or the machine woke up without its GPU. No photo is
        to blame, so none is taken until the device is back."""
        log.warning("device unavailable", reason=why)
        self._end_child()
        self._deaths += 1
        self._failed_starts += 1
        self.hands.state = f"waiting: {why}"

    def _work(self, child: Child) -> None:
        jobs = self._whose_turn.claim(self._worker.photos)
        self._in_hand = {job.id: job for job in jobs}
        try:
            tasks = [task for job in jobs if not self._stopping.is_set() and (task := self._admit(job))]
            if tasks and not self._stopping.is_set():
                self.hands.state, self.hands.photos, self.hands.since = "busy", len(tasks), time.time()
                self._batch(child, tasks)
        finally:
            self._release()

    def _admit(self, job: Job) -> Task | None:
        """The task for the child, or None when there is none, and the job is out of our hands."""
        self.moved_at = time.monotonic()
        try:
            admitted = self._admission.admit(job)
        except (PhotoError, TryLater) as error:
            self._conclude(job, error)
            return None
        if admitted is None:
            del self._in_hand[job.id]
            return None
        self._stages[job.id] = Stage.ADMIT
        return Task(job.id, admitted.path, admitted.sha256)

    def _batch(self, child: Child, tasks: list[Task]) -> None:
        for message in self._listen(child, tasks):
            match message:
                case Reached(job, stage):
                    self._stages[job] = stage
                    self._photos.stage(job, stage)
                case Stepped(done, total, faces):
                    self.hands.done_steps, self.hands.all_steps, self.hands.faces = done, total, faces
                case Finished(job, outcome):
                    self._deaths = 0
                    self._served += 1
                    self._worn |= isinstance(outcome, OutOfMemory)
                    self._conclude(self._in_hand[job], outcome)
                case BatchDone(peak_mb):
                    self.hands.peak_mb = round(peak_mb)
                    if self._worn or self._served >= self._worker.recycle:
                        self._end_child()
                    return

    def _conclude(self, job: Job, outcome: Outcome) -> None:
        self.moved_at = time.monotonic()
        try:
            self._conclusion.conclude(job, outcome)
        except OutboxUnavailable as error:
            log.warning("outbox unavailable", reason=error.reason)
            self._outbox_works = False
        del self._in_hand[job.id]

    def _release(self) -> None:
        """Whatever happened, no photo stays in our hands."""
        for job in self._in_hand.values():
            self._photos.release(job, time.time())
        self._in_hand.clear()
        self._stages.clear()
        self._rest()

    def _rest(self) -> None:
        rest = "idle" if self._child is not None else "off"
        self.hands.state = rest if self.hold is None else f"waiting: {self.hold.reason}"
        self.hands.held = self.hold is not None
        self.hands.photos = self.hands.faces = self.hands.done_steps = self.hands.all_steps = 0

    def _listen(self, child: Child, tasks: list[Task] | None = None) -> Iterator[Any]:
        """Hand over tasks, then yield what the child says until it dies or we are told to stop."""
        heard_at = time.monotonic()
        try:
            if tasks:
                child.send(tasks)
        except EOFError:  # it died before it had them
            return self._bury(child.death()[0], False)
        try:
            while not self._stopping.is_set():
                message = child.receive(_POLL_S)
                self.moved_at = time.monotonic()
                if isinstance(message, Broken):
                    log.error("worker broke", trace=message.trace)
                    return self._bury(f"broke: {message.trace.splitlines()[-1]}", True)
                if message is not None:
                    heard_at = time.monotonic()
                    yield message
                elif time.monotonic() - heard_at > self._worker.stall_s:
                    child.kill()
                    return self._bury(f"did nothing for {self._worker.stall_s:.0f} s and was ended", True)
        except EOFError:
            self._bury(*child.death())

    def _bury(self, how: str, to_blame: bool) -> None:
        log.warning("worker died", device=self._device, how=how, photos=len(self._in_hand))
        self._deaths += 1
        self._died = how
        self._end_child()
        if to_blame:
            for job in list(self._in_hand.values()):
                self._conclusion.crashed(job, self._stages.get(job.id, Stage.ADMIT), how)
                del self._in_hand[job.id]

    def _end_child(self) -> None:
        if self._child is not None:
            self._child.end()
            self._child = None
            self._served, self._worn = 0, False
            self.hands.pid = None
            self._rest()
