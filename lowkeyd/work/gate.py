"""Decides whether any photo may be worked on now, and says why not: paused by a person, quiet hours, no space."""

import shutil
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import structlog

from lowkeyd import config
from lowkeyd.model import readable
from lowkeyd.store.notes import Notes, Pause
from lowkeyd.work import schedule

log = structlog.get_logger()


@dataclass(frozen=True)
class Hold:
    """Nothing is begun, for this reason; until then (seconds since the epoch), if that is known."""

    kind: Literal["paused", "quiet", "space", "gpu"]
    reason: str
    until: float | None = None


class Gate:
    """Asked before photos are claimed; what is in work is finished. Methods may be called from any thread."""

    def __init__(self, hours: config.Schedule, folders: tuple[Path, ...], min_free_mb: float, notes: Notes) -> None:
        self._hours = hours
        self._folders = folders
        self._min_free_mb = min_free_mb
        self._notes = notes
        self._lock = threading.Lock()
        self._pause = notes.pause()
        self._hold: Hold | None = None

    def hold(self, now: float) -> Hold | None:
        """What stands in the way of all work at this moment, if anything does."""
        with self._lock:
            hold = self._paused(now) or self._quiet(now) or self._no_space()
            if (hold and hold.kind) != (self._hold and self._hold.kind):
                log.info("holding" if hold else "working", why=hold.reason if hold else None)
            self._hold = hold
            return hold

    def pause(self, pause: Pause) -> None:
        """A person wants no work done. Outlives the daemon."""
        with self._lock:
            self._notes.note_pause(pause)
            self._pause = pause

    def resume(self) -> bool:
        """A person wants it done again. Returns whether there was a pause."""
        with self._lock:
            was_paused = self._pause is not None
            self._notes.note_pause(None)
            self._pause = None
            return was_paused

    def _paused(self, now: float) -> Hold | None:
        if self._pause is not None and self._pause.until is not None and self._pause.until <= now:
            self._notes.note_pause(None)
            self._pause = None
        return None if self._pause is None else Hold("paused", self._pause.reason, self._pause.until)

    def _quiet(self, now: float) -> Hold | None:
        window, timezone = self._hours.active, self._hours.timezone
        if schedule.is_active(window, timezone, now):
            return None
        if self._hold is not None and self._hold.kind == "quiet" and (self._hold.until or 0.0) > now:
            return self._hold  # looking ahead takes a moment, and the answer stays the same
        return Hold("quiet", f"quiet hours; work is done {window}", schedule.next_start(window, timezone, now))

    def _no_space(self) -> Hold | None:
        for folder in self._folders:
            free_mb = _free_mb(folder)
            if free_mb is not None and free_mb < self._min_free_mb:
                where = f"the disk of {readable(folder)}"
                return Hold("space", f"{where} has {free_mb:.0f} MB left, and {self._min_free_mb:.0f} MB stay free")
        return None


def _free_mb(folder: Path) -> float | None:
    """What may still be written there; None when that cannot be told, which writing will."""
    try:
        return shutil.disk_usage(folder).free / 1e6
    except OSError:
        return None
