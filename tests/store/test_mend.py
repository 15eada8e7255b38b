import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from lowkeyd.errors import StoreError
from lowkeyd.model import Photo, Signature, State
from lowkeyd.store import backup, location
from lowkeyd.store.mend import mend
from lowkeyd.store.queue import Queue

NOW = 1_700_000_000.0


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state folder whose database has some pages of photos."""
    with Queue(location.database(tmp_path)) as photos:
        photos.offer([Photo("inbox", b"%d.jpg" % number, Signature(1, 1)) for number in range(500)], NOW)
    return tmp_path


def count(database: Path) -> int:
    with closing(sqlite3.connect(database)) as connection:
        found: int = connection.execute("SELECT count(*) FROM photo").fetchone()[0]
        return found


def spoil(database: Path) -> bytes:
    """Overwrite the middle of the file, as a failing disk does."""
    content = bytearray(database.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 8192] = b"\xa5" * 8192
    database.write_bytes(content)
    return bytes(content)


def damaged(state: Path) -> list[Path]:
    return sorted(state.glob("*.damaged-*"))


def test_a_sound_database_stays_as_it_is(state: Path) -> None:
    assert not mend(state, NOW)
    assert (count(location.database(state)), damaged(state)) == (500, [])


def test_what_a_crash_left_in_the_log_is_no_damage(state: Path) -> None:
    database = location.database(state)
    with Queue(database) as photos:
        photos.offer([Photo("inbox", b"new.jpg", Signature(1, 1))], NOW)
        log = database.with_name(f"{database.name}-wal").read_bytes()
        main = database.read_bytes()
    database.write_bytes(main)
    database.with_name(f"{database.name}-wal").write_bytes(log)
    assert not mend(state, NOW)
    assert count(database) == 501


def test_before_the_first_run_there_is_nothing_to_put_aside(tmp_path: Path) -> None:
    assert mend(tmp_path, NOW)
    assert os.listdir(tmp_path) == []


def test_a_damaged_database_is_put_aside_whole_and_the_newest_backup_takes_its_place(state: Path) -> None:
    database = location.database(state)
    backup.make(database, "daily", NOW)
    with Queue(database) as photos:
        photos.offer([Photo("inbox", b"later.jpg", Signature(1, 1))], NOW)
    content = spoil(database)
    assert mend(state, NOW)
    (aside,) = damaged(state)
    assert (aside.name, aside.read_bytes()) == ("lowkeyd.sqlite3.damaged-20231114T221320", content)
    assert count(database) == 500
    assert not mend(state, NOW), "that was it"


def test_a_backup_that_is_damaged_too_is_passed_over(state: Path) -> None:
    database = location.database(state)
    old, new = backup.make(database, "schema-1", NOW), backup.make(database, "daily", NOW)
    os.utime(old, (NOW, NOW))
    os.utime(new, (NOW + 1, NOW + 1))
    spoil(new)
    spoil(database)
    assert mend(state, NOW)
    assert count(database) == 500


@pytest.mark.parametrize("content", [b"this is no database, and long enough to tell" * 100, b""])
def test_without_a_backup_a_new_one_can_be_made(tmp_path: Path, content: bytes) -> None:
    location.database(tmp_path).write_bytes(content)
    location.database(tmp_path).with_name("lowkeyd.sqlite3-wal").write_bytes(b"old")
    assert mend(tmp_path, NOW)
    with Queue(location.database(tmp_path)) as photos:
        assert photos.counts() == {}
    assert damaged(tmp_path)[0].read_bytes() == content
    assert not location.database(tmp_path).with_name("lowkeyd.sqlite3-wal").exists(), "an old log would be played again"


def test_the_log_of_a_damaged_one_goes_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that a crash in between left alone would be played into the next database."""
    database = location.database(tmp_path)
    database.write_bytes(b"no database" * 1000)
    database.with_name(f"{database.name}-wal").write_bytes(b"old")
    moved: list[str] = []
    monkeypatch.setattr(Path, "rename", lambda path, _: moved.append(path.name))
    assert mend(tmp_path, NOW)
    assert moved == ["lowkeyd.sqlite3-wal", "lowkeyd.sqlite3-shm", "lowkeyd.sqlite3"]


def test_a_second_one_in_the_same_second_is_kept_too(state: Path) -> None:
    for _ in range(2):
        location.database(state).write_bytes(b"no database" * 1000)
        mend(state, NOW)
    assert len(damaged(state)) == 2


def test_a_lost_database_comes_back_from_its_backup(state: Path) -> None:
    backup.make(location.database(state), "daily", NOW)
    location.database(state).unlink()
    assert mend(state, NOW)
    with Queue(location.database(state)) as photos:
        assert photos.counts() == {State.READY: 500}


def test_a_backup_is_on_the_disk_before_it_takes_the_databases_place(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = location.database(state)
    backup.make(database, "daily", NOW)
    database.unlink()
    synced: list[tuple[str, bool]] = []
    monkeypatch.setattr(
        os, "fsync", lambda file: synced.append((os.readlink(f"/proc/self/fd/{file}"), database.exists()))
    )
    assert mend(state, NOW)
    assert synced == [(f"{database}.half", False)]


def test_a_log_that_outlived_its_database_is_not_played_into_the_next_one(tmp_path: Path) -> None:
    database = location.database(tmp_path)
    log = database.with_name(f"{database.name}-wal")
    with Queue(database) as photos:
        photos.offer([Photo("inbox", b"a.jpg", Signature(1, 1))], NOW)
        content = log.read_bytes()
    database.unlink()
    log.write_bytes(content)
    assert mend(tmp_path, NOW)
    assert (log.exists(), [path.read_bytes() for path in damaged(tmp_path)]) == (False, [content])


def test_a_database_that_cannot_be_read_now_is_not_given_up(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = location.database(state)
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        connect = sqlite3.connect
        monkeypatch.setattr(sqlite3, "connect", lambda path, timeout: connect(path, timeout=0.1))
        with pytest.raises(StoreError, match="cannot be checked: database is locked"):
            mend(state, NOW)
    assert damaged(state) == []
