"""After the database was lost: what lies in the outbox is known again, so that nothing is optimised twice.

A delivery is recognised by what it needs anyway: it lies where its photo's copy belongs, carries our mark, and has its
photo's time stamp, which no edit of the photo leaves as it was. The mark does not name the photo. Its hash would make
this easier, but whoever has the original, or a guess at it, could then link the published copy to it.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import structlog

from lowkeyd import config
from lowkeyd.errors import LowkeydError
from lowkeyd.folders import deliveries, originals
from lowkeyd.folders.outbox import Outbox
from lowkeyd.folders.scan import Tree
from lowkeyd.imaging.metadata import xmp
from lowkeyd.intake.roots import trees
from lowkeyd.model import Delivery, Photo, sha256
from lowkeyd.store import adopt
from lowkeyd.store.queue import Queue

log = structlog.get_logger()

_TELL_S = 10.0

_Names = Callable[[Path, bytes], Iterable[bytes]]
"""Below a watched folder, where the photo may lie that a copy was made of."""


def _own_name(_root: Path, copy: bytes) -> Iterable[bytes]:
    return [copy]


def rebuild(photos: Queue, settings: config.Config, patience: Callable[[], None]) -> int:
    """Look at everything in the outbox; `patience` is called now and then, while that goes on. Returns how many photos
    are known again."""
    max_bytes = int(settings.worker.max_megabytes * 1e6)
    return Rebuild(photos, trees(settings), settings.outbox.path, max_bytes).run(patience)


@dataclass(frozen=True)
class Rebuild:
    """Reads outbox and originals, and writes rows for pairs that belong together, if a scan finds the photo too."""

    photos: Queue
    trees: dict[str, Tree]
    outbox: Path
    max_bytes: int

    def run(self, patience: Callable[[], None]) -> int:
        """As `rebuild`."""
        known, found, told_at = adopt.deliveries(self.photos), 0, 0.0
        # Photos whose copies bear their very names come first: what is left then belongs to numbered ones.
        for names in (_own_name, deliveries.Originals().of):
            for path, mtime_ns in deliveries.walk(self.outbox):
                if time.monotonic() - told_at > _TELL_S:
                    patience()
                    told_at = time.monotonic()
                is_known = path in known and deliveries.same_time(known[path], mtime_ns)
                if not is_known and self._look_at(path, mtime_ns, names):
                    known[path] = mtime_ns
                    found += 1
        if found:
            log.warning("deliveries known again from the outbox", photos=found)
        return found

    def _look_at(self, path: bytes, mtime_ns: int, names: _Names) -> bool:
        folder, _, copy = path.partition(b"/")
        watch = folder.decode(errors="replace")
        tree = self.trees.get(watch)
        photo = self._photo(watch, tree, names(tree.root, copy), mtime_ns) if tree else None
        content = Outbox(self.outbox).read(path) if photo else None
        if tree is None or photo is None or content is None:
            return False
        try:
            original = sha256(originals.read_below(tree.root, photo.path, self.max_bytes, follow=tree.rules.follow))
        except LowkeydError:
            return False
        delivery = Delivery(path, sha256(content))
        if delivery.sha256 == original or not xmp.is_marked(content):
            return False
        adopt.adopt(self.photos, photo, original, delivery)
        return True

    def _photo(self, watch: str, tree: Tree, names: Iterable[bytes], mtime_ns: int) -> Photo | None:
        for path in filter(tree.rules.takes, names):
            seen = tree.look(path)
            if seen is None or not deliveries.same_time(seen.signature.mtime_ns, mtime_ns):
                continue
            photo = Photo(watch, path, seen.signature)
            if not adopt.has_delivery(self.photos, photo):
                return photo
        return None
