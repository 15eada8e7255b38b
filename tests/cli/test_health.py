import json
import time

from lowkeyd.model import Photo, Signature, Stage
from lowkeyd.store import location, lock
from lowkeyd.store.queue import Queue
from tests.cli.conftest import Lowkeyd
from tests.helpers.home import Home


def test_a_daemon_that_works_is_fine_and_one_that_is_gone_is_broken(lowkeyd: Lowkeyd, home: Home) -> None:
    with home.daemon() as daemon:
        home.drop("a.jpg", b"portrait")
        home.await_counts(done=1)
        result = lowkeyd("health", "--config", home.config)
        assert (result.code, result.err) == (0, "")
        assert {line[:4] for line in result.out.splitlines()} == {"ok  "}
        daemon.end()
    result = lowkeyd("health", "--config", home.config)
    assert result.code == 2
    assert result.out.startswith("BAD   daemon: it is not running\n      Start it")


def test_photos_of_a_folder_whose_disk_is_away_are_no_sign_of_a_queue_that_is_stuck(
    lowkeyd: Lowkeyd, home: Home
) -> None:
    long_ago = time.time() - 48 * 3600.0
    offline = {"inbox": {"offline": "another folder is in its place"}}
    report = {"workers": [], "scanned_at": time.time(), "settling": 0, "hold": None, "memory": {}}
    with Queue(location.database(home.state)) as photos, lock.hold(home.state):
        photos.offer([Photo("inbox", name, Signature(1, 1)) for name in (b"a.jpg", b"b.jpg")], long_ago)
        photos.wait(photos.claim(1, long_ago)[0], Stage.ADMIT, "cannot be read", "", 0.0, long_ago, counted=False)
        photos.beat(42, long_ago, time.time(), report | {"roots": offline})
        result = lowkeyd("health", "--config", home.config)
        assert (result.code, "offline: another folder is in its place" in result.out) == (1, True)
        assert "cannot be read" not in result.out
        photos.beat(42, long_ago, time.time(), report | {"roots": {"inbox": {"offline": None}}})
        assert lowkeyd("health", "--config", home.config).code == 2, "if it is there, somebody should have taken them"


def test_before_the_first_run_it_is_broken(lowkeyd: Lowkeyd, home: Home) -> None:
    result = lowkeyd("health", "--json", "--config", home.config)
    told = json.loads(result.out)
    assert (result.code, told["version"], told["health"]) == (2, 1, "broken")
    assert [(finding["level"], finding["about"]) for finding in told["findings"]] == [("broken", "database")]
