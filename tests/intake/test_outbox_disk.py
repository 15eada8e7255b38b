"""With the table of mounts replaced; `tests/test_daemon.py` mounts a disk."""

from pathlib import Path

import pytest

from lowkeyd.errors import OutboxUnavailable
from lowkeyd.intake.outbox_disk import OutboxDisk
from lowkeyd.machine import mounts
from lowkeyd.store.notes import Notes
from tests.helpers.library import Library


@pytest.fixture
def lies(monkeypatch: pytest.MonkeyPatch) -> "Lies":
    return Lies(monkeypatch)


class Lies:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def at(self, *places: str) -> None:
        """And what is below."""
        self._monkeypatch.setattr(mounts, "places", lambda _: list(places))


def started(library: Library, folder: Path | None = None) -> OutboxDisk:
    return OutboxDisk(folder or library.outbox, Notes(library.photos))


@pytest.mark.parametrize(
    ("mounted", "below"), [("/out", "/mnt/disk/out"), ("/", "/mnt/disk"), ("/@home/out", "/@/out")]
)
def test_a_disk_that_is_away_is_told_until_it_is_back(library: Library, lies: Lies, mounted: str, below: str) -> None:
    lies.at(mounted)
    disk = started(library)
    disk.require()
    for guard in (disk, started(library)):
        lies.at(below)
        with pytest.raises(OutboxUnavailable, match="disk is not mounted"):
            guard.require()
        lies.at(mounted)
        guard.require()


def test_a_disk_that_is_mounted_where_there_was_none_is_the_outbox_from_then_on(library: Library, lies: Lies) -> None:
    lies.at("/mnt/disk/out")
    started(library).require()
    lies.at("/out", "/mnt/disk/out")
    started(library).require()
    lies.at("/mnt/disk/out")
    with pytest.raises(OutboxUnavailable):
        started(library).require()


def test_a_person_may_say_that_it_is_the_right_one(library: Library, lies: Lies) -> None:
    lies.at("/out")
    disk = started(library)
    disk.require()
    lies.at("/elsewhere")
    disk.accept()
    disk.require()
    started(library).require()


def test_where_there_is_no_folder_to_say_that_of_it_is_still_the_old_one_that_is_waited_for(
    library: Library, lies: Lies
) -> None:
    lies.at("/out")
    disk = started(library)
    disk.require()
    away = library.outbox.with_name("away")
    library.outbox.rename(away)
    with pytest.raises(OutboxUnavailable, match="is not there"):
        disk.accept()
    library.outbox.mkdir()
    lies.at("/mnt/disk/out")
    for guard in (disk, started(library)):
        with pytest.raises(OutboxUnavailable, match="disk is not mounted"):
            guard.require()


def test_another_folder_in_the_configuration_is_looked_at_without_prejudice(
    library: Library, lies: Lies, tmp_path: Path
) -> None:
    lies.at("/out")
    started(library).require()
    lies.at("/elsewhere/new")
    (tmp_path / "new").mkdir()
    started(library, tmp_path / "new").require()


def test_what_cannot_be_told_is_no_reason_to_stop(library: Library, lies: Lies) -> None:
    lies.at()
    started(library).require()


def test_what_stands_in_for_a_disk_for_a_while_is_not_taken_for_it(library: Library, lies: Lies) -> None:
    lies.at("/@data", "/mnt/disk")
    disk = started(library)
    disk.require()
    lies.at("/", "/mnt/disk")
    with pytest.raises(OutboxUnavailable):
        disk.require()
    lies.at("/@data", "/mnt/disk")
    disk.require()


def test_a_folder_that_is_not_there_is_unavailable(library: Library) -> None:
    library.outbox.rmdir()
    disk = started(library)
    for ask in (disk.require, disk.accept):
        with pytest.raises(OutboxUnavailable, match="is not there"):
            ask()
