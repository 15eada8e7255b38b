from collections.abc import Iterator
from pathlib import Path

import pytest

from lowkeyd.model import Delivery, Photo, Publication, Signature, Stage
from lowkeyd.store.bumped import bump
from lowkeyd.store.queue import Queue


@pytest.fixture
def photos(tmp_path: Path) -> Iterator[Queue]:
    """Photos that are found in another order than they arrived in, in two watches."""
    with Queue(tmp_path / "db.sqlite3") as queue:
        queue.offer([photo("b", 20.0), photo("a", 10.0), photo("c", 30.0), photo("d", 30.0, "phone")], 0.0)
        yield queue


def photo(name: str, arrived_at: float, watch: str = "inbox") -> Photo:
    return Photo(watch, name.encode(), Signature(1, 1), arrived_at)


def claimed(photos: Queue, newest_first: bool, without: tuple[str, ...] = ()) -> str:
    return b"".join(job.photo.path for job in photos.claim(9, 1.0, without, newest=newest_first)).decode()


def test_what_arrived_last_comes_first(photos: Queue) -> None:
    assert claimed(photos, newest_first=True) == "dcba"


def test_or_last(photos: Queue) -> None:
    assert claimed(photos, newest_first=False) == "abcd"


def test_a_photo_that_was_written_to_has_arrived_anew(photos: Queue) -> None:
    photos.offer([Photo("inbox", b"a", Signature(2, 2), 40.0)], 1.0)
    assert claimed(photos, newest_first=True) == "adcb"


@pytest.mark.parametrize("newest_first", [True, False])
def test_what_a_person_wants_first_comes_first_and_the_last_wish_counts_most(photos: Queue, newest_first: bool) -> None:
    assert bump(photos, [("inbox", b"a")], 1.0) == 1
    assert bump(photos, [("inbox", b"b"), ("inbox", b"unknown")], 2.0) == 1
    assert claimed(photos, newest_first).startswith("ba")


def test_what_is_not_queued_cannot_be_bumped(photos: Queue) -> None:
    claimed(photos, newest_first=True)
    assert bump(photos, [("inbox", b"a")], 1.0) == 0


@pytest.mark.parametrize("end", ["no_face", "done", "leave_alone", "ignore"])
def test_however_a_bumped_photo_ends_it_is_bumped_no_more(photos: Queue, end: str) -> None:
    bump(photos, [("inbox", b"a")], 1.0)
    (job,) = photos.claim(1, 1.0)
    photos.release(job, 1.0)
    assert photos.claim(1, 1.0)[0].photo.path == b"a", "given back, it keeps its turn"
    match end:
        case "no_face":
            photos.no_face(job, 1.0)
        case "done":
            photos.publishing(job, Publication(job.id, b"t", Delivery(b"inbox/a", "d")), None, 1.0)
            photos.done(job.id, 1.0)
        case "leave_alone":
            photos.leave_alone(job, "raw", "", 1.0)
        case "ignore":
            photos.ignore(job, "gone", 1.0)
    photos.offer([Photo("inbox", b"a", Signature(2, 2), 10.0)], 2.0)
    assert claimed(photos, newest_first=True) == "dcba"


@pytest.mark.parametrize("how", ["waits", "failed", "is written to", "is written to in mid-work"])
def test_whatever_holds_up_a_bumped_photo_it_keeps_its_turn(photos: Queue, how: str) -> None:
    bump(photos, [("inbox", b"a")], 1.0)
    newer = Photo("inbox", b"a", Signature(2, 2), 10.0)
    (job,) = photos.claim(1, 1.0)
    match how:
        case "waits":
            photos.wait(job, Stage.ADMIT, "cannot be read", "", 60.0, 1.0, counted=False)
            photos.retry(None, 2.0)
        case "failed":
            photos.fail(job, Stage.DECODE, "is no picture", "", 1.0)
            photos.retry([("inbox", b"a")], 2.0)
        case "is written to":
            photos.wait(job, Stage.ADMIT, "it was written to", "", 6.0, 1.0, counted=False)
            photos.offer([newer], 2.0)
        case "is written to in mid-work":
            photos.offer([newer], 2.0)
            photos.release(job, 2.0)
    assert claimed(photos, newest_first=True).startswith("a")


def test_photos_of_offline_folders_are_passed_over(photos: Queue) -> None:
    assert photos.is_due(1.0, ("inbox",))
    assert claimed(photos, newest_first=True, without=("inbox",)) == "d"
    assert photos.is_due(1.0, ("phone",))
    assert claimed(photos, newest_first=True, without=("phone",)) == "cba"
    assert not photos.is_due(1.0)


def test_a_clock_that_was_set_back_keeps_no_photo_waiting_for_years(photos: Queue) -> None:
    year_s = 365 * 86_400.0
    for job in photos.claim(9, year_s):
        photos.wait(job, Stage.ADMIT, "cannot be read", "", year_s + 60, year_s, counted=False)
    assert not photos.is_due(year_s)
    assert claimed(photos, newest_first=True) == "dcba"


def test_photos_wait_no_longer_because_the_clock_was_set_back(photos: Queue) -> None:
    (job,) = photos.claim(1, 1000.0, newest=True)
    photos.wait(job, Stage.PUBLISH, "no room", "", 1060.0, 1000.0, counted=False)
    photos.clock_set_back(600.0, 400.0)
    assert [photos.is_due(now, ("phone",)) for now in (0.5, 461.0)] == [True, True]
    assert job.photo.path not in [other.photo.path for other in photos.claim(9, 459.0)]
    assert [other.photo.path for other in photos.claim(9, 461.0)] == [job.photo.path]
