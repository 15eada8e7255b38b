"""One snapshot of everything, as `lowkeyd status` prints it and as JSON with a versioned schema."""

import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from lowkeyd import config
from lowkeyd.errors import StoreError
from lowkeyd.model import State
from lowkeyd.monitor import pace
from lowkeyd.monitor.pace import Pace
from lowkeyd.store import location, lock, lookup, snapshot
from lowkeyd.store.lookup import Event
from lowkeyd.store.snapshot import Row, Snapshot
from lowkeyd.work.control import ask

JSON_VERSION = 1
"""Raised when a key of `status --json` changes its meaning or goes; new keys may come without."""
_OF_THE_DAEMON = ("pid", "started_at", "beat_at", "workers", "scanned_at", "settling", "roots", "hold", "outbox_away",
                  "config_refused")  # fmt: skip
"""What is published of its last sign of life; the rest is for its own use."""
_LAST = 5
"""Deliveries that `status` shows."""
_OBSERVED = 200
"""Events that the pace is taken from."""
_ANSWER_S = 2.0
_SILENT_S = 90.0
"""A daemon that is well gives a sign of life every two seconds."""


@dataclass(frozen=True)
class Status:
    """What the daemon has done, is doing and will do. `alive` is whether it runs now; `watched` are the names of the
    folders in the configuration; `last` are the last deliveries, the newest first; `free_bytes` are left for
    copies, as far as that can be told, and fewer than `tight_bytes` are few."""

    alive: bool
    watched: tuple[str, ...]
    taken_at: float
    outbox: Path
    photos: Snapshot
    last: tuple[Event, ...] = ()
    pace: Pace | None = None
    free_bytes: int | None = None
    tight_bytes: float = 0.0

    def count(self, state: State, watch: str | None = None) -> int:
        """Photos in a state, of one watch or of all."""
        return sum(n for (name, s), n in self.photos.counts.items() if s is state and watch in (None, name))

    @property
    def to_go(self) -> int:
        """Photos that are on their way to a copy."""
        return sum(self.count(state) for state in (State.READY, State.RUNNING, State.PUBLISHING))

    @property
    def left_s(self) -> tuple[float, float] | None:
        """How long those will take, at best and at worst; None if that is unknown, or nothing is done about them."""
        if self.pace is None or not self.to_go or not self.alive or self.hold:
            return None
        return self.pace.left_s(self.to_go)

    @property
    def is_tight(self) -> bool:
        """Whether there is hardly room for copies, or that cannot be told."""
        return self.free_bytes is None or self.free_bytes < self.tight_bytes

    @property
    def watches(self) -> list[str]:
        """The watched folders' names, and those that were watched once and have photos still."""
        return list(dict.fromkeys([*self.watched, *sorted(watch for watch, _ in self.photos.counts)]))

    @property
    def roots(self) -> dict[str, dict[str, Any]]:
        """How each folder is watched, and why one is offline, as the daemon said last."""
        return dict(self.photos.daemon.get("roots", {})) if self.photos.daemon else {}

    @property
    def offline(self) -> dict[str, str]:
        """Why which folders are offline: nothing is done about their photos meanwhile."""
        return {watch: str(root["offline"]) for watch, root in self.roots.items() if root.get("offline")}

    @property
    def refused(self) -> dict[str, list[str]]:
        """Folders that cannot be read, by the watch that they lie in."""
        return {watch: list(root["refused"]) for watch, root in self.roots.items() if root.get("refused")}

    @property
    def hold(self) -> dict[str, Any] | None:
        """What holds all work of a daemon that runs: its kind, the reason, and until when if that is known."""
        return self.photos.daemon.get("hold") if self.alive and self.photos.daemon else None

    @property
    def outbox_away(self) -> str | None:
        """Why a daemon that runs does not take the folder that is there for the outbox, if it does not."""
        return self.photos.daemon.get("outbox_away") if self.alive and self.photos.daemon else None

    @property
    def config_refused(self) -> str | None:
        """Why a daemon that runs goes on with its old settings, if it was told to read them again."""
        return self.photos.daemon.get("config_refused") if self.alive and self.photos.daemon else None

    @property
    def silent_s(self) -> float | None:
        """How long the daemon has been silent, if that is a bad sign: it runs, but hangs."""
        if not self.alive or self.photos.daemon is None:
            return None
        silent_s = self.taken_at - float(self.photos.daemon["beat_at"])
        return silent_s if silent_s > _SILENT_S else None

    def as_json(self) -> dict[str, Any]:
        """The whole as JSON values."""
        daemon = self.photos.daemon
        return {
            "version": JSON_VERSION,
            "alive": self.alive,
            "taken_at": self.taken_at,
            "outbox": str(self.outbox),
            "counts": {state.value: self.count(state) for state in State},
            "watches": {watch: {state.value: self.count(state, watch) for state in State} for watch in self.watches},
            "weak": self.photos.weak,
            "left_alone": self.photos.left_alone,
            "daemon": None if daemon is None else {key: daemon.get(key) for key in _OF_THE_DAEMON},
            "running": _as_json(self.photos.running),
            "waiting": _as_json(self.photos.waiting),
            "failed": _as_json(self.photos.failed),
            "last": _as_json(self.last),
            "photos_per_s": None if self.pace is None else self.pace.per_s,
            "left_s": self.left_s,
            "free_bytes": self.free_bytes,
        }


def take(settings: config.Config, rows: int) -> Status:
    """Look. Raises StoreError when there is nothing to look at."""
    database = location.database(settings.state.path)
    photos = snapshot.read(database, rows)
    watched = tuple(watch.name for watch in settings.watch)
    alive = lock.is_held(settings.state.path)
    if alive:
        with suppress(StoreError):  # an idle daemon writes nothing, so it is asked; one that hangs may not answer
            beat = ask(location.control_socket(settings.state.path), {"beat": None}, _ANSWER_S)
            photos = replace(photos, daemon=beat)
    now, ended = time.time(), _ended(database)
    delivered = [event for event in ended if event.state is State.DONE]
    return Status(
        alive=alive,
        watched=watched,
        taken_at=now,
        outbox=settings.outbox.path,
        photos=photos,
        last=tuple(delivered[: min(rows, _LAST)]),
        pace=pace.of([event.at for event in ended], now),
        free_bytes=_free(settings.outbox.path),
        tight_bytes=settings.outbox.tight_bytes,
    )


def _ended(database: Path) -> list[Event]:
    """What happened last; nothing is known of it while the database is still an older version's."""
    with suppress(StoreError):
        return lookup.history(database, _OBSERVED)
    return []


def _free(folder: Path) -> int | None:
    with suppress(OSError):
        return shutil.disk_usage(folder).free
    return None


def _as_json(rows: Iterable[Row | Event]) -> list[dict[str, Any]]:
    return [asdict(row) for row in rows]
