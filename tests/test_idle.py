"""A daemon with nothing to do costs nothing."""

from pathlib import Path

import pytest

from tests.helpers.home import Home, await_that
from tests.test_watching import root


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def stamps(folder: Path) -> dict[str, tuple[int, int]]:
    return {path.name: (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.iterdir()}


def test_scans_of_an_unchanged_tree_write_nothing_so_that_disks_can_sleep(home: Home) -> None:
    home.configure(scan={"every_s": 1.0})
    for number in range(3):
        home.drop(f"{number}.jpg", b"portrait %d" % number)
    with home.daemon():
        home.await_counts(done=3)
        scanned = [root(home)["scanned_at"] or 0.0]
        await_that(lambda: (root(home)["scanned_at"] or 0.0) > scanned[0] + 2, "scans after the work")
        before, scanned = stamps(home.state), [root(home)["scanned_at"]]
        await_that(lambda: (root(home)["scanned_at"] or 0.0) > scanned[0] + 3, "a few scans")
        assert stamps(home.state) == before
