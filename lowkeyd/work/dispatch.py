"""The queue's side of one worker: claims photos, hands them over, files what comes back or what the worker died of."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from lowkeyd import config
from lowkeyd.errors import OutboxUnavailable, PhotoError, TryLater
from lowkeyd.intake.roots import Roots
from lowkeyd.model import Job, Stage
from lowkeyd.store.queue import Queue
from lowkeyd.work import retry
from lowkeyd.work.admit import Admission
from lowkeyd.work.conclude import Conclusion
from lowkeyd.work.gate import Gate, Hold
from lowkeyd.work.sharing import Sharing
from lowkeyd.worker.child import Child
from lowkeyd.worker.messages import Finished, Outcome, Reached, Task
from lowkeyd.worker.supervisor import Hands, Supervisor, WorkerDied

log = structlog.get_logger()

_LOOK_S = 2.0
"""The longest nap: a photo whose waiting time is over is claimed this much later at worst."""
_OUTBOX_PAUSE_S = 10.0
"""Between probes of an outbox that cannot be written."""


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
    """One thread per device. `wake` is set when photos may be ready."""

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
        self._photos = photos
        self._whose_turn = turn
        self._admission = admission
        self._conclusion = conclusion
        self._wake = wake
        self._stopping = threading.Event()
        self._supervisor = Supervisor(device, worker, start_child, self._stopping)
        self._in_hand: dict[int, Job] = {}
        self._stages: dict[int, Stage] = {}
        self._outbox_works = True
        self._moved_at = time.monotonic()
        self.hold: Hold | None = None

    def stop(self) -> None:
        """Release the work in hand and end, within seconds."""
        self._stopping.set()
        self._wake.set()

    @property
    def hands(self) -> Hands:
        """What its worker does."""
        return self._supervisor.hands

    @property
    def moved_at(self) -> float:
        """When there was a sign of life last (monotonic)."""
        return max(self._moved_at, self._supervisor.moved_at)

    @property
    def busy(self) -> bool:
        """Whether photos are in its hands."""
        return bool(self._in_hand)

    @property
    def stuck(self) -> bool:
        """Whether there may be work that it cannot do: it is held, the outbox refuses, or the worker dies before it is
        ready."""
        fails = self._supervisor.failed_starts >= retry.MAX_ATTEMPTS
        return self.hold is not None or not self._outbox_works or fails

    def run(self) -> None:
        """Until `stop`."""
        worked_at = time.monotonic()
        self._crowd()  # what is wrong with it is said now, and not with the first photo
        try:
            while not self._stopping.is_set():
                self._moved_at = time.monotonic()
                if self._turn():
                    worked_at = time.monotonic()
                elif time.monotonic() - worked_at > self._worker.idle_s:
                    self._supervisor.end()
                    self._rest()
        finally:
            self._supervisor.end()
            self._rest()

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
        if self._supervisor.is_up:
            self._work()
        else:
            self._supervisor.start()  # which takes its time: whether work is wanted still is asked again
        return True

    def _crowd(self) -> Hold | None:
        """Other programs on our GPU, if they leave too little of it."""
        if "cpu" in (self._device, self._supervisor.worked_on):
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

    def _work(self) -> None:
        jobs = self._whose_turn.claim(self._worker.photos)
        self._in_hand = {job.id: job for job in jobs}
        try:
            tasks = [task for job in jobs if not self._stopping.is_set() and (task := self._admit(job))]
            if tasks and not self._stopping.is_set():
                self._batch(tasks)
        finally:
            self._release()

    def _admit(self, job: Job) -> Task | None:
        """The task for the worker, or None when there is none, and the job is out of our hands."""
        self._moved_at = time.monotonic()
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

    def _batch(self, tasks: list[Task]) -> None:
        try:
            for message in self._supervisor.batch(tasks):
                match message:
                    case Reached(job, stage):
                        self._stages[job] = stage
                        self._photos.stage(job, stage)
                    case Finished(job, outcome):
                        self._conclude(self._in_hand[job], outcome)
        except WorkerDied as death:
            if death.to_blame:
                self._crashed(death.how)

    def _crashed(self, how: str) -> None:
        for job in list(self._in_hand.values()):
            self._conclusion.crashed(job, self._stages.get(job.id, Stage.ADMIT), how)
            del self._in_hand[job.id]

    def _conclude(self, job: Job, outcome: Outcome) -> None:
        self._moved_at = time.monotonic()
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
        self._supervisor.rest(None if self.hold is None else self.hold.reason)
