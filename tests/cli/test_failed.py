import json
import time
from collections.abc import Iterator

import pytest

from lowkeyd.model import Delivery, Photo, Publication, Signature, Stage
from lowkeyd.store import location
from lowkeyd.store.barred import bar
from lowkeyd.store.queue import Queue
from tests.cli.conftest import Lowkeyd
from tests.helpers.home import Home


@pytest.fixture
def photos(home: Home) -> Iterator[Queue]:
    with Queue(location.database(home.state)) as queue:
        yield queue


def fail(photos: Queue, *names: bytes, reason: str = "is no picture") -> None:
    photos.offer([Photo("inbox", name, Signature(1, 1)) for name in names], time.time())
    for job in photos.claim(64, time.time()):
        photos.fail(job, Stage.DECODE, reason, "Restore it from a backup.", time.time())


def test_failures_are_listed_by_reason_with_advice_and_names(lowkeyd: Lowkeyd, home: Home, photos: Queue) -> None:
    fail(photos, b"a.jpg", b"[red]b.jpg", b"c.jpg")
    fail(photos, b"d.jpg", reason="is a riddle")
    result = lowkeyd("failed", "--rows", 2, "--config", home.config)
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == [
        "3 photos at decode: is no picture",
        "  Restore it from a backup.",
        "    inbox/c.jpg",
        "    inbox/[red]b.jpg",
        "    and 1 more (--rows 3)",
        "1 photo at decode: is a riddle",
        "  Restore it from a backup.",
        "    inbox/d.jpg",
    ]


def test_when_nothing_failed_it_says_so(lowkeyd: Lowkeyd, home: Home, photos: Queue) -> None:
    assert lowkeyd("failed", "--config", home.config).out == "No photo has failed.\n"


def test_as_json(lowkeyd: Lowkeyd, home: Home, photos: Queue) -> None:
    fail(photos, b"a.jpg")
    assert json.loads(lowkeyd("failed", "--json", "--config", home.config).out) == {
        "version": 1,
        "failed": [
            {
                "stage": "decode",
                "reason": "is no picture",
                "advice": "Restore it from a backup.",
                "count": 1,
                "photos": ["inbox/a.jpg"],
            }
        ],
    }


def test_what_is_left_alone_is_listed_apart_without_what_went_away(lowkeyd: Lowkeyd, home: Home, photos: Queue) -> None:
    photos.offer([Photo("inbox", name, Signature(1, 1)) for name in (b"a.dng", b"gone.jpg")], time.time())
    raw, gone = sorted(photos.claim(2, time.time()), key=lambda job: job.photo.path)
    photos.leave_alone(raw, "a camera's RAW file", "Put the JPEG beside it.", time.time())
    photos.ignore(gone, "it was taken away before its turn", time.time())
    bar(photos, [("inbox", b"me.jpg")], time.time())
    result = lowkeyd("failed", "--ignored", "--config", home.config)
    assert (result.code, result.out.splitlines()) == (
        0,
        [
            "1 photo at decode: a camera's RAW file",
            "  Put the JPEG beside it.",
            "    inbox/a.dng",
            "1 photo at watch: you said so",
            "  `lowkeyd ignore --undo` takes that back.",
            "    inbox/me.jpg",
        ],
    )
    told = json.loads(lowkeyd("failed", "--ignored", "--json", "--config", home.config).out)
    assert [group["count"] for group in told["ignored"]] == [1, 1]
    assert "2 files left alone" in lowkeyd("status", "--config", home.config).out
    assert lowkeyd("failed", "--config", home.config).out == "No photo has failed.\n"


def test_when_nothing_is_left_alone_it_says_so(lowkeyd: Lowkeyd, home: Home, photos: Queue) -> None:
    assert lowkeyd("failed", "--ignored", "--config", home.config).out == "No file is left alone.\n"


def test_photos_without_a_face_can_be_listed_to_be_looked_through(lowkeyd: Lowkeyd, home: Home) -> None:
    with Queue(location.database(home.state)) as photos:
        photos.offer([Photo("inbox", name, Signature(1, 1)) for name in (b"a.jpg", b"b.jpg")], 1.0)
        bare, copied = photos.claim(2, 1.0)
        photos.no_face(bare, 1.0)
        photos.publishing(copied, Publication(copied.id, b"t", Delivery(b"inbox/b.jpg", "0")), None, 1.0)
        photos.done(copied.id, 1.0)
    text = lowkeyd("failed", "--no-face", "--config", home.config).out
    assert "1 photo at detect: no face was found\n    inbox/a.jpg" in text
    assert "1 photo without a face, copied all the same\n    inbox/b.jpg" in text
    assert lowkeyd("failed", "--no-face", "--ignored", "--config", home.config).code == 2
