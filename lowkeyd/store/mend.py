"""At start: a damaged database is put aside, and the newest sound backup takes its place.

Nothing is deleted: the damaged file keeps its name, with the moment it was found behind it.
"""

import contextlib
import os
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import structlog

from lowkeyd.errors import StoreError
from lowkeyd.store import backup, location

log = structlog.get_logger()

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_BESIDE = ("-wal", "-shm", "")
"""The database's own files, itself last: a log that outlived it would be played into the next one."""


def mend(state: Path, now: float) -> bool:
    """See that there is a sound database, or none. Returns whether photos may be missing from it: there is none, or
    it is an older backup. The caller holds the lock. Raises StoreError."""
    database = location.database(state)
    try:
        fault = "it is gone" if not _has_content(database) else _fault(database)
        if fault is None:
            return False
        kept = _put_aside(database, now)
        sound = next((copy for copy in backup.newest_first(state, now) if _fault(copy) is None), None)
        if sound is not None:
            _restore(sound, database)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"{database}: the database cannot be checked: {error}") from error
    if kept or sound:
        log.error("database lost", reason=fault, kept_as=str(kept), restored=str(sound))
    return True


def _has_content(database: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return database.stat().st_size > 0
    return False


def _fault(database: Path) -> str | None:
    """What SQLite finds wrong with the file, if anything. What it can repair by itself, as after a crash, it does."""
    try:
        with closing(sqlite3.connect(database, timeout=30)) as connection:
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF not in _DAMAGED:  # a full disk, a lock, a permission: no reason to give it up
            raise
        return str(error)
    return None if found == "ok" else str(found)


def _put_aside(database: Path, now: float) -> Path | None:
    while True:
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now))
        aside = database.with_name(f"{database.name}.damaged-{stamp}")
        if not aside.exists():
            break
        now += 1
    for ending in _BESIDE:
        with contextlib.suppress(FileNotFoundError):
            database.with_name(database.name + ending).rename(f"{aside}{ending}")
    return aside if aside.exists() else None


def _restore(sound: Path, database: Path) -> None:
    half = database.with_name(f"{database.name}.half")
    shutil.copyfile(sound, half)
    with half.open("rb") as file:
        os.fsync(file.fileno())
    half.replace(database)
