"""Events from the operating system, as hints: they say where to look, never what is there.

inotify loses events when its queue runs over and when trees appear faster than watches can be set, so a new folder is a
hint to walk it, and a lost event is a hint to walk everything.
"""

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from watchdog.events import (
    DirCreatedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, ObservedWatch

_EVENTS: list[type[FileSystemEvent]] = [
    FileCreatedEvent,
    FileClosedEvent,
    FileMovedEvent,
    DirCreatedEvent,
    DirMovedEvent,
]
"""Fewer kinds of events leave more room in the kernel's queue for those that count."""
_STOP_WAIT_S = 2.0
_DESCRIPTORS = Path("/proc/self/fdinfo")


@dataclass(frozen=True)
class Hint:
    """Look at `path`, relative to the folder of watch `watch`; a folder is walked, and b"" is the whole tree."""

    watch: str
    path: bytes
    is_folder: bool


class Watcher:
    """Watches the roots that it is told, until `stop`, telling `post` every hint from watchdog's threads."""

    def __init__(self, post: Callable[[Hint], None]) -> None:
        self._post = post
        self._observer: BaseObserver | None = None
        self._watches: dict[str, ObservedWatch] = {}
        self._overflow = _Overflow(self._everything)

    def watch(self, name: str, root: Path) -> str | None:
        """Return once every folder that is there now is watched, afresh if it was before.

        What is returned is the system's reason to refuse: there, only scans will find anything.
        """
        try:
            observer = self._started()
            if name in self._watches:
                observer.unschedule(self._watches.pop(name))
            # inotify is told not to follow links: a root that is one would stay mute.
            real = root.resolve()
            handler = _Handler(name, real, self._post)
            self._watches[name] = observer.schedule(handler, str(real), recursive=True, event_filter=_EVENTS)
        except OSError as error:
            return error.strerror or str(error)
        return None

    def _started(self) -> BaseObserver:
        """Late, because the system may refuse even this."""
        if self._observer is None:
            observer = Observer()
            observer.start()
            logging.getLogger("watchdog.observers").addHandler(self._overflow)
            self._observer = observer
        return self._observer

    def stop(self) -> None:
        """Stop the threads."""
        if self._observer is not None:
            logging.getLogger("watchdog.observers").removeHandler(self._overflow)
            self._observer.stop()
            self._observer.join(_STOP_WAIT_S)

    def _everything(self) -> None:
        for name in list(self._watches):
            self._post(Hint(name, b"", is_folder=True))


def watched_inodes() -> set[int]:
    """Inodes of what this process has inotify watches on, as the kernel says: it may have refused some, and watchdog
    does not tell. Source: proc(5), /proc/[pid]/fdinfo."""
    found = set()
    for descriptor in os.listdir(_DESCRIPTORS):
        try:
            lines = (_DESCRIPTORS / descriptor).read_text().splitlines()
        except OSError:  # closed meanwhile
            continue
        fields = (line.split() for line in lines if line.startswith("inotify "))
        found |= {int(field.removeprefix("ino:"), 16) for line in fields for field in line if field.startswith("ino:")}
    return found


class _Handler(FileSystemEventHandler):
    def __init__(self, watch: str, root: Path, post: Callable[[Hint], None]) -> None:
        self._watch = watch
        self._root = os.fsencode(root)
        self._post = post

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Where something appeared: for a rename its new name."""
        path = os.fsencode(event.dest_path or event.src_path)
        if path.startswith(self._root + b"/"):
            self._post(Hint(self._watch, path[len(self._root) + 1 :], event.is_directory))


class _Overflow(logging.Handler):
    """watchdog tells of lost events in its log only."""

    def __init__(self, lost: Callable[[], None]) -> None:
        super().__init__(logging.WARNING)
        self._lost = lost

    def emit(self, record: logging.LogRecord) -> None:
        """Any warning of its observers means that events may be missing."""
        self._lost()
