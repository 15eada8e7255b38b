"""Decides how each root is watched, by events or by scans alone, and says how much of it the events cover."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import structlog

from lowkeyd import config
from lowkeyd.folders.rules import Identity
from lowkeyd.folders.watcher import Hint, Watcher, watched_inodes
from lowkeyd.machine import mounts

log = structlog.get_logger()

_LOCAL = frozenset({
    "ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "bcachefs", "jfs", "reiserfs", "nilfs2", "tmpfs", "ramfs",
    "vfat", "exfat", "msdos", "ntfs3", "ntfs", "hfsplus", "udf", "ecryptfs",
})  # fmt: skip
"""File systems that tell of every write. On others (NFS, SMB, FUSE, overlays, 9p, virtiofs), files appear that this
kernel did not write, so that only scans are sure."""
_LIMIT_ADVICE = "raise fs.inotify.max_user_watches"


@dataclass
class Coverage:
    """How one root is watched: `mode` is events or scan, `reason` why not by events; `watched` of its `folders` have a
    watch, and `linked` lie behind links and can have none, as far as the last walk knows, which ended at `scanned_at`
    and took `scan_s`."""

    mode: str
    reason: str | None = None
    watched: int = 0
    folders: int = 0
    linked: int = 0
    scanned_at: float | None = None
    scan_s: float | None = None


class Watching:
    """All watched folders of the configuration. Used by the intake's thread, once it is started."""

    def __init__(self, watches: tuple[config.Watch, ...], post: Callable[[Hint], None]) -> None:
        self._watches = {watch.name: watch for watch in watches}
        self._watcher = Watcher(post)
        self._coverage: dict[str, Coverage] = {}

    def start(self) -> None:
        """Return once all is watched that can be."""
        for watch in self._watches:
            self.renew(watch)

    def stop(self) -> None:
        """End the threads."""
        self._watcher.stop()

    def renew(self, watch: str) -> None:
        """Watch a root, afresh if it was watched: it may be another folder now."""
        settings = self._watches[watch]
        reason = _why_not(settings.mode, settings.path) or self._watcher.watch(watch, settings.path)
        mode = "events" if reason is None else "scan"
        self._coverage[watch] = Coverage(mode, reason)
        if reason is not None:
            told = log.info if settings.mode == "scan" else log.warning
            told("no events, only scans", watch=watch, reason=reason)

    def walked(self, watch: str, entered: set[Identity], linked: int, seconds: float) -> None:
        """The whole tree was walked: these are its folders, so many of them behind links."""
        coverage = self._coverage[watch]
        was_whole = coverage.watched + coverage.linked >= coverage.folders
        coverage.linked = linked
        coverage.scanned_at, coverage.scan_s = time.time(), round(seconds, 2)
        coverage.folders = len(entered)
        watched = watched_inodes() if coverage.mode == "events" else set()
        coverage.watched = sum(inode in watched for _, inode in entered)
        if was_whole and coverage.mode == "events" and coverage.watched + linked < coverage.folders:
            of = f"{coverage.watched} of {coverage.folders} folders"
            log.warning("watching not all", watch=watch, watching=of, advice=_LIMIT_ADVICE)

    def is_blind(self, watch: str) -> bool:
        """Whether there are folders that give no events."""
        coverage = self._coverage[watch]
        return coverage.mode == "scan" or coverage.watched < coverage.folders

    def is_deaf(self, watch: str) -> bool:
        """Whether no folder gives events although all should: the root was removed and made again meanwhile."""
        coverage = self._coverage[watch]
        return coverage.mode == "events" and coverage.folders > 0 == coverage.watched

    def report(self) -> dict[str, dict[str, Any]]:
        """For `status`."""
        return {watch: asdict(coverage) for watch, coverage in self._coverage.items()}


def _why_not(mode: str, path: Path) -> str | None:
    if mode == "scan":
        return "the configuration says so"
    kind = mounts.kind(path)
    if mode == "auto" and kind not in _LOCAL:
        return f"its file system, {kind or 'of unknown type'}, does not tell of every write"
    return None
