"""A small library for tests of the story: a watched folder, an outbox, a database."""

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from lowkeyd import config
from lowkeyd.folders.outbox import Outbox
from lowkeyd.folders.scan import Tree
from lowkeyd.intake.roots import Roots
from lowkeyd.model import Job, Photo
from lowkeyd.store.notes import Notes
from lowkeyd.store.queue import Queue
from lowkeyd.work.gate import Gate
from lowkeyd.work.publish import Publisher


class Library:
    def __init__(self, folder: Path, photos: Queue) -> None:
        self.root = folder / "inbox"
        self.outbox = folder / "outbox"
        self.database = folder / "db.sqlite3"
        self.photos = photos
        self.publisher = Publisher(photos, Outbox(self.outbox))
        for path in (self.root, self.outbox):
            path.mkdir()
        self.tree = Tree(self.root)
        self.roots = Roots({"inbox": self.tree}, Notes(photos))
        self.roots.look("inbox")
        self.gate = Gate(config.Schedule(), (self.outbox,), 0.0, Notes(photos))

    def drop(self, name: str | bytes, content: bytes) -> Photo:
        """Write a photo and offer it."""
        path = os.fsencode(name)
        absolute = Path(os.fsdecode(os.fsencode(self.root) + b"/" + path))
        absolute.parent.mkdir(parents=True, exist_ok=True)
        before = absolute.stat().st_mtime_ns if absolute.exists() else 0
        absolute.write_bytes(content)
        if absolute.stat().st_mtime_ns == before:  # a file system's clock may tick slower than a test runs
            os.utime(absolute, ns=(before + 1, before + 1))
        return self.offer(path)

    def offer(self, path: bytes) -> Photo:
        seen = self.tree.look(path)
        assert seen is not None
        photo = Photo("inbox", path, seen.signature)
        self.photos.offer([photo], time.time())
        return photo

    def claim(self) -> Job:
        (job,) = self.photos.claim(1, time.time())
        return job

    def row(self, name: str = "a.jpg") -> sqlite3.Row:
        """All that the database says about a photo."""
        with closing(sqlite3.connect(self.database)) as connection:
            connection.row_factory = sqlite3.Row
            found: sqlite3.Row = connection.execute("SELECT * FROM photo WHERE path = ?", (name.encode(),)).fetchone()
        return found

    def delivered(self) -> dict[str, bytes]:
        """Every file in the outbox, hidden ones too."""
        return {
            str(path.relative_to(self.outbox)): path.read_bytes()
            for path in sorted(self.outbox.rglob("*"))
            if path.is_file()
        }
