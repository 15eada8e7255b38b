"""Whether the daemon does its work: judged by what moves, not by what is merely alive.

A process can be up, all its threads running, and still nothing come out of it. So the questions are: when did a scan
end, is a photo ready that nobody takes, when did the last one come to its end.
"""

from dataclasses import dataclass
from typing import Any

from lowkeyd import config
from lowkeyd.errors import StoreError
from lowkeyd.monitor.finding import Finding, Level
from lowkeyd.monitor.status import Status, take
from lowkeyd.store import location, lookup
from lowkeyd.store.lookup import Progress

_LATE_SCANS = 3
_SCAN_S = 3600.0
"""The first walk over a large library takes its time; so much is always granted."""
_STUCK_S = 3600.0
"""No batch takes longer on any machine that is fit for it: taste."""


@dataclass(frozen=True)
class Signs:
    """All that is judged. `scan_every_s` is the longest time between two scans of one folder."""

    status: Status
    progress: Progress
    scan_every_s: float


def check(settings: config.Config) -> list[Finding]:
    """Look and judge; what cannot be looked at is broken."""
    try:
        return judge(gather(settings))
    except StoreError as error:
        return [Finding(Level.BROKEN, "database", str(error), "See `lowkeyd doctor`.")]


def gather(settings: config.Config) -> Signs:
    """Look. Raises StoreError when there is nothing to look at."""
    status = take(settings, rows=0)
    progress = lookup.progress(location.database(settings.state.path), status.taken_at, status.offline)
    return Signs(status, progress, max(settings.scan.every_s, settings.scan.blind_every_s))


def judge(signs: Signs) -> list[Finding]:
    """Pure: the same signs are always judged alike."""
    daemon = signs.status.photos.daemon
    if not signs.status.alive:
        return [
            Finding(
                Level.BROKEN,
                "daemon",
                "it is not running",
                "Start it: `lowkeyd run`, or `systemctl start lowkeyd` where it is a service.",
            )
        ]
    if daemon is None:
        return [Finding(Level.DEGRADED, "daemon", "it is starting", "Ask again in a moment.")]
    if signs.status.silent_s is not None:
        what = f"no sign of life for {signs.status.silent_s:.0f} s"
        return [Finding(Level.BROKEN, "daemon", what, "Restart it, and look into its log.")]
    return [
        _scan(signs, daemon),
        _queue(signs, daemon),
        *_waiting(signs),
        *_workers(daemon),
        *_roots(signs.status),
        *_configuration(signs.status),
        _disk(signs.status),
    ]


def _scan(signs: Signs, daemon: dict[str, Any]) -> Finding:
    last = daemon["scanned_at"] or daemon["started_at"]
    late_s = signs.status.taken_at - last
    if late_s > max(_SCAN_S, _LATE_SCANS * signs.scan_every_s):
        what = f"no scan has ended for {late_s / 60:.0f} min"
        return Finding(Level.BROKEN, "scan", what, "A disk may hang: try to list the watched folders.")
    return Finding(Level.FINE, "scan", f"the last one ended {late_s / 60:.0f} min ago")


def _queue(signs: Signs, daemon: dict[str, Any]) -> Finding:
    now, since = signs.status.taken_at, signs.progress.claimable_since
    if since is None:
        return Finding(Level.FINE, "queue", "nothing is left to do")
    if hold := daemon.get("hold"):
        level = Level.DEGRADED if hold["kind"] == "space" else Level.FINE
        return Finding(level, "queue", f"held back: {hold['reason']}", "Make room." if level else "")
    moved = max(since, signs.progress.ended_at or 0.0, daemon["started_at"])
    busy_since = [worker["since"] for worker in daemon["workers"] if worker["state"] == "busy"]
    if now - max([moved, *busy_since]) > _STUCK_S:
        what = f"a photo has been ready for {(now - since) / 60:.0f} min, and none came to its end since"
        return Finding(Level.BROKEN, "queue", what, "Look into the log for what the worker says.")
    return Finding(Level.FINE, "queue", "it moves")


def _waiting(signs: Signs) -> list[Finding]:
    since = signs.progress.waiting_since
    if since is None or signs.status.taken_at - since < _STUCK_S:
        return []
    hours, why = (signs.status.taken_at - since) / 3600, signs.progress.waiting_reason
    return [Finding(Level.DEGRADED, "photos", f"one has waited for {hours:.0f} h: {why}", "See `lowkeyd status`.")]


def _workers(daemon: dict[str, Any]) -> list[Finding]:
    return [
        Finding(Level.DEGRADED, f"worker {worker['device']}", worker["state"], "See `lowkeyd doctor`.")
        for worker in daemon["workers"]
        if worker["state"].startswith("waiting") and not worker.get("held")  # what holds them is told as such
    ]


def _roots(status: Status) -> list[Finding]:
    away = [
        Finding(Level.DEGRADED, f"folder {watch}", f"offline: {why}", "Mount it.")
        for watch, why in status.offline.items()
    ]
    advice = "Give the lowkeyd user r and x permission, or leave them out with [[watch]] ignore."
    return away + [
        Finding(Level.DEGRADED, f"folder {watch}", f"parts of it cannot be read: {', '.join(folders)}", advice)
        for watch, folders in status.refused.items()
    ]


def _configuration(status: Status) -> list[Finding]:
    if status.config_refused is None:
        return []
    what = f"the file was refused, the old settings are in force: {status.config_refused}"
    advice = "Mend the file (`lowkeyd config check`), then reload: the next start would not accept it either."
    return [Finding(Level.DEGRADED, "configuration", what, advice)]


def _disk(status: Status) -> Finding:
    if status.outbox_away is not None:
        advice = "Mount it, or `lowkeyd accept --outbox` if copies are to go from now on to the folder that is there."
        return Finding(Level.DEGRADED, "disk", status.outbox_away, advice)
    if status.free_bytes is None:
        return Finding(Level.DEGRADED, "disk", "the outbox cannot be looked at", "Mount its disk, or make the folder.")
    what = f"{status.free_bytes / 1e9:.1f} GB are free for the outbox"
    if status.is_tight:
        return Finding(Level.DEGRADED, "disk", what, "Make room.")
    return Finding(Level.FINE, "disk", what)
