import time

import pytest

from lowkeyd.store import departures
from lowkeyd.store.barred import bar
from lowkeyd.store.departures import Departures
from tests.helpers.library import Library
from tests.work.test_admit import protect


@pytest.mark.parametrize("state", ["running", "barred"])
def test_nothing_is_inherited_from_a_photo_that_somebody_has_in_hand(library: Library, state: str) -> None:
    protect(library, "a.jpg", b"portrait")
    if state == "running":
        library.photos.redo([("inbox", b"a.jpg")], time.time())
        library.claim()
    else:
        bar(library.photos, [("inbox", b"a.jpg")], time.time())
    library.drop("b.jpg", b"portrait")
    job = library.claim()
    assert not Departures(library.photos).inherit(job, library.row("a.jpg")["id"], "renamed", time.time())
    assert library.row("a.jpg")["delivery_path"] == b"inbox/a.jpg"


def test_only_what_has_ended_departs_and_only_what_failed_is_given_up(library: Library) -> None:
    library.drop("a.jpg", b"portrait")
    number = library.row()["id"]
    Departures(library.photos).depart(number, "deleted", time.time())
    Departures(library.photos).give_up([number], "deleted", time.time())
    assert library.row()["state"] == "ready"


def test_photos_are_told_of_however_many_there_are_and_only_those_of_the_watch(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(departures, "_ROWS_PER_QUERY", 2)
    for number in range(5):
        protect(library, f"{number}.jpg", b"%d" % number)
    known = Departures(library.photos)
    assert [photo.path for photo in known.of("inbox")] == [b"%d.jpg" % number for number in range(5)]
    assert list(known.of("phone")) == []
