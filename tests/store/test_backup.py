import errno
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from lowkeyd.errors import StoreError
from lowkeyd.model import Photo, Signature
from lowkeyd.store import backup, location
from lowkeyd.store.queue import Queue

NOW = 1_700_000_000.0
DAY_S, HOUR_S = 86_400.0, 3600.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return location.database(tmp_path)


def names(path: Path) -> list[str]:
    return [photo.decode() for (photo,) in sqlite3.connect(path).execute("SELECT path FROM photo")]


def test_it_is_whole_though_the_original_is_in_use(path: Path) -> None:
    with Queue(path) as photos:
        photos.offer([Photo("inbox", b"a.jpg", Signature(1, 1))], NOW)  # still in the log, not in the file
        made = backup.make(path, "daily", NOW)
    with closing(sqlite3.connect(f"{made.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        assert connection.execute("SELECT path FROM photo").fetchall() == [(b"a.jpg",)]
    assert (made.name, made.parent.stat().st_mode & 0o777) == ("daily-20231114T221320.sqlite3", 0o700)


def test_it_can_be_read_where_nobody_may_write(path: Path) -> None:
    with Queue(path):
        made = backup.make(path, "daily", NOW)
    assert made.read_bytes()[18:20] == b"\1\1", "without a log of its own (SQLite's file format, 1.3.3)"


def test_three_of_each_kind_are_kept(path: Path) -> None:
    with Queue(path):
        for day in range(5):
            backup.make(path, "daily", NOW + day * DAY_S)
        backup.make(path, "schema-1", NOW)
    assert len(list(location.backups(path.parent).glob("daily-*"))) == 3
    assert len(list(location.backups(path.parent).glob("schema-1-*"))) == 1
    assert backup.newest_first(path.parent, NOW + 5 * DAY_S)[0].exists()
    assert not (location.backups(path.parent) / "daily-20231114T221320.sqlite3").exists(), "the oldest went"


def test_one_a_day_and_none_when_nothing_was_written(path: Path) -> None:
    with Queue(path) as photos:
        now = path.stat().st_mtime + 1
        first = backup.daily(path, now)
        assert first is not None
        os.utime(first, (now, now))
        assert backup.daily(path, now + DAY_S + 1) is None, "nothing was written"
        photos.offer([Photo("inbox", b"a.jpg", Signature(1, 1))], NOW)
        log = path.with_name(f"{path.name}-wal")
        os.utime(log, (now + 10, now + 10))
        assert backup.daily(path, now + 60) is None, "there is one of today"
        assert backup.daily(path, now + DAY_S + 1) is not None


def test_a_full_disk_is_one_sentence_and_leaves_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Queue(path):
        pass
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match=r"cannot be backed up: .*No space left"):
        backup.make(path, "daily", NOW)
    assert os.listdir(location.backups(path.parent)) == []


def test_so_is_what_lies_in_its_way(path: Path) -> None:
    with Queue(path):
        pass
    (location.backups(path.parent) / "daily-20231114T221320.half").mkdir(parents=True)
    with pytest.raises(StoreError, match="cannot be backed up"):
        backup.make(path, "daily", NOW)


def test_backups_from_when_the_clock_was_ahead_count_as_the_oldest(path: Path) -> None:
    with Queue(path) as photos:
        photos.offer([Photo("inbox", b"a.jpg", Signature(1, 1))], NOW)
        now = path.stat().st_mtime + 10
        ahead = [backup.make(path, "daily", now + day * DAY_S) for day in (398, 399, 400)]
        photos.offer([Photo("inbox", b"b.jpg", Signature(1, 1))], NOW)
        made = backup.daily(path, now)
        assert made is not None
        assert backup.newest_first(path.parent, now)[0] == made
        assert (made.exists(), ahead[0].exists(), ahead[2].exists()) == (True, False, True)


def offer(photos: Queue, start: int, count: int, now: float) -> None:
    photos.offer([Photo("inbox", b"%d.jpg" % number, Signature(1, 1)) for number in range(start, start + count)], now)


def test_a_database_that_has_outgrown_its_copy_is_copied_within_the_hour(path: Path) -> None:
    """As on the first day, whose copy is made before there is any photo."""
    now = time.time()
    with Queue(path) as photos:
        first = backup.daily(path, now)
        assert first is not None
        offer(photos, 0, 3000, now)
        assert backup.daily(path, now + 60) is None
        assert backup.daily(path, now + HOUR_S + 1) is not None
        assert not first.exists(), "those of other days stay instead"
        for hour in range(2, 24):
            offer(photos, 3000 + hour, 1, now)
            os.utime(path, (now + hour * HOUR_S, now + hour * HOUR_S))
            assert backup.daily(path, now + hour * HOUR_S + 2) is None, "the next one has time until tomorrow"


def test_the_last_backup_goes_only_once_the_next_one_is_there(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with Queue(path) as photos:
        first = backup.daily(path, now)
        assert first is not None
        offer(photos, 0, 3000, now)
        monkeypatch.setattr(backup, "_copy", full)
        with pytest.raises(StoreError):
            backup.daily(path, now + HOUR_S + 1)
        assert first.exists()
