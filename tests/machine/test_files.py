import os
from pathlib import Path

import pytest

from lowkeyd.machine import files


def test_a_file_is_whole_or_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "w"
    files.write(path, b"old")

    def fail(_source: object, _target: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="No space"):
        files.write(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_who_reads_the_old_file_goes_on_reading_it(tmp_path: Path) -> None:
    path = tmp_path / "w"
    path.write_bytes(b"old")
    with path.open("rb") as reader:
        files.write(path, b"new", 0o640)
        assert reader.read() == b"old"
    assert (path.read_bytes(), path.stat().st_mode & 0o777, os.listdir(tmp_path)) == (b"new", 0o640, ["w"])


def test_no_link_that_somebody_left_there_is_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"somebody's")
    (tmp_path / f".w.{os.getpid()}.tmp").symlink_to(target)
    files.write(tmp_path / "w", b"ours", 0o644)
    assert target.read_bytes() == b"somebody's"
    assert sorted(os.listdir(tmp_path)) == ["target", "w"]
