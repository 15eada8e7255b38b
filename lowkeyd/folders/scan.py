"""The sure walk over a watched tree: it finds what events missed, and says what a path is right now."""

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lowkeyd.folders.rules import Identity, Rules
from lowkeyd.model import Signature

_MOST_NS = 2**63 - 1
"""SQLite's largest integer. As a time it is in the year 2262: a file may say that it is from a later one."""


@dataclass(frozen=True)
class Seen:
    """A photo's file as it lies there: `path` relative to the watched folder; `touched_at`, seconds since the epoch,
    is the later of its last write and its last rename, which a copy that keeps the old date cannot fake."""

    path: bytes
    signature: Signature
    touched_at: float


@dataclass(frozen=True)
class Tree:
    """A watched folder, and what of it is looked at."""

    root: Path
    rules: Rules = field(default_factory=Rules)

    def absolute(self, path: bytes) -> bytes:
        """The path as the operating system takes it."""
        return os.path.join(os.fsencode(self.root), path)

    def look(self, path: bytes) -> Seen | None:
        """The file as it is now, or None when it is gone, no regular file, or out of reach."""
        try:
            return _seen(path, os.stat(self.absolute(path), follow_symlinks=self.rules.follow))
        except OSError:
            return None

    def is_gone(self, path: bytes) -> bool:
        """Whether nothing of that name is there: a file that is out of reach only may come back."""
        try:
            os.lstat(self.absolute(path))
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:
            return False
        return False


class Walk:
    """Every photo in the tree, or in the folder `under` of it (relative), if a walk of all comes there; streamed.

    `go_on` is asked before each folder, also where there are no photos. Folders that vanish or cannot be read meanwhile
    are passed over: the next walk comes by again. None is entered twice, so that links and mounts cannot lead it in
    circles. `entered` are those that were, `linked` of them behind links, which are followed last; `refused` are those
    that are there and cannot be read.
    """

    def __init__(self, tree: Tree, under: bytes = b"", go_on: Callable[[], bool] = lambda: True) -> None:
        self._tree = tree
        self._under = under
        self._go_on = go_on
        self._links: set[bytes] = set()
        self._behind_links = False
        self.entered: set[Identity] = set()
        self.linked = 0
        self.refused: list[bytes] = []

    def __iter__(self) -> Iterator[Seen]:
        pending = [self._under] if self._tree.rules.reaches(self._under) else []
        while pending and self._go_on():
            folder = pending.pop()
            self._behind_links |= folder in self._links
            try:
                yield from self._folder(folder, pending)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError:
                self.refused.append(folder)

    def _folder(self, folder: bytes, pending: list[bytes]) -> Iterator[Seen]:
        rules, absolute = self._tree.rules, self._tree.absolute(folder)
        status = os.stat(absolute)
        identity = status.st_dev, status.st_ino
        if identity in self.entered or identity in rules.closed:
            return
        with os.scandir(absolute) as entries:
            self.entered.add(identity)
            self.linked += self._behind_links
            for entry in entries:
                path = folder + b"/" + entry.name if folder else entry.name
                if self._is_folder(path, entry):
                    if rules.enters(path):
                        self._enter_later(path, entry, pending)
                elif rules.takes_here(path) and (seen := _listed(path, entry, rules.follow)):
                    yield seen

    def _is_folder(self, path: bytes, entry: "os.DirEntry[bytes]") -> bool:
        try:
            return entry.is_dir(follow_symlinks=self._tree.rules.follow)
        except OSError:  # a link that leads to itself, or to where nobody may look
            self.refused.append(path)
            return False

    def _enter_later(self, path: bytes, entry: "os.DirEntry[bytes]", pending: list[bytes]) -> None:
        """Links last: what they lead to, if it is in this tree, has been entered by its own name then."""
        if entry.is_symlink():
            self._links.add(path)
            pending.insert(0, path)
        else:
            pending.append(path)


def _listed(path: bytes, entry: "os.DirEntry[bytes]", follow: bool) -> Seen | None:
    """As `look`, in a fraction of the time; a file that vanishes meanwhile spoils nothing for its neighbours."""
    try:
        return _seen(path, entry.stat(follow_symlinks=follow))
    except OSError:
        return None


def _seen(path: bytes, status: os.stat_result) -> Seen | None:
    if not stat.S_ISREG(status.st_mode):
        return None
    mtime_ns = max(-_MOST_NS, min(status.st_mtime_ns, _MOST_NS))
    return Seen(path, Signature(status.st_size, mtime_ns), max(status.st_mtime, status.st_ctime))
