"""Copies of the database, made while it is in use, and few enough to be forgotten."""

import contextlib
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from lowkeyd.errors import StoreError
from lowkeyd.store import location

KEPT = 3
"""Of each kind: those of every day, and those from before an upgrade."""
EVERY_S = 86_400.0


def make(database: Path, kind: str, now: float) -> Path:
    """Copy the database; older copies of this kind go. Raises StoreError, leaving nothing half-made behind."""
    folder = location.backups(database.parent)
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now))
    target = folder / f"{kind}-{stamp}.sqlite3"
    half = target.with_suffix(".half")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        _copy(database, half)
        half.replace(target)
    except (OSError, sqlite3.Error) as error:
        with contextlib.suppress(OSError):
            half.unlink(missing_ok=True)
        raise StoreError(f"{target}: the database cannot be backed up: {error}") from error
    for old in _of_kind(folder, kind)[:-KEPT]:
        old.unlink(missing_ok=True)
    return target


def daily(database: Path, now: float) -> Path | None:
    """Today's copy, unless there is one, or nothing was written since. Raises StoreError."""
    made = _of_kind(location.backups(database.parent), "daily")
    made_at = made[-1].stat().st_mtime if made else 0.0
    log = database.with_name(f"{database.name}-wal")
    written_at = max(path.stat().st_mtime for path in (database, log) if path.exists())
    return make(database, "daily", now) if now - made_at >= EVERY_S and written_at > made_at else None


def newest_first(state: Path) -> list[Path]:
    """Every backup that lies there."""
    return sorted(location.backups(state).glob("*.sqlite3"), key=lambda path: path.stat().st_mtime, reverse=True)


def _of_kind(folder: Path, kind: str) -> list[Path]:
    return sorted(folder.glob(f"{kind}-*.sqlite3"))  # oldest first: the stamp is in the name


def _copy(database: Path, target: Path) -> None:
    """By SQLite's own means: copying the file alone would leave out what is still in its log."""
    target.unlink(missing_ok=True)
    source = f"{database.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(source, uri=True)) as reader, closing(sqlite3.connect(target)) as writer:
        reader.backup(writer)
        writer.execute("PRAGMA journal_mode = DELETE")  # one file, which can be carried elsewhere
    with target.open("rb") as file:
        os.fsync(file.fileno())
