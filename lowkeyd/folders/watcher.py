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

_EVENTS: list[type[FileSystemEvent]] = [
    FileCreatedEvent,
    FileClosedEvent,
    FileMovedEvent,
    DirCreatedEvent,
    DirMovedEvent,
]
"""Fewer kinds of events leave more room in the kernel's queue for those that count."""
_STOP_WAIT_S = 2.0


@dataclass(frozen=True)
class Hint:
    """Look at `path`, relative to the folder of watch `watch`; a folder is walked, and b"" is the whole tree."""

    watch: str
    path: bytes
    is_folder: bool


class Watcher:
    """Watches the roots until `stop`, telling `post` every hint from watchdog's threads."""

    def __init__(self, roots: dict[str, Path], post: Callable[[Hint], None]) -> None:
        self._roots = roots
        self._post = post
        self._observer = Observer()
        self._overflow = _Overflow(self._everything)

    def start(self) -> dict[str, str]:
        """Return once every folder that is there now is watched.

        What is returned are the watches that the system refuses to serve, with its reason: there, only scans will find
        anything.
        """
        logging.getLogger("watchdog.observers").addHandler(self._overflow)
        self._observer.start()
        refused = {}
        for name, root in self._roots.items():
            try:
                # inotify is told not to follow links: a root that is one would stay mute.
                self._watch(name, root.resolve())
            except OSError as error:
                refused[name] = error.strerror or str(error)
        return refused

    def _watch(self, name: str, root: Path) -> None:
        self._observer.schedule(_Handler(name, root, self._post), str(root), recursive=True, event_filter=_EVENTS)

    def stop(self) -> None:
        """Stop the threads."""
        logging.getLogger("watchdog.observers").removeHandler(self._overflow)
        self._observer.stop()
        self._observer.join(_STOP_WAIT_S)

    def _everything(self) -> None:
        for name in self._roots:
            self._post(Hint(name, b"", is_folder=True))


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
