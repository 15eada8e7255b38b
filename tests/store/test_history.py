"""The database keeps its own history, whoever changes a photo's state, and keeps it short."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lowkeyd.model import Photo, Signature, Stage
from lowkeyd.store.barred import bar
from lowkeyd.store.queue import Queue
from tests.store.test_snapshot import finish

NOW = 1_700_000_000.0
DAY_S = 86_400.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "db.sqlite3"


@pytest.fixture
def photos(path: Path) -> Iterator[Queue]:
    with Queue(path) as queue:
        yield queue


def offer(photos: Queue, name: bytes, now: float = NOW, size: int = 1) -> None:
    photos.offer([Photo("inbox", name, Signature(size, 1))], now)


def fail(photos: Queue, now: float) -> None:
    (job,) = photos.claim(1, now)
    photos.fail(job, Stage.DECODE, "is no picture", "Restore it.", now)


def query(path: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement).fetchall()


def test_every_end_of_a_photo_is_kept_even_when_it_is_done_again(photos: Queue, path: Path) -> None:
    offer(photos, b"a.jpg")
    fail(photos, NOW + 1)
    photos.retry(None, NOW + 2)
    finish_at = NOW + 3
    (job,) = photos.claim(1, finish_at)
    photos.no_face(job, finish_at)
    assert query(path, "SELECT at, watch, path, state, stage, reason FROM history ORDER BY id") == [
        (NOW + 1, "inbox", b"a.jpg", "failed", "decode", "is no picture"),
        (NOW + 3, "inbox", b"a.jpg", "no_face", "detect", "no face was found"),
    ]


def test_a_delivery_is_kept_with_how_strong_it_is_and_how_long_it_took(photos: Queue, path: Path) -> None:
    offer(photos, b"a.jpg")
    finish(photos)
    assert query(path, "SELECT state, strength, seconds FROM history") == [("done", "weak", 2.5)]


def test_after_ninety_days_it_is_forgotten(photos: Queue, path: Path) -> None:
    for day, name in ((0, b"a.jpg"), (89, b"b.jpg"), (91, b"c.jpg")):
        offer(photos, name)
        fail(photos, NOW + day * DAY_S)
    assert query(path, "SELECT path FROM history") == [(b"b.jpg",), (b"c.jpg",)]
    assert query(path, "SELECT count(*) FROM photo") == [(3,)], "where a photo stands is no history"


def test_it_never_has_more_than_a_hundred_thousand_entries(photos: Queue, path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            """WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
            INSERT INTO history (id, at, watch, path, state) SELECT i, ?, 'inbox', 'x', 'done' FROM n""",
            (NOW,),
        )
    offer(photos, b"a.jpg")
    fail(photos, NOW)
    assert query(path, "SELECT count(*), min(id), max(id) FROM history") == [(100_000, 2, 100_001)]


def take_away(photos: Queue, now: float) -> None:
    (job,) = photos.claim(1, now)
    photos.ignore(job, "it was taken away before its turn", now)


def end_the_thousandth(photos: Queue, path: Path) -> None:
    """One way in so many is followed by a look at what can be forgotten."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "INSERT INTO history (id, at, watch, path, state) VALUES (999, ?, 'inbox', 'x', 'done')", (NOW,)
        )
    offer(photos, b"a.jpg")
    fail(photos, NOW)


def test_photos_that_were_taken_away_long_ago_are_forgotten_now_and_then(photos: Queue, path: Path) -> None:
    for name, now in ((b"long ago.jpg", NOW - 91 * DAY_S), (b"lately.jpg", NOW)):
        offer(photos, name, now)
        take_away(photos, now)
    end_the_thousandth(photos, path)
    assert query(path, "SELECT path FROM photo ORDER BY path") == [(b"a.jpg",), (b"lately.jpg",)]


def test_but_never_one_that_a_person_wants_left_alone_or_that_left_a_copy(photos: Queue, path: Path) -> None:
    long_ago = NOW - 91 * DAY_S
    bar(photos, [("inbox", b"barred.jpg")], long_ago)
    offer(photos, b"copied.jpg", long_ago)
    finish(photos)
    offer(photos, b"copied.jpg", long_ago, size=2)
    take_away(photos, long_ago)
    end_the_thousandth(photos, path)
    assert query(path, "SELECT path FROM photo ORDER BY path") == [(b"a.jpg",), (b"barred.jpg",), (b"copied.jpg",)]
