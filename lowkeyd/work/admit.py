"""A claimed photo's way to the worker: its content is identified, and what was protected before is not done again."""

import hashlib
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

from lowkeyd import __version__, config
from lowkeyd.errors import PhotoChanged, PhotoLeftAlone, PhotoUnreachable
from lowkeyd.folders import originals, scan
from lowkeyd.model import Job, sha256
from lowkeyd.store.queue import Queue
from lowkeyd.work.publish import Publisher

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
    roots: dict[str, Path]
    max_bytes: int
    fingerprint: str

    def admit(self, job: Job) -> Admitted | None:
        """What the worker has to do, or None when the photo is dealt with. Raises PhotoError and TryLater."""
        root = self.roots.get(job.photo.watch)
        if root is None:
            self.photos.ignore(job, "its folder is no longer watched", time.time())
            return None
        if scan.is_raw_name(job.photo.path):
            raise PhotoLeftAlone.raw()
        path = os.path.join(os.fsencode(root), job.photo.path)
        content = self._read(job, root)
        if content is None:
            return None
        digest = sha256(content)
        if self.photos.is_delivery(digest):
            raise PhotoLeftAlone("protected already: it is a copy that lowkeyd delivered")
        if not self.photos.admit(job, digest):
            self.photos.release(job, time.time(), until=time.time() + _TWIN_WAIT_S)
            return None
        return None if self._deliver_twin(job, digest) else Admitted(path, digest)

    def _read(self, job: Job, root: Path) -> bytes | None:
        try:
            content = originals.read_below(root, job.photo.path, self.max_bytes)
        except PhotoUnreachable:
            if os.path.lexists(os.path.join(os.fsencode(root), job.photo.path)) or not root.is_dir():
                raise
            self.photos.ignore(job, "it was taken away before its turn", time.time())
            return None
        seen = scan.look(root, job.photo.path)
        if seen is None or seen.signature != job.photo.signature:
            raise PhotoChanged("it was written to after it had settled")
        return content

    def _deliver_twin(self, job: Job, digest: str) -> bool:
        twin = self.photos.twin(job, digest, self.fingerprint)
        if twin is None:
            return False
        delivery, judgement = twin
        content = self.publisher.outbox.read(delivery.path)
        if content is None or sha256(content) != delivery.sha256:
            return False  # taken away by its owner, or edited: protect it again
        suffix = os.path.splitext(os.fsdecode(delivery.path))[1].lower()
        self.publisher.publish(job, content, suffix, judgement)
        return True


def fingerprint(settings: config.Config) -> str:
    """Changes when the same photo would come out differently."""
    deciding = {
        "attack": settings.attack.model_dump(include={"preset", "ensemble", "judges", "seed"}),
        "outbox": settings.outbox.model_dump(include={"format", "heic"}),
        "metadata": settings.metadata.model_dump(),
        "version": __version__,
    }
    return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()[:16]
