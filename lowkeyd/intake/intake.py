"""From hints to settled photos in the queue: drains the watcher's mailbox, waits until files are quiet, scans."""

import itertools
import queue
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass

import structlog

from lowkeyd.folders.scan import Seen, Walk
from lowkeyd.folders.settle import Settling
from lowkeyd.folders.watcher import Hint
from lowkeyd.intake.roots import Roots
from lowkeyd.intake.vanish import Vanished
from lowkeyd.intake.watching import Watching
from lowkeyd.model import Photo, PhotoKey, readable
from lowkeyd.store.queue import Queue

log = structlog.get_logger()

_BATCH = 500
"""Rows per transaction: large enough for a scan to be quick, small enough for the worker to start early."""
_IDLE_S = 2.0
"""The longest nap, so that signs of life do not cease, and a root that goes or comes back is noticed."""

_PATIENCE_S, _PATIENCE = 60.0, 10
"""A file that is not quiet after so many seconds, and as many times the time that it has to be, is waited for by
nobody: a camera may rewrite it for ever."""
_NAMED = 3
_REFUSED_ADVICE = "give the lowkeyd user r and x permission, or leave them out with [[watch]] ignore"


@dataclass(frozen=True)
class _Scan:
    """Walk all of a watch's tree, because it is time to. Unlike a hint it need not be followed twice."""

    watch: str


class Intake(threading.Thread):
    """One thread. `post` may be called from any other; `offered` is told when photos became ready.

    Roots that are offline are left alone until they are back, and are then walked as a whole.
    """

    def __init__(
        self,
        roots: Roots,
        quiet_s: float,
        photos: Queue,
        offered: threading.Event,
        watching: Watching | None = None,
        vanished: Vanished | None = None,
    ) -> None:
        super().__init__(name="intake")
        self._roots = roots
        self._trees = roots.trees
        self._watching = watching
        self._vanished = vanished
        self._quiet_s = quiet_s
        self._photos = photos
        self._offered = offered
        self._mailbox: queue.Queue[Hint | _Scan | None] = queue.Queue()
        self._turn = threading.Lock()  # held while hints are followed
        self._stopping = threading.Event()
        self._settling: Settling[PhotoKey] = Settling(quiet_s, max(_PATIENCE_S, _PATIENCE * quiet_s))
        self._offline: dict[str, str] = {}
        self._walks: dict[tuple[str, bytes], float] = {}  # folders to be walked again, and when (monotonic)
        self.moved_at = time.monotonic()  # its last sign of life
        self.scanned_at: float | None = None
        self.refused: dict[str, list[str]] = {}  # folders that the last walk could not read, by watch

    def post(self, hint: Hint) -> None:
        """Have a path looked at."""
        self._mailbox.put(hint)

    def scan_all(self) -> None:
        """Have every watched tree walked."""
        for watch in self._trees:
            self.scan(watch)

    def scan(self, watch: str) -> None:
        """Have one watched tree walked."""
        self._mailbox.put(_Scan(watch))

    def stop(self) -> None:
        """End the thread soon, even in the middle of a walk."""
        self._stopping.set()
        self._mailbox.put(None)

    @property
    def quiet(self) -> bool:
        """Whether every hint was followed, nothing will soon be quiet, and all that is ready was offered."""
        if not self._turn.acquire(blocking=False):
            return False
        try:
            return not (self._mailbox.unfinished_tasks or self._is_settling() or self._walks)
        finally:
            self._turn.release()

    def _is_settling(self) -> bool:
        return self._settling.is_waited_for(time.monotonic())

    @property
    def settling(self) -> int:
        """How many files are not quiet yet."""
        return len(self._settling)

    def run(self) -> None:
        """Until `stop`."""
        while (hints := self._next_hints()) is not None:
            with self._turn:
                self._welcome()
                self._follow(hints)
                self._look_again()
                for _ in hints:
                    self._mailbox.task_done()

    def _next_hints(self) -> list[Hint | _Scan] | None:
        hints: list[Hint | _Scan] = []
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

    def _welcome(self) -> None:
        """Roots that are back: what happened meanwhile gave no event."""
        self._offline = self._roots.offline()
        for watch in self._roots.returned():
            if self._watching is not None:
                self._watching.renew(watch)
            self.scan(watch)

    def _follow(self, hints: Iterable[Hint | _Scan]) -> None:
        ready = []
        for hint in dict.fromkeys(hints):
            if hint.watch in self._offline:
                continue
            if isinstance(hint, _Scan):
                self._walk(hint.watch, b"")
            elif hint.is_folder:
                self._walk(hint.watch, hint.path)
                # Files that appear while the folder is walked give no event before its watch is set: once more, later.
                self._walks[hint.watch, hint.path] = time.monotonic() + self._quiet_s
            elif self._trees[hint.watch].rules.takes(hint.path):
                seen = self._trees[hint.watch].look(hint.path)
                if seen is None:
                    self._settling.forget((hint.watch, hint.path))
                elif self._is_ready(hint.watch, seen, event=True):
                    ready.append(_photo(hint.watch, seen))
        self._offer(ready)

    def _is_ready(self, watch: str, seen: Seen, *, event: bool) -> bool:
        age_s = time.time() - seen.touched_at
        return self._settling.notice((watch, seen.path), seen.signature, age_s, time.monotonic(), event=event)

    def _walk(self, watch: str, folder: bytes) -> None:
        if self._roots.look(watch) is not None:
            return
        walk = Walk(self._trees[watch], folder, self._go_on)
        seen, count, began = iter(walk), 0, time.monotonic()
        while self._go_on() and (batch := list(itertools.islice(seen, _BATCH))):
            self._take(watch, batch)
            count += len(batch)
        if not folder and self._go_on() and self._roots.look(watch) is None:
            self._walked(watch, walk, count, time.monotonic() - began)

    def _walked(self, watch: str, walk: Walk, count: int, seconds: float) -> None:
        """To the end, and the root was there all the while."""
        self.scanned_at = time.time()
        self._roots.walked(watch, filled=count > 0)
        self._tell_refused(watch, walk.refused)
        if self._watching is not None:
            self._watching.walked(watch, walk.entered, walk.linked, seconds)
            if self._watching.is_deaf(watch):
                self._watching.renew(watch)
        if self._vanished is not None and not (self._is_settling() or self._walks):
            self._vanished.look(watch, self._go_on)

    def _tell_refused(self, watch: str, refused: list[bytes]) -> None:
        """Once, until it changes."""
        names = sorted(readable(folder or b".") for folder in refused)
        if names and names != self.refused.get(watch):
            few = ", ".join(names[:_NAMED])
            log.warning("folders cannot be read", watch=watch, folders=len(names), such_as=few, advice=_REFUSED_ADVICE)
        self.refused[watch] = names

    def _go_on(self) -> bool:
        """A long walk is a sign of life, and no reason to be late for the end."""
        self.moved_at = time.monotonic()
        return not self._stopping.is_set()

    def _take(self, watch: str, batch: list[Seen]) -> None:
        """Of the files that a walk came by, those that the database does not know yet."""
        seen_by_path = {seen.path: seen for seen in batch}
        unknown = self._photos.unknown([_photo(watch, seen) for seen in batch])
        self._offer([photo for photo in unknown if self._is_ready(watch, seen_by_path[photo.path], event=False)])

    def _look_again(self) -> None:
        now = time.monotonic()
        ready = []
        for watch, path in self._settling.due(now):
            seen = self._trees[watch].look(path)
            if seen is None or watch in self._offline:
                self._settling.forget((watch, path))
            elif self._settling.look_again((watch, path), seen.signature, now):
                ready.append(_photo(watch, seen))
        self._offer(ready)
        for watch, folder in [walk for walk, at in self._walks.items() if at <= now]:
            del self._walks[watch, folder]
            self._walk(watch, folder)

    def _offer(self, ready: list[Photo]) -> None:
        if self._photos.offer(ready, time.time()):
            self._offered.set()


def _photo(watch: str, seen: Seen) -> Photo:
    return Photo(watch, seen.path, seen.signature, seen.touched_at)
