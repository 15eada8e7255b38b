"""Where all photos stand, for `lowkeyd status` and for reports."""

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lowkeyd.errors import StoreError
from lowkeyd.model import State, readable
from lowkeyd.store.reading import LEFT_ALONE, WEAK, connect, reading

_SHOWN = "watch, path, state, stage, reason, advice, attempts, not_before, changed_at"


@dataclass(frozen=True)
class Row:
    """One photo, for a person to read. `path` is relative to its watch; times are seconds since the epoch."""

    watch: str
    path: str
    state: State
    stage: str | None
    reason: str | None
    advice: str | None
    attempts: int
    next_try_at: float
    changed_at: float


@dataclass(frozen=True)
class Snapshot:
    """Everything at one moment. `daemon` is its last sign of life, None if there never was one."""

    counts: dict[tuple[str, State], int]
    weak: int
    left_alone: int
    running: tuple[Row, ...]
    waiting: tuple[Row, ...]
    failed: tuple[Row, ...]
    daemon: dict[str, Any] | None


@dataclass(frozen=True)
class Delivered:
    """A photo as reports have it: the delivered file relative to the outbox, the judges' word as kept (JSON), and why
    nothing was delivered."""

    watch: str
    path: bytes
    state: State
    reason: str | None
    delivery: bytes | None
    verdict: dict[str, Any] | None
    seconds: float | None


def read(path: Path, rows: int) -> Snapshot:
    """Counts, and up to `rows` photos each of those running, waiting and failed, newest first.

    Raises StoreError when there is no database, or it cannot be read.
    """
    with reading(path) as connection:
        return Snapshot(
            counts={
                (watch, State(state)): count
                for watch, state, count in connection.execute(
                    "SELECT watch, state, count(*) FROM photo GROUP BY watch, state"
                )
            },
            weak=connection.execute(f"SELECT count(*) FROM {WEAK}").fetchone()[0],
            left_alone=connection.execute(f"SELECT count(*) FROM photo WHERE {LEFT_ALONE}").fetchone()[0],
            running=_rows(connection, (State.RUNNING, State.PUBLISHING), rows),
            waiting=_rows(connection, (State.WAITING,), rows),
            failed=_rows(connection, (State.FAILED,), rows),
            daemon=_daemon(connection),
        )


def delivered(path: Path) -> list[Delivered]:
    """Every photo with its delivery and verdict, for reports. Raises StoreError."""
    query = "SELECT watch, path, state, reason, delivery_path, verdict, seconds FROM photo ORDER BY watch, path"
    with reading(path) as connection:
        return [
            Delivered(watch, name, State(state), reason, delivery, json.loads(verdict) if verdict else None, seconds)
            for watch, name, state, reason, delivery, verdict, seconds in connection.execute(query)
        ]


def known_roots(path: Path) -> dict[str, tuple[bytes, str]]:
    """The folders that were watched before, by the watch's name: path and identity; none without a database that says
    so."""
    try:
        with closing(connect(path)) as connection:
            rows = connection.execute("SELECT watch, path, identity FROM root")
            return {watch: (folder, identity) for watch, folder, identity in rows}
    except (StoreError, sqlite3.Error):
        return {}


def _rows(connection: sqlite3.Connection, states: tuple[State, ...], limit: int) -> tuple[Row, ...]:
    marks = ", ".join("?" * len(states))
    query = f"SELECT {_SHOWN} FROM photo WHERE state IN ({marks}) ORDER BY changed_at DESC LIMIT ?"
    return tuple(
        Row(watch, readable(path), State(state), *rest)
        for watch, path, state, *rest in connection.execute(query, (*states, limit))
    )


def _daemon(connection: sqlite3.Connection) -> dict[str, Any] | None:
    row = connection.execute("SELECT pid, started_at, beat_at, report FROM daemon").fetchone()
    if row is None:
        return None
    pid, started_at, beat_at, report = row
    return {"pid": pid, "started_at": started_at, "beat_at": beat_at, **json.loads(report)}
