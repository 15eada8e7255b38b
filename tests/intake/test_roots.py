import shutil
from pathlib import Path

import pytest

from lowkeyd.folders.scan import Tree
from lowkeyd.intake import roots
from lowkeyd.intake.roots import Roots
from lowkeyd.store.notes import Notes
from tests.helpers.library import Library


@pytest.fixture
def filled(library: Library) -> Library:
    """A library whose root was walked, and was not empty."""
    library.drop("a.jpg", b"portrait")
    library.roots.walked("inbox", filled=True)
    return library


def unmount(library: Library) -> Path:
    """What is seen when a disk is unmounted: an empty folder, and another one. Returns where the disk is."""
    away = library.root.with_name("away")
    library.root.rename(away)
    library.root.mkdir()
    return away


def test_a_root_that_is_as_it_was_is_online(filled: Library) -> None:
    assert filled.roots.look("inbox") is None
    assert filled.roots.offline() == {}
    assert filled.roots.returned() == []


def test_an_empty_folder_in_place_of_a_filled_one_is_no_deletion_but_offline(filled: Library) -> None:
    unmount(filled)
    assert "mount its disk, or `lowkeyd accept inbox`" in (filled.roots.look("inbox") or "")
    assert set(filled.roots.offline()) == {"inbox"}


def test_when_the_disk_is_back_the_root_heals_by_itself_and_is_to_be_walked(filled: Library) -> None:
    disk = unmount(filled)
    filled.roots.look("inbox")
    filled.root.rmdir()
    disk.rename(filled.root)
    assert filled.roots.look("inbox") is None
    assert filled.roots.returned() == ["inbox"]
    assert filled.roots.returned() == [], "told once"


def test_the_same_photos_under_another_device_number_are_the_same_root(filled: Library) -> None:
    """A restart may number disks afresh; a backup may have been restored."""
    disk = unmount(filled)
    shutil.copy2(disk / "a.jpg", filled.root / "a.jpg")
    assert filled.roots.look("inbox") is None
    assert filled.roots.returned() == ["inbox"], "its old watches are on the folder that is gone"


def test_one_of_its_photos_is_enough_to_know_it_by(library: Library) -> None:
    for name in ("a.jpg", "b.jpg"):
        library.drop(name, b"x")
    library.roots.walked("inbox", filled=True)
    unmount(library)
    (library.root / "b.jpg").write_bytes(b"x")
    assert library.roots.look("inbox") is None


def test_another_folder_with_other_photos_is_offline_until_a_person_accepts_it(filled: Library) -> None:
    unmount(filled)
    (filled.root / "other.jpg").write_bytes(b"somebody else")
    assert filled.roots.look("inbox") is not None
    filled.roots.accept("inbox")
    assert filled.roots.look("inbox") is None
    assert filled.roots.returned() == ["inbox"]


def test_a_folder_that_stands_in_for_long_is_not_searched_for_photos_at_every_look(
    filled: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched: list[str] = []
    some_paths = Notes.some_paths

    def search(notes: Notes, watch: str, limit: int) -> list[bytes]:
        searched.append(watch)
        return some_paths(notes, watch, limit)

    monkeypatch.setattr(Notes, "some_paths", search)
    disk = unmount(filled)
    for _ in range(3):
        assert filled.roots.look("inbox") is not None
    assert searched == ["inbox"]
    shutil.copy2(disk / "a.jpg", filled.root / "a.jpg")
    monkeypatch.setattr(roots, "_ASK_AGAIN_S", 0.0)
    assert filled.roots.look("inbox") is None, "restored from a backup meanwhile"


def test_a_folder_that_was_empty_anyhow_may_be_replaced(library: Library) -> None:
    library.roots.walked("inbox", filled=False)
    unmount(library)
    assert library.roots.look("inbox") is None


def test_a_root_that_was_emptied_by_its_owner_stays_online(filled: Library) -> None:
    (filled.root / "a.jpg").unlink()
    assert filled.roots.look("inbox") is None


def test_a_folder_that_is_gone_or_no_folder_is_offline_with_its_reason(filled: Library) -> None:
    disk = unmount(filled)
    filled.root.rmdir()
    assert filled.roots.look("inbox") == "it cannot be reached: No such file or directory"
    filled.root.touch()
    assert filled.roots.look("inbox") == "it cannot be reached: Not a directory"
    filled.root.unlink()
    disk.rename(filled.root)
    assert filled.roots.look("inbox") is None


def test_what_is_known_outlives_the_daemon(filled: Library) -> None:
    unmount(filled)
    again = Roots({"inbox": filled.tree}, Notes(filled.photos))
    assert again.look("inbox") is not None


def test_a_watch_that_was_given_another_folder_is_looked_at_without_prejudice(filled: Library, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    again = Roots({"inbox": Tree(tmp_path / "elsewhere")}, Notes(filled.photos))
    assert again.look("inbox") is None


def test_a_walk_of_an_offline_root_teaches_nothing(filled: Library) -> None:
    unmount(filled)
    filled.roots.look("inbox")
    filled.roots.walked("inbox", filled=False)
    again = Roots({"inbox": filled.tree}, Notes(filled.photos))
    assert again.look("inbox") is not None
