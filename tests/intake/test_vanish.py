import shutil
import time
from collections.abc import Callable
from typing import Literal

import pytest

from lowkeyd.errors import OutboxUnavailable, UnsupportedPhoto
from lowkeyd.folders.outbox import Outbox
from lowkeyd.intake.vanish import Vanished
from lowkeyd.model import Stage, State
from lowkeyd.store.departures import Departures
from tests.helpers.library import Library
from tests.intake.test_roots import unmount
from tests.work.test_admit import admission, protect

Look = Callable[..., None]


@pytest.fixture
def look(library: Library) -> Look:
    """Walk, for the sake of what is gone; twice is enough to believe it."""

    def look(
        policy: Literal["keep", "delete", "trash"] = "delete", times: int = 2, go_on: Callable[[], bool] = lambda: True
    ) -> None:
        outbox = library.publisher.outbox
        for _ in range(times):
            Vanished(Departures(library.photos), library.roots, outbox, policy).look("inbox", go_on)

    return look


@pytest.fixture
def filled(library: Library) -> Library:
    for name in ("a.jpg", "deep/b.jpg"):
        protect(library, name, name.encode())
    library.roots.walked("inbox", filled=True)
    return library


COPIES = {"inbox/a.jpg": b"copy of a.jpg", "inbox/deep/b.jpg": b"copy of deep/b.jpg"}


def test_by_default_a_deleted_photo_leaves_its_copy(filled: Library, look: Look) -> None:
    (filled.root / "a.jpg").unlink()
    look("keep", times=3)
    assert filled.delivered() == COPIES
    assert filled.row("a.jpg")["state"] == "done"


def test_on_request_the_copy_goes_once_two_walks_have_missed_the_photo(filled: Library, look: Look) -> None:
    (filled.root / "a.jpg").unlink()
    look(times=1)
    assert filled.delivered() == COPIES
    look(times=1)
    assert filled.delivered() == {"inbox/deep/b.jpg": COPIES["inbox/deep/b.jpg"]}
    assert (filled.row("a.jpg")["state"], filled.row("a.jpg")["reason"]) == ("ignored", "it was deleted")


def test_or_it_goes_to_the_trash_and_never_takes_a_file_s_place_there(filled: Library, look: Look) -> None:
    trash = filled.outbox / ".trash" / "inbox" / "deep"
    trash.mkdir(parents=True)
    (trash / "b.jpg").write_bytes(b"of last year")
    (filled.root / "deep" / "b.jpg").unlink()
    look("trash")
    assert filled.delivered() == {
        "inbox/a.jpg": b"copy of a.jpg",
        ".trash/inbox/deep/b.jpg": b"of last year",
        ".trash/inbox/deep/b (1).jpg": b"copy of deep/b.jpg",
    }


def test_a_photo_that_is_back_between_two_walks_keeps_its_copy(filled: Library, look: Look) -> None:
    photo, aside = filled.root / "a.jpg", filled.root.parent / "aside.jpg"
    for _ in range(3):
        photo.rename(aside)
        look(times=1)
        aside.rename(photo)
        look(times=1)
    assert filled.delivered() == COPIES


def test_a_copy_that_its_owner_has_edited_is_left(filled: Library, look: Look) -> None:
    (filled.outbox / "inbox" / "a.jpg").write_bytes(b"edited")
    (filled.root / "a.jpg").unlink()
    look()
    assert filled.delivered()["inbox/a.jpg"] == b"edited"


@pytest.mark.parametrize("error", [OutboxUnavailable("read-only"), UnsupportedPhoto("too long", stage=Stage.PUBLISH)])
def test_a_copy_that_cannot_go_now_goes_later(
    filled: Library, look: Look, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(*_: object, **__: object) -> bool:
        raise error

    (filled.root / "a.jpg").unlink()
    with monkeypatch.context() as disk:
        disk.setattr(Outbox, "withdraw", refuse)
        look(times=3)
    assert (filled.row()["state"], filled.delivered()) == ("done", COPIES)
    look(times=1)
    assert set(filled.delivered()) == {"inbox/deep/b.jpg"}


@pytest.mark.parametrize("in_work", [False, True])
def test_while_anything_is_queued_or_in_work_nothing_is_taken_for_deleted(
    filled: Library, look: Look, in_work: bool
) -> None:
    """It may be the very photo that is missing elsewhere."""
    (filled.root / "a.jpg").rename(filled.root / "renamed.jpg")
    filled.offer(b"renamed.jpg")
    if in_work:
        filled.claim()
    look(times=3)
    assert filled.delivered() == COPIES


def test_an_unmounted_root_deletes_nothing(filled: Library, look: Look) -> None:
    unmount(filled)
    look(times=3)
    assert filled.delivered() == COPIES


def test_a_root_that_goes_away_in_mid_walk_deletes_nothing(filled: Library, look: Look) -> None:
    (filled.root / "a.jpg").unlink()
    look(times=1)
    shutil.rmtree(filled.root)
    look(times=3)
    assert filled.delivered() == COPIES


def test_nor_does_one_that_goes_away_while_copies_are_looked_for(filled: Library, look: Look) -> None:
    (filled.root / "a.jpg").unlink()
    look(times=1)

    def and_the_disk_goes() -> bool:
        if filled.root.exists():
            filled.root.rename(filled.root.with_name("away"))
        return True

    look(times=1, go_on=and_the_disk_goes)
    assert filled.delivered() == COPIES


def test_when_most_photos_are_gone_at_once_a_disk_is_away_more_likely(library: Library, look: Look) -> None:
    for number in range(20):
        protect(library, f"{number}.jpg", b"%d" % number)
    for number in range(11):
        (library.root / f"{number}.jpg").unlink()
    look(times=3)
    assert len(library.delivered()) == 20
    (library.root / "0.jpg").write_bytes(b"0")
    look(times=3)
    assert len(library.delivered()) == 10


@pytest.mark.parametrize(("photos", "gone"), [(3, 2), (24, 11)])
def test_few_photos_or_a_smaller_share_may_well_have_been_deleted(
    library: Library, look: Look, photos: int, gone: int
) -> None:
    for number in range(photos):
        protect(library, f"{number}.jpg", b"%d" % number)
    for number in range(gone):
        (library.root / f"{number}.jpg").unlink()
    look()
    assert len(library.delivered()) == photos - gone


def test_a_photo_that_comes_back_from_a_backup_is_taken_again(filled: Library, look: Look) -> None:
    (filled.root / "a.jpg").unlink()
    look()
    filled.drop("a.jpg", b"a.jpg")
    assert [job.photo.path for job in filled.photos.claim(9, time.time())] == [b"a.jpg"]


def test_a_copy_goes_too_if_its_photo_was_edited_and_then_deleted_before_its_turn(filled: Library, look: Look) -> None:
    filled.drop("a.jpg", b"edited")
    (filled.root / "a.jpg").unlink()
    assert admission(filled).admit(filled.claim()) is None
    look()
    assert list(filled.delivered()) == ["inbox/deep/b.jpg"]


def test_a_photo_that_failed_and_is_gone_is_no_failure_any_more(filled: Library, look: Look) -> None:
    filled.drop("a.jpg", b"broken")
    filled.photos.fail(filled.claim(), Stage.DECODE, "is no picture", "", time.time())
    look("keep")
    assert filled.photos.counts() == {State.DONE: 1, State.FAILED: 1}, "it lies there still"
    (filled.root / "a.jpg").unlink()
    look("keep", times=1)
    assert filled.photos.counts() == {State.DONE: 1, State.IGNORED: 1}
    assert len(filled.delivered()) == 2, "the copy of the version before is kept, as is wished"
    look("delete")
    assert list(filled.delivered()) == ["inbox/deep/b.jpg"]


def test_one_that_failed_on_a_disk_that_is_away_has_failed_still(filled: Library, look: Look) -> None:
    filled.drop("a.jpg", b"broken")
    filled.photos.fail(filled.claim(), Stage.DECODE, "is no picture", "", time.time())
    unmount(filled)
    look("keep")
    assert filled.photos.counts() == {State.DONE: 1, State.FAILED: 1}


def test_looking_is_a_sign_of_life_and_can_be_called_off(filled: Library, look: Look) -> None:
    asked = []

    def go_on() -> bool:
        asked.append(None)
        return False

    (filled.root / "a.jpg").unlink()
    look(times=3, go_on=go_on)
    assert (len(asked), filled.delivered()) == (3, COPIES)
