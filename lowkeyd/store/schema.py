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
    create_engine,
    event,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry, StaticPool

from lowkeyd.errors import StoreError

SCHEMA_VERSION = 1
"""Kept in the file as `user_version`."""
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

daemon = Table(
    "daemon",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("pid", Integer, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("beat_at", Float, nullable=False),
    Column("report", Text, nullable=False),  # JSON: workers and watches
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
        version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
        if version > SCHEMA_VERSION:
            raise StoreError(
                f"{path}: written by a newer lowkeyd (schema {version}, this one knows {SCHEMA_VERSION}); upgrade it"
            )
        metadata.create_all(connection)
        connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")
