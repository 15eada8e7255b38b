"""What is admitted, told from real files by a real database."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lowkeyd import config
from lowkeyd.errors import PhotoChanged, PhotoLeftAlone, PhotoUnreachable, UnreadablePhoto
from lowkeyd.folders import scan
from lowkeyd.folders.outbox import Outbox
from lowkeyd.model import Delivery, Job, Photo, Publication, Signature, sha256
from lowkeyd.store.queue import Queue
from lowkeyd.work.admit import Admission, fingerprint
from lowkeyd.work.publish import Publisher

NOW = 1_000.0


@pytest.fixture
def photos(tmp_path: Path) -> Iterator[Queue]:
    with Queue(tmp_path / "db.sqlite3") as queue:
        yield queue


@pytest.fixture
def admission(tmp_path: Path, photos: Queue) -> Admission:
    for name in ("inbox", "outbox"):
        (tmp_path / name).mkdir()
    publisher = Publisher(photos, Outbox(tmp_path / "outbox"))
    return Admission(photos, publisher, {"inbox": tmp_path / "inbox"}, 1000, "f")


def job_for(photos: Queue, root: Path, name: bytes) -> Job:
    seen = scan.look(root, name)
    photos.offer([Photo("inbox", name, seen.signature if seen else Signature(1, 1))], NOW)
    (job,) = photos.claim(1, NOW)
    return job


def test_a_photo_is_admitted_by_its_content(tmp_path: Path, photos: Queue, admission: Admission) -> None:
    (tmp_path / "inbox" / "a.jpg").write_bytes(b"photo")
    admitted = admission.admit(job_for(photos, tmp_path / "inbox", b"a.jpg"))
    assert admitted is not None
    assert admitted.sha256 == sha256(b"photo")


def test_a_raw_file_is_left_alone_unread(tmp_path: Path, photos: Queue, admission: Admission) -> None:
    (tmp_path / "inbox" / "a.NEF").write_bytes(b"x" * 5000)  # larger than may be read
    with pytest.raises(PhotoLeftAlone, match=r"^raw: ") as caught:
        admission.admit(job_for(photos, tmp_path / "inbox", b"a.NEF"))
    assert "JPEG" in caught.value.advice


def test_a_copy_of_ours_that_comes_back_is_left_alone(tmp_path: Path, photos: Queue, admission: Admission) -> None:
    (tmp_path / "inbox" / "a.jpg").write_bytes(b"photo")
    first = job_for(photos, tmp_path / "inbox", b"a.jpg")
    photos.publishing(first, Publication(first.id, b".t", Delivery(b"inbox/a.jpg", sha256(b"the copy"))), NOW)
    photos.judged(first, "{}", "protected", "f", 1.0)
    photos.done(first.id, NOW)
    (tmp_path / "inbox" / "downloaded.jpg").write_bytes(b"the copy")
    with pytest.raises(PhotoLeftAlone, match="protected already"):
        admission.admit(job_for(photos, tmp_path / "inbox", b"downloaded.jpg"))


def test_a_file_that_changes_while_it_is_read_waits(tmp_path: Path, photos: Queue, admission: Admission) -> None:
    photo = tmp_path / "inbox" / "a.jpg"
    photo.write_bytes(b"photo")
    job = job_for(photos, tmp_path / "inbox", b"a.jpg")
    with photo.open("ab") as file:
        file.write(b", and more of it")
    with pytest.raises(PhotoChanged):
        admission.admit(job)


def test_what_took_a_photos_place_since_the_scan_is_not_followed(
    tmp_path: Path, photos: Queue, admission: Admission
) -> None:
    inbox = tmp_path / "inbox"
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "a.jpg").write_bytes(b"secret")
    (inbox / "sub").mkdir()
    (inbox / "sub" / "a.jpg").write_bytes(b"photo")
    job = job_for(photos, inbox, b"sub/a.jpg")
    (inbox / "sub" / "a.jpg").unlink()
    (inbox / "sub").rmdir()
    (inbox / "sub").symlink_to(tmp_path / "secret")
    with pytest.raises(PhotoUnreachable):
        admission.admit(job)


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_file_any_more_is_refused(tmp_path: Path, photos: Queue, admission: Admission, kind: str) -> None:
    photo = tmp_path / "inbox" / "a.jpg"
    photo.write_bytes(b"photo")
    job = job_for(photos, tmp_path / "inbox", b"a.jpg")
    photo.unlink()
    photo.mkdir() if kind == "folder" else os.mkfifo(photo)
    with pytest.raises(UnreadablePhoto, match="regular"):
        admission.admit(job)


def test_whatever_changes_a_copy_changes_the_fingerprint() -> None:
    settings = [
        config.Config(),
        config.Config(attack=config.Attack(seed=1)),
        config.Config(outbox=config.Outbox(format="png")),
        config.Config(outbox=config.Outbox(heic="heic")),
        config.Config(metadata=config.Metadata(gps="keep")),
        config.Config(metadata=config.Metadata(marker=False)),
    ]
    assert len({fingerprint(one) for one in settings}) == len(settings)
    assert fingerprint(config.Config(outbox=config.Outbox(no_face="copy"))) == fingerprint(config.Config())
