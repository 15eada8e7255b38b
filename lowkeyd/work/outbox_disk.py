"""Guards the outbox: when its disk is unmounted, a folder of its name is there still, on the disk below. What is
written there is out of sight once the disk is back, and what is on the disk looks as if it were gone.

So the outbox is known by the path that it has in its own file system. Restarts and other device numbers leave that as
it was, and an unmounted disk does not.
"""

import os
from pathlib import Path

import structlog

from lowkeyd import mounts
from lowkeyd.errors import OutboxUnavailable
from lowkeyd.store.notes import KnownRoot, Notes

log = structlog.get_logger()

NAME = "/outbox"
"""Under which it is noted among the watched folders, none of which can have a slash in its name."""
_ADVICE = "Mount it, or `lowkeyd accept --outbox` if copies are to go from now on to the folder that is there."


class OutboxDisk:
    """Where the outbox lies, and lay when it was seen first. Methods may be called from any thread."""

    def __init__(self, folder: Path, notes: Notes) -> None:
        self._folder = folder
        self._notes = notes
        known = notes.roots().get(NAME)
        self._known = known.identity if known is not None and known.path == os.fsencode(folder) else None

    def require(self) -> None:
        """Raises OutboxUnavailable when the outbox, or its disk, is away."""
        if (reason := self.away()) is not None:
            raise OutboxUnavailable(reason, advice=_ADVICE)

    def away(self) -> str | None:
        """Why it is away; None if it is not."""
        if not self._folder.is_dir():
            return f"the outbox is not there: {self._folder}"
        here = mounts.place(self._folder)
        if not here or here == self._known:
            return None
        if self._known is not None and not self._known.endswith(here.rstrip("/")):
            return f"the outbox's disk is not mounted: {self._folder} is now {here} on another one"
        self.accept()  # the first time, or a disk was mounted where there was none
        return None

    def accept(self) -> None:
        """From now on it is the folder that is there."""
        self._known = mounts.place(self._folder)
        self._notes.note_root(NAME, KnownRoot(os.fsencode(self._folder), self._known, filled=False))
