"""A claimed photo's way to the worker: its content is identified, and what was protected before is not done again."""

import hashlib
import json
import os
import time
from dataclasses import dataclass

import structlog

from lowkeyd import __version__, config
from lowkeyd.attack.networks import ledger
from lowkeyd.errors import PhotoChanged, PhotoLeftAlone, PhotoUnreachable
from lowkeyd.folders import originals
from lowkeyd.folders.rules import is_raw_name
from lowkeyd.folders.scan import Tree
from lowkeyd.intake.roots import Roots
from lowkeyd.model import Delivery, Job, readable, sha256
from lowkeyd.store.departures import Delivered, Departures
from lowkeyd.store.judgement import Judgement
from lowkeyd.store.queue import Queue
from lowkeyd.work.publish import Publisher

log = structlog.get_logger()

_TWIN_WAIT_S = 2.0
"""Until the same content, in work under another name, may be done."""


@dataclass(frozen=True)
class Admitted:
    """A photo that the worker has to protect. `path` is absolute."""

    path: bytes
    sha256: str


@dataclass(frozen=True)
class Admission:
    """Decides about claimed photos; `fingerprint` stands for the settings that make a delivery what it is."""

    photos: Queue
    publisher: Publisher
    roots: Roots
    max_bytes: int
    fingerprint: str
    follow_renames: bool = True
    deliver_weak: bool = True

    def admit(self, job: Job) -> Admitted | None:
        """What the worker has to do, or None when the photo is dealt with. Raises PhotoError and TryLater."""
        tree = self.roots.trees.get(job.photo.watch)
        if tree is None:
            self.photos.ignore(job, "its folder is no longer watched", time.time())
            return None
        if not tree.rules.takes(job.photo.path):
            self.photos.ignore(job, "the configuration leaves it out", time.time())
            return None
        if is_raw_name(job.photo.path):
            raise PhotoLeftAlone.raw()
        content = self._read(job, tree)
        if content is None:
            return None
        digest = sha256(content)
        if self.photos.is_delivery(digest):
            raise PhotoLeftAlone("protected already: it is a copy that lowkeyd delivered")
        if not self.photos.admit(job, digest):
            self.photos.release(job, time.time(), until=time.time() + _TWIN_WAIT_S)
            return None
        return None if self._deliver_twin(job, digest) else Admitted(_absolute(tree, job), digest)

    def _read(self, job: Job, tree: Tree) -> bytes | None:
        try:
            content = originals.read_below(tree.root, job.photo.path, self.max_bytes, follow=tree.rules.follow)
        except PhotoUnreachable:
            # In this order: a disk that goes away meanwhile takes the photo along.
            if not tree.is_gone(job.photo.path) or self.roots.look(job.photo.watch):
                raise
            self.photos.ignore(job, "it was taken away before its turn", time.time())
            return None
        seen = tree.look(job.photo.path)
        if seen is None or seen.signature != job.photo.signature:
            raise PhotoChanged("it was written to after it had settled")
        return content

    def _deliver_twin(self, job: Job, digest: str) -> bool:
        renamed = self._renamed_from(job, digest)
        inherited = renamed is not None and self.follow_renames and self._inherit(renamed, job)
        if renamed is not None and renamed.is_done and renamed.judgement is not None:
            twin: tuple[Delivery, Judgement] | None = (renamed.delivery, renamed.judgement)
        else:  # also of a copy that was known again after the database was lost, whose verdict nobody knows
            twin = self.photos.twin(job, digest, self.fingerprint, weak_too=self.deliver_weak)
        if twin is None:
            return False
        delivery, judgement = twin
        content = self.publisher.outbox.read(delivery.path)
        if content is None or sha256(content) != delivery.sha256:
            return False  # taken away by its owner, or edited: protect it again
        suffix = os.path.splitext(os.fsdecode(delivery.path))[1].lower()
        published = self.publisher.publish(job, content, suffix, judgement)
        if published is not None:
            named = {"watch": job.photo.watch, "photo": readable(job.photo.path)}
            log.info("done", **named, delivered=readable(published), same_as=readable(delivery.path))
        if renamed and published and self.follow_renames and not inherited:
            self._follow(renamed, job)
        return True

    def _inherit(self, renamed: Delivered, job: Job) -> bool:
        """From here on the old copy is this photo's, and goes when the new one has come, also after a crash."""
        return Departures(self.photos).inherit(job, renamed.id, _called_now(job), time.time())

    def _renamed_from(self, job: Job, digest: str) -> Delivered | None:
        """What this photo was called before, if it is one whose file is gone from where it was."""
        for photo in Departures(self.photos).alike(job, digest):
            tree = self.roots.trees.get(photo.watch)
            # In this order: a disk that goes away meanwhile takes the photo along.
            if tree is not None and tree.is_gone(photo.path) and self.roots.look(photo.watch) is None:
                return photo
        return None

    def _follow(self, renamed: Delivered, job: Job) -> None:
        """The photo had a copy under its new name too: the other one goes, then its row."""
        self.publisher.outbox.withdraw(renamed.delivery)
        Departures(self.photos).depart(renamed.id, _called_now(job), time.time())


def _called_now(job: Job) -> str:
    return f"it is called {readable(os.path.join(os.fsencode(job.photo.watch), job.photo.path))} now"


def _absolute(tree: Tree, job: Job) -> bytes:
    """Where the worker finds it, which follows no links."""
    path = tree.absolute(job.photo.path)
    return os.path.realpath(path) if tree.rules.follow else path


def fingerprint(settings: config.Config) -> str:
    """Changes when the same photo would come out differently, or be judged so. Raises WeightsError for a ledger that
    cannot be read."""
    records = ledger.read(settings.attack.models)  # of networks whose weights and thresholds lowkeyd does not know
    named = [name for name in settings.attack.networks if name in records]
    deciding = {
        "attack": settings.attack.model_dump(include={"preset", "ensemble", "judges", "seed"}),
        "outbox": settings.outbox.model_dump(include={"format", "heic"}),
        "metadata": settings.metadata.model_dump(),
        "networks": {name: (records[name].sha256, records[name].threshold) for name in named},
        "version": __version__,
    }
    return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()[:16]
