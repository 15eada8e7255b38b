"""SIGHUP: by itself, and in a running daemon."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lowkeyd import config, reload
from lowkeyd.intake.check import check_folders
from lowkeyd.reload import Reload
from lowkeyd.work.admit import fingerprint
from tests.helpers.home import REPOSITORY, Home, await_that, environment


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def after_asking(home: Home, change: Callable[[], None]) -> config.Config | None:
    """What a reload gives after the file was changed."""
    current = config.load(home.config)
    asked = Reload(home.config, check_folders)
    change()
    asked.ask()
    found: list[config.Config] = []
    await_that(lambda: bool(found.extend(filter(None, [asked.ready(current)])) or not asked.pending), "the trial")
    asked.stop()
    return found[0] if found else None


def test_without_being_asked_it_reads_nothing(home: Home) -> None:
    current = config.load(home.config)
    home.configure(settle={"quiet_s": 3.0})
    assert Reload(home.config, check_folders).ready(current) is None


def test_good_settings_are_taken(home: Home) -> None:
    fresh = after_asking(home, lambda: home.configure(settle={"quiet_s": 3.0}))
    assert fresh is not None
    assert fresh.settle.quiet_s == 3.0


@pytest.mark.parametrize(
    "sections",
    [
        {"settle": {"quiet": 3.0}},
        {"settle": {"quiet_s": "3"}},
        {"outbox": {"path": "/no/such/folder"}},
        {"state": {"path": "/somewhere/else"}},
        {},
    ],
    ids=["unknown key", "wrong type", "missing folder", "another state", "nothing new"],
)
def test_bad_settings_and_equal_ones_change_nothing(home: Home, sections: dict[str, dict[str, object]]) -> None:
    assert after_asking(home, lambda: home.configure(**sections)) is None


def test_networks_that_do_not_load_change_nothing(home: Home) -> None:
    assert after_asking(home, lambda: home.configure(attack={"ensemble": ["no-such-network"]})) is None


def test_a_device_that_is_not_there_changes_nothing(home: Home) -> None:
    assert after_asking(home, lambda: home.configure(attack={"device": "cuda:99"})) is None


def test_networks_that_hang_are_given_up_and_the_old_settings_hold(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = tmp_path / "python"
    hanging.write_text("#!/bin/sh\nexec sleep 600\n")
    hanging.chmod(0o755)
    monkeypatch.setattr(reload, "_PATIENCE_S", 0.1)
    monkeypatch.setattr(sys, "executable", str(hanging))
    current = config.load(home.config)
    home.configure(attack={"preset": "subtle"})
    trying = Reload(home.config, check_folders)
    trying.ask()
    assert (trying.ready(current), trying.pending) == (None, True)
    await_that(lambda: trying.ready(current) is None and not trying.pending, "the end of patience")


def test_a_running_daemon_takes_good_settings_keeps_its_own_before_bad_ones_and_says_so(home: Home) -> None:
    phone = home.folder / "phone"
    phone.mkdir()
    with home.daemon() as daemon:
        home.drop("a.jpg", b"slow 0.3 a")
        home.await_counts(done=1)
        good = home.config.read_text()
        home.config.write_text("[settle\nquiet")
        daemon.process.send_signal(signal.SIGHUP)
        await_that(lambda: "configuration kept as it was" in daemon.log(), "the refusal")
        home.config.write_text(good)
        assert "The configuration was refused, the old one is in force:" in home.call("status").stdout
        home.config.write_text(f'{good}\n[[watch]]\nname = "phone"\npath = "{phone}"\n')
        daemon.process.send_signal(signal.SIGHUP)
        while not (heard := daemon.hear()).startswith("RELOADING=1\nMONOTONIC_USEC="):
            assert heard
        daemon.await_ready()
        (phone / "b.jpg").write_bytes(b"portrait of b")
        home.drop("c.jpg", b"portrait of c")
        home.await_counts(done=3)
        assert daemon.end() == 0
    assert (home.outbox / "phone/b.jpg").exists()


def test_while_the_outbox_is_away_the_old_settings_stay_in_force(home: Home) -> None:
    with home.daemon() as daemon:
        home.outbox.rename(home.folder / "away")
        home.configure(scan={"every_s": 800.0})
        daemon.process.send_signal(signal.SIGHUP)
        await_that(lambda: "configuration kept as it was" in daemon.log(), "the refusal")
        assert "the outbox is not there" in home.call("status").stdout
        (home.folder / "away").rename(home.outbox)
        home.drop("a.jpg", b"portrait of a")
        home.await_counts(done=1)
        assert daemon.end() == 0


def test_a_reload_that_is_asked_for_in_the_middle_of_another_does_not_end_it(home: Home) -> None:
    with home.daemon() as daemon:
        for number in range(12):
            home.configure(scan={"every_s": 900.0 + number})
            for _ in range(40):
                daemon.process.send_signal(signal.SIGHUP)
                time.sleep(0.007)
            assert daemon.process.poll() is None
        assert daemon.log().count("reloading") > 1
        assert daemon.end() == 0


def test_the_end_that_is_asked_for_in_the_middle_of_a_reload_is_not_forgotten(home: Home) -> None:
    with home.daemon() as daemon:
        home.configure(scan={"every_s": 800.0})
        daemon.process.send_signal(signal.SIGHUP)
        while not (heard := daemon.hear()).startswith("RELOADING=1"):
            assert heard
        assert daemon.end() == 0


def test_what_is_asked_for_after_a_reload_is_done_by_the_new_settings(home: Home) -> None:
    """To try their networks takes seconds, in which the old settings would have answered."""
    path = home.drop("a.jpg", b"unique a")
    with home.daemon() as daemon:
        home.await_counts(done=1)
        before = home.delivered()
        home.configure(attack={"preset": "subtle"})
        daemon.process.send_signal(signal.SIGHUP)
        assert home.call("retry", str(path)).returncode == 0
        wanted = fingerprint(config.load(home.config))
        await_that(lambda: home.photo("a.jpg")["fingerprint"] == wanted, "the new settings at work")
        home.await_counts(done=1)
        assert home.delivered() != before


@pytest.mark.skipif(not shutil.which("setsid"), reason="no setsid here")
def test_in_a_terminal_it_ends_with_the_terminal(home: Home) -> None:
    ours, theirs = os.openpty()
    command = ["setsid", "--ctty", *home.command("run")]
    with subprocess.Popen(
        command, cwd=REPOSITORY, env=environment(), stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    ) as daemon:
        os.close(theirs)
        seen = b""
        while b"ready" not in seen:
            seen += os.read(ours, 4096)
        os.close(ours)  # the kernel sends SIGHUP to its session
        assert daemon.wait(60) == 0
