"""Each of its eyes; `tests/cli/test_doctor.py` has the command."""

import os
import shutil
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from lowkeyd import config
from lowkeyd.intake import outbox_disk
from lowkeyd.model import Photo, Signature
from lowkeyd.monitor import doctor
from lowkeyd.monitor.finding import Level
from lowkeyd.store import location
from lowkeyd.store.notes import KnownRoot, Notes
from lowkeyd.store.queue import Queue
from tests.helpers import namespace
from tests.helpers.home import Home, needs_namespaces


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def settings(home: Home) -> config.Config:
    return config.load(home.config)


@pytest.mark.parametrize(
    ("version", "mended"),
    [
        *(((3, 40, 1), False), ((3, 44, 5), False), ((3, 44, 6), True), ((3, 46, 1), False), ((3, 50, 6), False)),
        *(((3, 50, 7), True), ((3, 51, 2), False), ((3, 51, 3), True), ((3, 52, 0), True), ((4, 0, 0), True)),
    ],
)
def test_sqlites_wal_reset_bug_is_known_by_version(version: tuple[int, ...], mended: bool) -> None:
    assert ("WAL-reset bug" in doctor.sqlite(version).what) is not mended


def test_root_is_warned_and_nobody_else() -> None:
    assert [doctor.user(uid).level for uid in (0, 1, 54_321)] == [Level.DEGRADED, Level.FINE, Level.FINE]


def test_missing_folders_and_an_outbox_that_refuses_are_broken(home: Home, settings: config.Config) -> None:
    assert (doctor.folders(settings).level, doctor.outbox(settings).level) == (Level.FINE, Level.FINE)
    assert os.listdir(home.outbox) == [], "the probe leaves nothing behind"
    home.outbox.rmdir()
    assert (doctor.folders(settings).level, doctor.outbox(settings).level) == (Level.BROKEN, Level.BROKEN)


def test_a_watched_disk_that_is_away_is_no_fault_of_the_configuration(home: Home, settings: config.Config) -> None:
    with Queue(location.database(home.state)) as photos:
        Notes(photos).note_root("inbox", KnownRoot(os.fsencode(home.inbox), "1:2", filled=True))
    home.inbox.rmdir()
    finding = doctor.folders(settings)
    assert (finding.level, "away: inbox" in finding.what) == (Level.DEGRADED, True)


def test_space_is_tight_before_work_waits_for_it(settings: config.Config, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = settings.model_copy(update={"outbox": settings.outbox.model_copy(update={"min_free_mb": 5000.0})})
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=5_200_000_000))
    assert {finding.level for finding in doctor.space(wanted)} == {Level.DEGRADED}
    assert {finding.level for finding in doctor.space(settings)} == {Level.FINE}


def test_a_sound_database_is_told_from_a_damaged_one(home: Home, settings: config.Config) -> None:
    assert "none yet" in doctor.database(settings).what
    path = location.database(home.state)
    with Queue(path) as photos:
        photos.offer([Photo("inbox", b"%d.jpg" % number, Signature(1, 1)) for number in range(500)], time.time())
    assert doctor.database(settings).level is Level.FINE
    content = path.read_bytes()
    path.write_bytes(content[:8192] + b"\xa5" * (len(content) - 8192))
    finding = doctor.database(settings)
    assert (finding.level, "damaged" in finding.what, "Restart" in finding.advice) == (Level.BROKEN, True, True)


def test_more_folders_than_inotify_allows_are_told_with_the_setting_to_raise(
    home: Home, settings: config.Config, tmp_path: Path
) -> None:
    for number in range(30):
        (home.inbox / str(number)).mkdir()
    knob = tmp_path / "proc/sys/fs/inotify/max_user_watches"
    assert doctor.inotify(settings, tmp_path / "proc").level is Level.DEGRADED, "unknown"
    knob.parent.mkdir(parents=True)
    knob.write_text("20\n")
    finding = doctor.inotify(settings, tmp_path / "proc")
    assert (finding.level, "31 folders" in finding.what) == (Level.DEGRADED, True)
    assert "fs.inotify.max_user_watches=65536" in finding.advice
    knob.write_text("100000\n")
    assert doctor.inotify(settings, tmp_path / "proc").level is Level.FINE


def test_a_database_from_the_future_tells_of_a_wrong_clock(home: Home, settings: config.Config) -> None:
    with Queue(location.database(home.state)):
        pass
    now = time.time()
    assert doctor.clock(settings, now, True).level is Level.FINE
    finding = doctor.clock(settings, now - 7200, True)
    assert (finding.level, "120 min from now" in finding.what) == (Level.DEGRADED, True)


@pytest.mark.parametrize(
    ("synchronised", "level", "words"),
    [
        (True, Level.FINE, "kept right by a time service"),
        (False, Level.DEGRADED, "no time service keeps right"),
        (None, Level.FINE, "is unknown"),
    ],
)
def test_a_clock_that_nobody_keeps_right_is_told_with_advice_an_unknown_one_is_no_fault(
    settings: config.Config, synchronised: bool | None, level: Level, words: str
) -> None:
    finding = doctor.clock(settings, time.time(), synchronised)
    assert (finding.level, words in finding.what, "timedatectl" in finding.advice) == (
        level,
        True,
        level is Level.DEGRADED,
    )


def test_a_driver_without_its_device_nodes_is_told(tmp_path: Path) -> None:
    proc, dev = tmp_path / "proc", tmp_path / "dev"
    dev.mkdir()
    assert "the CPU does the work" in doctor.nvidia(proc, dev).what
    (proc / "driver/nvidia").mkdir(parents=True)
    (proc / "driver/nvidia/version").write_text("NVRM version: 570")
    for name in ("nvidiactl", "nvidia0"):
        (dev / name).touch()
    finding = doctor.nvidia(proc, dev)
    assert (finding.level, "not usable: nvidia-uvm" in finding.what) == (Level.DEGRADED, True)
    (dev / "nvidia-uvm").touch()
    assert doctor.nvidia(proc, dev).level is Level.FINE


def test_networks_that_do_not_load_are_told_by_the_reason(home: Home) -> None:
    home.configure(attack={"ensemble": ["no-such-network"], "device": "cpu"})
    (finding,) = doctor.networks(home.config, Path("/nowhere"))
    assert (finding.level, "no-such-network" in finding.what) == (Level.BROKEN, True)


def test_a_gpu_that_is_there_and_not_used_is_told(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # as if torch did not know the driver
    home.configure(attack={"device": "auto"})
    (finding,) = doctor.networks(home.config, tmp_path)
    assert finding.level is Level.FINE
    (tmp_path / "driver/nvidia").mkdir(parents=True)
    (tmp_path / "driver/nvidia/version").write_text("NVRM version: 570")
    (finding,) = doctor.networks(home.config, tmp_path)
    assert (finding.level, "loaded on cpu although" in finding.what) == (Level.DEGRADED, True)


def test_figures_and_a_hook_that_cannot_be_had_are_told(home: Home, settings: config.Config) -> None:
    assert list(doctor.listeners(settings)) == []
    for folder, program, level in ((home.folder, "sh", Level.FINE), (home.folder / "no", "/no/hook", Level.DEGRADED)):
        home.configure(metrics={"textfile": str(folder / "x.prom")}, hook={"command": [program]})
        told = list(doctor.listeners(config.load(home.config)))
        assert [(finding.about, finding.level) for finding in told] == [("metrics", level), ("hook", level)]


def test_an_outbox_whose_disk_is_away_is_told_and_not_written_to(home: Home, settings: config.Config) -> None:
    with Queue(location.database(home.state)) as photos:
        elsewhere = KnownRoot(os.fsencode(home.outbox), "/elsewhere", filled=False)
        Notes(photos).note_root(outbox_disk.NAME, elsewhere)
    before = home.outbox.stat().st_mtime_ns
    finding = doctor.outbox(settings)
    assert (finding.level, "not mounted" in finding.what) == (Level.BROKEN, True)
    assert home.outbox.stat().st_mtime_ns == before


def test_a_newer_lowkeyds_database_is_told_from_a_damaged_one(home: Home, settings: config.Config) -> None:
    with Queue(location.database(home.state)):
        pass
    with closing(sqlite3.connect(location.database(home.state))) as connection:
        connection.execute("PRAGMA user_version = 99")
    finding = doctor.database(settings)
    assert (finding.level, "newer lowkeyd" in finding.what) == (Level.BROKEN, True)


@needs_namespaces()
def test_a_database_that_cannot_be_opened_is_not_called_damaged(home: Home) -> None:
    with Queue(location.database(home.state)):
        pass
    ask = "from lowkeyd import config; from lowkeyd.monitor import doctor; from pathlib import Path; "
    ask += f"print(doctor.database(config.load(Path('{home.config}'))))"
    script = f"mount --bind '{home.state}' '{home.state}' && mount -o remount,ro,bind '{home.state}'"
    ended = namespace.shell(f"{script} && exec '{sys.executable}' -c \"{ask}\"")
    assert "damaged" not in ended.stdout
    assert "Restart lowkeyd" not in ended.stdout
    assert "its folder must be writable" in ended.stdout or "sound" in ended.stdout, ended.stderr


def test_a_file_that_is_no_database_is_damaged(home: Home, settings: config.Config) -> None:
    location.database(home.state).write_bytes(b"no database at all" * 100)
    finding = doctor.database(settings)
    assert (finding.level, "damaged" in finding.what, "Restart lowkeyd" in finding.advice) == (Level.BROKEN, True, True)
