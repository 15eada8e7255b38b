"""Builds everything from the configuration, starts it, keeps it alive, stops it in order."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from apscheduler.schedulers.background import BackgroundScheduler

from lowkeyd import chores, config
from lowkeyd.errors import LowkeydError, StoreError
from lowkeyd.folders.outbox import Outbox
from lowkeyd.folders.watcher import Hint, Watcher
from lowkeyd.model import Photo, State
from lowkeyd.notify import notify
from lowkeyd.reload import Reload, has_terminal
from lowkeyd.store import location, lock
from lowkeyd.store.barred import bar, unbar
from lowkeyd.store.mend import mend
from lowkeyd.store.queue import Queue
from lowkeyd.work import memory, worker
from lowkeyd.work.admit import Admission, fingerprint
from lowkeyd.work.child import Child, Serve
from lowkeyd.work.conclude import Conclusion
from lowkeyd.work.control import Control, ask
from lowkeyd.work.dispatch import Dispatcher
from lowkeyd.work.intake import Intake
from lowkeyd.work.publish import Publisher
from lowkeyd.work.rebuild import rebuild
from lowkeyd.work.recover import recover

log = structlog.get_logger()

_TURN_S = 0.5
_BEAT_BUSY_S = 2.0
_BEAT_IDLE_S = 30.0
"""An idle daemon lets the disk sleep."""
_LEFT_BEHIND_S = 86_400.0
"""A hidden file in the outbox that is a day old belongs to no publication any more."""
_REBUILD_STEP_S = 120
"""How long reading one photo and its copy may take on a slow disk: the service manager is told to be patient."""
_RELOADING = "RELOADING=1\nMONOTONIC_USEC={}"
_STALE_S = 90.0
"""A part that gave no sign of life for so long hangs: systemd's watchdog is then no longer fed."""


class Daemon:
    """One state folder, its watches, its outbox and its workers. Use `run`."""

    def __init__(self, settings: config.Config, photos: Queue, serve: Serve, reload: Reload) -> None:
        self._settings = settings
        self._reload = reload
        self.renewed: config.Config | None = None  # the settings that it ended for
        self._serve = serve
        self._photos = photos
        self._roots = {watch.name: watch.path for watch in settings.watch}
        self._wake = threading.Event()
        self._ending = threading.Event()
        self._failure: BaseException | None = None
        self._started_at = time.time()
        self._beat_at = float("-inf")
        self._was_busy = False
        self._publisher = Publisher(photos, Outbox(settings.outbox.path))
        self._intake = Intake(self._roots, settings.settle.quiet_s, photos, self._wake)
        self._dispatchers = [self._dispatcher(device) for device in settings.attack.devices]

    def _dispatcher(self, device: str) -> Dispatcher:
        max_bytes = int(self._settings.worker.max_megabytes * 1e6)
        stamp = fingerprint(self._settings)
        admission = Admission(self._photos, self._publisher, self._roots, max_bytes, stamp)
        copy_no_face = self._settings.outbox.no_face == "copy"
        conclusion = Conclusion(
            self._photos, self._publisher, self._roots, copy_no_face, max_bytes, stamp, self._look_again
        )
        start_child = partial(Child, self._serve, self._settings, device)
        return Dispatcher(device, self._settings.worker, start_child, self._photos, admission, conclusion, self._wake)

    def _look_again(self, photo: Photo) -> None:
        self._intake.post(Hint(photo.watch, photo.path, is_folder=False))

    def run(self, *, once: bool) -> int:
        """Until a signal, or until nothing is left to do if `once`. Returns the exit code. Raises what broke a part."""
        with ExitStack() as stack:
            stack.enter_context(self._signals())
            stack.enter_context(self._thread_failures())
            recover(self._photos, self._publisher)
            self._start(stack, watching=not once)
            log.info("ready", watches=len(self._roots), workers=len(self._dispatchers), once=once)
            notify("READY=1")
            while not self._ending.wait(_TURN_S):
                self._tend()
                if once and self._drained():
                    break
                self.renewed = self._reload.ready(self._settings)
                if self.renewed is not None:
                    break
            notify("STOPPING=1" if self.renewed is None else _RELOADING.format(time.monotonic_ns() // 1000))
            log.info("stopping" if self.renewed is None else "reloading")
        if self._failure is not None:
            raise self._failure
        return self._exit_code() if once else 0

    def _start(self, stack: ExitStack, *, watching: bool) -> None:
        """What starts last stops first: nothing is left to feed a part that has ended."""
        stack.callback(self._beat)
        for dispatcher in self._dispatchers:
            dispatcher.start()
            stack.callback(dispatcher.join)
        stack.callback(self._stop_dispatchers)
        self._intake.start()
        stack.callback(self._intake.join)
        stack.callback(self._intake.stop)
        control = Control(location.control_socket(self._settings.state.path), self._answer)
        stack.callback(control.stop)
        if watching:
            watcher = Watcher(self._roots, self._intake.post)
            stack.callback(watcher.stop)
            for name, reason in watcher.start().items():
                log.warning("no events, only scans", watch=name, reason=reason, every_s=self._settings.scan.every_s)
            scheduler = self._schedule()
            stack.callback(scheduler.shutdown, wait=False)
        self._intake.scan_all()  # after the watches are set: what appears from now on gives an event

    def _stop_dispatchers(self) -> None:
        for dispatcher in self._dispatchers:  # all first, then each is waited for
            dispatcher.stop()

    def _schedule(self) -> BackgroundScheduler:
        # A machine that slept through a scan makes up for it, once.
        scheduler = BackgroundScheduler(timezone="UTC", job_defaults={"misfire_grace_time": None, "coalesce": True})
        outbox = self._publisher.outbox
        scheduler.add_job(self._intake.scan_all, "interval", seconds=self._settings.scan.every_s, id="scan")
        scheduler.add_job(outbox.sweep, "interval", [_LEFT_BEHIND_S], seconds=_LEFT_BEHIND_S, id="sweep")
        chores.schedule(scheduler, self._settings)
        scheduler.start()
        return scheduler

    @contextmanager
    def _signals(self) -> Iterator[None]:
        before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
        if before[signal.SIGHUP] is signal.SIG_IGN:
            del before[signal.SIGHUP]  # started with nohup: it is to outlive its terminal
        for number in before:
            signal.signal(number, lambda *_: self._ending.set())
        if signal.SIGHUP in before and not has_terminal():
            signal.signal(signal.SIGHUP, lambda *_: self._reload.ask())
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

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
        busy = self._busy()
        if busy != self._was_busy or now - self._beat_at >= (_BEAT_BUSY_S if busy else _BEAT_IDLE_S):
            self._was_busy = busy
            self._beat()
        moved_at = [self._intake.moved_at, *(dispatcher.moved_at for dispatcher in self._dispatchers)]
        if now - min(moved_at) < _STALE_S:
            notify("WATCHDOG=1")

    def _beat(self) -> None:
        self._beat_at = time.monotonic()
        report = {
            "workers": [asdict(dispatcher.hands) for dispatcher in self._dispatchers],
            "scanned_at": self._intake.scanned_at,
            "settling": self._intake.settling,
            "memory": memory.mark(),
        }
        self._photos.beat(os.getpid(), self._started_at, time.time(), report)

    def _busy(self) -> bool:
        return any(dispatcher.busy for dispatcher in self._dispatchers) or not self._intake.quiet

    def _drained(self) -> bool:
        """For `--once`: the scan is over and whatever can be done is done. What waits is left for the next run."""
        if self._busy() or self._intake.scanned_at is None:
            return False
        counts = self._photos.counts()
        if counts.get(State.RUNNING) or counts.get(State.PUBLISHING):
            return False
        return not counts.get(State.READY) or all(dispatcher.stuck for dispatcher in self._dispatchers)

    def _exit_code(self) -> int:
        counts = self._photos.counts()
        if any(counts.get(state) for state in (State.READY, State.WAITING)):
            return os.EX_TEMPFAIL
        return 1 if counts.get(State.FAILED) else 0

    def _answer(self, question: Any) -> dict[str, Any]:
        """The control socket's questions: `{"retry": null | [[watch, path], ...]}`, and `ignore`, `unignore` alike."""
        match question:
            case {"retry": None}:
                paths = None
            case {"retry": [*asked]}:
                paths = [_place(place) for place in asked]
            case {"ignore": [*asked]}:
                return {"ignored": bar(self._photos, map(_place, asked), time.time())}
            case {"unignore": [*asked]}:
                count = unbar(self._photos, map(_place, asked), time.time())
                self._wake.set()
                return {"unignored": count}
            case _:
                raise ValueError(f"no such question: {question!r}")
        count = self._photos.retry(paths, time.time())
        self._wake.set()
        return {"retried": count}


def _place(place: Any) -> tuple[str, bytes]:
    match place:
        case [str(watch), str(path)]:
            return watch, os.fsencode(path)
    raise ValueError(f"expected a watch and a path, got {place!r}")


def run(settings: config.Config, *, path: Path | None = None, once: bool = False, serve: Serve = worker.serve) -> int:
    """Be the daemon, with `serve` as what its worker children do, and `path` as the file that SIGHUP has read again.
    Returns the exit code.

    Raises ConfigError for folders that are not as they must be, AlreadyRunning, StoreError, WeightsError.
    """
    config.check_folders(settings)
    state = settings.state.path
    with lock.hold(state):
        if not os.geteuid():
            log.warning("runs as root", advice="give it a user of its own: `lowkeyd install-service`")
        incomplete = mend(state, time.time())
        with Queue(location.database(state)) as photos:
            if incomplete:
                rebuild(photos, settings, patience=_ask_for_patience)
            return _run(settings, photos, serve, Reload(path, config.check_folders), once=once)


def _ask_for_patience() -> None:
    notify(f"EXTEND_TIMEOUT_USEC={_REBUILD_STEP_S * 1_000_000}")


def _run(settings: config.Config, photos: Queue, serve: Serve, reload: Reload, *, once: bool) -> int:
    """New settings reach every part by a new daemon in the same process, which goes on holding the lock."""
    try:
        while True:
            daemon = Daemon(settings, photos, serve, reload)
            code = daemon.run(once=once)
            if daemon.renewed is None:
                return code
            settings = daemon.renewed
    finally:
        reload.stop()


def retry(settings: config.Config, paths: list[tuple[str, bytes]] | None) -> int:
    """Make failed and waiting photos ready again, by way of the daemon if one runs. Returns how many."""
    state: Path = settings.state.path
    if lock.is_held(state):
        asked = None if paths is None else _sendable(paths)
        return int(ask(location.control_socket(state), {"retry": asked})["retried"])
    with _without_daemon(settings) as photos:
        return photos.retry(paths, time.time())


def ignore(settings: config.Config, paths: list[tuple[str, bytes]], *, undo: bool) -> int:
    """Leave photos alone for good, or take that back, by way of the daemon if one runs. Returns how many."""
    state: Path = settings.state.path
    if lock.is_held(state):
        question = "unignore" if undo else "ignore"
        return int(ask(location.control_socket(state), {question: _sendable(paths)})[f"{question}d"])
    with _without_daemon(settings) as photos:
        return (unbar if undo else bar)(photos, paths, time.time())


def _sendable(paths: list[tuple[str, bytes]]) -> list[tuple[str, str]]:
    return [(watch, os.fsdecode(path)) for watch, path in paths]


@contextmanager
def _without_daemon(settings: config.Config) -> Iterator[Queue]:
    """The database, while no daemon runs."""
    state: Path = settings.state.path
    config.check_folders(settings)
    if not os.path.exists(location.database(state)):
        raise StoreError(f"{state}: no database yet; `lowkeyd run` makes it")
    with lock.hold(state), Queue(location.database(state)) as photos:
        yield photos
