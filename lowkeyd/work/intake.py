"""From hints to settled photos in the queue: drains the watcher's mailbox, waits until files are quiet, scans."""

import queue
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from lowkeyd.folders import scan
from lowkeyd.folders.settle import Settling
from lowkeyd.folders.watcher import Hint
from lowkeyd.model import Photo
from lowkeyd.store.queue import Queue

_BATCH = 500
"""Rows per transaction: large enough for a scan to be quick, small enough for the worker to start early."""
_IDLE_S = 5.0
"""The longest nap, so that signs of life do not cease."""

Key = tuple[str, bytes]


class Intake(threading.Thread):
    """One thread. `post` may be called from any other; `offered` is told when photos became ready."""

    def __init__(self, roots: dict[str, Path], quiet_s: float, photos: Queue, offered: threading.Event) -> None:
        super().__init__(name="intake")
        self._roots = roots
        self._quiet_s = quiet_s
        self._photos = photos
        self._offered = offered
        self._mailbox: queue.SimpleQueue[Hint | None] = queue.SimpleQueue()
        self._settling: Settling[Key] = Settling(quiet_s)
        self._walks: dict[tuple[str, bytes], float] = {}  # folders to be walked again, and when (monotonic)
        self.moved_at = time.monotonic()  # its last sign of life
        self.scanned_at: float | None = None

    def post(self, hint: Hint) -> None:
        """Have a path looked at."""
        self._mailbox.put(hint)

    def scan_all(self) -> None:
        """Have every watched tree walked."""
        for watch in self._roots:
            self.post(Hint(watch, b"", is_folder=True))

    def stop(self) -> None:
        """End the thread at its next turn."""
        self._mailbox.put(None)

    @property
    def quiet(self) -> bool:
        """Whether every hint was followed and nothing is settling."""
        return self._mailbox.empty() and not self._settling and not self._walks

    @property
    def settling(self) -> int:
        """How many files are not quiet yet."""
        return len(self._settling)

    def run(self) -> None:
        """Until `stop`."""
        while (hints := self._next_hints()) is not None:
            self._follow(hints)
            self._look_again()

    def _next_hints(self) -> list[Hint] | None:
        hints: list[Hint] = []
        self.moved_at = time.monotonic()
        try:
            hint = self._mailbox.get(timeout=self._patience_s())
            while hint is not None:
                hints.append(hint)
                if len(hints) == _BATCH:
                    return hints
                hint = self._mailbox.get_nowait()
        except queue.Empty:
            return hints
        return None

    def _patience_s(self) -> float:
        return min(0.5, self._quiet_s) if self._settling or self._walks else _IDLE_S

    def _follow(self, hints: Iterable[Hint]) -> None:
        ready = []
        for hint in dict.fromkeys(hints):
            if hint.is_folder:
                self._walk(hint.watch, hint.path)
                # Files that appear while the folder is walked give no event before its watch is set: once more, later.
                self._walks[hint.watch, hint.path] = time.monotonic() + self._quiet_s
            elif scan.is_photo_name(hint.path):
                ready += self._notice(hint.watch, scan.look(self._roots[hint.watch], hint.path), hint.path)
        self._offer(ready)

    def _notice(self, watch: str, seen: scan.Seen | None, path: bytes) -> list[Photo]:
        if seen is None:
            self._settling.forget((watch, path))
            return []
        if self._settling.notice((watch, path), seen.signature, time.time() - seen.touched_at, time.monotonic()):
            return [Photo(watch, path, seen.signature)]
        return []

    def _walk(self, watch: str, folder: bytes) -> None:
        batch: list[scan.Seen] = []
        for seen in scan.walk(self._roots[watch], folder):
            batch.append(seen)
            if len(batch) == _BATCH:
                self._take(watch, batch)
                batch = []
        self._take(watch, batch)
        if not folder:
            self.scanned_at = time.time()

    def _take(self, watch: str, batch: list[scan.Seen]) -> None:
        """Of the files that a walk came by, those that the database does not know yet."""
        self.moved_at = time.monotonic()
        seen_by_path = {seen.path: seen for seen in batch}
        unknown = self._photos.unknown([Photo(watch, seen.path, seen.signature) for seen in batch])
        self._offer([ready for photo in unknown for ready in self._notice(watch, seen_by_path[photo.path], photo.path)])

    def _look_again(self) -> None:
        now = time.monotonic()
        ready = []
        for watch, path in self._settling.due(now):
            seen = scan.look(self._roots[watch], path)
            if seen is None:
                self._settling.forget((watch, path))
            elif self._settling.look_again((watch, path), seen.signature, now):
                ready.append(Photo(watch, path, seen.signature))
        self._offer(ready)
        for watch, folder in [walk for walk, at in self._walks.items() if at <= now]:
            del self._walks[watch, folder]
            self._walk(watch, folder)

    def _offer(self, ready: list[Photo]) -> None:
        if self._photos.offer(ready, time.time()):
            self._offered.set()
