import json
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from lowkeyd import config
from lowkeyd.cli.status import render
from lowkeyd.model import Photo, Signature, Stage
from lowkeyd.status import Status, take
from lowkeyd.store import location, lock
from lowkeyd.store.queue import Queue
from tests.cli.conftest import Lowkeyd
from tests.home import REPOSITORY, Home, environment
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
    return {"workers": [hands], "settling": 0, "scanned_at": None}


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
    assert lines[1] == "worker cpu: busy · 1 photos · step 20 of 50"
    assert [line.split() for line in lines[3:5]] == [
        ["folder", "ready", "running", "waiting", "done", "no", "face", "failed"],
        ["inbox", "1", "1", "1", "1", "0", "1"],
    ]
    text = "\n".join(lines)
    assert "1 done, but weak: a recogniser still accepts a face." in text
    assert "  inbox/2.jpg  at publish: No space left\n    next try in 1 h 1 min\n    Make room." in text
    assert "  inbox/1.jpg  at decode: is no picture\n    Restore it from a backup." in text


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


def test_the_command_prints_the_screen_and_ends_with_0(lowkeyd: Lowkeyd, library: Home) -> None:
    result = lowkeyd("status", "--config", library.config)
    assert result.code == 0
    assert "lowkeyd is not running" in result.out
    assert "\x1b" not in result.out, "no colours into a pipe"


def test_rows_limits_the_lists(lowkeyd: Lowkeyd, library: Home) -> None:
    assert "1.jpg" not in lowkeyd("status", "--rows", "0", "--config", library.config).out


def test_json_goes_out_alone(lowkeyd: Lowkeyd, library: Home) -> None:
    result = lowkeyd("status", "--json", "--config", library.config)
    told = json.loads(result.out)
    assert (result.code, result.err, told["version"], told["alive"]) == (0, "", 1, False)


def test_before_the_first_run_it_is_one_sentence(lowkeyd: Lowkeyd, home: Home) -> None:
    result = lowkeyd("status", "--config", home.config)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("lowkeyd: ")
    assert "no database yet; `lowkeyd run` makes it" in result.err


def test_watching_it_redraws_until_ctrl_c(library: Home) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "lowkeyd", "status", "--watch", "--config", str(library.config)],
        cwd=REPOSITORY,
        env=environment() | {"FORCE_COLOR": "1", "TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as watching:
        assert watching.stdout is not None
        seen = b""
        while seen.count(b"lowkeyd is not running") < 2:
            seen += watching.stdout.read1()
            assert watching.poll() is None
        watching.send_signal(2)
        _, trouble = watching.communicate(timeout=60)
    assert (watching.returncode, b"Traceback" in trouble) == (0, False)


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
    assert {"torch", "PIL", "sqlalchemy", "watchdog", "apscheduler"} & set(result.stderr.split()) == set()


def test_a_database_that_may_not_be_read_is_one_sentence(tmp_path: Path, library: Home) -> None:
    library.state.chmod(0o000)
    try:
        # In a user namespace without a mapping even root is nobody special.
        result = subprocess.run(
            ["unshare", "--user", sys.executable, "-m", "lowkeyd", "status", "--config", str(library.config)],
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
