"""Guards the watched folders: one whose disk is away, or that another folder stands in for, is offline.

Nobody tells when a disk is unmounted: its folder merely looks empty, and taken at its word that would mean that every
photo was deleted. So a folder is known by device and inode, and by having held photos. Nothing is done about the
photos of an offline root until it is back by itself.
"""

import contextlib
import os
import threading
import time
from dataclasses import dataclass, replace

import structlog

from lowkeyd import config
from lowkeyd.folders.rules import Rules
from lowkeyd.folders.scan import Tree
from lowkeyd.store.notes import KnownRoot, Notes

log = structlog.get_logger()

_SAMPLE = 200
"""Photos to look for in a folder that may be the old one under another device number, as after a restart."""
_ASK_AGAIN_S = 60.0


@dataclass
class _Guarded:
    tree: Tree
    known: KnownRoot | None
    offline: str | None = None
    returned: bool = False
    foreign: tuple[str, float] | None = None
    """A folder in its place that held none of its photos, and when that was seen."""


class Roots:
    """All watched folders, by the watch's name. Methods may be called from any thread."""

    def __init__(self, trees: dict[str, Tree], notes: Notes) -> None:
        self.trees = trees
        self._notes = notes
        self._lock = threading.Lock()
        remembered = notes.roots()
        self._guarded = {
            watch: _Guarded(tree, _of_path(remembered.get(watch), os.fsencode(tree.root)))
            for watch, tree in trees.items()
        }

    def look(self, watch: str) -> str | None:
        """Why the root is offline; None if it is not."""
        with self._lock:
            root = self._guarded[watch]
            reason = self._judge(watch, root)
            if reason != root.offline:
                (log.warning if reason else log.info)("offline" if reason else "online", watch=watch, reason=reason)
                root.returned |= reason is None
                root.offline = reason
            return reason

    def offline(self) -> dict[str, str]:
        """Looks at all: which are offline, and why."""
        return {watch: reason for watch in self.trees if (reason := self.look(watch))}

    def last(self, watch: str) -> str | None:
        """What was found when it was last looked at."""
        return self._guarded[watch].offline

    def returned(self) -> list[str]:
        """Roots that came back since this was asked last: they have to be walked, and watched afresh."""
        with self._lock:
            back = [watch for watch, root in self._guarded.items() if root.returned]
            for watch in back:
                self._guarded[watch].returned = False
        return back

    def walked(self, watch: str, *, filled: bool) -> None:
        """The whole tree was walked, and there were photos in it, or none."""
        with self._lock:
            root = self._guarded[watch]
            if root.known is not None and root.offline is None:
                self._note(watch, root, replace(root.known, filled=filled))

    def accept(self, watch: str) -> None:
        """A person says that the folder which is there now is the right one."""
        with self._lock:
            root = self._guarded[watch]
            if root.known is not None:
                self._note(watch, root, replace(root.known, filled=False))
        self.look(watch)

    def _judge(self, watch: str, root: _Guarded) -> str | None:
        try:
            identity = _which(root.tree)
        except OSError as error:
            return f"it cannot be reached: {error.strerror}"
        if root.known is None:
            self._note(watch, root, KnownRoot(os.fsencode(root.tree.root), identity, filled=False))
        elif root.known.identity != identity:
            if root.known.filled and self._is_foreign(watch, root, identity):
                return f"another folder is in its place; mount its disk, or `lowkeyd accept {watch}` if this is the one"
            root.returned = True
            self._note(watch, root, replace(root.known, identity=identity))
        return None

    def _is_foreign(self, watch: str, root: _Guarded, identity: str) -> bool:
        """Whether the folder that is there now holds no photo of the old one. Of one and the same folder that is asked
        once a minute: in a large library it takes half a second."""
        now = time.monotonic()
        if root.foreign is None or root.foreign[0] != identity or now - root.foreign[1] > _ASK_AGAIN_S:
            holds_known = any(root.tree.look(path) for path in self._notes.some_paths(watch, _SAMPLE))
            root.foreign = None if holds_known else (identity, now)
        return root.foreign is not None

    def _note(self, watch: str, root: _Guarded, known: KnownRoot) -> None:
        if known != root.known:
            self._notes.note_root(watch, known)
            root.known = known


def trees(settings: config.Config) -> dict[str, Tree]:
    """The watched folders. Copies must not be taken for photos, whatever link or mount leads to them."""
    closed = set()
    for folder in (settings.outbox.path, settings.state.path):
        with contextlib.suppress(OSError):  # its disk is away, and nothing leads there
            status = folder.stat()
            closed.add((status.st_dev, status.st_ino))
    return {
        watch.name: Tree(watch.path, Rules(watch.ignore, watch.follow_symlinks, frozenset(closed)))
        for watch in settings.watch
    }


def _of_path(known: KnownRoot | None, path: bytes) -> KnownRoot | None:
    """A watch that was given another folder in the configuration is looked at without prejudice."""
    return known if known is not None and known.path == path else None


def _which(tree: Tree) -> str:
    """Which folder is there. Raises OSError when none is, or it may not be read."""
    descriptor = os.open(tree.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    return f"{status.st_dev}:{status.st_ino}"
