import os
import queue
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lowkeyd.folders.scan import walk
from lowkeyd.folders.watcher import Hint, Watcher

PATIENCE_S = 10.0


@pytest.fixture
def hints(tmp_path: Path) -> Iterator["queue.SimpleQueue[Hint]"]:
    posted: queue.SimpleQueue[Hint] = queue.SimpleQueue()
    root = tmp_path / "watched"
    root.mkdir()
    watcher = Watcher({"inbox": root}, posted.put)
    watcher.start()
    yield posted
    watcher.stop()


def await_hint(hints: "queue.SimpleQueue[Hint]", wanted: Callable[[Hint], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not wanted(hints.get(timeout=max(deadline - time.monotonic(), 0.01))):
        pass


def test_a_written_file_and_a_file_moved_in_are_hinted(tmp_path: Path, hints: "queue.SimpleQueue[Hint]") -> None:
    (tmp_path / "watched" / "a.jpg").write_bytes(b"x")
    await_hint(hints, lambda hint: hint == Hint("inbox", b"a.jpg", is_folder=False))
    (tmp_path / "b.jpg").write_bytes(b"x")
    os.rename(tmp_path / "b.jpg", tmp_path / "watched" / "c.jpg")
    await_hint(hints, lambda hint: hint == Hint("inbox", b"c.jpg", is_folder=False))


def test_a_tree_that_is_moved_in_is_hinted_as_a_folder(tmp_path: Path, hints: "queue.SimpleQueue[Hint]") -> None:
    (tmp_path / "tree" / "deep").mkdir(parents=True)
    (tmp_path / "tree" / "deep" / "a.jpg").write_bytes(b"x")
    shutil.move(tmp_path / "tree", tmp_path / "watched" / "tree")
    await_hint(hints, lambda hint: hint == Hint("inbox", b"tree", is_folder=True))
    assert [seen.path for seen in walk(tmp_path / "watched", b"tree")] == [b"tree/deep/a.jpg"]
