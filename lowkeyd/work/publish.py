"""Publishing in two phases, so that a crash at any moment costs time but never a photo, and doubles none.

The bytes go to a hidden file and to the disk; the row says which name they are about to get; the file gets the name;
the row says done. What a crash interrupts is settled at the next start by looking at the disk.
"""

import contextlib
import os
import time
from dataclasses import dataclass, replace

from lowkeyd.errors import OutboxUnavailable
from lowkeyd.folders.outbox import Outbox, delivery_name
from lowkeyd.model import Delivery, Job, Publication, sha256
from lowkeyd.store.judgement import Judgement
from lowkeyd.store.queue import Queue


@dataclass(frozen=True)
class Publisher:
    """Owns the way from bytes to a file in the outbox and a row that says so."""

    photos: Queue
    outbox: Outbox

    def publish(self, job: Job, content: bytes, suffix: str, judgement: Judgement | None) -> bytes | None:
        """Deliver `content` for a photo. Returns the file's path relative to the outbox, or None when the original
        changed meanwhile and nothing was published. Raises OutboxUnavailable, leaving nothing behind."""
        wanted = os.path.join(os.fsencode(job.photo.watch), delivery_name(job.photo.path, suffix))
        temp = self.outbox.write_temp(os.path.dirname(wanted), content, job.photo.signature.mtime_ns)
        ours, placed = self.photos.delivered(job.id), None
        try:
            publication = Publication(job.id, temp, Delivery(wanted, sha256(content)))
            placed = self._place(job, publication, judgement, ours)
        finally:
            if placed is None:
                self.outbox.remove(temp)
        if placed:
            self._settle(job.id, ours, placed)
        return placed

    def _settle(self, job: int, ours: Delivery | None, placed: bytes) -> None:
        """An older copy of another name or format goes first: until then the row knows it, whatever happens."""
        if ours is not None and ours.path != placed:
            with contextlib.suppress(OutboxUnavailable):
                self.outbox.withdraw(ours)
        self.photos.done(job, time.time())

    def _place(self, job: Job, wanted: Publication, judgement: Judgement | None, ours: Delivery | None) -> bytes | None:
        for path in self.outbox.candidates(wanted.delivery.path):
            if not self.outbox.is_free(path, ours):
                continue
            announced = replace(wanted, delivery=replace(wanted.delivery, path=path))
            if not self.photos.publishing(job, announced, judgement, time.time()):
                return None
            if self.outbox.place(announced.temp, announced.delivery, ours):
                return path
        raise AssertionError("bug: names do not run out")

    def finish(self, cut_short: Publication) -> None:
        """A crash came between the announcement and the last word: the disk knows how far it got."""
        if self.outbox.holds(cut_short.delivery):
            self._settle(cut_short.job, self.photos.delivered(cut_short.job), cut_short.delivery.path)
        else:
            self.outbox.unreserve(cut_short.delivery.path)
            self.photos.requeue(cut_short.job, time.time())
