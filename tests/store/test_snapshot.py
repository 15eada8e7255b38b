import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from lowkeyd.errors import StoreError
from lowkeyd.model import Delivery, Photo, Publication, Signature, Stage, State
from lowkeyd.store import reading, snapshot
from lowkeyd.store.judgement import Judgement
from lowkeyd.store.queue import Queue

NOW = 1_000.0
WEAK = Judgement('{"strength": "weak", "faces": []}', "weak", "settings", 2.5)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "db.sqlite3"


@pytest.fixture
def photos(path: Path) -> Iterator[Queue]:
    with Queue(path) as queue:
        yield queue


def photo(name: bytes, watch: str = "inbox", size: int = 1) -> Photo:
    return Photo(watch, name, Signature(size, 1))


def finish(photos: Queue, judgement: Judgement | None = WEAK) -> None:
    (job,) = photos.claim(1, NOW)
    photos.admit(job, "s")
    photos.publishing(job, Publication(job.id, b"t", Delivery(b"inbox/copy.jpg", "d")), judgement, NOW)
    photos.done(job.id, NOW)


def test_photos_are_counted_by_watch_and_state(photos: Queue, path: Path) -> None:
    photos.offer([photo(b"a.jpg"), photo(b"b.jpg"), photo(b"a.jpg", "phone")], NOW)
    photos.claim(1, NOW)
    assert snapshot.read(path, 10).counts == {
        ("inbox", State.READY): 1,
        ("inbox", State.RUNNING): 1,
        ("phone", State.READY): 1,
    }


def test_a_photo_that_failed_says_which_stage_why_and_what_to_do(photos: Queue, path: Path) -> None:
    photos.offer([photo(b"a.jpg")], NOW)
    (job,) = photos.claim(1, NOW)
    photos.fail(job, Stage.DECODE, "is no picture", "Restore it.", NOW + 5)
    (row,) = snapshot.read(path, 10).failed
    assert (row.watch, row.path, row.state, row.stage, row.reason, row.advice, row.attempts, row.changed_at) == (
        "inbox",
        "a.jpg",
        State.FAILED,
        "decode",
        "is no picture",
        "Restore it.",
        1,
        NOW + 5,
    )


def test_waiting_and_running_photos_are_named_newest_first_up_to_a_limit(photos: Queue, path: Path) -> None:
    photos.offer([photo(b"%d.jpg" % number) for number in range(6)], NOW)
    jobs = photos.claim(5, NOW)
    for number, job in enumerate(jobs[:3]):
        photos.wait(job, Stage.PUBLISH, "full", "", NOW + 60, NOW + number, counted=False)
    taken = snapshot.read(path, 2)
    assert [row.path for row in taken.waiting] == ["2.jpg", "1.jpg"]
    assert taken.waiting[0].next_try_at == NOW + 60
    assert {row.path for row in taken.running} == {"3.jpg", "4.jpg"}
    assert snapshot.read(path, 0).waiting == ()


def test_weak_copies_are_counted_while_they_are_what_is_delivered(photos: Queue, path: Path) -> None:
    photos.offer([photo(b"a.jpg")], NOW)
    finish(photos)
    assert snapshot.read(path, 0).weak == 1
    photos.offer([photo(b"a.jpg", size=2)], NOW)
    assert snapshot.read(path, 0).weak == 1, "it lies there until there is another one"
    finish(photos, replace(WEAK, strength="protected"))
    assert snapshot.read(path, 0).weak == 0


def test_a_copy_that_is_only_about_to_come_is_not_weak_yet(photos: Queue, path: Path) -> None:
    photos.offer([photo(b"a.jpg")], NOW)
    finish(photos, replace(WEAK, strength="protected"))
    photos.offer([photo(b"a.jpg", size=2)], NOW)
    (job,) = photos.claim(1, NOW)
    photos.publishing(job, Publication(job.id, b"t", Delivery(b"inbox/copy.jpg", "d")), WEAK, NOW)
    assert snapshot.read(path, 0).weak == 0
    photos.done(job.id, NOW)
    assert snapshot.read(path, 0).weak == 1


def test_names_that_are_no_text_come_as_escapes(photos: Queue, path: Path) -> None:
    photos.offer([photo(b"caf\xe9\n\x1b[31m.jpg")], NOW)
    photos.claim(1, NOW)
    (row,) = snapshot.read(path, 1).running
    assert row.path == r"caf\udce9\n\x1b[31m.jpg"


def test_the_daemons_last_sign_of_life_comes_along(photos: Queue, path: Path) -> None:
    assert snapshot.read(path, 0).daemon is None
    photos.beat(42, NOW, NOW + 1, {"workers": []})
    assert snapshot.read(path, 0).daemon == {"pid": 42, "started_at": NOW, "beat_at": NOW + 1, "workers": []}


def test_delivered_names_every_photo_with_its_copy_and_verdict(photos: Queue, path: Path) -> None:
    photos.offer([photo(b"a.jpg"), photo(b"b.jpg")], NOW)
    finish(photos)
    done, ready = snapshot.delivered(path)
    assert (done.path, done.state, done.delivery, done.seconds) == (b"a.jpg", State.DONE, b"inbox/copy.jpg", 2.5)
    assert done.verdict == {"strength": "weak", "faces": []}
    assert (ready.path, ready.state, ready.delivery, ready.verdict) == (b"b.jpg", State.READY, None, None)


def test_a_daemon_that_writes_does_not_disturb(photos: Queue, path: Path) -> None:
    photos.offer([photo(b"a.jpg")], NOW)
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM photo")
        assert snapshot.read(path, 1).counts == {("inbox", State.READY): 1}


def test_it_never_writes(photos: Queue, path: Path) -> None:
    with closing(reading.connect(path)) as connection, pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("DELETE FROM photo")


def test_without_a_database_the_way_to_one_is_told(tmp_path: Path) -> None:
    for read in (lambda: snapshot.read(tmp_path / "db.sqlite3", 1), lambda: snapshot.delivered(tmp_path / "no")):
        with pytest.raises(StoreError, match="no database yet; `lowkeyd run` makes it"):
            read()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("content", [b"", b"this is no database, and long enough to tell" * 100])
def test_what_is_no_database_is_one_clear_error(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(StoreError, match="cannot be read"):
        snapshot.read(path, 1)
