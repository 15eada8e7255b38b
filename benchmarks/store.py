"""What the database costs at a start, at a look, and after a loss, with a large library.

uv run python benchmarks/store.py
"""

import argparse
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.status import _fill
from lowkeyd import config
from lowkeyd.imaging.metadata import xmp
from lowkeyd.store import backup, location, lookup, migrations
from lowkeyd.store.mend import mend
from lowkeyd.store.queue import Queue
from lowkeyd.work.rebuild import rebuild
from tests.helpers.home import REPOSITORY, Home

MARK = xmp.packet(xmp.NO_XMP, mark=True)


def main() -> int:
    """Run. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=100_000)
    parser.add_argument("--deliveries", type=int, default=2_000)
    parser.add_argument("--megabytes", type=float, default=1.0)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "library")
        _fill(home, chosen.photos)
        database = location.database(home.state)
        print(f"{chosen.photos:,} photos, database of {database.stat().st_size / 1e6:.0f} MB")
        with _timed("check at the start"):
            assert not mend(home.state, time.time())
        with _timed("backup"):
            backup.make(database, "daily", time.time())
        with _timed("explain: a copy's photo"):
            lookup.photo_of(database, b"inbox/none.jpg")
        with _timed("failed, history, health"):
            lookup.failures(database, 20)
            lookup.history(database, 200)
            lookup.progress(database, time.time())
        _daily(database, chosen.photos)
        old = _of_schema_1(Path(folder), chosen.photos)
        with _timed(f"upgrade from schema 1 to {migrations.NEWEST}, with its backup"), Queue(old):
            pass
        lost = Home(Path(folder) / "lost")
        _deliver(lost, chosen.deliveries, int(chosen.megabytes * 1e6))
        settings = config.load(lost.config)
        what = f"rebuild from {chosen.deliveries:,} copies of {chosen.megabytes} MB each"
        with Queue(location.database(lost.state)) as photos, _timed(what):
            known = rebuild(photos, settings, lambda: None)
        print(f"known again: {known:,}")
    return 0 if known == chosen.deliveries else 1


@contextmanager
def _timed(what: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    print(f"{what:55}{time.monotonic() - started:9.3f} s")


def _daily(database: Path, count: int) -> None:
    """What the daemon asks for each batch and each photo, and what people ask for, with half of the photos queued."""
    some = [("inbox", b"album %d/%06d.jpg" % (n // 200, n)) for n in range(1000)]
    with Queue(database) as photos:
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("UPDATE photo SET state = 'ready', not_before = 0 WHERE id % 2")
        for newest in (True, False):
            with _timed(f"claim 8 of {count // 2:,}, {'newest' if newest else 'oldest'} first"):
                photos.claim(8, time.time(), newest=newest)
        with _timed("is it a copy of ours?"):
            photos.is_delivery("0" * 64)
        with _timed("retry and redo 1,000 photos by name"):
            photos.retry(some, time.time())
            photos.redo(some, time.time())


def _of_schema_1(folder: Path, count: int) -> Path:
    path = location.database(folder)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript((REPOSITORY / "tests/store/schema-1.sql").read_text(encoding="utf-8"))
        connection.execute(
            """WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
            INSERT INTO photo (watch, path, size, mtime_ns, state, not_before, attempts, suspect, interruptions,
            superseded, added_at, changed_at, verdict)
            SELECT 'inbox', CAST(i AS BLOB), 1, 1, 'done', 0, 1, 0, 0, 0, 0, 0, verdict FROM n, photo
            WHERE photo.id = 1""",
            (count,),
        )
    return path


def _deliver(home: Home, count: int, size: int) -> None:
    (home.outbox / "inbox").mkdir()
    for number in range(count):
        content = b"%d" % number + os.urandom(1) * size
        for path in (home.inbox / f"{number}.jpg", home.outbox / "inbox" / f"{number}.jpg"):
            path.write_bytes(content if path.parent == home.inbox else content + MARK)
            os.utime(path, ns=(number, number))


if __name__ == "__main__":
    sys.exit(main())
