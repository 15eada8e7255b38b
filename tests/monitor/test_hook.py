import contextlib
import json
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lowkeyd import config
from lowkeyd.model import Photo, Signature, Stage
from lowkeyd.monitor import hook
from lowkeyd.monitor.finding import Finding, Level
from lowkeyd.store import location
from lowkeyd.store.queue import Queue
from tests.helpers.home import Home, await_that
from tests.store.test_snapshot import NOW, finish

FINE = [Finding(Level.FINE, "queue", "it moves")]
BROKEN = [Finding(Level.BROKEN, "daemon", "it is not running", "Start it.")]
HOUR_S = 3600.0


class Listener:
    """A hook that writes what it hears into a file."""

    def __init__(self, folder: Path) -> None:
        self.heard_by = folder / "heard"
        self.exit_code = folder / "code"
        self.state = folder
        script = f"cat >> '{self.heard_by}'; echo >> '{self.heard_by}'; exit $(cat '{self.exit_code}' || echo 0)"
        self.settings = config.Hook(command=("sh", "-c", script), every_s=HOUR_S)

    def turn(self, now: float, findings: list[Finding] = FINE) -> None:
        """As after a restart: nothing is remembered but what lies on the disk."""
        hook.Hook(self.settings, self.state).turn(findings, now)

    def heard(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.heard_by.read_text().splitlines()] if self.heard_by.exists() else []


@pytest.fixture
def photos(tmp_path: Path) -> Iterator[Queue]:
    with Queue(location.database(tmp_path)) as queue:
        yield queue


@pytest.fixture
def listener(tmp_path: Path, photos: Queue) -> Listener:
    """A hook that has been introduced."""
    listener = Listener(tmp_path)
    listener.turn(NOW - 2 * HOUR_S)
    assert listener.heard() == []
    return listener


def fail(photos: Queue, count: int = 1) -> None:
    photos.offer(
        [Photo("inbox", b"%d.jpg" % number, Signature(int(time.time_ns()), 1)) for number in range(count)], NOW
    )
    for job in photos.claim(count, NOW):
        photos.fail(job, Stage.DECODE, "is no picture", "", NOW)


def test_two_hundred_failures_are_one_call_with_a_few_names(listener: Listener, photos: Queue) -> None:
    fail(photos, 200)
    for minute in range(50):
        listener.turn(NOW + minute * 60)
    (message,) = listener.heard()
    assert (message["version"], message["failed"], message["done"], message["health"]) == (1, 200, 0, "fine")
    assert len(message["failures"]) == 20
    assert message["failures"][0] == {
        "watch": "inbox",
        "path": "199.jpg",
        "stage": "decode",
        "reason": "is no picture",
    }
    assert (message["since"], message["until"]) == (NOW - 2 * HOUR_S, NOW)


def test_the_manual_names_every_key(listener: Listener, photos: Queue) -> None:
    manual = (Path(__file__).parents[2] / "docs/operations.md").read_text(encoding="utf-8")
    fail(photos)
    listener.turn(NOW)
    (message,) = listener.heard()
    assert {key for key in message if f"`{key}`" not in manual} == set()


def test_deliveries_are_counted_and_nothing_is_told_twice(listener: Listener, photos: Queue) -> None:
    photos.offer([Photo("inbox", b"a.jpg", Signature(1, 1))], NOW)
    finish(photos)
    for hour in range(5):
        listener.turn(NOW + hour * HOUR_S)
    (message,) = listener.heard()
    assert (message["done"], message["weak"], message["failures"]) == (1, 1, [])


def test_what_an_older_version_remembered_still_counts(listener: Listener, photos: Queue) -> None:
    fail(photos)
    old = {"id": 0, "health": "fine", "at": NOW - 3 * HOUR_S}
    location.hook_memory(listener.state).write_text(json.dumps(old))
    listener.turn(NOW)
    (message,) = listener.heard()
    assert (message["failed"], message["since"]) == (1, NOW - 3 * HOUR_S)


def test_what_went_wrong_with_the_daemon_is_told_when_it_begins_and_when_it_ends(listener: Listener) -> None:
    for hour, findings in enumerate((FINE, BROKEN, BROKEN, FINE, FINE)):
        listener.turn(NOW + hour * HOUR_S, findings)
    assert [message["health"] for message in listener.heard()] == ["broken", "fine"]
    assert listener.heard()[0]["findings"][0]["what"] == "it is not running"


def test_what_the_hook_did_not_take_is_told_again_but_no_sooner(listener: Listener, photos: Queue) -> None:
    fail(photos)
    listener.exit_code.write_text("75")
    for minute in range(100):
        listener.turn(NOW + minute * 60)
    assert len(listener.heard()) == 2
    listener.exit_code.write_text("0")
    listener.turn(NOW + 3 * HOUR_S)
    listener.turn(NOW + 5 * HOUR_S)
    assert [message["failed"] for message in listener.heard()] == [1, 1, 1]
    assert {message["since"] for message in listener.heard()} == {NOW - 2 * HOUR_S}, "all that it has not taken"


@pytest.mark.parametrize("command", [("/no/such/program",), ("sh", "-c", "sleep 600 & sleep 600")])
def test_a_hook_that_is_not_there_or_hangs_does_no_harm(
    listener: Listener, photos: Queue, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hook, "_PATIENCE_S", 0.2)
    listener.settings = config.Hook(command=command, every_s=HOUR_S)
    fail(photos)
    listener.turn(NOW)


def test_a_running_daemon_calls_it_and_writes_its_figures(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    heard, figures = home.folder / "heard", home.folder / "lowkeyd.prom"
    home.configure(
        metrics={"textfile": str(figures)}, hook={"command": ["sh", "-c", f"cat >> '{heard}'"], "every_s": 1}
    )
    with home.daemon() as daemon:
        await_that((home.state / "hook.json").exists, "the hook to be introduced")
        home.drop("a.jpg", b"portrait")
        home.await_counts(done=1)
        await_that(figures.exists, "the figures")
        daemon.end()
    with home.daemon() as daemon:  # a restart tells at once what it has not told
        home.drop("b.jpg", b"unreadable")
        await_that(lambda: heard.exists() and heard.read_text().endswith("}"), "the call")
        daemon.end()
    assert 'lowkeyd_photos{watch="inbox",state="done"}' in figures.read_text()
    assert json.loads(heard.read_text())["done"] == 1


def test_a_disk_too_full_to_remember_a_call_does_not_make_it_come_every_time(
    listener: Listener, photos: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(photos)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(hook.files, "write", full)
    one = hook.Hook(listener.settings, listener.state)
    for minute in range(0, 70):
        with contextlib.suppress(OSError):
            one.turn(FINE, NOW + minute * 60)
    assert len(listener.heard()) == 2, "once, and once more after an hour, since nobody remembers the first"


def test_a_command_that_hangs_is_ended_with_the_daemon(listener: Listener, photos: Queue) -> None:
    fail(photos)
    one = hook.Hook(config.Hook(command=("sleep", "1000"), every_s=HOUR_S), listener.state)
    turn = threading.Thread(target=one.turn, args=(FINE, NOW))
    turn.start()
    await_that(lambda: one._called is not None, "the command called")
    one.stop()
    turn.join(10)
    assert not turn.is_alive()


def test_a_command_that_ended_with_the_daemon_is_called_by_the_next_one(listener: Listener, photos: Queue) -> None:
    fail(photos)
    one = hook.Hook(config.Hook(command=("sleep", "1000"), every_s=HOUR_S), listener.state)
    one.stop()
    one.turn(FINE, NOW)
    listener.turn(NOW + 60)
    assert len(listener.heard()) == 1


def test_a_command_in_python_finds_what_lies_beside_it(
    tmp_path: Path, photos: Queue, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the command line sets for our own children is not for the user's."""
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    (tmp_path / "helper.py").write_text(f"told = open({str(tmp_path / 'told')!r}, 'w')")
    (tmp_path / "tell.py").write_text("import helper, sys; helper.told.write(sys.stdin.read())")
    fail(photos)
    settings = config.Hook(command=(sys.executable, str(tmp_path / "tell.py")), every_s=HOUR_S)
    hook.Hook(settings, listener.state).turn(FINE, NOW)
    assert json.loads((tmp_path / "told").read_text())["failed"] == 1
