from collections.abc import Iterator
from pathlib import Path

import pytest

from lowkeyd.model import Photo, Signature
from lowkeyd.store.notes import Notes
from lowkeyd.store.queue import Queue

NOW = 1_000.0


@pytest.fixture
def photos(tmp_path: Path) -> Iterator[Queue]:
    with Queue(tmp_path / "db.sqlite3") as queue:
        yield queue


def test_a_folder_is_known_by_photos_that_came_last_and_by_none_that_are_gone(photos: Queue) -> None:
    photos.offer([Photo("inbox", b"%d.jpg" % number, Signature(1, 1)) for number in range(9)], NOW)
    (gone,) = photos.claim(1, NOW, newest=True)
    photos.ignore(gone, "gone", NOW)
    assert Notes(photos).some_paths("inbox", 4)[:2] == [b"7.jpg", b"6.jpg"]
    assert b"8.jpg" not in Notes(photos).some_paths("inbox", 100)
