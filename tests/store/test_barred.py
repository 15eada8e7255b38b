from collections.abc import Iterator
from pathlib import Path

import pytest

from lowkeyd.model import Delivery, Photo, Publication, Signature, Stage, State
from lowkeyd.store.barred import bar, unbar
from lowkeyd.store.queue import Queue

NOW = 1_000.0
A = ("inbox", b"a.jpg")


@pytest.fixture
def photos(tmp_path: Path) -> Iterator[Queue]:
    with Queue(tmp_path / "db.sqlite3") as queue:
        yield queue


def offer(photos: Queue, size: int = 1) -> int:
    return photos.offer([Photo(*A, Signature(size, 1))], NOW)


@pytest.mark.parametrize("seen_before", [True, False])
def test_a_barred_photo_is_never_claimed_in_no_version_and_settles_with_the_next_scan(
    photos: Queue, seen_before: bool
) -> None:
    if seen_before:
        offer(photos)
    assert bar(photos, [A], NOW) == 1
    for size in (1, 2, 3):
        offer(photos, size)
        assert photos.unknown([Photo(*A, Signature(size, 1))]) == []
        assert (photos.counts(), photos.claim(8, NOW)) == ({State.IGNORED: 1}, [])
    assert photos.retry(None, NOW) == 0


def test_nor_is_it_tried_again_by_name(photos: Queue) -> None:
    offer(photos)
    bar(photos, [A], NOW)
    assert photos.redo([A], NOW) == photos.retry([A], NOW) == 0
    assert photos.counts() == {State.IGNORED: 1}


def test_it_can_be_taken_back(photos: Queue) -> None:
    offer(photos)
    bar(photos, [A], NOW)
    assert unbar(photos, [A], NOW) == 1
    assert len(photos.claim(8, NOW)) == 1
    assert unbar(photos, [A], NOW) == 0, "it was not barred"


def test_it_begins_afresh_then(photos: Queue) -> None:
    offer(photos)
    (job,) = photos.claim(1, NOW)
    photos.wait(job, Stage.DECODE, "half", "", NOW + 60, NOW, counted=True)
    bar(photos, [A], NOW)
    unbar(photos, [A], NOW)
    assert [job.attempts for job in photos.claim(1, NOW)] == [1]


def test_only_what_a_person_barred_can_be_taken_back(photos: Queue) -> None:
    offer(photos)
    (job,) = photos.claim(1, NOW)
    photos.leave_alone(job, "raw", "Nothing to do.", NOW)
    assert unbar(photos, [A], NOW) == 0


def test_work_on_it_is_thrown_away(photos: Queue) -> None:
    offer(photos)
    (job,) = photos.claim(1, NOW)
    bar(photos, [A], NOW)
    photos.stage(job.id, Stage.OPTIMISE)
    assert not photos.publishing(job, Publication(job.id, b"t", Delivery(b"inbox/a.jpg", "d")), None, NOW)
    photos.release(job, NOW)
    assert photos.counts() == {State.IGNORED: 1}


def test_a_copy_that_is_about_to_appear_is_not_stopped_any_more(photos: Queue) -> None:
    offer(photos)
    (job,) = photos.claim(1, NOW)
    photos.publishing(job, Publication(job.id, b"t", Delivery(b"inbox/a.jpg", "d")), None, NOW)
    assert bar(photos, [A], NOW) == 0
    photos.done(job.id, NOW)
    assert photos.counts() == {State.NO_FACE: 1}
