"""The tables, and how a database file is opened for writing."""

import sqlite3
from pathlib import Path

from sqlalchemy import (
    Column,
    Engine,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    and_,
    create_engine,
    event,
    text,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry, StaticPool

from lowkeyd.errors import StoreError, StoreTooNew
from lowkeyd.model import Stage, State
from lowkeyd.store import migrations
from lowkeyd.store.version import SCHEMA_VERSION, too_new

_BUSY_MS = 30_000
"""A backup or a curious person may hold the file for a moment; that must not stop the daemon."""

metadata = MetaData()

photos = Table(
    "photo",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("watch", Text, nullable=False),
    Column("path", LargeBinary, nullable=False),  # bytes: a disk's names need not be UTF-8
    Column("size", Integer, nullable=False),
    Column("mtime_ns", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("not_before", Float, nullable=False, default=0.0),  # seconds since the epoch; a waiting photo's next try
    Column("attempts", Integer, nullable=False, default=0),
    Column("suspect", Integer, nullable=False, default=0),
    Column("interruptions", Integer, nullable=False, default=0),
    Column("superseded", Integer, nullable=False, default=0),  # written to since it is in work: it has to be done again
    Column("stage", Text),
    Column("reason", Text),
    Column("advice", Text),
    Column("sha256", Text),  # of the original, once it was read
    Column("delivery_path", LargeBinary),  # relative to the outbox: what lies there, and what alone may be replaced
    Column("delivery_sha256", Text),
    Column("temp", LargeBinary),  # while publishing: the hidden file, relative to the outbox,
    Column("next_path", LargeBinary),  # ... what it is about to become
    Column("next_sha256", Text),  # ... and its bytes
    # Of the delivery, and of the original with this sha256; while publishing, of the delivery to be.
    Column("verdict", Text),  # JSON
    Column("strength", Text),
    Column("fingerprint", Text),  # of the settings that it was made with
    Column("seconds", Float),
    Column("refused", Text),  # JSON: the verdict on a copy that was made and may not be delivered
    Column("added_at", Float, nullable=False),
    Column("changed_at", Float, nullable=False),
    Column("arrived_at", Float, nullable=False, default=0.0, server_default="0"),  # in the watched folder
    Column("bumped_at", Float, nullable=False, default=0.0, server_default="0"),  # a person wants it before all others
    Column("missing_at", Float),  # since when its file is gone, as far as walks have noticed
    UniqueConstraint("watch", "path"),
    Index("photo_by_state", "state", "not_before", "id"),
    Index("photo_by_watch", "watch", "state"),
    Index("photo_by_content", "sha256", "state"),
)
Index("photo_weak", photos.c.state, sqlite_where=photos.c.strength == "weak")
_COPY = photos.c.delivery_sha256
Index("photo_by_delivery", _COPY, photos.c.state, sqlite_where=_COPY.is_not(None))
# The queue in either order, with all that says whose turn it is: it is asked every two seconds, however long it is.
_QUEUED = text("state IN ('ready', 'waiting')")
_FIRST, _WHETHER = photos.c.bumped_at.desc(), (photos.c.watch, photos.c.not_before)
_BY_ARRIVAL = (photos.c.arrived_at, photos.c.id)
Index("photo_newest", _FIRST, *(column.desc() for column in _BY_ARRIVAL), *_WHETHER, sqlite_where=_QUEUED)
Index("photo_oldest", _FIRST, *_BY_ARRIVAL, *_WHETHER, sqlite_where=_QUEUED)
# A photo is ignored for one of three reasons, which its stage tells apart: a person wants it so, it went away, or this
# version of the file is not for us (RAW, protected already), which is found out at the stage `decode`.
BARRED = and_(photos.c.state == State.IGNORED, photos.c.stage == Stage.WATCH)
"""A person said that this photo is never to be protected; that holds for all its versions."""
GONE = and_(photos.c.state == State.IGNORED, photos.c.stage == Stage.ADMIT)
"""It is no longer any of our business until it is seen again: its file went away before its turn or was renamed, it
failed and is gone, or its folder is not watched or left out by now."""

daemon = Table(
    "daemon",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("pid", Integer, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("beat_at", Float, nullable=False),
    Column("report", Text, nullable=False),  # JSON: workers and watches
)

history = Table(
    "history",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("watch", Text, nullable=False),
    Column("path", LargeBinary, nullable=False),
    Column("state", Text, nullable=False),  # what the photo came to: done, no_face or failed
    Column("stage", Text),
    Column("reason", Text),
    Column("strength", Text),
    Column("seconds", Float),
    Index("history_by_time", "at"),
)

roots = Table(
    "root",
    metadata,
    Column("watch", Text, primary_key=True),
    Column("path", LargeBinary, nullable=False),
    Column("identity", Text, nullable=False),  # device and inode, which may be larger than SQLite's integers
    Column("filled", Integer, nullable=False),  # whether there were photos in it when it was last walked
)

pauses = Table(
    "pause",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("since", Float, nullable=False),
    Column("until", Float),  # seconds since the epoch; for ever if there is none
)

_KEPT_S = 90 * 86_400
_MOST_ROWS = 100_000
# The database keeps its own history, and keeps it short: whoever changes a photo's state cannot forget to.
_ENDED = f"""CREATE TRIGGER photo_ended AFTER UPDATE OF state ON photo
WHEN NEW.state IN ('done', 'no_face', 'failed') AND OLD.state <> NEW.state
BEGIN
    INSERT INTO history (at, watch, path, state, stage, reason, strength, seconds)
    VALUES (NEW.changed_at, NEW.watch, NEW.path, NEW.state, NEW.stage, NEW.reason, NEW.strength, NEW.seconds);
    DELETE FROM history WHERE at < NEW.changed_at - {_KEPT_S} OR id <= last_insert_rowid() - {_MOST_ROWS};
END"""
# Photos that were taken away before their turn, and left nothing in the outbox; now and then is often enough.
_FORGOTTEN = f"""CREATE TRIGGER photo_forgotten AFTER INSERT ON history WHEN NEW.id % 1000 = 0
BEGIN
    DELETE FROM photo
    WHERE state = 'ignored' AND stage = 'admit' AND delivery_path IS NULL AND changed_at < NEW.at - {_KEPT_S};
END"""


def open_for_writing(path: Path) -> Engine:
    """Open or create the database. One connection, which its single owner guards with a lock.

    Raises StoreError when the file is damaged, unwritable, or written by a newer lowkeyd.
    """
    engine = create_engine(
        f"sqlite+pysqlite:///{path}", poolclass=StaticPool, connect_args={"check_same_thread": False}
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    try:
        _migrate(engine, path)
    except SQLAlchemyError as error:
        engine.dispose()
        raise StoreError(f"{path}: the database cannot be opened: {error.__cause__ or error}") from error
    return engine


def _prepare(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    assert isinstance(connection, sqlite3.Connection)
    connection.isolation_level = None  # the driver's own BEGIN is deferred, and loses races
    connection.execute("PRAGMA journal_mode = WAL")  # readers never wait for the writer
    connection.execute("PRAGMA synchronous = FULL")  # a row must not say `done` before the disk does
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")


def _migrate(engine: Engine, path: Path) -> None:
    with engine.begin() as connection:
        version: int = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
        if version > SCHEMA_VERSION:
            raise StoreTooNew(too_new(path, version))
        if not version:
            metadata.create_all(connection)
            for trigger in (_ENDED, _FORGOTTEN):
                connection.exec_driver_sql(trigger)
            connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")
    if version:
        migrations.upgrade(engine, path, version)
