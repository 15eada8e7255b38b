"""Builds everything from the configuration, starts it, keeps it alive, stops it in order."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from lowkeyd import chores, config, wishes
from lowkeyd.attack.networks import catalogue
from lowkeyd.errors import ConfigError, LowkeydError
from lowkeyd.folders.outbox import Outbox
from lowkeyd.folders.watcher import Hint
from lowkeyd.intake import outbox_disk
from lowkeyd.intake.check import check_folders
from lowkeyd.intake.intake import Intake
from lowkeyd.intake.outbox_disk import OutboxDisk
from lowkeyd.intake.roots import Roots, trees
from lowkeyd.intake.vanish import Vanished
from lowkeyd.intake.watching import Watching
from lowkeyd.machine import memory
from lowkeyd.machine.notify import notify
from lowkeyd.model import Photo, State
from lowkeyd.reload import Reload, has_terminal
from lowkeyd.store import location, lock
from lowkeyd.store.departures import Departures
from lowkeyd.store.mend import mend
from lowkeyd.store.notes import Notes
from lowkeyd.store.queue import Queue
from lowkeyd.work.admit import Admission, fingerprint
from lowkeyd.work.conclude import Conclusion
from lowkeyd.work.control import Control
from lowkeyd.work.dispatch import Dispatcher, Turn
from lowkeyd.work.gate import Gate, Hold
from lowkeyd.work.publish import Publisher
from lowkeyd.work.rebuild import rebuild
from lowkeyd.work.recover import recover
from lowkeyd.work.sharing import Sharing
from lowkeyd.worker import worker
from lowkeyd.worker.child import Child, Serve

log = structlog.get_logger()

_TURN_S = 0.5
_BEAT_S = 2.0
_REFUSED_NAMED = 20
"""Folders that cannot be read which a sign of life names."""
_SET_BACK_S = 5.0
"""Less than that is a time service's work, and nobody minds."""
_LEFT_BEHIND_S = 86_400.0
"""A hidden file in the outbox that is a day old belongs to no publication any more."""
_JITTER = 0.1
"""Of the time between two scans: how much earlier or later one may come."""
_REBUILD_STEP_S = 120
"""How long reading one photo and its copy may take on a slow disk: the service manager is told to be patient."""
_RELOADING = "RELOADING=1\nMONOTONIC_USEC={}"
_STALE_S = 90.0
"""A part that gave no sign of life for so long hangs: systemd's watchdog is then no longer fed."""


class Daemon:
    """One state folder, its watches, its outbox and its workers. Use `run`."""

    def __init__(
        self,
        settings: config.Config,
        photos: Queue,
        serve: Serve,
        reload: Reload,
        ending: threading.Event,
        *,
        once: bool,
    ) -> None:
        self._settings = settings
        self._reload = reload
        self.renewed: config.Config | None = None  # the settings that it ended for
        self._once = once
        self._serve = serve
        self._photos = photos
        notes = Notes(photos)
        self._roots = Roots(trees(settings), notes)
        self._wake = threading.Event()
        self._ending = ending
        self._failure: BaseException | None = None
        self._started_at = time.time()
        self._beat_at = float("-inf")
        self._ahead_s = time.time() - time.monotonic()
        self._last_beat: dict[str, Any] = {}
        self._was_at_work = False
        folders = (settings.outbox.path, settings.state.path)
        self._gate = Gate(settings.schedule, folders, settings.outbox.min_free_mb, notes)
        self._outbox_disk = OutboxDisk(settings.outbox.path, notes)
        watched = [watch.path for watch in settings.watch]
        self._publisher = Publisher(photos, Outbox(settings.outbox.path, self._outbox_disk.require, watched))
        vanished = Vanished(Departures(photos), self._roots, self._publisher.outbox, settings.outbox.on_delete)
        self._watching = None if once else Watching(settings.watch, self._post)
        self._intake = Intake(self._roots, settings.settle.quiet_s, photos, self._wake, self._watching, vanished)
        self._scan_every_s: dict[str, float] = {}
        self._scheduler = BackgroundScheduler(
            timezone="UTC",
            # A machine that slept through a scan makes up for it, once.
            job_defaults={"misfire_grace_time": None, "coalesce": True},
        )
        self._dispatchers = [self._dispatcher(device) for device in settings.attack.devices]

    def _dispatcher(self, device: str) -> Dispatcher:
        max_bytes = int(self._settings.worker.max_megabytes * 1e6)
        stamp = fingerprint(self._settings)
        admission = Admission(
            self._photos,
            self._publisher,
            self._roots,
            max_bytes,
            stamp,
            follow_renames=self._settings.outbox.on_rename == "follow",
            deliver_weak=self._settings.outbox.weak == "deliver",
        )
        conclusion = Conclusion(self._photos, self._publisher, self._roots, stamp, self._look_again)
        start_child = partial(Child, self._serve, self._settings, device)
        newest_first = self._settings.queue.order == "newest"
        sharing = Sharing(self._settings.worker.free_vram_mb)
        turn = Turn(self._photos, self._gate, self._roots, newest_first, sharing, self._unsettled)
        return Dispatcher(
            device, self._settings.worker, start_child, self._photos, turn, admission, conclusion, self._wake
        )

    def _unsettled(self) -> bool:
        return self._reload.pending or self.renewed is not None

    def _post(self, hint: Hint) -> None:
        self._intake.post(hint)

    def _look_again(self, photo: Photo) -> None:
        self._post(Hint(photo.watch, photo.path, is_folder=False))

    def run(self) -> int:
        """Until `ending`, or until nothing is left to do if `once`. Returns the exit code. Raises what broke a part."""
        with ExitStack() as stack:
            stack.enter_context(self._thread_failures())
            self._outbox_disk.require()  # what was cut short can only be settled where its copy is
            recover(self._photos, self._publisher)
            self._start(stack)
            log.info("ready", watches=len(self._roots.trees), workers=len(self._dispatchers), once=self._once)
            notify("READY=1")
            while not self._ending.wait(_TURN_S):
                self._tend()
                if self._once and self._drained():
                    break
                self.renewed = self._reload.ready(self._settings)
                if self.renewed is not None:
                    break
            notify("STOPPING=1" if self.renewed is None else _RELOADING.format(time.monotonic_ns() // 1000))
            log.info("stopping" if self.renewed is None else "reloading")
        if self._failure is not None:
            raise self._failure
        if self._once:
            chores.once(self._settings)
        return self._exit_code() if self._once else 0

    def _start(self, stack: ExitStack) -> None:
        """What starts last stops first: nothing is left to feed a part that has ended."""
        stack.callback(self._beat)
        for dispatcher in self._dispatchers:
            dispatcher.start()
            stack.callback(dispatcher.join)
        stack.callback(self._stop_dispatchers)
        if self._watching is not None:
            stack.callback(self._watching.stop)
            self._watching.start()
        self._intake.start()
        stack.callback(self._intake.join)
        stack.callback(self._intake.stop)
        self._beat()
        control = Control(location.control_socket(self._settings.state.path), self._answer)
        stack.callback(control.stop)
        if not self._once:
            sweep = self._publisher.outbox.sweep
            self._scheduler.add_job(sweep, "interval", [_LEFT_BEHIND_S], seconds=_LEFT_BEHIND_S, id="sweep")
            cut_short = chores.schedule(self._scheduler, self._settings)
            self._scheduler.start()
            stack.callback(self._scheduler.shutdown, wait=False)
            stack.callback(cut_short)
        self._intake.scan_all()  # after the watches are set: what appears from now on gives an event

    def _stop_dispatchers(self) -> None:
        for dispatcher in self._dispatchers:  # all first, then each is waited for
            dispatcher.stop()

    def _schedule(self, watching: Watching) -> None:
        """Trees that give no events, or not all, are walked more often. Jitter keeps several from starting at once."""
        for watch in self._roots.trees:
            scan = self._settings.scan
            every_s = scan.blind_every_s if watching.is_blind(watch) else scan.every_s
            if self._scan_every_s.get(watch) != every_s:
                self._scan_every_s[watch] = every_s
                self._scheduler.add_job(
                    self._intake.scan,
                    IntervalTrigger(seconds=every_s, jitter=every_s * _JITTER),
                    [watch],
                    id=f"scan {watch}",
                    replace_existing=True,
                )

    @contextmanager
    def _thread_failures(self) -> Iterator[None]:
        """A dead thread must stop the daemon, which systemd starts again; unseen, its queue would merely look full."""
        before = threading.excepthook
        threading.excepthook = self._fail
        try:
            yield
        finally:
            threading.excepthook = before

    def _fail(self, args: threading.ExceptHookArgs) -> None:
        self._failure = self._failure or args.exc_value
        if not isinstance(args.exc_value, LowkeydError):
            log.error("a part of the daemon broke", part=args.thread and args.thread.name, exc_info=args.exc_value)
        self._ending.set()

    def _tend(self) -> None:
        now = time.monotonic()
        self._mind_the_clock(now)
        if self._watching is not None:
            self._schedule(self._watching)
        at_work = any(dispatcher.busy for dispatcher in self._dispatchers)
        if at_work != self._was_at_work or now - self._beat_at >= _BEAT_S:
            self._beat(kept=at_work or self._was_at_work)
            self._was_at_work = at_work
        moved_at = [self._intake.moved_at, *(dispatcher.moved_at for dispatcher in self._dispatchers)]
        if now - min(moved_at) < _STALE_S:
            notify("WATCHDOG=1")

    def _mind_the_clock(self, now: float) -> None:
        """What is due at some time of the day would be late by as much as the clock was set back."""
        before_s, self._ahead_s = self._ahead_s, time.time() - now
        if (back_s := before_s - self._ahead_s) < _SET_BACK_S:
            return
        log.warning("the clock was set back", seconds=round(back_s))
        self._photos.clock_set_back(back_s, time.time())
        for job in self._scheduler.get_jobs():
            job.modify(next_run_time=datetime.now(UTC))

    def _beat(self, *, kept: bool = True) -> None:
        """A sign of life for who asks, and for the next start if it is `kept`: with no photo in hand nothing depends on
        it, and the disk may sleep."""
        self._beat_at, now = time.monotonic(), time.time()
        report = {
            "workers": [asdict(dispatcher.hands) for dispatcher in self._dispatchers],
            "scanned_at": self._intake.scanned_at,
            "settling": self._intake.settling,
            **self._circumstances(),
            "memory": memory.mark(),
        }
        self._last_beat = {"pid": os.getpid(), "started_at": self._started_at, "beat_at": now, **report}
        if kept:
            self._photos.beat(os.getpid(), self._started_at, now, report)

    def _circumstances(self) -> dict[str, Any]:
        """How each folder is watched, why it or the outbox is away if it is, and what holds all work."""
        coverage = {} if self._watching is None else self._watching.report()
        roots = {
            watch: coverage.get(watch, {})
            | {"offline": self._roots.last(watch), "refused": self._intake.refused.get(watch, [])[:_REFUSED_NAMED]}
            for watch in self._roots.trees
        }
        hold = self._gate.hold(time.time()) or self._crowd()
        away = self._outbox_disk.away()
        held = None if hold is None else asdict(hold)
        return {"roots": roots, "hold": held, "outbox_away": away, "config_refused": self._reload.refused}

    def _crowd(self) -> Hold | None:
        """Other programs, where they leave none of our devices free."""
        holds = [dispatcher.hold for dispatcher in self._dispatchers]
        return holds[0] if all(hold is not None and hold.kind == "gpu" for hold in holds) else None

    def _busy(self) -> bool:
        return any(dispatcher.busy for dispatcher in self._dispatchers) or not self._intake.quiet

    def _drained(self) -> bool:
        """For `--once`: the scan is over and whatever can be done is done. What waits is left for the next run."""
        offline = self._roots.offline()
        if self._busy() or (self._intake.scanned_at is None and len(offline) < len(self._roots.trees)):
            return False
        counts = self._photos.counts(offline)
        if counts.get(State.RUNNING) or counts.get(State.PUBLISHING):
            return False
        return not counts.get(State.READY) or all(dispatcher.stuck for dispatcher in self._dispatchers)

    def _exit_code(self) -> int:
        counts = self._photos.counts()
        if self._intake.settling or any(counts.get(state) for state in (State.READY, State.WAITING)):
            return os.EX_TEMPFAIL
        return 1 if self._photos.failed_since(self._started_at) else 0

    def _answer(self, question: Any) -> dict[str, Any]:
        """What is asked at the control socket."""
        if question == {"beat": None}:
            return self._last_beat | self._circumstances()  # as they are now; the rest is as old as `beat_at`
        reply = wishes.answer(question, self._photos, self._gate, self._roots, self._outbox_disk)
        self._wake.set()
        return reply


def run(settings: config.Config, *, path: Path | None = None, once: bool = False, serve: Serve = worker.serve) -> int:
    """Be the daemon, with `serve` as what its worker children do, and `path` as the file that SIGHUP has read again.
    Returns the exit code.

    Raises ConfigError for folders that are not as they must be, OutboxUnavailable when the outbox's disk is away,
    AlreadyRunning, StoreError, WeightsError.
    """
    check_folders(settings)
    catalogue.require(settings.attack.networks, settings.attack.models)
    state = settings.state.path
    with lock.hold(state):
        if not os.geteuid():
            log.warning("runs as root", advice="give it a user of its own: `lowkeyd install-service`")
        incomplete = mend(state, time.time())
        with Queue(location.database(state)) as photos:
            if incomplete:
                rebuild(photos, settings, patience=_ask_for_patience)
            return _run(settings, photos, serve, Reload(path, _check), once=once)


def _check(settings: config.Config) -> None:
    """Of new settings: their folders, and that the outbox is there. Raises ConfigError."""
    check_folders(settings)
    if (away := outbox_disk.fault(settings)) is not None:
        raise ConfigError(away)


def _ask_for_patience() -> None:
    notify(f"EXTEND_TIMEOUT_USEC={_REBUILD_STEP_S * 1_000_000}")


def _run(settings: config.Config, photos: Queue, serve: Serve, reload: Reload, *, once: bool) -> int:
    """New settings reach every part by a new daemon in the same process, which goes on holding the lock."""
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN and not has_terminal():
        signal.signal(signal.SIGHUP, lambda *_: reload.ask())
    ending = threading.Event()
    try:
        with _signals(ending):  # also between two daemons, where what is asked for must not be lost
            while True:
                daemon = Daemon(settings, photos, serve, reload, ending, once=once)
                code = daemon.run()
                if daemon.renewed is None or ending.is_set():
                    return code
                settings = daemon.renewed
    finally:
        reload.stop()


@contextmanager
def _signals(ending: threading.Event) -> Iterator[None]:
    """What asks for the end sets `ending`."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    if before[signal.SIGHUP] is not signal.SIG_DFL:
        del before[signal.SIGHUP]  # it asks for a reload, or, with nohup, for nothing
    for number in before:
        signal.signal(number, lambda *_: ending.set())
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
