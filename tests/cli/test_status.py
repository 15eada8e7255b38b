import json
import os
import signal
import subprocess
import sys
import time
from io import StringIO

import pytest
from rich.console import Console

from lowkeyd import config
from lowkeyd.cli.status import render
from lowkeyd.model import Photo, Signature, Stage
from lowkeyd.monitor.status import JSON_VERSION, Status, take
from lowkeyd.store import location, lock
from lowkeyd.store.queue import Queue
from tests.cli.conftest import Lowkeyd
from tests.helpers.home import PATIENCE_S, REPOSITORY, Home, environment
from tests.store.test_snapshot import finish as finish_one


def look(home: Home) -> Status:
    return take(config.load(home.config), rows=10)


def screen(status: Status, width: int = 80) -> list[str]:
    """What a person sees, without colours."""
    console = Console(width=width, file=StringIO(), color_system=None)
    console.print(render(status))
    assert isinstance(console.file, StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def report(**worker: object) -> dict[str, object]:
    hands = {"device": "cpu", "state": "idle", "photos": 0, "done_steps": 0, "all_steps": 0, **worker}
    return {"workers": [hands], "settling": 0, "scanned_at": None, "memory": {}}


@pytest.fixture
def library(home: Home) -> Home:
    """One photo ready, one in work, one failed, one waiting, one done but weak."""
    now = time.time()
    with Queue(location.database(home.state)) as photos:
        photos.offer([Photo("inbox", b"0.jpg", Signature(1, 1))], now)
        finish_one(photos)
        photos.offer([Photo("inbox", b"%d.jpg" % number, Signature(1, 1)) for number in range(1, 5)], now)
        failed, waiting, _ = photos.claim(3, now)
        photos.fail(failed, Stage.DECODE, "is no picture", "Restore it from a backup.", now)
        photos.wait(waiting, Stage.PUBLISH, "No space left", "Make room.", now + 3700, now, counted=False)
        photos.beat(42, now - 7300, now, report(state="busy", photos=1, done_steps=20, all_steps=50) | {"settling": 3})
    return home


def test_what_runs_waits_and_failed_is_on_the_screen(library: Home) -> None:
    with lock.hold(library.state):
        lines = screen(look(library))
    assert lines[0] == "lowkeyd runs (process 42, for 2 h 1 min) · 3 files still being written"
    assert lines[1].startswith("worker cpu: busy · 1 photo · step 20 of 50")
    assert [line.split() for line in lines[3:5]] == [
        ["folder", "ready", "running", "waiting", "done", "no", "face", "failed"],
        ["inbox", "1", "1", "1", "1", "0", "1"],
    ]
    text = "\n".join(lines)
    assert "1 copy is weak, still accepted by a recogniser: `lowkeyd weak`." in text
    assert "Running\n  inbox/3.jpg  admit\n" in text
    assert "Waiting\n  at publish: No space left\n  Make room.\n    inbox/2.jpg  next try in 1 h 1 min\n" in text
    assert "Failed\n  at decode: is no picture\n  Restore it from a backup.\n    inbox/1.jpg" in text


def test_photos_that_fail_alike_are_named_together_and_those_beyond_the_list_are_counted(home: Home) -> None:
    now = time.time()
    with Queue(location.database(home.state)) as photos:
        photos.offer([Photo("inbox", b"%d.jpg" % number, Signature(1, 1)) for number in range(24)], now)
        for job in photos.claim(24, now):
            reason = "is a riddle" if job.id % 2 else "is no picture"
            photos.fail(job, Stage.DECODE, reason, "Look at it.", now)
    lines = screen(look(home))
    assert [line.strip() for line in lines if "at decode" in line] == [
        "at decode: is a riddle",
        "at decode: is no picture",
    ]
    assert sum(".jpg" in line for line in lines) == 10
    assert lines[-1] == "  and 14 more (--rows 24)"


def test_what_was_running_when_the_daemon_died_is_not_said_to_run(library: Home) -> None:
    lines = screen(look(library))
    assert "Running" not in lines
    assert "What was running was cut short: the next start takes it up again." in lines


def test_a_daemon_that_runs_but_gives_no_sign_of_life_is_said_to_hang(library: Home) -> None:
    with Queue(location.database(library.state)) as photos, lock.hold(library.state):
        photos.beat(42, time.time() - 7300, time.time() - 600, report())
        assert screen(look(library))[1] == "It has given no sign of life for 10 min 0 s: restart it."


def test_a_folder_that_is_watched_no_more_stays_in_the_table_while_it_has_photos(home: Home) -> None:
    with Queue(location.database(home.state)) as photos:
        photos.offer([Photo("[red]old", b"a.jpg", Signature(1, 1))], time.time())
    assert [line.split()[0] for line in screen(look(home))[3:5]] == ["inbox", "[red]old"]


def test_a_daemon_that_is_not_running_is_said_so_with_the_way_to_start_it(library: Home) -> None:
    first = screen(look(library))[0]
    assert first.startswith("lowkeyd is not running; `lowkeyd run` starts it. Its last sign of life was")
    assert not any("worker" in line for line in screen(look(library)))


def test_a_daemon_that_has_just_begun_is_said_to_be_starting(home: Home) -> None:
    with Queue(location.database(home.state)), lock.hold(home.state):
        assert screen(look(home))[0] == "lowkeyd is starting."


def test_a_folder_without_photos_is_in_the_table(home: Home) -> None:
    with Queue(location.database(home.state)):
        assert "inbox 0 0 0 0 0 0" in [" ".join(line.split()) for line in screen(look(home))]


@pytest.mark.parametrize("width", [40, 80, 120])
def test_names_that_are_no_text_or_markup_break_no_screen(home: Home, width: int) -> None:
    with Queue(location.database(home.state)) as photos:
        photos.offer([Photo("inbox", b"[red]caf\xe9\n\x1b[2J[/].jpg", Signature(1, 1))], time.time())
        (job,) = photos.claim(1, time.time())
        photos.fail(job, Stage.DECODE, "is [bold]no picture", "", time.time())
    lines = screen(look(home), width)
    assert max(map(len, lines)) <= width
    text = "".join(lines)
    assert "\x1b" not in text
    assert r"[red]caf\udce9\n\x1b[2J[/].jpg" in text.replace(" ", "")
    assert "is [bold]no picture" in " ".join(text.split())


def test_what_does_not_fit_goes_on_beneath_itself(home: Home) -> None:
    with Queue(location.database(home.state)) as photos:
        photos.offer([Photo("inbox", b"long " * 20 + b".jpg", Signature(1, 1))], time.time())
        (job,) = photos.claim(1, time.time())
        photos.fail(job, Stage.DECODE, "is " + "not " * 30 + "a picture", "Look " + "again " * 30, time.time())
    after = screen(look(home))
    listed = after[after.index("Failed") + 1 :]
    assert {len(line) - len(line.lstrip()) for line in listed} == {2, 4}


def test_the_command_prints_the_screen_and_ends_with_0(lowkeyd: Lowkeyd, library: Home) -> None:
    result = lowkeyd("status", "--config", library.config)
    assert result.code == 0
    assert "lowkeyd is not running" in result.out
    assert "\x1b" not in result.out, "no colours into a pipe"


def test_a_pipe_has_each_thing_on_one_line(lowkeyd: Lowkeyd, home: Home) -> None:
    name = "folder/" * 30 + "a.jpg"
    with Queue(location.database(home.state)) as photos:
        photos.offer([Photo("inbox", name.encode(), Signature(1, 1))], time.time())
        (job,) = photos.claim(1, time.time())
        photos.fail(job, Stage.DECODE, "why " * 40, "", time.time())
    lines = lowkeyd("status", "--config", home.config).out.splitlines()
    assert f"    inbox/{name}" in lines
    assert "  at decode: " + "why " * 40 in lines


def test_rows_limits_the_lists(lowkeyd: Lowkeyd, library: Home) -> None:
    assert "1.jpg" not in lowkeyd("status", "--rows", "0", "--config", library.config).out


def test_json_goes_out_alone(lowkeyd: Lowkeyd, library: Home) -> None:
    result = lowkeyd("status", "--json", "--config", library.config)
    told = json.loads(result.out)
    assert (result.code, result.err, told["version"], told["alive"]) == (0, "", 1, False)


def test_the_schema_of_the_json_is_kept(lowkeyd: Lowkeyd, library: Home) -> None:
    """Programs rely on it: a key that changes or goes needs a new version."""
    told = json.loads(lowkeyd("status", "--json", "--config", library.config).out)
    states = {"ready", "running", "publishing", "waiting", "done", "no_face", "failed", "ignored"}
    photo = {"watch", "path", "state", "stage", "reason", "advice", "attempts", "next_try_at", "changed_at"}
    worker = {"device", "state", "photos", "done_steps", "all_steps"}
    assert told["version"] == JSON_VERSION == 1
    assert set(told) == {
        *("version", "alive", "taken_at", "outbox", "counts", "watches", "weak", "left_alone", "daemon"),
        *("running", "waiting", "failed", "last", "photos_per_s", "left_s", "free_bytes"),
    }
    assert (set(told["counts"]), told["counts"]["done"]) == (states, 1)
    assert (set(told["watches"]), set(told["watches"]["inbox"])) == ({"inbox"}, states)
    assert set(told["daemon"]) == {
        "pid",
        "started_at",
        "beat_at",
        "workers",
        "scanned_at",
        "settling",
        "roots",
        "hold",
        "outbox_away",
        "config_refused",
    }
    assert set(told["daemon"]["workers"][0]) == worker
    for rows in ("running", "waiting", "failed"):
        assert [set(row) for row in told[rows]] == [photo]
    (failed,) = told["failed"]
    assert (failed["path"], failed["stage"], failed["reason"]) == ("1.jpg", "decode", "is no picture")


def test_a_daemon_that_never_ran_is_null(lowkeyd: Lowkeyd, home: Home) -> None:
    with Queue(location.database(home.state)):
        assert json.loads(lowkeyd("status", "--json", "--config", home.config).out)["daemon"] is None


def test_before_the_first_run_it_is_one_sentence(lowkeyd: Lowkeyd, home: Home) -> None:
    result = lowkeyd("status", "--config", home.config)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("lowkeyd: ")
    assert "no database yet; `lowkeyd run` makes it" in result.err


def test_watching_it_redraws_until_ctrl_c_even_before_the_first_run(home: Home) -> None:
    ours, theirs = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "lowkeyd", "status", "--watch", "--config", str(home.config)],
        cwd=REPOSITORY,
        env=environment() | {"TERM": "xterm"},
        stdout=theirs,
        stderr=subprocess.PIPE,
    ) as watching:
        seen = b""
        while b"no database yet" not in seen:
            seen += os.read(ours, 4096)
        with Queue(location.database(home.state)):
            while seen.count(b"lowkeyd is not running") < 2:
                seen += os.read(ours, 4096)
        watching.send_signal(signal.SIGINT)
        _, trouble = watching.communicate(timeout=PATIENCE_S)
    os.close(theirs)
    os.close(ours)
    assert (watching.returncode, trouble) == (0, b"")


@pytest.mark.parametrize("arguments", [["--watch"], ["--watch", "--json"]])
def test_watching_is_for_a_terminal(lowkeyd: Lowkeyd, library: Home, arguments: list[str]) -> None:
    result = lowkeyd("status", *arguments, "--config", library.config)
    assert (result.code, result.out) == (2, "")
    assert "--watch is for a terminal" in result.err


def test_it_never_loads_the_networks_nor_the_daemons_own_database_library(library: Home) -> None:
    program = (
        "import sys; from lowkeyd.cli import app; app(['status', '--config', sys.argv[1]], standalone_mode=False);"
        "print(*sorted({name.split('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, str(library.config)],
        cwd=REPOSITORY,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert {"torch", "PIL", "numpy", "sqlalchemy", "watchdog", "apscheduler"} & set(result.stderr.split()) == set()


@pytest.mark.parametrize("verb", ["status", "retry"])
def test_a_database_that_may_not_be_read_is_one_sentence(library: Home, verb: str) -> None:
    library.state.chmod(0o000)
    try:
        # In a user namespace without a mapping even root is nobody special.
        result = subprocess.run(
            ["unshare", "--user", sys.executable, "-m", "lowkeyd", verb, "--config", str(library.config)],
            cwd=REPOSITORY,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        pytest.skip("no unshare here")
    finally:
        library.state.chmod(0o700)
    if "unshare" in result.stderr:
        pytest.skip("user namespaces are not allowed here")
    assert result.returncode == 1
    assert "may not be read; ask as the user that lowkeyd runs as" in result.stderr


def test_an_old_terminal_gets_escapes_instead_of_a_trace(library: Home) -> None:
    with lock.hold(library.state):
        result = subprocess.run(
            [sys.executable, "-m", "lowkeyd", "status", "--config", str(library.config)],
            cwd=REPOSITORY,
            env=environment() | {"PYTHONIOENCODING": "ascii"},
            capture_output=True,
            text=True,
            check=False,
        )
    assert (result.returncode, result.stderr) == (0, "")
    assert r"\xb7 3 files still being written" in result.stdout
