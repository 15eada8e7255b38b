import contextlib
import os
from pathlib import Path

import pytest

from lowkeyd.errors import PhotoTooLarge, PhotoUnreachable, UnreadablePhoto
from lowkeyd.folders.originals import read, read_below


def test_reads_the_bytes_and_leaves_the_file_alone(tmp_path: Path) -> None:
    photo = tmp_path / "a.jpg"
    photo.write_bytes(b"abc")
    photo.chmod(0o444)
    before = photo.stat()
    assert read(photo, 10) == b"abc"
    assert photo.stat().st_mtime_ns == before.st_mtime_ns


def test_errors_name_the_trouble(tmp_path: Path) -> None:
    (tmp_path / "big.jpg").write_bytes(b"x" * 11)
    (tmp_path / "link.jpg").symlink_to(tmp_path / "big.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(PhotoTooLarge, match="allowed"):
        read(tmp_path / "big.jpg", 10)
    with pytest.raises(PhotoUnreachable, match="No such file"):
        read(tmp_path / "gone.jpg", 10)
    with pytest.raises(PhotoUnreachable):
        read(tmp_path / "link.jpg", 100)
    with pytest.raises(UnreadablePhoto, match="regular"):
        read(tmp_path / "pipe.jpg", 10)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    (tmp_path / "elsewhere").mkdir()
    secret = tmp_path / "elsewhere" / "a.jpg"
    secret.write_bytes(b"secret")
    (tmp_path / "root" / "sub").mkdir(parents=True)
    return secret


def test_a_photo_below_its_root_is_read(tmp_path: Path, secret: Path) -> None:
    (tmp_path / "root/sub/b.jpg").write_bytes(b"photo")
    assert read_below(tmp_path / "root", b"sub/b.jpg", 10) == b"photo"
    (tmp_path / "link").symlink_to(tmp_path / "root")  # the owner's own root may be a link
    assert read_below(tmp_path / "link", b"sub/b.jpg", 10) == b"photo"


def test_no_link_on_the_way_leads_out_of_the_root(tmp_path: Path, secret: Path) -> None:
    (tmp_path / "root/sub").rmdir()
    (tmp_path / "root/sub").symlink_to(secret.parent)  # put in the folder's place after it was scanned
    (tmp_path / "root/a.jpg").symlink_to(secret)
    for path in (b"sub/a.jpg", b"a.jpg"):
        with pytest.raises(PhotoUnreachable):
            read_below(tmp_path / "root", path, 10)


def test_errors_below_a_root_are_the_same(tmp_path: Path, secret: Path) -> None:
    root = tmp_path / "root"
    (root / "big.jpg").write_bytes(b"x" * 11)
    os.mkfifo(root / "pipe.jpg")
    with pytest.raises(PhotoTooLarge, match="allowed"):
        read_below(root, b"big.jpg", 10)
    with pytest.raises(PhotoUnreachable, match="No such file"):
        read_below(root, b"gone/a.jpg", 10)
    for name in (b"pipe.jpg", b"sub"):
        with pytest.raises(UnreadablePhoto, match="regular"):
            read_below(root, name, 10)


def test_a_sparse_giant_is_refused_unread_and_the_advice_names_the_key(tmp_path: Path) -> None:
    giant = tmp_path / "giant.tif"
    with giant.open("wb") as file:
        file.write(b"II*\0")
        file.truncate(2_000_000_000)
    with pytest.raises(PhotoTooLarge, match=r"^2000 MB, more than the 200 MB allowed$") as caught:
        read(giant, 200_000_000)
    assert "max_megabytes" in caught.value.advice


def test_no_file_stays_open(tmp_path: Path, secret: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for path in (b"sub/a.jpg", b"sub", b"gone/a.jpg"):
        with contextlib.suppress(PhotoUnreachable, UnreadablePhoto):
            read_below(tmp_path / "root", path, 10)
    assert len(os.listdir("/proc/self/fd")) == before
