import errno
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from lowkeyd import config
from lowkeyd.folders.rules import Rules
from lowkeyd.folders.scan import Seen, Tree, Walk
from lowkeyd.folders.watcher import Hint
from lowkeyd.intake.intake import Intake
from lowkeyd.intake.roots import Roots
from lowkeyd.intake.vanish import Vanished
from lowkeyd.intake.watching import Coverage, Watching
from lowkeyd.model import Photo, Signature, State
from lowkeyd.store.departures import Departures
from lowkeyd.store.notes import Notes
from lowkeyd.store.queue import Queue
from tests.helpers.library import Library
from tests.intake.test_roots import unmount
from tests.work.test_admit import protect

PATIENCE_S = 30.0
QUIET_S = 0.2


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "inbox").mkdir()
    return tmp_path / "inbox"


@pytest.fixture
def photos(tmp_path: Path) -> Iterator[Queue]:
    with Queue(tmp_path / "db.sqlite3") as queue:
        yield queue


@pytest.fixture
def begin(root: Path, photos: Queue) -> Iterator[Callable[..., Intake]]:
    """Start an intake on the root."""
    begun = []

    def begin(quiet_s: float = QUIET_S) -> Intake:
        roots = Roots({"inbox": Tree(root)}, Notes(photos))
        begun.append(Intake(roots, quiet_s, photos, threading.Event()))
        begun[-1].start()
        return begun[-1]

    yield begin
    for intake in begun:
        intake.stop()
        intake.join(PATIENCE_S)


def await_quiet(intake: Intake) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not intake.quiet:
        assert time.monotonic() < deadline, "it never came to rest"
        time.sleep(0.01)


def paths(photos: Queue) -> list[bytes]:
    return sorted(job.photo.path for job in photos.claim(10_000, time.time()))


def hint(path: bytes) -> Hint:
    return Hint("inbox", path, is_folder=False)


def test_a_scan_offers_what_lies_in_the_tree(root: Path, photos: Queue, begin: Callable[..., Intake]) -> None:
    (root / "deep").mkdir()
    for name in ("a.jpg", "deep/b.jpg", "note.txt"):
        (root / name).write_bytes(b"x")
    intake = begin()
    assert intake.scanned_at is None
    intake.scan_all()
    await_quiet(intake)
    assert intake.scanned_at is not None
    assert paths(photos) == [b"a.jpg", b"deep/b.jpg"]


def test_a_hint_offers_the_file_with_its_signature(root: Path, photos: Queue, begin: Callable[..., Intake]) -> None:
    (root / "a.jpg").write_bytes(b"abc")
    intake = begin()
    intake.post(hint(b"a.jpg"))
    await_quiet(intake)
    (job,) = photos.claim(1, time.time())
    assert job.photo == Photo("inbox", b"a.jpg", Signature(3, (root / "a.jpg").stat().st_mtime_ns))


@pytest.mark.parametrize("path", [b"gone.jpg", b"note.txt", b".hidden.jpg", b"folder.jpg"])
def test_hints_that_lead_to_no_photo_offer_nothing(
    root: Path, photos: Queue, begin: Callable[..., Intake], path: bytes
) -> None:
    (root / "note.txt").write_bytes(b"x")
    (root / ".hidden.jpg").write_bytes(b"x")
    (root / "folder.jpg").mkdir()
    intake = begin()
    intake.post(hint(path))
    await_quiet(intake)
    assert photos.counts() == {}


def test_a_file_is_not_offered_while_it_grows(root: Path, photos: Queue, begin: Callable[..., Intake]) -> None:
    intake = begin(quiet_s=1.0)
    written_at = time.monotonic()
    with (root / "a.jpg").open("wb") as slow:
        for _ in range(10):
            slow.write(b"x")
            slow.flush()
            intake.post(hint(b"a.jpg"))
            time.sleep(0.15)
            taken = photos.counts() != {}
            gap_s, written_at = time.monotonic() - written_at, time.monotonic()
            assert not taken or gap_s > 0.9, "half a photo was taken; or the machine stood still, which excuses it"
    await_quiet(intake)
    (job,) = photos.claim(1, time.time())
    assert job.photo.signature.size == 10


def test_a_file_that_vanishes_while_it_settles_is_forgotten(
    root: Path, photos: Queue, begin: Callable[..., Intake]
) -> None:
    intake = begin()
    (root / "a.jpg").write_bytes(b"x")
    intake.post(hint(b"a.jpg"))
    (root / "a.jpg").unlink()
    await_quiet(intake)
    assert photos.counts() == {}


def test_a_file_whose_clock_is_ahead_is_offered_however_often_it_is_scanned(
    root: Path, photos: Queue, begin: Callable[..., Intake]
) -> None:
    (root / "a.jpg").write_bytes(b"x")
    ahead = time.time() + 86_400
    os.utime(root / "a.jpg", (ahead, ahead))
    intake = begin()
    deadline = time.monotonic() + PATIENCE_S
    while not photos.counts():
        intake.scan_all()
        time.sleep(QUIET_S / 4)
        assert time.monotonic() < deadline, "the scans held it back for ever"
    assert paths(photos) == [b"a.jpg"]


def test_a_folder_is_walked_once_more_for_files_that_gave_no_event(
    root: Path, photos: Queue, begin: Callable[..., Intake]
) -> None:
    (root / "new").mkdir()
    intake = begin(quiet_s=1.0)
    intake.post(Hint("inbox", b"new", is_folder=True))
    deadline = time.monotonic() + PATIENCE_S
    while not intake._walks:
        assert time.monotonic() < deadline
    (root / "new" / "late.jpg").write_bytes(b"x")  # no hint for this one
    await_quiet(intake)
    assert paths(photos) == [b"new/late.jpg"]


def test_a_scan_of_the_whole_tree_is_not_walked_twice(root: Path, photos: Queue, begin: Callable[..., Intake]) -> None:
    intake = begin()
    intake.scan_all()
    await_quiet(intake)
    assert intake.scanned_at is not None
    assert intake._walks == {}


def test_an_offline_root_is_left_alone_and_walked_when_it_is_back(
    root: Path, photos: Queue, begin: Callable[..., Intake]
) -> None:
    (root / "a.jpg").write_bytes(b"x")
    intake = begin()
    intake.scan_all()
    await_quiet(intake)
    away = root.with_name("away")
    root.rename(away)
    root.mkdir()
    (root / "wrong.jpg").write_bytes(b"of another disk")
    intake.scan_all()
    intake.post(hint(b"wrong.jpg"))
    intake.post(Hint("inbox", b"", is_folder=True))
    await_quiet(intake)
    assert paths(photos) == [b"a.jpg"]
    (away / "b.jpg").write_bytes(b"x")
    (root / "wrong.jpg").unlink()
    root.rmdir()
    away.rename(root)
    deadline = time.monotonic() + PATIENCE_S
    while photos.counts().get(State.READY) != 1:
        assert time.monotonic() < deadline, "it never came back"
        time.sleep(0.01)
    assert paths(photos) == [b"b.jpg"]


def test_it_is_quiet_only_when_all_is_offered(root: Path, photos: Queue, begin: Callable[..., Intake]) -> None:
    """`run --once` ends when it is quiet and nothing is queued: a moment between the two would lose photos."""
    offer = photos.offer

    def slow_offer(*arguments: object) -> int:
        time.sleep(0.3)
        return offer(*arguments)  # type: ignore[arg-type]

    photos.offer = slow_offer  # type: ignore[method-assign]
    (root / "a.jpg").write_bytes(b"x")
    intake = begin()
    intake.scan_all()
    while not photos.counts():
        assert not (intake.quiet and not photos.counts())
    await_quiet(intake)


def test_known_photos_are_not_offered_again(root: Path, photos: Queue, begin: Callable[..., Intake]) -> None:
    (root / "a.jpg").write_bytes(b"x")
    intake = begin()
    for _ in range(2):
        intake.scan_all()
        await_quiet(intake)
        jobs = photos.claim(10, time.time())
        for job in jobs:
            photos.no_face(job, time.time())
    assert photos.counts() == {State.NO_FACE: 1}


def test_it_ends_in_the_middle_of_a_long_walk(
    root: Path, begin: Callable[..., Intake], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tree never ends, here; a slow network drive comes close."""
    walking = threading.Event()

    def endless(walk: Walk) -> Iterator[Seen]:
        while walk._go_on():
            walking.set()
        yield from ()

    monkeypatch.setattr(Walk, "__iter__", endless)
    intake = begin()
    before = intake.moved_at
    intake.scan_all()
    assert walking.wait(PATIENCE_S)
    deadline = time.monotonic() + PATIENCE_S
    while intake.moved_at <= before + 0.1:
        assert time.monotonic() < deadline, "a long walk has to be a sign of life"
    intake.stop()
    intake.join(PATIENCE_S)
    assert not intake.is_alive()


@pytest.mark.parametrize("folder", [".Trash-0/files", "@eaDir/a.jpg", "private", "deep/private/deeper"])
def test_a_folder_that_appears_where_no_walk_comes_is_not_walked(root: Path, photos: Queue, folder: str) -> None:
    (root / folder).mkdir(parents=True)
    (root / folder / "a.jpg").write_bytes(b"x")
    roots = Roots({"inbox": Tree(root, Rules(ignore=("private",)))}, Notes(photos))
    intake = Intake(roots, QUIET_S, photos, threading.Event())
    intake.start()
    intake.post(Hint("inbox", os.fsencode(folder), is_folder=True))
    await_quiet(intake)
    intake.stop()
    intake.join(PATIENCE_S)
    assert photos.counts() == {}


def test_a_photo_from_the_far_future_is_taken_like_any_other(
    root: Path, photos: Queue, begin: Callable[..., Intake]
) -> None:
    (root / "a.jpg").write_bytes(b"x")
    os.utime(root / "a.jpg", (10_413_792_000, 10_413_792_000))  # the year 2300
    intake = begin()
    intake.scan_all()
    await_quiet(intake)
    assert paths(photos) == [b"a.jpg"]


class Deaf(Watching):
    """Whose events come from nowhere, as after its root was made anew."""

    def __init__(self, root: Path) -> None:
        super().__init__((config.Watch(name="inbox", path=root, mode="events"),), lambda hint: None)
        self.renewed = 0

    def renew(self, watch: str) -> None:
        self.renewed += 1
        self._coverage[watch] = Coverage("events")


def test_a_root_that_gives_no_events_any_more_is_watched_afresh(root: Path, photos: Queue) -> None:
    watching = Deaf(root)
    watching.start()
    intake = Intake(Roots({"inbox": Tree(root)}, Notes(photos)), QUIET_S, photos, threading.Event(), watching)
    intake.start()
    intake.scan_all()
    await_quiet(intake)
    intake.stop()
    intake.join(PATIENCE_S)
    assert watching.renewed == 2


def test_folders_that_cannot_be_read_are_told_of_once(
    root: Path, photos: Queue, begin: Callable[..., Intake], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Walk, "_folder", lambda *_: (_ for _ in ()).throw(PermissionError(errno.EACCES, "no")))
    intake = begin()
    with capture_logs() as told:
        for _ in range(2):
            intake.scan_all()
            await_quiet(intake)
            time.sleep(0.05)
    assert intake.refused == {"inbox": ["."]}
    assert [line["event"] for line in told] == ["folders cannot be read"]


# ---- step by step


def still(library: Library, quiet_s: float = 0.0, **parts: Any) -> Intake:
    """An intake that is not started: the test takes its steps, at the moment that matters."""
    return Intake(library.roots, quiet_s, library.photos, threading.Event(), **parts)


def test_a_file_that_settles_while_its_disk_goes_away_is_not_taken_from_another(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.drop("known.jpg", b"x")
    library.roots.walked("inbox", filled=True)
    (library.root / "a.jpg").write_bytes(b"x")
    intake = still(library, quiet_s=30.0)
    intake._follow([hint(b"a.jpg")])
    disk = unmount(library)
    shutil.copy2(disk / "a.jpg", library.root)
    later = time.monotonic() + 60
    monkeypatch.setattr(time, "monotonic", lambda: later)
    intake._welcome()
    intake._look_again()
    assert (library.photos.counts(), intake.settling) == ({State.READY: 1}, 0)


@pytest.mark.parametrize("when", ["before it", "in the middle", "ended"])
def test_a_walk_that_was_not_of_the_whole_root_teaches_nothing(
    library: Library, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    library.drop("a.jpg", b"x")
    library.roots.walked("inbox", filled=True)
    intake = still(library)

    def cut_short(_: Walk) -> Iterator[Seen]:
        unmount(library) if when == "in the middle" else intake.stop()
        yield from ()

    if when == "before it":
        unmount(library)
        (library.root / "wrong.jpg").write_bytes(b"x")
    else:
        monkeypatch.setattr(Walk, "__iter__", cut_short)
    intake._walk("inbox", b"")
    assert intake.scanned_at is None
    assert Notes(library.photos).roots()["inbox"].filled
    assert library.photos.counts() == {State.READY: 1}


def test_while_a_file_settles_nothing_is_taken_for_deleted(library: Library) -> None:
    """It may be the very photo that is missing elsewhere."""
    protect(library, "a.jpg", b"x")
    vanished = Vanished(Departures(library.photos), library.roots, library.publisher.outbox, "delete")
    intake = still(library, quiet_s=600.0, vanished=vanished)
    (library.root / "a.jpg").rename(library.root / "renamed.jpg")
    intake._follow([hint(b"renamed.jpg")])
    for _ in range(3):
        intake._walk("inbox", b"")
    assert set(library.delivered()) == {"inbox/a.jpg"}


def test_a_root_that_is_back_is_watched_afresh(library: Library) -> None:
    library.roots.walked("inbox", filled=True)
    watching = Deaf(library.root)
    intake = still(library, watching=watching)
    disk = unmount(library)
    intake._welcome()
    library.root.rmdir()
    disk.rename(library.root)
    intake._welcome()
    assert watching.renewed == 1
