"""What a new daemon makes of the rows that the last one left."""

import time

import pytest

from lowkeyd.machine import memory
from lowkeyd.model import Delivery, Publication, Stage, sha256
from lowkeyd.store.judgement import Judgement
from lowkeyd.work.recover import recover
from lowkeyd.work.retry import MAX_ATTEMPTS, MAX_INTERRUPTIONS
from tests.helpers.library import Library

JUDGED = Judgement("{}", "protected", "settings", 1.0)


def beat(library: Library) -> None:
    library.photos.beat(1, 0.0, time.time(), {"memory": memory.mark()})


def die_at_work(library: Library) -> None:
    """A daemon takes up what there is, and dies; the next one recovers."""
    beat(library)
    for job in library.photos.claim(8, time.time()):
        library.photos.stage(job.id, Stage.OPTIMISE)
    recover(library.photos, library.publisher)


def test_what_was_in_work_is_tried_again_one_by_one_and_uncounted(library: Library) -> None:
    library.drop("a.jpg", b"x")
    library.drop("b.jpg", b"y")
    die_at_work(library)
    job = library.claim()
    assert (job.photo.path, job.attempts, job.suspect) == (b"a.jpg", 1, True)


def test_thirty_kills_by_hand_are_survived(library: Library) -> None:
    library.drop("a.jpg", b"x")
    for _ in range(30):
        die_at_work(library)
    assert library.row()["state"] == "ready"


def test_a_photo_that_takes_the_whole_daemon_down_for_memory_is_parked_and_its_neighbours_go_on(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel's counter is faked: the limit of a control group takes the daemon with the worker."""
    kills = 0

    def mark() -> dict[str, object]:
        return {"boot": "this", "kills": kills}

    monkeypatch.setattr(memory, "mark", mark)
    library.drop("a.jpg", b"poison")
    library.drop("b.jpg", b"fine")
    for _ in range(MAX_ATTEMPTS):
        beat(library)
        library.photos.claim(8, time.time())
        kills += 1
        recover(library.photos, library.publisher)
    row = library.row()
    assert (row["state"], row["stage"]) == ("failed", "admit")
    assert "for want of memory" in row["reason"]
    assert library.claim().photo.path == b"b.jpg", "it was in the first batch only"


def test_nothing_loops_for_ever(library: Library) -> None:
    library.drop("a.jpg", b"x")
    for _ in range(MAX_INTERRUPTIONS):
        die_at_work(library)
    assert (library.row()["state"], library.row()["stage"]) == ("failed", "optimise")


def test_publications_are_settled_by_the_disk_and_what_is_left_is_swept(library: Library) -> None:
    for name in ("placed.jpg", "not.jpg"):
        library.drop(name, name.encode())
    outbox = library.publisher.outbox
    for job in library.photos.claim(8, time.time()):
        name = job.photo.path
        temp = outbox.write_temp(b"inbox", b"copy of " + name, 0)
        delivery = Delivery(b"inbox/" + name, sha256(b"copy of " + name))
        library.photos.publishing(job, Publication(job.id, temp, delivery), JUDGED, 0.0)
        if name == b"placed.jpg":
            outbox.place(temp, delivery, None)
    recover(library.photos, library.publisher)
    assert library.delivered() == {"inbox/placed.jpg": b"copy of placed.jpg"}
    assert (library.row("placed.jpg")["state"], library.row("not.jpg")["state"]) == ("done", "ready")


def test_a_fresh_database_has_nothing_to_recover(library: Library) -> None:
    recover(library.photos, library.publisher)
    assert library.photos.counts() == {}
