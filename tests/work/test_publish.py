import errno
import os

import pytest

from lowkeyd.errors import OutboxUnavailable
from lowkeyd.folders import outbox as outbox_module
from lowkeyd.folders.outbox import Outbox
from lowkeyd.model import Delivery, Publication, sha256
from lowkeyd.store.judgement import Judgement
from tests.helpers.library import Library

JUDGED = Judgement('{"faces": []}', "protected", "settings", 1.0)


def test_a_copy_comes_to_the_same_place_with_the_same_date(library: Library) -> None:
    photo = library.drop("holiday/a.jpg", b"x")
    assert library.publisher.publish(library.claim(), b"copy", ".jpg", JUDGED) == b"inbox/holiday/a.jpg"
    assert library.delivered() == {"inbox/holiday/a.jpg": b"copy"}
    assert (library.outbox / "inbox/holiday/a.jpg").stat().st_mtime_ns == photo.signature.mtime_ns
    row = library.row("holiday/a.jpg")
    assert (row["state"], row["delivery_path"], row["delivery_sha256"], row["verdict"], row["temp"]) == (
        "done",
        b"inbox/holiday/a.jpg",
        sha256(b"copy"),
        JUDGED.verdict,
        None,
    )


def test_a_foreign_file_is_never_overwritten(library: Library) -> None:
    (library.outbox / "inbox").mkdir()
    (library.outbox / "inbox/a.jpg").write_bytes(b"foreign")
    (library.outbox / "inbox/a (1).jpg").symlink_to("nowhere")
    library.drop("a.jpg", b"x")
    assert library.publisher.publish(library.claim(), b"copy", ".jpg", JUDGED) == b"inbox/a (2).jpg"
    assert library.delivered() == {"inbox/a.jpg": b"foreign", "inbox/a (2).jpg": b"copy"}


def test_the_next_version_replaces_our_copy(library: Library) -> None:
    for content in (b"first", b"second"):
        library.drop("a.jpg", content)
        library.publisher.publish(library.claim(), b"copy of " + content, ".jpg", JUDGED)
    assert library.delivered() == {"inbox/a.jpg": b"copy of second"}


def test_the_next_version_replaces_our_copy_in_another_format_too(library: Library) -> None:
    for content, suffix in ((b"first", ".jpg"), (b"second", ".png")):
        library.drop("a.jpg", content)
        library.publisher.publish(library.claim(), b"copy of " + content, suffix, JUDGED)
    assert library.delivered() == {"inbox/a.png": b"copy of second"}


def test_an_old_copy_that_cannot_go_now_keeps_no_new_one_from_being_done(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.drop("a.jpg", b"first")
    library.publisher.publish(library.claim(), b"old", ".jpg", JUDGED)
    library.drop("a.jpg", b"second")

    def refuse(*_: object) -> bool:
        raise OutboxUnavailable("read-only")

    monkeypatch.setattr(Outbox, "withdraw", refuse)
    assert library.publisher.publish(library.claim(), b"new", ".png", JUDGED) == b"inbox/a.png"
    assert (library.row()["state"], library.row()["delivery_path"]) == ("done", b"inbox/a.png")


def test_the_next_version_leaves_a_copy_that_was_edited(library: Library) -> None:
    library.drop("a.jpg", b"first")
    library.publisher.publish(library.claim(), b"copy of first", ".jpg", JUDGED)
    (library.outbox / "inbox/a.jpg").write_bytes(b"edited")
    library.drop("a.jpg", b"second")
    library.publisher.publish(library.claim(), b"copy of second", ".jpg", JUDGED)
    assert library.delivered() == {"inbox/a.jpg": b"edited", "inbox/a (1).jpg": b"copy of second"}
    assert library.row()["delivery_path"] == b"inbox/a (1).jpg"


def test_nothing_is_published_of_a_photo_that_changed_meanwhile(library: Library) -> None:
    library.drop("a.jpg", b"first")
    job = library.claim()
    library.drop("a.jpg", b"second")
    assert library.publisher.publish(job, b"copy of first", ".jpg", JUDGED) is None
    assert library.delivered() == {}
    assert library.row()["state"] == "ready"


def test_a_name_that_is_taken_at_the_last_moment_is_left_alone(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    publishing = library.photos.publishing

    def and_somebody_is_quicker(*arguments: object) -> bool:
        announced = publishing(*arguments)  # type: ignore[arg-type]
        (library.outbox / "inbox/a.jpg").write_bytes(b"foreign")
        return announced

    monkeypatch.setattr(library.photos, "publishing", and_somebody_is_quicker)
    library.drop("a.jpg", b"x")
    library.publisher.publish(library.claim(), b"copy", ".jpg", JUDGED)
    assert library.delivered() == {"inbox/a.jpg": b"foreign", "inbox/a (1).jpg": b"copy"}


def test_an_outbox_that_refuses_is_one_clear_error_and_leaves_nothing(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dying(_: bytes) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    library.drop("a.jpg", b"x")
    job = library.claim()
    with monkeypatch.context() as disk:
        disk.setattr(outbox_module, "sync_folder", dying)
        with pytest.raises(OutboxUnavailable):
            library.publisher.publish(job, b"copy", ".jpg", JUDGED)
    assert library.delivered() == {}
    library.publisher.publish(job, b"copy", ".jpg", JUDGED)
    assert library.delivered() == {"inbox/a.jpg": b"copy"}, "delivered once, under its own name"


def announce(library: Library) -> Publication:
    """As far as a daemon got that died right after the announcement."""
    library.drop("a.jpg", b"x")
    job = library.claim()
    temp = library.publisher.outbox.write_temp(b"inbox", b"copy", 0)
    publication = Publication(job.id, temp, Delivery(b"inbox/a.jpg", sha256(b"copy")))
    library.photos.publishing(job, publication, JUDGED, 0.0)
    return publication


def test_a_publication_that_a_crash_cut_short_after_the_rename_is_finished(library: Library) -> None:
    publication = announce(library)
    library.publisher.outbox.place(publication.temp, publication.delivery, None)
    library.publisher.finish(publication)
    row = library.row()
    assert (row["state"], row["delivery_path"], row["verdict"]) == ("done", b"inbox/a.jpg", JUDGED.verdict)


def test_a_publication_that_a_crash_cut_short_before_the_rename_is_done_again(library: Library) -> None:
    library.publisher.finish(announce(library))
    assert library.row()["state"] == "ready"


def test_a_foreign_file_does_not_pass_for_the_publication_and_stays(library: Library) -> None:
    publication = announce(library)
    (library.outbox / "inbox/a.jpg").write_bytes(b"foreign")
    library.publisher.finish(publication)
    assert library.row()["state"] == "ready"
    assert (library.outbox / "inbox/a.jpg").read_bytes() == b"foreign"


def test_a_crash_before_the_copy_in_the_old_format_goes_is_made_good_at_the_start(library: Library) -> None:
    library.drop("a.jpg", b"x")
    library.publisher.publish(library.claim(), b"old", ".jpg", JUDGED)
    library.drop("a.jpg", b"y")
    job = library.claim()
    temp = library.publisher.outbox.write_temp(b"inbox", b"new", 0)
    publication = Publication(job.id, temp, Delivery(b"inbox/a.png", sha256(b"new")))
    library.photos.publishing(job, publication, JUDGED, 0.0)
    library.publisher.outbox.place(publication.temp, publication.delivery, None)
    library.publisher.finish(publication)
    assert library.delivered() == {"inbox/a.png": b"new"}


def test_a_name_that_a_crash_left_reserved_and_empty_is_free_again(library: Library) -> None:
    publication = announce(library)
    (library.outbox / "inbox/a.jpg").touch()  # where there are no links
    library.publisher.finish(publication)
    library.publisher.outbox.sweep(0.0)
    assert library.delivered() == {}
