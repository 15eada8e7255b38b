"""The whole daemon where disks come and go, events are lost or never come, and limits cut in."""

import signal
import time
from pathlib import Path
from typing import Any

import pytest

from lowkeyd.model import Photo, Signature
from lowkeyd.store import location
from lowkeyd.store.queue import Queue
from lowkeyd.work.control import ask
from tests.helpers import namespace
from tests.helpers.home import Home, await_that, needs_namespaces
from tests.helpers.stand_in import PREFIX


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def root(home: Home) -> dict[str, Any]:
    """What the daemon says about the watched folder."""
    found: dict[str, Any] = ask(location.control_socket(home.state), {"beat": None})["roots"]["inbox"]
    return found


def test_a_root_that_is_replaced_is_offline_and_heals_by_itself(home: Home) -> None:
    home.drop("a.jpg", b"unique")
    with home.daemon():
        home.await_counts(done=1)
        await_that(
            lambda: home.query("SELECT filled FROM root WHERE watch = 'inbox'") == [(1,)],
            "the root known to hold photos",
        )
        away = home.folder / "away"
        home.inbox.rename(away)
        home.inbox.mkdir()
        await_that(lambda: "another folder is in its place" in (root(home)["offline"] or ""), "the root offline")
        assert "inbox is offline: another folder is in its place" in home.call("status").stdout
        home.drop("wrong.jpg", b"of another disk")
        (away / "b.jpg").write_bytes(b"written while it was away")
        (home.inbox / "wrong.jpg").unlink()
        home.inbox.rmdir()
        away.rename(home.inbox)
        home.await_counts(done=2)
        assert root(home)["offline"] is None
        home.drop("c.jpg", b"watched afresh")
        home.await_counts(done=3)
        home.inbox.rename(away)
        home.inbox.mkdir()
        home.drop("d.jpg", b"in a folder of its own")
        await_that(lambda: root(home)["offline"] is not None, "the root offline")
        assert home.call("accept", "inbox").returncode == 0
        home.await_counts(done=4)
    assert set(home.delivered()) == {"a.jpg", "b.jpg", "c.jpg", "d.jpg"}


def test_queued_photos_of_an_offline_root_wait_and_are_not_taken_for_deleted(home: Home) -> None:
    home.drop("a.jpg", b"portrait")
    assert home.call("run", "--once").returncode == 0
    with Queue(location.database(home.state)) as photos:
        photos.offer([Photo("inbox", b"b.jpg", Signature(1, 1))], 0.0)
    home.inbox.rename(home.folder / "away")
    home.inbox.mkdir()
    assert home.call("run", "--once").returncode == 75
    assert home.counts() == {"done": 1, "ready": 1}


def test_a_known_root_may_be_missing_at_the_start_and_an_unknown_one_may_not(home: Home) -> None:
    home.drop("a.jpg", b"portrait")
    assert home.call("run", "--once").returncode == 0
    away = home.folder / "away"
    home.inbox.rename(away)
    with home.daemon():
        await_that(lambda: "No such file" in (root(home)["offline"] or ""), "the root offline")
        away.rename(home.inbox)
        home.drop("b.jpg", b"another")
        home.await_counts(done=2)
    home.inbox = home.folder / "typo"
    home.configure()
    assert home.call("run", "--once").returncode == 78


def unmounted(folder: Path) -> None:
    home = Home(folder / "home")
    disk = folder / "disk"
    disk.mkdir()
    namespace.mount("-t", "tmpfs", "none", disk)
    namespace.mount("--bind", disk, home.inbox)
    home.drop("deep/a.jpg", b"unique")
    with home.daemon():
        home.await_counts(done=1)
        await_that(
            lambda: home.query("SELECT filled FROM root WHERE watch = 'inbox'") == [(1,)],
            "the root known to hold photos",
        )
        namespace.unmount(home.inbox)
        assert list(home.inbox.iterdir()) == []
        await_that(lambda: root(home)["offline"] is not None, "the root offline")
        (disk / "deep" / "b.jpg").write_bytes(b"unique too")
        assert home.counts() == {"done": 1}
        namespace.mount("--bind", disk, home.inbox)
        home.await_counts(done=2)
        assert root(home)["offline"] is None
    assert set(home.delivered()) == {"deep/a.jpg", "deep/b.jpg"}


@needs_namespaces()
def test_a_disk_that_is_unmounted_and_mounted_again_loses_nothing(tmp_path: Path) -> None:
    namespace.run(unmounted, tmp_path)


def too_few_watches(folder: Path) -> None:
    home = Home(folder / "home")
    home.configure(scan={"every_s": 86_400.0, "blind_every_s": 1.0})
    for number in range(40):
        (home.inbox / str(number)).mkdir()
    namespace.limit("max_inotify_watches", 20)
    with home.daemon() as daemon:
        await_that(lambda: root(home).get("folders") == 41, "the tree walked")
        await_that(lambda: root(home)["watched"] == 20, "as many watches as there may be")
        await_that(lambda: "watching 20 of 41 folders" in home.call("status").stdout, "status says so")
        assert daemon.log().count("watching not all") == 1
        for number in range(40):
            home.drop(f"{number}/a.jpg", b"portrait %d" % number)
        home.await_counts(done=40)


@needs_namespaces()
def test_where_the_limit_of_watches_cuts_in_status_says_so_and_scans_find_the_rest(tmp_path: Path) -> None:
    namespace.run(too_few_watches, tmp_path)


def no_watches(folder: Path) -> None:
    home = Home(folder / "home")
    home.configure(scan={"every_s": 86_400.0, "blind_every_s": 1.0})
    namespace.limit("max_inotify_instances", 0)
    with home.daemon():
        assert (root(home)["mode"], root(home)["reason"]) == ("scan", "inotify instance limit reached")
        home.drop("a.jpg", b"portrait")
        home.await_counts(done=1)


@needs_namespaces()
def test_where_the_system_gives_no_events_at_all_scans_find_everything(tmp_path: Path) -> None:
    namespace.run(no_watches, tmp_path)


def share(folder: Path) -> None:
    """What a server does to a share: it writes where this machine's kernel does not look."""
    home = Home(folder / "home")
    home.configure(watch={"mode": "auto"}, scan={"every_s": 86_400.0, "blind_every_s": 1.0})
    layers = folder / "layers"
    layers.mkdir()
    namespace.mount("-t", "tmpfs", "none", layers)
    for name in ("lower", "upper", "work"):
        (layers / name).mkdir()
    options = f"lowerdir={layers}/lower,upperdir={layers}/upper,workdir={layers}/work"
    namespace.mount("-t", "overlay", "none", "-o", options, home.inbox)
    with home.daemon():
        assert root(home)["reason"] == "its file system, overlay, does not tell of every write"
        (layers / "lower" / "a.jpg").write_bytes(b"portrait")
        home.await_counts(done=1)


@needs_namespaces()
def test_a_share_that_tells_of_nothing_is_scanned(tmp_path: Path) -> None:
    namespace.run(share, tmp_path)


def test_ignored_names_are_left_out_and_links_followed_on_request(home: Home) -> None:
    home.configure(watch={"ignore": ["drafts", "*_edit.jpg"], "follow_symlinks": True})
    album = home.folder / "album"
    album.mkdir()
    (album / "linked.jpg").write_bytes(b"behind a link")
    (home.inbox / "album").symlink_to(album)
    (home.inbox / "loop").symlink_to(home.inbox)
    (home.inbox / "copies").symlink_to(home.outbox)
    (home.inbox / "one.jpg").symlink_to(album / "linked.jpg")
    for name in ("drafts/a.jpg", "b_edit.jpg", "@eaDir/c.jpg", "d.jpg"):
        home.drop(name, name.encode())
    for _ in range(2):
        assert home.call("run", "--once").returncode == 0
    assert home.delivered() == {
        "d.jpg": PREFIX + b"d.jpg",
        "album/linked.jpg": PREFIX + b"behind a link",
        "one.jpg": PREFIX + b"behind a link",
    }
    assert home.counts() == {"done": 3}


def test_more_events_than_the_kernel_keeps_cost_no_photo(home: Home) -> None:
    """Its queue holds 16,384; a new file gives two."""
    count = 9_000
    home.configure(schedule={"active": never(), "timezone": "UTC"})
    with home.daemon() as daemon:
        daemon.process.send_signal(signal.SIGSTOP)
        for number in range(count):
            (home.inbox / f"{number}.jpg").write_bytes(b"portrait %d" % number)
        daemon.process.send_signal(signal.SIGCONT)
        home.await_counts(ready=count)
        if "queue overflowed" not in daemon.log():
            pytest.skip("this kernel keeps more events")


def never() -> str:
    """Hours of work that are half a day away."""
    hour = (time.gmtime().tm_hour + 12) % 24
    return f"{hour:02}:00-{hour:02}:01"


def test_a_storm_of_events_about_a_photo_in_work_queues_it_once(home: Home) -> None:
    photo = home.drop("a.jpg", b"slow 2")
    with home.daemon() as daemon:
        await_that(lambda: home.photo("a.jpg").get("stage") == "optimise", "the photo in work")
        while home.counts() == {"running": 1}:
            photo.chmod(0o600)
            photo.open("ab").close()
            photo.chmod(0o644)
            time.sleep(0.01)
        home.await_counts(done=1)
        home.drop("b.jpg", b"portrait")
        home.await_counts(done=2)
        assert daemon.log().count("event=done") == 2
