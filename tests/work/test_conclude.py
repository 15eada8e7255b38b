"""What became of a photo, filed in a real database and a real outbox."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from lowkeyd.errors import PhotoLeftAlone
from lowkeyd.folders import scan
from lowkeyd.folders.outbox import Outbox
from lowkeyd.model import Job, NoFace, Photo, Protected, Signature, State, Verdict
from lowkeyd.store.queue import Queue
from lowkeyd.work.conclude import Conclusion
from lowkeyd.work.publish import Publisher

NOW = 1_000.0


@pytest.fixture
def photos(tmp_path: Path) -> Iterator[Queue]:
    with Queue(tmp_path / "db.sqlite3") as queue:
        yield queue


@pytest.fixture
def conclusion(tmp_path: Path, photos: Queue) -> Conclusion:
    for name in ("inbox", "outbox"):
        (tmp_path / name).mkdir()
    publisher = Publisher(photos, Outbox(tmp_path / "outbox"))
    roots = {"inbox": tmp_path / "inbox"}
    return Conclusion(photos, publisher, roots, True, 1000, "f", changed=lambda _: None)


def job_for(photos: Queue, root: Path, name: str) -> Job:
    seen = scan.look(root, name.encode())
    photos.offer([Photo("inbox", name.encode(), seen.signature if seen else Signature(1, 1))], NOW)
    (job,) = photos.claim(1, NOW)
    return job


def test_what_is_not_for_us_is_ignored_and_is_no_failure(tmp_path: Path, photos: Queue, conclusion: Conclusion) -> None:
    conclusion.conclude(job_for(photos, tmp_path / "inbox", "a.nef"), PhotoLeftAlone.raw())
    assert photos.counts() == {State.IGNORED: 1}


def test_what_was_left_out_and_what_lies_beside_is_said(tmp_path: Path, photos: Queue, conclusion: Conclusion) -> None:
    for name in ("IMG_1.HEIC", "IMG_1.MOV", "IMG_1.AAE"):
        (tmp_path / "inbox" / name).write_bytes(b"x")
    job = job_for(photos, tmp_path / "inbox", "IMG_1.HEIC")
    with capture_logs() as logs:
        conclusion.conclude(job, Protected(b"copy", ".jpg", Verdict(()), 1.0, ("the film of a Motion Photo",)))
    (done,) = (line for line in logs if line["event"] == "done")
    assert done["left_out"] == "the film of a Motion Photo, IMG_1.MOV, IMG_1.AAE"
    assert [path.name for path in (tmp_path / "outbox" / "inbox").iterdir()] == ["IMG_1.jpg"]


def test_a_photo_without_faces_that_cannot_be_copied_fails_alone(
    tmp_path: Path, photos: Queue, conclusion: Conclusion
) -> None:
    photo = tmp_path / "inbox" / "a.jpg"
    photo.write_bytes(b"x")
    job = job_for(photos, tmp_path / "inbox", "a.jpg")
    photo.write_bytes(b"x" * 2000)  # grown beyond what may be read
    conclusion.conclude(job, NoFace(1.0))
    assert photos.counts() == {State.FAILED: 1}


def test_a_photo_whose_path_no_disk_takes_fails_alone(tmp_path: Path, photos: Queue, conclusion: Conclusion) -> None:
    deep = "/".join(["d" * 200] * 25) + "/a.jpg"
    conclusion.conclude(job_for(photos, tmp_path / "inbox", deep), Protected(b"copy", ".jpg", Verdict(()), 1.0))
    assert photos.counts() == {State.FAILED: 1}
