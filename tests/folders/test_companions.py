from pathlib import Path

import pytest

from lowkeyd.folders.companions import beside


@pytest.mark.parametrize("name", ["IMG_1.MOV", "IMG_1.mp4", "IMG_1.xmp", "IMG_1.HEIC.xmp", "IMG_1.AAE"])
def test_what_belongs_to_a_photo_is_known_by_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "sub").mkdir()
    for file in ("IMG_1.HEIC", name):
        (tmp_path / "sub" / file).write_bytes(b"x")
    assert beside(tmp_path, b"sub/IMG_1.HEIC") == [name.encode()]


def test_other_files_do_not_belong_to_it(tmp_path: Path) -> None:
    for name in ("IMG_1.JPG", "IMG_2.MOV", "IMG_1.txt", "IMG_1"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "IMG_1.mov").mkdir()
    assert beside(tmp_path, b"IMG_1.JPG") == []
