"""Who is told, whatever else goes wrong."""

import time
from pathlib import Path

import pytest

from lowkeyd import chores, config
from lowkeyd.model import Photo, Signature, Stage
from lowkeyd.store import backup, location
from lowkeyd.store.queue import Queue
from tests.helpers.home import Home, await_that


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """With figures and a hook, which has been introduced."""
    home = Home(tmp_path / "home")
    heard = {"command": ["sh", "-c", f"cat >> '{home.folder / 'heard'}'"], "every_s": 1}
    home.configure(metrics={"textfile": str(home.folder / "lowkeyd.prom")}, hook=heard)
    with Queue(location.database(home.state)):
        pass
    teller(home).tell()
    (home.folder / "lowkeyd.prom").unlink()
    return home


def teller(home: Home) -> chores.Teller:
    return chores.Teller(config.load(home.config))


def told(home: Home) -> set[str]:
    """Something has failed since, and it is time to tell of it."""
    with Queue(location.database(home.state)) as photos:
        photos.offer([Photo("inbox", b"a.jpg", Signature(1, 1))], time.time())
        (job,) = photos.claim(1, time.time())
        photos.fail(job, Stage.DECODE, "is no picture", "", time.time())
    time.sleep(1.1)
    teller(home).tell()
    return {name for name in ("heard", "lowkeyd.prom") if (home.folder / name).exists()}


def test_figures_and_hook_are_told(home: Home) -> None:
    assert told(home) == {"heard", "lowkeyd.prom"}


def test_they_are_told_too_while_the_outbox_is_away(home: Home) -> None:
    home.outbox.rmdir()
    assert told(home) == {"heard", "lowkeyd.prom"}
    assert "lowkeyd_outbox_free_bytes" not in (home.folder / "lowkeyd.prom").read_text()


def test_figures_that_cannot_be_written_do_not_silence_the_hook(home: Home) -> None:
    (home.folder / "lowkeyd.prom").mkdir()
    assert "heard" in told(home)


def test_without_listeners_there_is_nothing_to_tell(tmp_path: Path) -> None:
    assert not teller(Home(tmp_path / "silent")).has_listeners


def test_a_daemon_backs_its_database_up_at_once(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    with home.daemon() as daemon:
        await_that(lambda: bool(backup.newest_first(home.state, time.time())), "a backup")
        daemon.end()


def test_a_backup_that_cannot_be_made_stops_nobody(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    location.database(home.state).mkdir(parents=True)
    chores.back_up(config.load(home.config))
