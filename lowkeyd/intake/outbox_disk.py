"""Guards the outbox: when its disk is unmounted, a folder of its name is there still, on the disk below. What is
written there is out of sight once the disk is back, and what is on the disk looks as if it were gone.

So the outbox is known by the path that it has in its own file system. Restarts and other device numbers leave that as
it was, and an unmounted disk does not, unless its folder has the very same path on the disk below.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from lowkeyd import config
from lowkeyd.errors import OutboxUnavailable
from lowkeyd.machine import mounts
from lowkeyd.store import location, snapshot
from lowkeyd.store.notes import KnownRoot, Notes

NAME = "/outbox"
"""Under which it is noted among the watched folders, none of which can have a slash in its name."""
ADVICE = (
    "Mount its disk, or make the folder. If another one is in its place on purpose: `lowkeyd accept --outbox`, and"
    " copies go there from now on."
)


def fault(settings: config.Config) -> str | None:
    """Why the folder that is there is not the outbox as the database knows it; None if it is, or nobody can tell."""
    folder = settings.outbox.path
    known = snapshot.known_roots(location.database(settings.state.path)).get(NAME)
    return _fault(folder, KnownRoot(*known, filled=False) if known else None, mounts.places(folder))


def _fault(folder: Path, known: KnownRoot | None, places: Sequence[str]) -> str | None:
    if not os.path.isdir(folder):  # unlike pathlib's, false also where the disk does not answer
        return f"the outbox is not there: {folder}"
    if not places or known is None or known.path != os.fsencode(folder) or known.identity in places:
        return None
    return f"the outbox's disk is not mounted, or another is in its place: {folder} is {places[0]} there now"


class OutboxDisk:
    """Where the outbox lies, and lay when it was seen first. Methods may be called from any thread."""

    def __init__(self, folder: Path, notes: Notes) -> None:
        self._folder = folder
        self._notes = notes
        self._known = notes.roots().get(NAME)

    def require(self) -> None:
        """Raises OutboxUnavailable when the outbox, or its disk, is away."""
        if (reason := self.away()) is not None:
            raise OutboxUnavailable(reason, advice=ADVICE)

    def away(self) -> str | None:
        """Why it is away; None if it is not."""
        places = mounts.places(self._folder)
        reason = _fault(self._folder, self._known, places)
        if reason is None and places:
            self._note(places[0])
        return reason

    def accept(self) -> None:
        """From now on it is the folder that is there. Raises OutboxUnavailable where none is."""
        places = mounts.places(self._folder)
        if (reason := _fault(self._folder, None, places)) is not None:
            raise OutboxUnavailable(reason, advice=ADVICE)  # and it is still the old one that is waited for
        self._known = None
        if places:
            self._note(places[0])

    def _note(self, here: str) -> None:
        """The first time, or when a disk was mounted where there was none."""
        now = KnownRoot(os.fsencode(self._folder), here, filled=False)
        if now != self._known:
            self._notes.note_root(NAME, now)
            self._known = now
