import os
from pathlib import Path

import pytest

from lowkeyd.folders import deliveries


def make(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def test_only_photos_are_deliveries_and_nothing_hidden(tmp_path: Path) -> None:
    make(tmp_path, "inbox/a.jpg", "inbox/deep/b.PNG", "inbox/.lowkeyd-0.tmp", "inbox/.hidden/c.jpg", "inbox/notes.txt")
    os.utime(tmp_path / "inbox/a.jpg", ns=(5, 5))
    found = dict(deliveries.walk(tmp_path))
    assert set(found) == {b"inbox/a.jpg", b"inbox/deep/b.PNG"}
    assert found[b"inbox/a.jpg"] == 5


def test_a_copy_is_of_the_photo_with_its_name_or_else_one_with_another_suffix_or_without_the_number(
    tmp_path: Path,
) -> None:
    make(tmp_path, "d/a.jpg", "d/a.heic", "d/a (1).jpg", "d/a.txt", "d/ab.jpg")
    assert list(deliveries.Originals().of(tmp_path, b"d/a.jpg")) == [b"d/a.jpg", b"d/a.heic"]
    assert list(deliveries.Originals().of(tmp_path, b"d/a (1).jpg")) == [b"d/a (1).jpg", b"d/a.heic", b"d/a.jpg"]
    assert list(deliveries.Originals().of(tmp_path, b"gone/a.jpg")) == []


def test_of_many_copies_in_one_folder_the_folder_of_their_photos_is_listed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, *(f"d/{number}.heic" for number in range(9)))
    listed: list[bytes] = []
    listdir = os.listdir

    def note(folder: bytes) -> list[bytes]:
        listed.append(folder)
        return listdir(folder)

    monkeypatch.setattr(deliveries.os, "listdir", note)
    originals = deliveries.Originals()
    found = [list(originals.of(tmp_path, b"d/%d.jpg" % number)) for number in range(9)]
    assert found == [[b"d/%d.heic" % number] for number in range(9)]
    assert len(listed) == 1


def test_times_are_compared_as_exactly_as_the_poorest_file_system_keeps_them() -> None:
    assert deliveries.same_time(1_700_000_000_123_456_789, 1_699_999_999_000_000_000)
    assert not deliveries.same_time(1_700_000_000_000_000_000, 1_700_000_002_000_000_000)


def test_what_is_gone_has_no_signature(tmp_path: Path) -> None:
    assert deliveries.look(tmp_path, b"a.jpg") is None
