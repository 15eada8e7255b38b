import logging
import os
import queue
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lowkeyd.folders.scan import Tree, Walk
from lowkeyd.folders.watcher import Hint, Watcher, watched_inodes

PATIENCE_S = 10.0


@pytest.fixture
def hints(tmp_path: Path) -> Iterator["queue.SimpleQueue[Hint]"]:
    posted: queue.SimpleQueue[Hint] = queue.SimpleQueue()
    root = tmp_path / "watched"
    root.mkdir()
    watcher = Watcher(posted.put)
    assert watcher.watch("inbox", root) is None
    yield posted
    watcher.stop()


def await_hint(hints: "queue.SimpleQueue[Hint]", wanted: Callable[[Hint], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not wanted(hints.get(timeout=max(deadline - time.monotonic(), 0.01))):
        pass


def test_files_that_are_written_moved_in_or_renamed_are_hinted(
    tmp_path: Path, hints: "queue.SimpleQueue[Hint]"
) -> None:
    (tmp_path / "watched" / "a.jpg").write_bytes(b"x")
    await_hint(hints, lambda hint: hint == Hint("inbox", b"a.jpg", is_folder=False))
    (tmp_path / "b.jpg").write_bytes(b"x")
    os.rename(tmp_path / "b.jpg", tmp_path / "watched" / "c.jpg")
    await_hint(hints, lambda hint: hint == Hint("inbox", b"c.jpg", is_folder=False))
    os.rename(tmp_path / "watched" / "c.jpg", tmp_path / "watched" / "d.jpg")
    await_hint(hints, lambda hint: hint == Hint("inbox", b"d.jpg", is_folder=False))


def test_a_tree_that_is_moved_in_is_hinted_as_a_folder(tmp_path: Path, hints: "queue.SimpleQueue[Hint]") -> None:
    (tmp_path / "tree" / "deep").mkdir(parents=True)
    (tmp_path / "tree" / "deep" / "a.jpg").write_bytes(b"x")
    shutil.move(tmp_path / "tree", tmp_path / "watched" / "tree")
    await_hint(hints, lambda hint: hint == Hint("inbox", b"tree", is_folder=True))
    assert [seen.path for seen in Walk(Tree(tmp_path / "watched"), b"tree")] == [b"tree/deep/a.jpg"]


@pytest.mark.parametrize("way", ["link", "real/", "real/../real", "outer/inner"])
def test_a_root_is_watched_whatever_way_leads_to_it(tmp_path: Path, way: str) -> None:
    (tmp_path / "real" / "inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "outer").symlink_to(tmp_path / "real")
    hints: queue.SimpleQueue[Hint] = queue.SimpleQueue()
    root = Path(f"{tmp_path}/{way}")
    watcher = Watcher(hints.put)
    try:
        assert watcher.watch("inbox", root) is None
        (root / "a.jpg").write_bytes(b"x")
        await_hint(hints, lambda hint: hint == Hint("inbox", b"a.jpg", is_folder=False))
    finally:
        watcher.stop()


def test_names_that_are_not_unicode_are_hinted(tmp_path: Path, hints: "queue.SimpleQueue[Hint]") -> None:
    with open(os.fsencode(tmp_path) + b"/watched/caf\xe9\n.jpg", "wb"):
        pass
    await_hint(hints, lambda hint: hint == Hint("inbox", b"caf\xe9\n.jpg", is_folder=False))


def test_a_root_that_cannot_be_watched_is_named_and_the_others_are_watched(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    hints: queue.SimpleQueue[Hint] = queue.SimpleQueue()
    watcher = Watcher(hints.put)
    try:
        assert watcher.watch("gone", tmp_path / "gone") == "No such file or directory"
        assert watcher.watch("there", tmp_path / "there") is None
        (tmp_path / "there" / "a.jpg").write_bytes(b"x")
        await_hint(hints, lambda hint: hint == Hint("there", b"a.jpg", is_folder=False))
    finally:
        watcher.stop()


def test_lost_events_are_a_hint_to_walk_everything(tmp_path: Path, hints: "queue.SimpleQueue[Hint]") -> None:
    logging.getLogger("watchdog.observers.inotify_c").warning("Inotify queue overflowed, staged")
    await_hint(hints, lambda hint: hint == Hint("inbox", b"", is_folder=True))


def test_a_root_can_be_watched_afresh(tmp_path: Path) -> None:
    """Another folder has taken its place: the old watches are on the one that is gone."""
    root = tmp_path / "root"
    root.mkdir()
    hints: queue.SimpleQueue[Hint] = queue.SimpleQueue()
    watcher = Watcher(hints.put)
    try:
        assert watcher.watch("inbox", root) is None
        root.rename(tmp_path / "old")
        root.mkdir()
        assert watcher.watch("inbox", root) is None
        (root / "a.jpg").write_bytes(b"x")
        await_hint(hints, lambda hint: hint == Hint("inbox", b"a.jpg", is_folder=False))
    finally:
        watcher.stop()


def test_the_kernel_says_what_is_watched(tmp_path: Path) -> None:
    for name in ("root/a/b", "other"):
        (tmp_path / name).mkdir(parents=True)
    watcher = Watcher(lambda _: None)
    try:
        watcher.watch("inbox", tmp_path / "root")
        watched = watched_inodes()
        assert {(tmp_path / name).stat().st_ino for name in ("root", "root/a", "root/a/b")} <= watched
        assert (tmp_path / "other").stat().st_ino not in watched
    finally:
        watcher.stop()
