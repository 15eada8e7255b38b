import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lowkeyd.errors import StoreError, StoreTooNew
from lowkeyd.model import Photo, Signature, Stage, State
from lowkeyd.store import location, lookup
from lowkeyd.store.queue import Queue
from tests.store.test_migrations import FIXTURES, restored
from tests.store.test_snapshot import NOW, finish


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return location.database(tmp_path)


@pytest.fixture
def photos(path: Path) -> Iterator[Queue]:
    with Queue(path) as queue:
        yield queue


def offer(photos: Queue, *names: bytes) -> None:
    photos.offer([Photo("inbox", name, Signature(1, 1)) for name in names], NOW)


def fail(photos: Queue, reason: str = "is no picture", now: float = NOW) -> None:
    (job,) = photos.claim(1, now)
    photos.fail(job, Stage.DECODE, reason, "Restore it.", now)


def test_a_photo_is_found_by_its_own_place_and_by_its_copys(photos: Queue, path: Path) -> None:
    offer(photos, b"a.jpg")
    finish(photos)
    entry = lookup.photo(path, "inbox", b"a.jpg")
    assert entry == lookup.photo_of(path, b"inbox/copy.jpg")
    assert entry is not None
    assert (entry.state, entry.sha256, entry.delivery, entry.delivery_sha256) == (
        State.DONE,
        "s",
        b"inbox/copy.jpg",
        "d",
    )
    assert (entry.verdict, entry.fingerprint, entry.seconds) == ({"strength": "weak", "faces": []}, "settings", 2.5)
    assert [event.state for event in entry.history] == [State.DONE]
    assert lookup.photo(path, "inbox", b"b.jpg") is lookup.photo_of(path, b"b.jpg") is None


def test_the_history_has_the_newest_first(photos: Queue, path: Path) -> None:
    offer(photos, b"a.jpg", b"b.jpg", b"c.jpg")
    for number in range(3):
        fail(photos, now=NOW + number)
    assert [(event.path, event.at) for event in lookup.history(path, 2)] == [("c.jpg", NOW + 2), ("b.jpg", NOW + 1)]


def test_a_digest_tells_of_nothing_twice(photos: Queue, path: Path) -> None:
    offer(photos, b"a.jpg")
    fail(photos)
    first = lookup.digest(path, 0, 5)
    assert (first.failed, len(first.failures)) == (1, 1)
    second = lookup.digest(path, first.last_id, 5)
    assert (second.failed, second.failures, second.last_id) == (0, (), first.last_id)


def test_a_photo_that_waited_can_be_claimed_since_its_time_has_come(photos: Queue, path: Path) -> None:
    offer(photos, b"a.jpg")
    (job,) = photos.claim(1, NOW)
    photos.wait(job, Stage.DECODE, "half", "", NOW + 3600, NOW, counted=True)
    assert lookup.progress(path, NOW + 3500).claimable_since is None
    assert lookup.progress(path, NOW + 3700).claimable_since == NOW + 3600


def test_a_version_without_a_face_has_no_copy_though_the_one_before_had(photos: Queue, path: Path) -> None:
    offer(photos, b"a.jpg")
    finish(photos)
    assert lookup.deliveries(path) == [("inbox", b"a.jpg", b"inbox/copy.jpg")]
    photos.offer([Photo("inbox", b"a.jpg", Signature(2, 1))], NOW)
    (job,) = photos.claim(1, NOW)
    photos.no_face(job, NOW)
    assert lookup.deliveries(path) == []


def test_failures_are_grouped_by_what_went_wrong_the_commonest_first(photos: Queue, path: Path) -> None:
    offer(photos, b"a.jpg", b"b.jpg", b"caf\xe9.jpg")
    fail(photos, "is a riddle")
    fail(photos, now=NOW + 1)
    fail(photos, now=NOW + 2)
    common, rare = lookup.failures(path, 1)
    assert (common.reason, common.count, common.photos) == ("is no picture", 2, (r"inbox/caf\udce9.jpg",))
    assert (rare.stage, rare.reason, rare.advice, rare.photos) == (
        "decode",
        "is a riddle",
        "Restore it.",
        ("inbox/a.jpg",),
    )


@pytest.mark.parametrize("fixture", FIXTURES[:2], ids=lambda path: path.stem)  # after these only indexes came
def test_a_database_that_was_not_upgraded_yet_is_one_sentence(fixture: Path, tmp_path: Path) -> None:
    path = restored(fixture, tmp_path / "state")
    with pytest.raises(StoreError, match="`lowkeyd run` of this one upgrades it"):
        lookup.photo(path, "inbox", b"holiday/beach.jpg")


def test_a_newer_database_is_not_said_to_be_upgraded_by_this_version(tmp_path: Path) -> None:
    path = location.database(tmp_path)
    with Queue(path):
        pass
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
        connection.execute("ALTER TABLE photo RENAME COLUMN delivery_path TO delivered_at")
    with pytest.raises(StoreTooNew, match="upgrade lowkeyd"):
        lookup.weak(path)
