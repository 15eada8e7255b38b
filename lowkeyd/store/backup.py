"""Copies of the database, made while it is in use, and few enough to be forgotten."""

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from lowkeyd.errors import StoreError
from lowkeyd.store import location

KEPT = 3
"""Of each kind: those of every day, and those from before an upgrade."""
EVERY_S, SOONER_S = 86_400.0, 3600.0
_OUTGROWN = 2
"""So many times as large as its copy, a database has been half forgotten by it."""


def make(database: Path, kind: str, now: float, instead_of: Path | None = None) -> Path:
    """Copy the database; older copies of this kind go, and `instead_of` before them. Raises StoreError, leaving
    nothing half-made behind."""
    folder = location.backups(database.parent)
    target = folder / f"{kind}-{_stamp(now)}.sqlite3"
    half = target.with_suffix(".half")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        _copy(database, half)
        half.replace(target)
        if instead_of is not None:
            instead_of.unlink(missing_ok=True)
    except (OSError, sqlite3.Error) as error:
        with contextlib.suppress(OSError):
            half.unlink(missing_ok=True)
        raise StoreError(f"{target}: the database cannot be backed up: {error}") from error
    for old in _of_kind(folder, kind, now)[:-KEPT]:
        old.unlink(missing_ok=True)
    return target


def daily(database: Path, now: float) -> Path | None:
    """Today's copy, unless there is one, or nothing was written since; sooner where the database has outgrown the last
    one, as on the first day. Raises StoreError."""
    made = [copy for copy in _of_kind(location.backups(database.parent), "daily", now) if _is_past(copy, now)]
    made_at = min(now, made[-1].stat().st_mtime) if made else 0.0
    log = database.with_name(f"{database.name}-wal")
    written_at = max(path.stat().st_mtime for path in (database, log) if path.exists())
    if written_at <= made_at or now - made_at < SOONER_S:
        return None
    if now - made_at >= EVERY_S:
        return make(database, "daily", now)
    if _bytes(database) <= _OUTGROWN * made[-1].stat().st_size:
        return None
    return make(database, "daily", now, instead_of=made[-1])  # those of other days stay


def _bytes(database: Path) -> int:
    """What it holds, also what is still in its log."""
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as reader:
            pages, size = (reader.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    except sqlite3.Error as error:
        raise StoreError(f"{database}: the database cannot be read: {error}") from error
    return int(pages * size)


def newest_first(state: Path, now: float) -> list[Path]:
    """Every backup that lies there."""
    return _oldest_first(location.backups(state).glob("*.sqlite3"), now)[::-1]


def _of_kind(folder: Path, kind: str, now: float) -> list[Path]:
    return _oldest_first(folder.glob(f"{kind}-*.sqlite3"), now)


def _oldest_first(copies: Iterable[Path], now: float) -> list[Path]:
    """By the stamps in their names. Those from the future were made when the clock was wrong: they count as oldest."""
    return sorted(copies, key=lambda copy: (_is_past(copy, now), _stamp_of(copy)))


def _is_past(copy: Path, now: float) -> bool:
    return _stamp_of(copy) <= _stamp(now)


def _stamp_of(copy: Path) -> str:
    return copy.stem.rpartition("-")[2]


def _stamp(now: float) -> str:
    return time.strftime("%Y%m%dT%H%M%S", time.gmtime(now))


def _copy(database: Path, target: Path) -> None:
    """By SQLite's own means: copying the file alone would leave out what is still in its log."""
    target.unlink(missing_ok=True)
    source = f"{database.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(source, uri=True)) as reader, closing(sqlite3.connect(target)) as writer:
        reader.backup(writer)
        writer.execute("PRAGMA journal_mode = DELETE")  # one file, which can be carried elsewhere
    with target.open("rb") as file:
        os.fsync(file.fileno())
