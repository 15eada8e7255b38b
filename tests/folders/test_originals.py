import os
from pathlib import Path

import pytest

from lowkeyd.errors import PhotoTooLarge, PhotoUnreachable, UnreadablePhoto
from lowkeyd.folders.originals import read


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
