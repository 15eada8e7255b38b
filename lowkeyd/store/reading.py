"""How the database is read for people: in one read-only transaction, which disturbs no daemon.

With the standard library's sqlite3 and not with SQLAlchemy, whose import alone takes as long as the whole answer may.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from lowkeyd.errors import StoreError, StoreTooNew
from lowkeyd.store import location
from lowkeyd.store.version import SCHEMA_VERSION, too_new

_BUSY_S = 5.0
WEAK = """photo INDEXED BY photo_weak
    WHERE strength = 'weak' AND state <> 'publishing' AND delivery_path IS NOT NULL"""
"""Copies that lie in the outbox, also while another one is made, or could not be made strong enough."""
LEFT_ALONE = "state = 'ignored' AND stage <> 'admit'"
"""Files that were not for us; at the stage `admit` are those that went away before their turn."""


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """The database at one moment, for questions. Raises StoreError."""
    try:
        with closing(connect(path)) as connection:
            yield connection
    except sqlite3.Error as error:
        version = _version(path) if str(error).startswith("no such") else 0
        if version > SCHEMA_VERSION:
            raise StoreTooNew(too_new(path, version)) from error
        if version:
            raise StoreError(f"{path}: of another version of lowkeyd; `lowkeyd run` of this one upgrades it") from error
        raise StoreError(f"{path}: the database cannot be read: {error}") from error


def _version(path: Path) -> int:
    """Of lowkeyd's tables in it; 0 for none. What is missing in it came with another version."""
    with closing(connect(path)) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def connect(path: Path) -> sqlite3.Connection:
    """It cannot write. Raises StoreError where there is no database, sqlite3.Error where that is damaged."""
    location.require(path)
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_BUSY_S, isolation_level=None)
    connection.execute("BEGIN")  # one moment for all questions
    return connection
