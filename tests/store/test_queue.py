import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lowkeyd.errors import StoreError, StoreTooNew
from lowkeyd.model import Delivery, Job, Photo, Publication, Signature, Stage, State
from lowkeyd.store.judgement import Judgement
from lowkeyd.store.queue import Queue
from lowkeyd.store.turns import LONGEST_WAIT_S

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


JUDGED = Judgement('{"faces": []}', "protected", "settings", 1.0)


def publish(photos: Queue, job: Job, judgement: Judgement | None = JUDGED) -> bool:
    delivery = Delivery(b"inbox/a.jpg", "d1")
    return photos.publishing(job, Publication(job.id, b"inbox/.temp", delivery), judgement, NOW)


def deliver(photos: Queue, sha256: str = "s1") -> Job:
    """The one photo that is due, done."""
    job = claim_one(photos)
    photos.admit(job, sha256)
    publish(photos, job)
    photos.done(job.id, NOW)
    return job


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


def test_a_photo_is_running_since_it_was_claimed(photos: Queue, path: Path) -> None:
    photos.offer([photo("a.jpg")], NOW)
    claim_one(photos, NOW + 60)
    assert row(path)["changed_at"] == NOW + 60


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


def test_who_holds_the_file_for_a_moment_is_waited_for(photos: Queue, path: Path) -> None:
    """A backup, or a person with a database browser."""
    holder = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")
    release = threading.Timer(1.0, holder.rollback)
    release.start()
    assert photos.offer([photo("a.jpg")], NOW) == 1
    release.join()
    holder.close()


def test_a_suspect_comes_alone(photos: Queue) -> None:
    photos.offer([photo("a.jpg"), photo("b.jpg"), photo("c.jpg")], NOW)
    for job in photos.claim(2, NOW):
        photos.suspect(job, NOW)
    assert [[job.photo.path for job in photos.claim(5, NOW)] for _ in range(3)] == [[b"a.jpg"], [b"b.jpg"], [b"c.jpg"]]


def test_a_suspect_is_not_taken_along_by_others(photos: Queue) -> None:
    photos.offer([photo("a.jpg"), photo("b.jpg"), photo("c.jpg")], NOW)
    photos.suspect(claim_one(photos), NOW)
    turns = [[job.photo.path for job in photos.claim(5, NOW, newest=True)] for _ in range(2)]
    assert turns == [[b"c.jpg", b"b.jpg"], [b"a.jpg"]]


def test_the_same_content_is_in_work_once(photos: Queue) -> None:
    photos.offer([photo("a.jpg"), photo("copy.jpg")], NOW)
    first, second = photos.claim(2, NOW)
    assert photos.admit(first, "s1")
    assert not photos.admit(second, "s1")
    photos.release(second, NOW, until=NOW + 2)
    assert photos.claim(1, NOW) == []
    assert not photos.is_due(NOW + 1)
    assert photos.is_due(NOW + 2)


def test_a_twin_is_found_by_content_and_settings(photos: Queue) -> None:
    photos.offer([photo("a.jpg")], NOW)
    job = claim_one(photos)
    photos.admit(job, "s1")
    photos.offer([photo("b.jpg")], NOW)
    other = claim_one(photos)
    publish(photos, job)
    assert photos.twin(other, "s1", "settings") is None, "not before it is done"
    photos.done(job.id, NOW)
    assert photos.twin(other, "s1", "settings") == (Delivery(b"inbox/a.jpg", "d1"), JUDGED)
    assert photos.twin(other, "s1", "other settings") is None
    assert photos.twin(other, "s2", "settings") is None


def test_a_photo_that_was_only_touched_is_its_own_twin(photos: Queue) -> None:
    photos.offer([photo("a.jpg")], NOW)
    deliver(photos)
    photos.offer([photo("a.jpg", size=2)], NOW)
    again = claim_one(photos)
    assert photos.admit(again, "s1")
    assert photos.twin(again, "s1", "settings") == (Delivery(b"inbox/a.jpg", "d1"), JUDGED)


def test_its_own_copy_is_its_twin_before_any_other(photos: Queue) -> None:
    photos.offer([photo("a.jpg")], NOW)
    deliver(photos)
    photos.offer([photo("b.jpg")], NOW)
    job = claim_one(photos)
    photos.admit(job, "s1")
    own = Delivery(b"inbox/b.jpg", "d2")
    photos.publishing(job, Publication(job.id, b"inbox/.temp", own), JUDGED, NOW)
    photos.done(job.id, NOW)
    photos.offer([photo("b.jpg", size=2)], NOW)
    assert photos.twin(claim_one(photos), "s1", "settings") == (own, JUDGED)


def test_a_photo_with_new_content_is_not(photos: Queue, path: Path) -> None:
    photos.offer([photo("a.jpg")], NOW)
    deliver(photos)
    photos.offer([photo("a.jpg", size=2)], NOW)
    again = claim_one(photos)
    assert photos.admit(again, "s2")
    assert photos.twin(again, "s2", "settings") is None
    assert row(path)["verdict"] is None, "the old verdict does not speak of the new version"


def about_to_replace_its_copy(photos: Queue) -> Job:
    """A photo that was delivered and written to since, whose new copy is announced."""
    photos.offer([photo("a.jpg")], NOW)
    deliver(photos, "s1")
    photos.offer([photo("a.jpg", size=2)], NOW)
    job = claim_one(photos)
    photos.admit(job, "s2")
    publish(photos, job)
    return job


@pytest.mark.parametrize("end", ["wait", "requeue", "fail"])
def test_a_judgement_whose_delivery_never_came_is_taken_back(photos: Queue, path: Path, end: str) -> None:
    """Or the older delivery of the same photo would pass for the new one."""
    job = about_to_replace_its_copy(photos)
    match end:
        case "wait":
            photos.wait(job, Stage.PUBLISH, "full", "make room", NOW, NOW, counted=False)
        case "requeue":
            photos.requeue(job.id, NOW)
        case "fail":
            photos.fail(job, Stage.PUBLISH, "reason", "advice", NOW)
    assert row(path)["verdict"] is None
    assert photos.twin(job, "s2", "settings") is None


def test_so_is_that_of_a_photo_that_was_written_to_meanwhile(photos: Queue) -> None:
    job = about_to_replace_its_copy(photos)
    photos.offer([photo("a.jpg", size=3)], NOW)
    photos.wait(job, Stage.PUBLISH, "full", "make room", NOW, NOW, counted=False)
    again = claim_one(photos)
    assert photos.admit(again, "s2")
    assert photos.twin(again, "s2", "settings") is None


def test_done_keeps_the_delivery_and_what_may_be_replaced_next_time(photos: Queue, path: Path) -> None:
    photos.offer([photo("a.jpg")], NOW)
    job = claim_one(photos)
    assert photos.delivered(job.id) is None
    assert publish(photos, job)
    photos.done(job.id, NOW)
    assert row(path)["state"] == "done"
    photos.offer([photo("a.jpg", size=2)], NOW)
    again = claim_one(photos)
    assert photos.delivered(again.id) == Delivery(b"inbox/a.jpg", "d1")


def test_what_is_done_has_nothing_left_of_its_way(photos: Queue, path: Path) -> None:
    photos.offer([photo("a.jpg")], NOW)
    deliver(photos)
    assert (row(path)["attempts"], row(path)["stage"], row(path)["reason"]) == (0, None, None)


def test_only_what_was_announced_is_done(photos: Queue, path: Path) -> None:
    """As when a photo was ignored, and not ignored after all, while it was in work: two workers may then have it."""
    photos.offer([photo("a.jpg")], NOW)
    job = deliver(photos)
    photos.done(job.id, NOW)
    assert (row(path)["state"], row(path)["delivery_path"]) == ("done", b"inbox/a.jpg"), "its copy is not forgotten"
    photos.offer([photo("a.jpg", size=2)], NOW)
    photos.done(job.id, NOW)
    assert row(path)["state"] == "ready"


def test_a_copy_that_nobody_judged_ends_as_no_face(photos: Queue, path: Path) -> None:
    photos.offer([photo("a.jpg")], NOW)
    job = claim_one(photos)
    publish(photos, job, judgement=None)
    photos.done(job.id, NOW)
    assert row(path)["state"] == "no_face"


@pytest.mark.parametrize("copied", [True, False])
def test_a_photo_in_which_no_face_is_found_any_more_loses_its_judgement(
    photos: Queue, path: Path, copied: bool
) -> None:
    photos.offer([photo("a.jpg")], NOW)
    deliver(photos)
    photos.redo([("inbox", b"a.jpg")], NOW)
    job = claim_one(photos)
    photos.admit(job, "s1")
    if copied:
        publish(photos, job, judgement=None)
        photos.done(job.id, NOW)
    else:
        photos.no_face(job, NOW)
    assert (row(path)["state"], row(path)["verdict"], row(path)["fingerprint"]) == ("no_face", None, None)


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


def test_a_photo_that_changed_while_its_copy_was_put_in_place_is_done_again(photos: Queue, path: Path) -> None:
    photos.offer([photo("a.jpg")], NOW)
    job = claim_one(photos)
    photos.admit(job, "s1")
    publish(photos, job)
    photos.offer([photo("a.jpg", size=2)], NOW)
    photos.done(job.id, NOW)
    again = claim_one(photos)
    assert again.photo == photo("a.jpg", size=2)
    assert photos.delivered(again.id) == Delivery(b"inbox/a.jpg", "d1"), "the new copy takes the place of this one"


def test_what_was_in_work_when_the_daemon_died_is_named_with_its_stage(photos: Queue) -> None:
    photos.offer([photo("a.jpg"), photo("b.jpg"), photo("c.jpg")], NOW)
    first, second, third = photos.claim(3, NOW)
    publish(photos, first)
    photos.stage(second.id, Stage.OPTIMISE)
    jobs, publications = photos.cut_short()
    assert jobs == [(second, Stage.OPTIMISE), (third, Stage.ADMIT)]
    assert publications == [Publication(first.id, b"inbox/.temp", Delivery(b"inbox/a.jpg", "d1"))]


def test_a_cut_short_publication_that_left_nothing_is_done_again_uncounted(photos: Queue) -> None:
    photos.offer([photo("a.jpg")], NOW)
    job = claim_one(photos)
    publish(photos, job)
    photos.requeue(job.id, NOW)
    assert claim_one(photos).attempts == 1


def test_the_new_version_of_one_that_was_cut_short_is_done_once_and_not_twice(photos: Queue, path: Path) -> None:
    photos.offer([photo("a.jpg")], NOW)
    publish(photos, claim_one(photos))
    photos.offer([photo("a.jpg", size=2)], NOW)
    photos.requeue(row(path)["id"], NOW)
    again = claim_one(photos)
    assert (again.photo, again.attempts) == (photo("a.jpg", size=2), 1)
    assert publish(photos, again), "what came of it is not thrown away"


@pytest.mark.parametrize(("counted", "attempts"), [(False, 1), (True, 2)])
def test_after_an_interruption_a_photo_runs_alone(photos: Queue, counted: bool, attempts: int) -> None:
    photos.offer([photo("a.jpg"), photo("b.jpg")], NOW)
    first, _ = photos.claim(2, NOW)
    photos.interrupt(first, NOW, counted=counted)
    again = claim_one(photos)
    assert (again.suspect, again.attempts, again.interruptions) == (True, attempts, 1)


def test_interruptions_are_counted_in_a_row(photos: Queue) -> None:
    photos.offer([photo("a.jpg")], NOW)
    for _ in range(3):
        photos.interrupt(claim_one(photos), NOW, counted=False)
    job = claim_one(photos)
    assert job.interruptions == 3
    photos.release(job, NOW)
    job = claim_one(photos)
    assert job.interruptions == 3, "an orderly stop proves nothing"
    photos.wait(job, Stage.PUBLISH, "full", "", NOW, NOW, counted=False)
    assert claim_one(photos).interruptions == 0, "it came back from the worker"


def test_the_last_sign_of_life_is_kept(photos: Queue) -> None:
    assert photos.last_report() is None
    photos.beat(1, NOW, NOW, {"workers": []})
    photos.beat(1, NOW, NOW + 2, {"workers": [1]})
    assert photos.last_report() == {"workers": [1]}


def test_retry_makes_failed_and_waiting_ready(photos: Queue, path: Path) -> None:
    photos.offer([photo("a.jpg"), photo("b.jpg"), photo("c.jpg")], NOW)
    first, second, third = photos.claim(3, NOW)
    photos.fail(first, Stage.DECODE, "damaged", "restore it", NOW)
    photos.wait(second, Stage.ADMIT, "no permission", "", NOW + 60, NOW, counted=False)
    photos.no_face(third, NOW)
    assert photos.retry([("inbox", b"a.jpg")], NOW) == 1
    assert (row(path)["state"], row(path)["attempts"], row(path)["reason"]) == ("ready", 0, None)
    assert photos.retry(None, NOW) == 1


def test_what_is_done_is_done_again_only_by_name(photos: Queue) -> None:
    photos.offer([photo("a.jpg"), photo("b.jpg"), photo("c.jpg")], NOW)
    done, failed, other = photos.claim(3, NOW)
    photos.no_face(done, NOW)
    photos.fail(failed, Stage.DECODE, "damaged", "", NOW)
    photos.no_face(other, NOW)
    assert photos.redo([(job.photo.watch, job.photo.path) for job in (done, failed)], NOW) == 1
    assert photos.counts() == {State.READY: 1, State.NO_FACE: 1, State.FAILED: 1}


def test_the_longest_wait_is_waited_out_and_no_sign_of_a_clock_set_back(photos: Queue) -> None:
    photos.offer([photo("a.jpg")], NOW)
    photos.wait(claim_one(photos), Stage.OPTIMISE, "", "", NOW + LONGEST_WAIT_S, NOW, counted=True)
    assert photos.claim(1, NOW) == []
    assert photos.claim(1, NOW + LONGEST_WAIT_S - 1) == []
    assert len(photos.claim(1, NOW + LONGEST_WAIT_S)) == 1


def test_retry_takes_more_paths_than_a_statement_may_name(photos: Queue) -> None:
    many = [photo(f"{number}.jpg") for number in range(20_000)]
    photos.offer(many, NOW)
    photos.fail(claim_one(photos), Stage.DECODE, "damaged", "", NOW)
    assert photos.retry([(one.watch, one.path) for one in many], NOW) == 1


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


def test_the_stage_of_a_photo_that_is_written_to_in_mid_work_is_known_still(photos: Queue, path: Path) -> None:
    photos.offer([photo("a.jpg")], NOW)
    photos.stage(claim_one(photos).id, Stage.OPTIMISE)
    photos.offer([photo("a.jpg", size=2)], NOW)
    assert (row(path)["state"], row(path)["stage"]) == ("running", "optimise")


def test_what_stood_in_the_way_is_forgotten_when_the_next_try_begins(photos: Queue, path: Path) -> None:
    photos.offer([photo("a.jpg")], NOW)
    photos.wait(claim_one(photos), Stage.DECODE, "its end is missing", "Copy it again.", NOW, NOW, counted=True)
    job = claim_one(photos)
    assert (row(path)["stage"], row(path)["reason"], row(path)["advice"]) == ("admit", None, None)
    photos.release(job, NOW)
    assert (row(path)["state"], row(path)["reason"]) == ("ready", None)


def test_a_newer_database_is_refused(path: Path) -> None:
    with Queue(path):
        pass
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreTooNew, match=r"newer lowkeyd .* backups/schema-\d+-"):
        Queue(path)


def test_a_damaged_database_is_one_clear_error(path: Path) -> None:
    path.write_bytes(b"this is no database, and long enough to tell" * 100)
    with pytest.raises(StoreError, match="cannot be opened"):
        Queue(path)


def test_what_is_written_is_on_the_disk_before_the_next_step(photos: Queue) -> None:
    with photos.transaction() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2, "FULL: at each commit"


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
    publish(photos, first)
    assert not photos.is_delivery("d1")
    photos.done(first.id, NOW)
    assert photos.is_delivery("d1")
    assert not photos.is_delivery("d2")
    copied = Publication(second.id, b"inbox/.temp", Delivery(b"inbox/b.jpg", "d3"))
    photos.publishing(second, copied, None, NOW)  # a photo without faces, copied as it is
    photos.done(second.id, NOW)
    assert not photos.is_delivery("d3")
