"""Answers questions about single photos and about what happened, read-only, for people."""

import json
import sqlite3
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lowkeyd.model import Delivery, PhotoKey, State, readable
from lowkeyd.store.reading import LEFT_ALONE, WEAK, reading

_ENTRY = (
    "watch, path, state, stage, reason, advice, attempts, not_before, added_at, changed_at, sha256, delivery_path, "
    "delivery_sha256, fingerprint, seconds, verdict, refused"
)
_EVENT = "id, at, watch, path, state, stage, reason, strength, seconds"


@dataclass(frozen=True)
class Event:
    """How a photo's way ended once: `state` is done, no_face or failed."""

    id: int
    at: float
    watch: str
    path: str
    state: State
    stage: str | None
    reason: str | None
    strength: str | None
    seconds: float | None


@dataclass(frozen=True)
class Entry:
    """All that is known about one photo. `path` is relative to its watch, `delivery` to the outbox, both as bytes;
    `verdict` is the judges' word on that delivery as it is kept (JSON), `refused` their word on a copy that was not
    delivered; `history` has the newest first."""

    watch: str
    path: bytes
    state: State
    stage: str | None
    reason: str | None
    advice: str | None
    attempts: int
    next_try_at: float
    added_at: float
    changed_at: float
    sha256: str | None
    delivery: bytes | None
    delivery_sha256: str | None
    fingerprint: str | None
    seconds: float | None
    verdict: dict[str, Any] | None
    refused: dict[str, Any] | None
    history: tuple[Event, ...] = ()


@dataclass(frozen=True)
class Failure:
    """Photos that ended alike without a copy, and some of their names, the newest first."""

    stage: str
    reason: str
    advice: str
    count: int
    photos: tuple[str, ...]


def photo(database: Path, watch: str, path: bytes) -> Entry | None:
    """What is known about a photo in a watched folder. Raises StoreError."""
    return _entry(database, "watch = ? AND path = ?", (watch, path))


def photo_of(database: Path, delivery: bytes) -> Entry | None:
    """What is known about the photo whose copy lies there, in the outbox. Raises StoreError."""
    return _entry(database, "delivery_path = ?", (delivery,))


def _entry(database: Path, condition: str, values: tuple[Any, ...]) -> Entry | None:
    with reading(database) as connection:
        found = connection.execute(f"SELECT {_ENTRY} FROM photo WHERE {condition}", values).fetchone()
        if found is None:
            return None
        watch, path, state, *rest, verdict, refused = found
        judged = [json.loads(word) if word else None for word in (verdict, refused)]
        events = f"SELECT {_EVENT} FROM history WHERE watch = ? AND path = ? ORDER BY id DESC LIMIT 20"
        history = tuple(map(_event, connection.execute(events, (watch, path))))
    known: list[Any] = [watch, path, State(state), *rest, *judged, history]
    return Entry(*known)


def history(database: Path, limit: int) -> list[Event]:
    """What happened last, the newest first. Raises StoreError."""
    query = f"SELECT {_EVENT} FROM history ORDER BY id DESC LIMIT ?"
    with reading(database) as connection:
        return [_event(row) for row in connection.execute(query, (limit,))]


@dataclass(frozen=True)
class Progress:
    """What tells whether the queue moves: since when the photo that has been claimable for longest is so, since when
    the oldest waiting one is known, and why it waits; and when a photo's way last ended. Seconds since the epoch."""

    claimable_since: float | None
    waiting_since: float | None
    waiting_reason: str | None
    ended_at: float | None


def progress(database: Path, now: float, without: Collection[str] = ()) -> Progress:
    """How the queue moves, but for the photos of some watches, which nobody can take now. Raises StoreError."""
    elsewhere = f"watch NOT IN ({', '.join('?' * len(without))})"
    claimable = f"""SELECT min(max(changed_at, not_before)) FROM photo
        WHERE state IN ('ready', 'waiting') AND not_before <= ? AND {elsewhere}"""
    waiting = f"""SELECT added_at, reason FROM photo
        WHERE state = 'waiting' AND {elsewhere} ORDER BY added_at LIMIT 1"""
    with reading(database) as connection:
        (claimable_since,) = connection.execute(claimable, (now, *without)).fetchone()
        since, reason = connection.execute(waiting, (*without,)).fetchone() or (None, None)
        (ended_at,) = connection.execute("SELECT max(at) FROM history").fetchone()
    return Progress(claimable_since, since, reason, ended_at)


@dataclass(frozen=True)
class Digest:
    """What happened since an event: how often photos came to which end, and the last failures by name."""

    last_id: int
    done: int
    weak: int
    no_face: int
    failed: int
    failures: tuple[dict[str, Any], ...]


def digest(database: Path, after: int, names: int) -> Digest:
    """Of everything after the event `after`. Raises StoreError."""
    counts = """SELECT ifnull(max(id), ?1), ifnull(sum(state = 'done'), 0), ifnull(sum(strength = 'weak'), 0),
        ifnull(sum(state = 'no_face'), 0), ifnull(sum(state = 'failed'), 0) FROM history WHERE id > ?1"""
    failed = "SELECT watch, path, stage, reason FROM history WHERE id > ? AND state = 'failed' ORDER BY id DESC LIMIT ?"
    with reading(database) as connection:
        last, done, weak, no_face, ended = connection.execute(counts, (after,)).fetchone()
        rows = connection.execute(failed, (after, names)).fetchall()
    failures = ({"watch": w, "path": readable(p), "stage": stage, "reason": why} for w, p, stage, why in rows)
    return Digest(last, done, weak, no_face, ended, tuple(failures))


def failures(database: Path, names: int) -> list[Failure]:
    """Failed photos by what went wrong, the commonest first, with up to `names` of their names. Raises StoreError."""
    return _grouped(database, "state = 'failed'", names)


def left_alone(database: Path, names: int) -> list[Failure]:
    """The same for files that are not for us, or that a person wants left alone; not for those that are gone."""
    return _grouped(database, LEFT_ALONE, names)


def faceless(database: Path, names: int) -> list[Failure]:
    """The same for photos in which no face was found; without a reason are those that were copied all the same."""
    return _grouped(database, "state = 'no_face'", names)


def outdated(database: Path, fingerprint: str) -> list[PhotoKey]:
    """Photos whose copies were made with other settings than these, or nobody knows with which, as of those without a
    face. Raises StoreError."""
    query = """SELECT watch, path FROM photo
        WHERE state IN ('done', 'no_face') AND delivery_path IS NOT NULL AND fingerprint IS NOT ? ORDER BY id"""
    with reading(database) as connection:
        return connection.execute(query, (fingerprint,)).fetchall()


def current(
    database: Path, photos: Iterable[PhotoKey], fingerprint: str, *, weak_too: bool
) -> dict[PhotoKey, Delivery]:
    """Those of the photos that are done with these settings, with their copies. Raises StoreError."""
    query = """SELECT delivery_path, delivery_sha256 FROM photo WHERE watch = ? AND path = ?
        AND state = 'done' AND delivery_path IS NOT NULL AND fingerprint = ? AND (? OR strength IS NOT 'weak')"""
    with reading(database) as connection:  # one by one: by its settings, each photo of the library would be looked at
        found = ((photo, connection.execute(query, (*photo, fingerprint, weak_too)).fetchone()) for photo in photos)
        return {photo: Delivery(*row) for photo, row in found if row is not None}


def _grouped(database: Path, which: str, names: int) -> list[Failure]:
    groups = f"""SELECT ifnull(stage, ''), ifnull(reason, ''), ifnull(advice, ''), count(*) FROM photo
        WHERE {which} GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2"""
    with reading(database) as connection:
        return [
            Failure(stage, reason, advice, count, _names(connection, which, (stage, reason, advice, names)))
            for stage, reason, advice, count in connection.execute(groups).fetchall()
        ]


def _names(connection: sqlite3.Connection, which: str, values: tuple[Any, ...]) -> tuple[str, ...]:
    query = f"""SELECT watch, path FROM photo WHERE {which}
        AND ifnull(stage, '') = ? AND ifnull(reason, '') = ? AND ifnull(advice, '') = ?
        ORDER BY changed_at DESC LIMIT ?"""
    return tuple(f"{readable(watch)}/{readable(path)}" for watch, path in connection.execute(query, values))


@dataclass(frozen=True)
class Weak:
    """A photo whose delivered copy is still accepted by the recognisers `by`. `path` is relative to its watch."""

    watch: str
    path: bytes
    by: tuple[str, ...]


def weak(database: Path) -> list[Weak]:
    """Photos whose copies came out weak, the newest first, wherever they stand now. Raises StoreError."""
    query = f"SELECT watch, path, verdict FROM {WEAK} ORDER BY changed_at DESC, id"
    with reading(database) as connection:
        return [Weak(watch, path, _accepting(verdict)) for watch, path, verdict in connection.execute(query)]


def _accepting(verdict: str) -> tuple[str, ...]:
    scores = (score for face in json.loads(verdict)["faces"] for score in face["scores"])
    return tuple(sorted({score["network"] for score in scores if score["accepted"]}))


def deliveries(database: Path) -> list[tuple[str, bytes, bytes]]:
    """Every photo whose way ended with a copy: its watch, its path there, and its copy's below the outbox. Raises
    StoreError."""
    ended = "state = 'done' OR (state = 'no_face' AND reason IS NULL)"  # a reason: this version has no copy
    query = f"SELECT watch, path, delivery_path FROM photo WHERE delivery_path IS NOT NULL AND ({ended})"
    with reading(database) as connection:
        return connection.execute(query).fetchall()


def _event(row: tuple[Any, ...]) -> Event:
    number, at, watch, path, state, *rest = row
    return Event(number, at, watch, readable(path), State(state), *rest)


def fault(database: Path) -> str | None:
    """What SQLite finds wrong with the file, if anything; the file is only read. Raises StoreError where it cannot be
    opened."""
    with reading(database) as connection:
        try:
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.OperationalError:  # it lies where this user, or nobody, may write
            raise
        except sqlite3.DatabaseError as error:
            return str(error)
    return None if found == "ok" else str(found)


def schema(database: Path) -> int:
    """Which version of lowkeyd's tables it has. Raises StoreError."""
    with reading(database) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def sqlite_version() -> tuple[int, ...]:
    """Of the library in use."""
    return sqlite3.sqlite_version_info
