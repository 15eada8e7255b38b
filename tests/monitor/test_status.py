import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from lowkeyd import config
from lowkeyd.errors import StoreError
from lowkeyd.model import Delivery, Photo, Publication, Signature, Stage, State
from lowkeyd.monitor.pace import Pace
from lowkeyd.monitor.status import JSON_VERSION, take
from lowkeyd.store import location, lock
from lowkeyd.store.queue import Queue
from tests.helpers.home import Home


@pytest.fixture
def settings(tmp_path: Path) -> config.Config:
    home = Home(tmp_path / "home")
    return config.load(home.config)


def fill(settings: config.Config) -> None:
    """One photo done, one failed, one waiting, one ready; the daemon has given a sign of life."""
    now = time.time()
    with Queue(location.database(settings.state.path)) as photos:
        photos.offer([Photo("inbox", b"%d.jpg" % number, Signature(1, 1)) for number in range(4)], now)
        done, failed, waiting = photos.claim(3, now)
        photos.publishing(done, Publication(done.id, b"t", Delivery(b"inbox/0.jpg", "d")), None, now)
        photos.done(done.id, now)
        photos.fail(failed, Stage.DECODE, "is no picture", "Restore it.", now)
        photos.wait(waiting, Stage.PUBLISH, "No space left", "Make room.", now + 60, now, counted=False)
        photos.beat(42, now - 10, now, {"workers": [], "settling": 0, "scanned_at": now})


def test_it_counts_per_folder_and_in_all(settings: config.Config) -> None:
    fill(settings)
    status = take(settings, rows=10)
    assert status.watches == ["inbox"]
    assert (status.count(State.READY), status.count(State.FAILED, "inbox"), status.count(State.DONE)) == (1, 1, 0)
    assert status.count(State.NO_FACE) == 1, "a copy that nobody judged"
    assert status.count(State.READY, "elsewhere") == 0


def test_a_watched_folder_without_photos_is_named_too(settings: config.Config) -> None:
    with Queue(location.database(settings.state.path)) as photos:
        photos.offer([Photo("once watched", b"a.jpg", Signature(1, 1))], time.time())
    assert take(settings, rows=10).watches == ["inbox", "once watched"]


def test_it_knows_whether_the_daemon_lives(settings: config.Config) -> None:
    fill(settings)
    assert not take(settings, rows=0).alive
    with lock.hold(settings.state.path):
        assert take(settings, rows=0).alive


def test_json_has_a_version_and_says_why_and_what_to_do(settings: config.Config) -> None:
    fill(settings)
    told = json.loads(json.dumps(take(settings, rows=10).as_json()))
    assert told["version"] == JSON_VERSION == 1
    assert told["counts"] == dict.fromkeys(State, 0) | {"ready": 1, "failed": 1, "waiting": 1, "no_face": 1}
    assert told["watches"]["inbox"] == told["counts"]
    (failed,), (waiting,) = told["failed"], told["waiting"]
    assert (failed["path"], failed["stage"], failed["reason"], failed["advice"]) == (
        "1.jpg",
        "decode",
        "is no picture",
        "Restore it.",
    )
    assert waiting["next_try_at"] > told["taken_at"]
    assert told["daemon"]["pid"] == 42


def test_the_keys_of_the_json_are_a_promise(settings: config.Config) -> None:
    """Whoever takes one away or changes what it means has to raise JSON_VERSION."""
    fill(settings)
    told = take(settings, rows=10).as_json()
    assert set(told) >= {
        *("version", "alive", "taken_at", "outbox", "counts", "watches", "weak", "daemon"),
        *("running", "waiting", "failed"),
    }
    assert set(told["failed"][0]) >= {
        *("watch", "path", "state", "stage", "reason", "advice", "attempts", "next_try_at", "changed_at"),
    }


def test_before_the_first_run_there_is_nothing_to_see(settings: config.Config) -> None:
    with pytest.raises(StoreError, match="no database yet"):
        take(settings, rows=10)


def test_what_is_on_its_way_takes_its_time_what_is_held_back_has_none(settings: config.Config) -> None:
    fill(settings)
    working = replace(take(settings, rows=0), alive=True, pace=Pace(1.0, 4, 1.0))
    assert working.to_go == 1
    assert working.left_s is not None
    assert working.left_s[0] < 1 < working.left_s[1]
    held = replace(working.photos, daemon={"hold": {"kind": "paused", "reason": "a film"}})
    for idle in (replace(working, alive=False), replace(working, photos=held), replace(working, pace=None)):
        assert idle.left_s is idle.as_json()["left_s"] is None
