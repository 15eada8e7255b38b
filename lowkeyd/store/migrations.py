"""How a database of an older lowkeyd becomes one of today's: numbered steps over `PRAGMA user_version`.

Each step is one transaction together with its number, so that a crash leaves the file before or after it. A step is
written out, and never changed once it was released: it must not follow the tables of today, which go on changing.
"""

import time
from pathlib import Path

from sqlalchemy import Engine

from lowkeyd.store import backup

STEPS: dict[int, tuple[str, ...]] = {
    2: (
        "ALTER TABLE photo ADD COLUMN arrived_at FLOAT DEFAULT '0' NOT NULL",
        "ALTER TABLE photo ADD COLUMN bumped_at FLOAT DEFAULT '0' NOT NULL",
        "ALTER TABLE photo ADD COLUMN missing_at FLOAT",
        """CREATE TABLE root (
    watch TEXT NOT NULL,
    path BLOB NOT NULL,
    identity TEXT NOT NULL,
    filled INTEGER NOT NULL,
    PRIMARY KEY (watch)
)""",
        """CREATE TABLE pause (
    id INTEGER NOT NULL,
    reason TEXT NOT NULL,
    since FLOAT NOT NULL,
    until FLOAT,
    PRIMARY KEY (id)
)""",
        """CREATE TABLE history (
    id INTEGER NOT NULL,
    at FLOAT NOT NULL,
    watch TEXT NOT NULL,
    path BLOB NOT NULL,
    state TEXT NOT NULL,
    stage TEXT,
    reason TEXT,
    strength TEXT,
    seconds FLOAT,
    PRIMARY KEY (id)
)""",
        "CREATE INDEX history_by_time ON history (at)",
        """CREATE TRIGGER photo_ended AFTER UPDATE OF state ON photo
WHEN NEW.state IN ('done', 'no_face', 'failed') AND OLD.state <> NEW.state
BEGIN
    INSERT INTO history (at, watch, path, state, stage, reason, strength, seconds)
    VALUES (NEW.changed_at, NEW.watch, NEW.path, NEW.state, NEW.stage, NEW.reason, NEW.strength, NEW.seconds);
    DELETE FROM history WHERE at < NEW.changed_at - 7776000 OR id <= last_insert_rowid() - 100000;
END""",
        """CREATE TRIGGER photo_forgotten AFTER INSERT ON history WHEN NEW.id % 1000 = 0
BEGIN
    DELETE FROM photo
    WHERE state = 'ignored' AND stage = 'admit' AND delivery_path IS NULL AND changed_at < NEW.at - 7776000;
END""",
    ),
    3: ("ALTER TABLE photo ADD COLUMN refused TEXT",),
    4: (
        "CREATE INDEX photo_by_delivery ON photo (delivery_sha256, state) WHERE delivery_sha256 IS NOT NULL",
        """CREATE INDEX photo_newest ON photo (bumped_at DESC, arrived_at DESC, id DESC, watch, not_before)
WHERE state IN ('ready', 'waiting')""",
        """CREATE INDEX photo_oldest ON photo (bumped_at DESC, arrived_at, id, watch, not_before)
WHERE state IN ('ready', 'waiting')""",
    ),
}
"""By the schema that a step leads to."""

NEWEST = max(STEPS)


def upgrade(engine: Engine, path: Path, version: int) -> None:
    """Bring the database from schema `version` to the newest, after a backup. Raises StoreError, SQLAlchemyError."""
    if version < NEWEST:
        backup.make(path, f"schema-{version}", time.time())
    for step in range(version + 1, NEWEST + 1):
        with engine.begin() as connection:
            for statement in STEPS[step]:
                connection.exec_driver_sql(statement)
            connection.exec_driver_sql(f"PRAGMA user_version = {step}")
