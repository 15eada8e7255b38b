import errno
import os
import socket
from pathlib import Path

import pytest

from lowkeyd.folders.rules import Rules, is_raw_name
from lowkeyd.folders.scan import Seen, Tree, Walk


def walk(root: Path, under: bytes = b"", rules: Rules | None = None) -> list[bytes]:
    """Paths of what is found."""
    return sorted(seen.path for seen in Walk(Tree(root, rules or Rules()), under))


def look(root: Path, path: bytes) -> Seen | None:
    return Tree(root).look(path)


@pytest.mark.parametrize("name", [b"a.jpg", b"deep/er/A.JPEG", b"x.heic", b"caf\xe9.png", b"two.dots.webp"])
def test_photos_by_name(name: bytes) -> None:
    assert Rules().takes(name)


@pytest.mark.parametrize(
    "name", [b"a.txt", b".a.jpg", b".git/a.jpg", b"@eaDir/a.jpg", b"a.jpg.part", b"jpg", b".lowkeyd-0.tmp", b"a.jpg~"]
)
def test_not_photos_by_name(name: bytes) -> None:
    assert not Rules().takes(name)


def test_walk_finds_photos_at_any_depth_and_streams_relative_paths(tmp_path: Path) -> None:
    for name in ("a.jpg", "b/c/d.png", "b/note.txt", ".hidden/e.jpg", "@eaDir/f.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert walk(tmp_path) == [b"a.jpg", b"b/c/d.png"]
    assert walk(tmp_path, b"b") == [b"b/c/d.png"]


def test_names_that_are_not_unicode_come_through(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jpg")).write_bytes(b"x")
    assert walk(tmp_path) == [b"caf\xe9.jpg"]


def test_links_and_pipes_are_no_photos(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "real.jpg").write_bytes(b"x")
    (tmp_path / "link.jpg").symlink_to(tmp_path / "elsewhere" / "real.jpg")
    (tmp_path / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe.jpg")
    assert walk(tmp_path) == [b"elsewhere/real.jpg"]


def test_a_folder_that_vanished_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "album").touch()
    for folder in (b"gone", b"album"):  # a file has taken the place of the second
        passed = Walk(Tree(tmp_path), folder)
        assert (list(passed), passed.refused) == ([], [])
    assert look(tmp_path, b"gone.jpg") is None


def test_a_copy_that_keeps_its_old_date_still_counts_as_just_touched(tmp_path: Path) -> None:
    photo = tmp_path / "a.jpg"
    photo.write_bytes(b"x")
    os.utime(photo, (1_000_000, 1_000_000))
    seen = look(tmp_path, b"a.jpg")
    assert seen is not None
    assert seen.signature.mtime_ns == 1_000_000 * 10**9
    assert seen.touched_at > 1_700_000_000


@pytest.mark.parametrize("name", [b"a.NEF", b"a.dng", b"sub/a.cr3", b"a.arw"])
def test_raw_files_are_seen_so_that_they_can_be_named(name: bytes) -> None:
    assert Rules().takes(name)
    assert is_raw_name(name)
    assert not is_raw_name(b"a.jpg")


@pytest.mark.parametrize("name", [b"a.avif", b"a.gif", b"a.HIF", b"a.jfif"])
def test_rarer_photos_by_name(name: bytes) -> None:
    assert Rules().takes(name)


ODD_NAMES = [
    b"caf\xe9.jpg",
    b"line\nbreak.jpg",
    b"tab\tand\x1bescape.jpg",
    b"a" * 251 + b".jpg",
    b"\xe2\x80\xae.jpg",
    b" .jpg",
    b"a.jpg.jpg",
    b"-rf.jpg",
    "e\u0301.jpg".encode(),
    "é.jpg".encode(),
    b"A.JPG",
    b"a.jpg",
]


def test_odd_names_come_through_the_walk_as_the_bytes_they_are(tmp_path: Path) -> None:
    for name in ODD_NAMES:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(b"x")
    assert walk(tmp_path) == sorted(ODD_NAMES)


def test_folders_and_sockets_with_a_photos_name_are_no_photos(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").mkdir()
    (tmp_path / "x.jpg" / "inside.jpg").write_bytes(b"x")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tmp_path / "s.jpg"))
        assert walk(tmp_path) == [b"x.jpg/inside.jpg"]
        assert look(tmp_path, b"x.jpg") is None
        assert look(tmp_path, b"s.jpg") is None


def test_a_walk_can_be_called_off_even_where_there_are_no_photos(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / str(number)).mkdir()
    (tmp_path / "0" / "a.jpg").write_bytes(b"x")
    asked = []

    def go_on() -> bool:
        asked.append(True)
        return len(asked) <= 3

    assert len(list(Walk(Tree(tmp_path), go_on=go_on))) <= 1
    assert len(asked) == 4, "the root, two folders, and the end"


def test_links_are_followed_on_request_and_lead_nowhere_in_circles(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    for folder in (root / "deep", elsewhere):
        folder.mkdir(parents=True)
    (elsewhere / "real.jpg").write_bytes(b"x")
    (root / "linked").symlink_to(elsewhere)
    (root / "a.jpg").symlink_to(elsewhere / "real.jpg")
    (root / "deep" / "loop").symlink_to(root)
    (elsewhere / "back").symlink_to(elsewhere)
    (root / "broken.jpg").symlink_to(tmp_path / "nowhere.jpg")
    assert walk(root, rules=Rules(follow=True)) == [b"a.jpg", b"linked/real.jpg"]
    assert walk(root) == []


def test_closed_folders_are_not_entered_whatever_way_leads_there(tmp_path: Path) -> None:
    root, outbox = tmp_path / "root", tmp_path / "outbox"
    for folder in (root, outbox):
        folder.mkdir()
    (outbox / "copy.jpg").write_bytes(b"x")
    (root / "link").symlink_to(outbox)
    status = outbox.stat()
    closed = frozenset({(status.st_dev, status.st_ino)})
    assert walk(root, rules=Rules(follow=True)) == [b"link/copy.jpg"]
    assert walk(root, rules=Rules(follow=True, closed=closed)) == []


def test_a_walk_tells_which_folders_it_entered(tmp_path: Path) -> None:
    for name in ("a/b", ".hidden", "c"):
        (tmp_path / name).mkdir(parents=True)
    found = Walk(Tree(tmp_path))
    assert list(found) == []
    assert {inode for _, inode in found.entered} == {
        path.stat().st_ino for path in (tmp_path, tmp_path / "a", tmp_path / "a/b", tmp_path / "c")
    }


def test_only_what_is_really_not_there_is_gone(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    (tmp_path / "a.jpg").write_bytes(b"x")
    (tmp_path / "link.jpg").symlink_to("nowhere")
    assert [tree.is_gone(path) for path in (b"a.jpg", b"link.jpg", b"a.jpg/b.jpg", b"gone.jpg")] == [
        False, False, True, True,
    ]  # fmt: skip
    assert not tree.is_gone(b"x" * 300), "an error that says nothing about the file"


def test_what_a_link_leads_to_inside_of_the_tree_is_found_by_its_own_name(tmp_path: Path) -> None:
    """In whatever order the disk lists them."""
    for number in range(20):
        (tmp_path / f"link {number}").symlink_to("2020")
        if number == 10:
            (tmp_path / "2020").mkdir()
            (tmp_path / "2020/b.jpg").write_bytes(b"x")
    assert [seen.path for seen in Walk(Tree(tmp_path, Rules(follow=True)))] == [b"2020/b.jpg"]


def test_a_walk_tells_which_folders_it_could_not_read_and_which_lie_behind_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree, other = tmp_path / "tree", tmp_path / "other"
    for folder in (tree / "private", tree / "open", other / "deep"):
        folder.mkdir(parents=True)
        (folder / "a.jpg").write_bytes(b"x")
    (tree / "link").symlink_to(other)
    scandir = os.scandir

    def refusing(path: bytes) -> object:
        if path.endswith(b"/private"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)  # root may read everything
    walk = Walk(Tree(tree, Rules(follow=True)))
    assert sorted(seen.path for seen in walk) == [b"link/deep/a.jpg", b"open/a.jpg"]
    assert (walk.refused, walk.linked, len(walk.entered)) == ([b"private"], 2, 4)


def test_a_link_that_leads_to_itself_costs_none_of_its_neighbours(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"{number}.jpg").write_bytes(b"x")
    (tmp_path / "loop").symlink_to("loop")
    walk = Walk(Tree(tmp_path, Rules(follow=True)))
    assert (len(list(walk)), walk.refused) == (30, [b"loop"])
