"""Does what the configuration says about copies whose photos were deleted. By default that is nothing. Photos that
failed and were deleted are no longer listed as failed.

A file that is missing may have been renamed, or its disk may be away, so haste would lose copies: it has to be missing
in two walks in a row of a root that is online, while nothing is queued that could be the same photo.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import structlog

from lowkeyd.errors import OutboxUnavailable, PhotoError
from lowkeyd.folders.outbox import Outbox
from lowkeyd.intake.roots import Roots
from lowkeyd.model import readable
from lowkeyd.store.departures import Delivered, Departures

log = structlog.get_logger()

_MANY, _SHARE = 10, 0.5
"""If more than so many photos are missing at once, and more than this share of all, a disk that is mounted somewhere
below the root is away more likely than somebody has cleaned up. A matter of taste."""


@dataclass(frozen=True)
class Vanished:
    """Looks after each walk of a whole root."""

    departures: Departures
    roots: Roots
    outbox: Outbox
    policy: Literal["keep", "delete", "trash"]

    def look(self, watch: str, go_on: Callable[[], bool]) -> None:
        """The root was walked to the end, and is online. `go_on` is asked before each photo, and ends it."""
        tree = self.roots.trees[watch]
        failed = [number for number, path in self.departures.failed(watch) if go_on() and tree.is_gone(path)]
        if self.roots.look(watch) is not None:
            return
        self.departures.give_up(failed, "it was taken away after it had failed", time.time())
        if self.policy != "keep" and not self.departures.unfinished():
            self._look_for_copies(watch, go_on)

    def _look_for_copies(self, watch: str, go_on: Callable[[], bool]) -> None:
        tree, count, missing, back = self.roots.trees[watch], 0, [], []
        for photo in self.departures.of(watch):
            if not go_on():
                return
            count += 1
            if tree.is_gone(photo.path):
                missing.append(photo)
            elif photo.missing_at is not None:
                back.append(photo.id)
        self.departures.note_missing(back, None)
        if self.roots.look(watch) is not None:
            return
        if len(missing) > max(_MANY, _SHARE * count):
            log.warning("many photos are gone: copies are kept", watch=watch, gone=len(missing), of=count)
            return
        self._depart(missing)

    def _depart(self, missing: Iterable[Delivered]) -> None:
        now = time.time()
        self.departures.note_missing([photo.id for photo in missing if photo.missing_at is None], now)
        for photo in missing:
            if photo.missing_at is not None:
                self._part_with_copy(photo, now)

    def _part_with_copy(self, photo: Delivered, now: float) -> None:
        named = {"watch": photo.watch, "photo": readable(photo.path), "copy": readable(photo.delivery.path)}
        try:
            ours = self.outbox.withdraw(photo.delivery, to_trash=self.policy == "trash")
        except OutboxUnavailable as error:
            log.warning("outbox unavailable", reason=error.reason)
            return
        except PhotoError as error:
            log.warning("copy left", **named, reason=error.reason)
            return
        log.info("deleted", **named, copy_was=("left: edited by its owner" if not ours else self.policy))
        self.departures.depart(photo.id, "it was deleted", now)
