"""After a lost database: what is known again, and above all what is not."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lowkeyd.folders.rules import Rules
from lowkeyd.folders.scan import Tree
from lowkeyd.imaging.metadata import xmp
from lowkeyd.model import Photo, Signature, State, sha256
from lowkeyd.store import lookup
from lowkeyd.store.queue import Queue
from lowkeyd.work.rebuild import Rebuild

MARK = xmp.packet(xmp.NO_XMP, mark=True)
NOW = 1_700_000_000.0
TAKEN_NS = 1_600_000_000_000_000_000


@pytest.fixture
def photos(tmp_path: Path) -> Iterator[Queue]:
    with Queue(tmp_path / "db.sqlite3") as queue:
        yield queue


@pytest.fixture
def put(tmp_path: Path) -> Callable[..., Path]:
    def write(path: str, content: bytes, mtime_ns: int = TAKEN_NS) -> Path:
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        os.utime(file, ns=(mtime_ns, mtime_ns))
        return file

    return write


def rebuild(photos: Queue, tmp_path: Path, rules: Rules | None = None) -> int:
    (tmp_path / "inbox").mkdir(exist_ok=True)
    told: list[None] = []
    trees = {"inbox": Tree(tmp_path / "inbox", rules or Rules())}
    found = Rebuild(photos, trees, tmp_path / "outbox", 10**6).run(lambda: told.append(None))
    assert told, "a service manager would have lost its patience"
    return found


def offer_again(photos: Queue, tmp_path: Path, name: bytes = b"a.jpg") -> int:
    """What the next scan does: how many photos it queues."""
    status = os.stat(os.path.join(os.fsencode(tmp_path / "inbox"), name))
    return photos.offer([Photo("inbox", name, Signature(status.st_size, status.st_mtime_ns))], NOW)


def test_a_photo_and_its_copy_find_each_other_and_are_not_done_again(
    photos: Queue, tmp_path: Path, put: Callable[..., Path]
) -> None:
    put("inbox/deep/a.jpg", b"portrait")
    put("outbox/inbox/deep/a.jpg", b"protected" + MARK)
    assert rebuild(photos, tmp_path) == 1
    assert photos.counts() == {State.DONE: 1}
    assert offer_again(photos, tmp_path, b"deep/a.jpg") == 0
    assert photos.is_delivery(sha256(b"protected" + MARK))
    assert rebuild(photos, tmp_path) == 0, "it is known by now"


def test_a_copy_in_another_format_and_under_a_number_is_found_too(
    photos: Queue, tmp_path: Path, put: Callable[..., Path]
) -> None:
    put("inbox/a.jpg", b"one")
    put("inbox/a.heic", b"two")
    put("outbox/inbox/a.jpg", b"protected one" + MARK)
    put("outbox/inbox/a (1).jpg", b"protected two" + MARK)
    assert rebuild(photos, tmp_path) == 2
    assert offer_again(photos, tmp_path, b"a.jpg") == offer_again(photos, tmp_path, b"a.heic") == 0


def test_each_copy_finds_its_own_photo_though_another_has_nearly_its_name(
    photos: Queue, tmp_path: Path, put: Callable[..., Path]
) -> None:
    put("inbox/a.jpg", b"one")
    put("inbox/a.png", b"two")
    put("outbox/inbox/a.jpg", b"protected one" + MARK)
    put("outbox/inbox/a (1).jpg", b"protected two" + MARK)
    assert rebuild(photos, tmp_path) == 2
    for name, copy in ((b"a.jpg", b"inbox/a.jpg"), (b"a.png", b"inbox/a (1).jpg")):
        entry = lookup.photo(tmp_path / "db.sqlite3", "inbox", name)
        assert entry is not None
        assert entry.delivery == copy


@pytest.mark.parametrize(
    ("copy", "mtime_ns"),
    [
        (b"protected, but who says so?", TAKEN_NS),
        (b"protected" + MARK, TAKEN_NS - 3_000_000_000),
        (b"portrait", TAKEN_NS),
    ],
    ids=["unmarked", "of an earlier version", "unprotected"],
)
def test_what_may_be_no_protected_copy_of_this_very_photo_is_left_alone_and_the_photo_done_again(
    photos: Queue, tmp_path: Path, put: Callable[..., Path], copy: bytes, mtime_ns: int
) -> None:
    put("inbox/a.jpg", b"portrait")
    put("outbox/inbox/a.jpg", copy, mtime_ns)
    assert rebuild(photos, tmp_path) == 0
    assert offer_again(photos, tmp_path) == 1


def test_an_original_that_is_marked_itself_is_no_protected_copy_of_itself(
    photos: Queue, tmp_path: Path, put: Callable[..., Path]
) -> None:
    put("inbox/a.jpg", b"portrait" + MARK)
    put("outbox/inbox/a.jpg", b"portrait" + MARK)
    assert rebuild(photos, tmp_path) == 0


def test_what_an_old_backup_knows_is_not_read_again_and_what_it_missed_is(
    photos: Queue, tmp_path: Path, put: Callable[..., Path]
) -> None:
    put("inbox/a.jpg", b"portrait")
    copy = put("outbox/inbox/a.jpg", b"protected" + MARK)
    rebuild(photos, tmp_path)
    copy.chmod(0)
    put("inbox/b.jpg", b"another")
    put("outbox/inbox/b.jpg", b"another, protected" + MARK)
    assert offer_again(photos, tmp_path, b"b.jpg") == 1, "the backup is from before it was done"
    assert rebuild(photos, tmp_path) == 1
    assert photos.counts() == {State.DONE: 2}


@pytest.mark.parametrize("queued", [True, False])
def test_a_copy_is_known_again_that_is_newer_than_the_one_of_an_old_backup(
    photos: Queue, tmp_path: Path, put: Callable[..., Path], queued: bool
) -> None:
    """The backup is from before the photo was written anew, or from when it waited for its turn."""
    newer, copy = TAKEN_NS + 10**11, b"retouched, protected" + MARK
    put("inbox/a.jpg", b"portrait")
    put("outbox/inbox/a.jpg", b"protected" + MARK)
    assert rebuild(photos, tmp_path) == 1
    put("inbox/a.jpg", b"retouched", newer)
    put("outbox/inbox/a.jpg", copy, newer)
    if queued:
        offer_again(photos, tmp_path)
    assert rebuild(photos, tmp_path) == 1
    assert (offer_again(photos, tmp_path), photos.counts()) == (0, {State.DONE: 1})
    assert photos.is_delivery(sha256(copy))


def test_files_of_folders_that_are_not_watched_or_gone_are_left_alone(
    photos: Queue, tmp_path: Path, put: Callable[..., Path]
) -> None:
    put("outbox/elsewhere/a.jpg", b"protected" + MARK)
    put("outbox/inbox/gone.jpg", b"protected" + MARK)
    put("outbox/loose.jpg", b"protected" + MARK)
    assert rebuild(photos, tmp_path) == 0


def test_what_the_watch_ignores_stays_unknown_as_it_would_be_to_a_scan(
    photos: Queue, tmp_path: Path, put: Callable[..., Path]
) -> None:
    for name in ("drafts/a.jpg", "b_edit.jpg", "c.jpg"):
        put(f"inbox/{name}", name.encode())
        put(f"outbox/inbox/{name}", b"protected " + name.encode() + MARK)
    assert rebuild(photos, tmp_path, rules=Rules(("drafts", "*_edit.jpg"))) == 1
    known = [lookup.photo(tmp_path / "db.sqlite3", "inbox", n) for n in (b"drafts/a.jpg", b"b_edit.jpg", b"c.jpg")]
    assert [entry and entry.state for entry in known] == [None, None, State.DONE]


@pytest.mark.parametrize("follow", [True, False])
def test_photos_behind_links_are_known_again_where_links_are_followed(
    photos: Queue, tmp_path: Path, put: Callable[..., Path], follow: bool
) -> None:
    put("elsewhere/a.jpg", b"portrait")
    put("elsewhere/b.jpg", b"another")
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "album").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "inbox" / "b.jpg").symlink_to(tmp_path / "elsewhere" / "b.jpg")
    put("outbox/inbox/album/a.jpg", b"protected" + MARK)
    put("outbox/inbox/b.jpg", b"another, protected" + MARK)
    assert rebuild(photos, tmp_path, rules=Rules(follow=follow)) == (2 if follow else 0)
