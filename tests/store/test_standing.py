from pathlib import Path

from lowkeyd.model import Photo, Signature, State
from lowkeyd.store.queue import Queue
from lowkeyd.store.standing import standing


def test_a_photo_of_the_same_path_in_another_watch_stands_for_itself(tmp_path: Path) -> None:
    with Queue(tmp_path / "db.sqlite3") as photos:
        photos.offer([Photo(watch, b"a.jpg", Signature(1, 1)) for watch in ("inbox", "phone")], 0.0)
        photos.no_face(photos.claim(1, 1.0)[0], 1.0)
        assert standing(photos, "inbox", [b"a.jpg"]) == {b"a.jpg": (State.NO_FACE, "no face was found")}
        assert standing(photos, "phone", [b"a.jpg"]) == {b"a.jpg": (State.READY, "")}
