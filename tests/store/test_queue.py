import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lowkeyd.errors import StoreError
from lowkeyd.model import Delivery, Job, Photo, Publication, Signature, Stage, State
from lowkeyd.store.queue import Queue

NOW = 1_000.0


def photo(name: str, size: int = 1, watch: str = "inbox") -> Photo:
    return Photo(watch, name.encode(), Signature(size, 10**18 + size))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "db.sqlite3"


@pytest.fixture
def photos(path: Path) -> Iterator[Queue]:
    with Queue(path) as queue:
        yield queue


def claim_one(photos: Queue, now: float = NOW) -> Job:
    (job,) = photos.claim(1, now)
    return job


def row(path: Path, name: str = "a.jpg") -> sqlite3.Row:
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    found: sqlite3.Row = connection.execute("SELECT * FROM photo WHERE path = ?", (name.encode(),)).fetchone()
    connection.close()
    return found


def publish(photos: Queue, job: Job, path: bytes = b"inbox/a.jpg", sha256: str = "d1") -> bool:
    return photos.publishing(job, Publication(job.id, b"inbox/.temp", Delivery(path, sha256)), NOW)


def test_a_photo_is_queued_once_per_version(photos: Queue) -> None:
    assert photos.offer([photo("a.jpg"), photo("b.jpg")], NOW) == 2
    assert photos.offer([photo("a.jpg")], NOW) == 0
    assert photos.offer([photo("a.jpg", size=2)], NOW) == 1
    assert photos.counts() == {State.READY: 2}


def test_unknown_names_new_and_changed_photos(photos: Queue) -> None:
    photos.offer([photo(f"{i}.jpg") for i in range(1200)], NOW)
    seen = [photo(f"{i}.jpg") for i in range(1200)] + [photo("new.jpg"), photo("3.jpg", size=9)]
    assert photos.unknown(seen) == [photo("new.jpg"), photo("3.jpg", size=9)]


def test_the_same_path_in_two_watches_is_two_photos(photos: Queue) -> None:
    assert photos.offer([photo("a.jpg"), photo("a.jpg", watch="phone")], NOW) == 2


def test_claim_takes_the_oldest_due_and_counts_the_attempt(photos: Queue) -> None:
    photos.offer([photo("a.jpg"), photo("b.jpg"), photo("c.jpg")], NOW)
    jobs = photos.claim(2, NOW)
    assert [(job.photo.path, job.attempts) for job in jobs] == [(b"a.jpg", 1), (b"b.jpg", 1)]
    assert [job.photo.path for job in photos.claim(5, NOW)] == [b"c.jpg"]
    assert photos.claim(5, NOW) == []


def test_many_threads_never_claim_the_same_photo(photos: Queue) -> None:
    photos.offer([photo(f"{i}.jpg") for i in range(200)], NOW)
    claimed: list[int] = []

    def work() -> None:
        while jobs := photos.claim(3, NOW):
            claimed.extend(job.id for job in jobs)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == sorted(set(claimed))
    assert len(claimed) == 200


def test_a_suspect_comes_alone(photos: Queue) -> None:
    photos.offer([photo("a.jpg"), photo("b.jpg"), photo("c.jpg")], NOW)
    for job in photos.claim(2, NOW):
        photos.suspect(job, NOW)
    assert [[job.photo.path for job in photos.claim(5, NOW)] for _ in range(3)] == [[b"a.jpg"], [b"b.jpg"], [b"c.jpg"]]


def test_the_same_content_is_in_work_once(photos: Queue) -> None:
    photos.offer([photo("a.jpg"), photo("copy.jpg")], NOW)
    first, second = photos.claim(2, NOW)
    assert photos.admit(first, "s1")
    assert not photos.admit(second, "s1")
    photos.release(second, NOW, until=NOW + 2)
    assert photos.claim(1, NOW) == []
    assert photos.next_due() == NOW + 2


def test_a_twin_is_found_by_content_and_settings(photos: Queue) -> None:
    photos.offer([photo("a.jpg")], NOW)
    job = claim_one(photos)
    photos.admit(job, "s1")
    photos.judged(job, '{"faces": []}', "protected", "settings", 1.0)
    assert photos.twin("s1", "settings") is None, "not before it is done"
    publish(photos, job)
    photos.done(job.id, NOW)
    assert photos.twin("s1", "settings") == (Delivery(b"inbox/a.jpg", "d1"), '{"faces": []}', "protected")
    assert photos.twin("s1", "other settings") is None


def test_done_keeps_the_delivery_and_what_may_be_replaced_next_time(photos: Queue, path: Path) -> None:
    photos.offer([photo("a.jpg")], NOW)
    job = claim_one(photos)
    assert photos.delivered(job) is None
    photos.judged(job, "{}", "protected", "settings", 1.0)
    assert publish(photos, job)
    photos.done(job.id, NOW)
    assert row(path)["state"] == "done"
    photos.offer([photo("a.jpg", size=2)], NOW)
    again = claim_one(photos)
    assert photos.delivered(again) == Delivery(b"inbox/a.jpg", "d1")
    assert row(path)["verdict"] is None, "the old verdict does not speak of the new version"


def test_a_copy_that_nobody_judged_ends_as_no_face(photos: Queue, path: Path) -> None:
    photos.offer([photo("a.jpg")], NOW)
    job = claim_one(photos)
    publish(photos, job)
    photos.done(job.id, NOW)
    assert row(path)["state"] == "no_face"


def test_a_photo_that_changed_while_in_work_is_not_published(photos: Queue, path: Path) -> None:
    photos.offer([photo("a.jpg")], NOW)
    job = claim_one(photos)
    photos.offer([photo("a.jpg", size=2)], NOW)
    assert row(path)["state"] == "running", "it is still in the worker's hands"
    assert not publish(photos, job)
    assert (row(path)["state"], row(path)["attempts"]) == ("ready", 0)


@pytest.mark.parametrize("how", ["fail", "wait", "no_face", "suspect", "release"])
def test_whatever_came_of_an_old_version_the_new_one_starts_afresh(photos: Queue, path: Path, how: str) -> None:
    photos.offer([photo("a.jpg")], NOW)
    job = claim_one(photos)
    photos.offer([photo("a.jpg", size=2)], NOW)
    match how:
        case "fail":
            photos.fail(job, Stage.DECODE, "damaged", "", NOW)
        case "wait":
            photos.wait(job, Stage.DECODE, "half", "", NOW + 60, NOW, counted=True)
        case "no_face":
            photos.no_face(job, NOW)
        case "suspect":
            photos.suspect(job, NOW)
        case "release":
            photos.release(job, NOW)
    now = row(path)
    assert (now["state"], now["attempts"], now["suspect"], now["not_before"]) == ("ready", 0, 0, 0)


def test_waiting_comes_back_when_its_time_has_come(photos: Queue) -> None:
    photos.offer([photo("a.jpg")], NOW)
    photos.wait(claim_one(photos), Stage.PUBLISH, "full", "make room", NOW + 60, NOW, counted=False)
    assert photos.claim(1, NOW + 59) == []
    assert claim_one(photos, NOW + 60).attempts == 1, "a wait that is not the photo's fault does not count"


def test_recover_gives_back_what_ran_and_names_what_was_being_published(photos: Queue) -> None:
    photos.offer([photo("a.jpg"), photo("b.jpg")], NOW)
    first, _ = photos.claim(2, NOW)
    publish(photos, first)
    assert photos.recover(NOW) == [Publication(first.id, b"inbox/.temp", Delivery(b"inbox/a.jpg", "d1"))]
    assert photos.counts() == {State.PUBLISHING: 1, State.READY: 1}
    photos.requeue(first.id, NOW)
    assert [job.attempts for job in photos.claim(2, NOW)] == [1, 1], "a restart costs no attempt"


def test_retry_makes_failed_and_waiting_ready(photos: Queue, path: Path) -> None:
    photos.offer([photo("a.jpg"), photo("b.jpg"), photo("c.jpg")], NOW)
    first, second, third = photos.claim(3, NOW)
    photos.fail(first, Stage.DECODE, "damaged", "restore it", NOW)
    photos.wait(second, Stage.ADMIT, "no permission", "", NOW + 60, NOW, counted=False)
    photos.no_face(third, NOW)
    assert photos.retry([("inbox", b"c.jpg")], NOW) == 0
    assert photos.retry([("inbox", b"a.jpg")], NOW) == 1
    assert (row(path)["state"], row(path)["attempts"], row(path)["reason"]) == ("ready", 0, None)
    assert photos.retry(None, NOW) == 1


def test_what_is_ignored_comes_back_when_it_is_seen_again(photos: Queue) -> None:
    photos.offer([photo("a.jpg")], NOW)
    photos.ignore(claim_one(photos), "gone", NOW)
    assert photos.unknown([photo("a.jpg")]) == [photo("a.jpg")]
    assert photos.offer([photo("a.jpg")], NOW) == 1
    assert claim_one(photos).attempts == 1


def test_progress_is_noted_only_while_running(photos: Queue, path: Path) -> None:
    photos.offer([photo("a.jpg")], NOW)
    job = claim_one(photos)
    photos.stage(job.id, Stage.OPTIMISE)
    assert row(path)["stage"] == "optimise"
    photos.fail(job, Stage.VERIFY, "reason", "advice", NOW)
    photos.stage(job.id, Stage.DECODE)
    assert row(path)["stage"] == "verify"


def test_a_newer_database_is_refused(path: Path) -> None:
    with Queue(path):
        pass
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match="newer lowkeyd"):
        Queue(path)


def test_a_damaged_database_is_one_clear_error(path: Path) -> None:
    path.write_bytes(b"this is no database, and long enough to tell" * 100)
    with pytest.raises(StoreError, match="cannot be opened"):
        Queue(path)


def test_what_is_left_alone_stays_so_until_it_changes(photos: Queue, path: Path) -> None:
    photos.offer([photo("a.nef")], NOW)
    photos.leave_alone(claim_one(photos), "raw: not for us", "Do this.", NOW)
    assert photos.unknown([photo("a.nef")]) == []
    assert photos.offer([photo("a.nef")], NOW) == 0
    assert (row(path, "a.nef")["state"], row(path, "a.nef")["reason"]) == ("ignored", "raw: not for us")
    assert photos.unknown([photo("a.nef", size=2)]) == [photo("a.nef", size=2)]


def test_our_own_deliveries_are_known_by_their_bytes(photos: Queue) -> None:
    photos.offer([photo("a.jpg"), photo("b.jpg")], NOW)
    first, second = photos.claim(2, NOW)
    publish(photos, first, sha256="d1")
    assert not photos.is_delivery("d1")
    photos.judged(first, "{}", "protected", "f", 1.0)
    photos.done(first.id, NOW)
    assert photos.is_delivery("d1")
    assert not photos.is_delivery("d2")
    publish(photos, second, path=b"inbox/b.jpg", sha256="d3")
    photos.done(second.id, NOW)  # without a verdict: a photo without faces that was copied as it is
    assert not photos.is_delivery("d3")
