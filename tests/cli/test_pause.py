"""pause, resume, bump and accept, with and without a running daemon."""

import time

import pytest
import typer

from lowkeyd.cli import shown
from lowkeyd.cli.pause import seconds
from lowkeyd.store import location
from lowkeyd.work.control import ask
from tests.cli.conftest import Lowkeyd
from tests.helpers.home import Home, await_that


@pytest.mark.parametrize(
    ("text", "expected"), [("90m", 5400), ("2h", 7200), ("1d", 86400), ("1h30m", 5400), ("1.5h", 5400), ("10 min", 600)]
)
def test_durations_as_people_write_them(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "2", "soon", "2 hours ago", "-1h"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        seconds(text)


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("pause") / "home")


def test_a_pause_outlives_the_daemon_ends_by_itself_and_photos_wait_meanwhile(home: Home) -> None:
    with home.daemon():
        assert home.call("pause", "--reason", "film night").returncode == 0
        home.drop("a.jpg", b"portrait")
        home.await_counts(ready=1)
        assert "Paused: film night" in home.call("status").stdout
    assert home.call("run", "--once").returncode == 75
    with home.daemon():
        await_that(lambda: hold(home)["reason"] == "film night", "the pause, after the restart")
        assert home.counts() == {"ready": 1}
        assert home.call("pause", "--for", "2s").stdout.startswith("Paused until ")
        home.await_counts(done=1)
    assert home.call("resume").stdout == "There was no pause.\n"


def hold(home: Home) -> dict[str, object]:
    told: dict[str, object] | None = ask(location.control_socket(home.state), {"beat": None})["hold"]
    return told or {"reason": None}


def test_a_folder_is_not_bumped_but_handed_in(lowkeyd: Lowkeyd, home: Home) -> None:
    result = lowkeyd("bump", home.inbox, "--config", home.config)
    assert (result.code, "`lowkeyd protect --queue` takes" in " ".join(result.err.split())) == (2, True)


def test_resume_ends_a_pause_and_a_bumped_photo_comes_first(home: Home) -> None:
    home.configure(worker={"photos": 1, "idle_s": 600.0})
    for number in range(3):
        home.drop(f"{number}.jpg", b"portrait %d" % number)
    home.call("run", "--once")
    for number in range(3):
        home.drop(f"{number}.jpg", b"again %d" % number)
    assert home.call("pause").returncode == 0
    with home.daemon():
        home.await_counts(ready=3)
        assert home.call("bump", str(home.inbox / "0.jpg")).stdout == "1 photo will be done first.\n"
        assert home.call("resume").stdout == "Work goes on.\n"
        home.await_counts(done=3)
    done = [row[0] for row in home.query("SELECT path FROM photo ORDER BY changed_at")]
    assert done[0] == b"0.jpg"
    nothing = home.call("bump", str(home.inbox / "0.jpg"))
    assert (nothing.returncode, "None of them is queued" in nothing.stderr) == (1, True)


def test_outside_the_hours_of_work_photos_are_queued_and_status_says_until_when(home: Home) -> None:
    an_hour_ago, two_hours_ago = (time.strftime("%H:%M", time.gmtime(time.time() - 3600 * n)) for n in (1, 2))
    home.configure(schedule={"active": f"{two_hours_ago}-{an_hour_ago}", "timezone": "UTC"})
    home.drop("a.jpg", b"portrait")
    with home.daemon():
        home.await_counts(ready=1)
        assert f"quiet hours; work is done {two_hours_ago}-{an_hour_ago}, until " in home.call("status").stdout


def test_below_the_floor_of_free_space_photos_are_queued(home: Home) -> None:
    home.configure(outbox={"min_free_mb": 1e12})
    home.drop("a.jpg", b"portrait")
    assert home.call("run", "--once").returncode == 75
    assert home.counts() == {"ready": 1}


def test_only_watched_folders_can_be_accepted(home: Home) -> None:
    assert home.call("accept", "outbox").returncode == 2


@pytest.mark.parametrize("duration", ["0m", "9999999999999d", "4000d"])
def test_a_pause_is_longer_than_nothing_and_no_calendar_ends_before_it(lowkeyd: Lowkeyd, duration: str) -> None:
    result = lowkeyd("pause", "--for", duration)
    assert (result.code, "at most ten years" in result.err) == (2, True)
    assert lowkeyd("pause", "--reason", " ").code == 2


def test_a_time_beyond_all_calendars_can_be_shown() -> None:
    """Older versions took a pause of any length."""
    assert shown.moment(1e20) == "a time that no calendar knows"
