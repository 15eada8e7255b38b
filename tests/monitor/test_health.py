"""What is judged of which signs. `tests/cli/test_health.py` looks at a daemon."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lowkeyd import config
from lowkeyd.monitor.finding import Level, worst
from lowkeyd.monitor.health import Signs, gather, judge
from lowkeyd.monitor.status import Status
from lowkeyd.store import location
from lowkeyd.store.lookup import Progress
from lowkeyd.store.queue import Queue
from lowkeyd.store.snapshot import Snapshot
from tests.helpers.home import Home

NOW = 1_700_000_000.0
HOUR_S = 3600.0
NOTHING_TO_DO = Progress(None, None, None, None)


def report(**changes: Any) -> dict[str, Any]:
    worker = {"device": "cpu", "state": "idle", "since": NOW - 60}
    well = {"pid": 1, "started_at": NOW - 24 * HOUR_S, "beat_at": NOW - 1, "scanned_at": NOW - 60, "workers": [worker]}
    return well | changes


def signs(daemon: dict[str, Any] | None, progress: Progress = NOTHING_TO_DO, *, alive: bool = True) -> Signs:
    photos = Snapshot({}, 0, 0, (), (), (), daemon)
    status = Status(alive, ("inbox",), NOW, Path("/outbox"), photos, free_bytes=10**11, tight_bytes=5e8)
    return Signs(status, progress, 900.0)


def with_room(free_bytes: int | None) -> Signs:
    given = signs(report())
    return replace(given, status=replace(given.status, free_bytes=free_bytes))


def verdict(given: Signs) -> tuple[Level, str]:
    """How it is, and about what."""
    findings = judge(given)
    level = worst(findings)
    return level, next((finding.about for finding in findings if finding.level is level), "")


def busy(since: float) -> dict[str, Any]:
    return report(workers=[{"device": "cpu", "state": "busy", "since": since}])


def test_a_daemon_with_nothing_to_do_is_fine() -> None:
    assert verdict(signs(report()))[0] is Level.FINE


@pytest.mark.parametrize(
    ("given", "level", "about"),
    [
        (signs(report(), alive=False), Level.BROKEN, "daemon"),
        (signs(None), Level.DEGRADED, "daemon"),
        (signs(report(beat_at=NOW - 200)), Level.BROKEN, "daemon"),
        (signs(report(scanned_at=NOW - 2 * HOUR_S)), Level.BROKEN, "scan"),
        (signs(report(scanned_at=None)), Level.BROKEN, "scan"),
        (signs(report(roots={"phone": {"offline": "its disk is away"}})), Level.DEGRADED, "folder phone"),
        (
            signs(report(workers=[{"device": "cpu", "state": "waiting: No space left", "since": NOW}])),
            Level.DEGRADED,
            "worker cpu",
        ),
        (with_room(10**6), Level.DEGRADED, "disk"),
        (signs(report(roots={"phone": {"refused": ["private"]}})), Level.DEGRADED, "folder phone"),
        (signs(report(config_refused="no such preset")), Level.DEGRADED, "configuration"),
        (signs(report(outbox_away="its disk is not mounted")), Level.DEGRADED, "disk"),
        (with_room(None), Level.DEGRADED, "disk"),
    ],
)
def test_what_is_in_its_way_or_broken_is_told_by_its_name(given: Signs, level: Level, about: str) -> None:
    assert verdict(given) == (level, about)
    assert all(finding.advice for finding in judge(given) if finding.level), "whoever is woken is told what to do"


def test_scans_that_are_wanted_seldom_are_not_late() -> None:
    seldom = replace(signs(report(scanned_at=NOW - 2 * HOUR_S)), scan_every_s=4 * HOUR_S)
    assert verdict(seldom)[0] is Level.FINE


def test_folders_that_are_scanned_only_set_the_pace_too(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.configure(scan={"every_s": 60.0, "blind_every_s": 14_400.0})
    with Queue(location.database(home.state)):
        assert gather(config.load(home.config)).scan_every_s == 14_400.0


def test_a_first_scan_gets_an_hour() -> None:
    assert verdict(signs(report(started_at=NOW - 3000, scanned_at=None)))[0] is Level.FINE


def test_a_photo_that_is_ready_while_nothing_comes_to_an_end_is_a_broken_queue() -> None:
    stuck = Progress(NOW - 2 * HOUR_S, None, None, NOW - 3 * HOUR_S)
    assert verdict(signs(report(), stuck)) == (Level.BROKEN, "queue")


@pytest.mark.parametrize(
    ("daemon", "progress"),
    [
        (report(), Progress(NOW - 600, None, None, NOW - 3 * HOUR_S)),
        (report(), Progress(NOW - 48 * HOUR_S, None, None, NOW - 600)),
        (busy(NOW - 600), Progress(NOW - 2 * HOUR_S, None, None, NOW - 3 * HOUR_S)),
        (report(started_at=NOW - 600), Progress(NOW - 48 * HOUR_S, None, None, None)),
    ],
    ids=["ready since lately", "a long queue that moves", "a batch in work", "started lately"],
)
def test_a_queue_that_moves_is_fine_however_long(daemon: dict[str, Any], progress: Progress) -> None:
    assert verdict(signs(daemon, progress))[0] is Level.FINE


@pytest.mark.parametrize(
    ("kind", "level"), [("paused", Level.FINE), ("quiet", Level.FINE), ("gpu", Level.FINE), ("space", Level.DEGRADED)]
)
def test_a_queue_that_is_held_back_on_purpose_is_fine_one_without_room_is_not(kind: str, level: Level) -> None:
    worker = {"device": "cpu", "state": "waiting: because", "held": True, "since": NOW}
    held = report(hold={"kind": kind, "reason": "because", "until": None}, workers=[worker])
    assert verdict(signs(held, Progress(NOW - 48 * HOUR_S, None, None, None)))[0] is level


def test_a_batch_without_end_is_a_broken_queue() -> None:
    stuck = Progress(NOW - 20 * HOUR_S, None, None, NOW - 20 * HOUR_S)
    assert verdict(signs(busy(NOW - 10 * HOUR_S), stuck)) == (Level.BROKEN, "queue")


def test_a_photo_that_waits_for_long_is_told_with_its_reason_one_that_waits_for_a_moment_is_not() -> None:
    long, short = (Progress(None, NOW - hours * HOUR_S, "cannot be read", None) for hours in (2, 0.5))
    assert verdict(signs(report(), short))[0] is Level.FINE
    assert verdict(signs(report(), long)) == (Level.DEGRADED, "photos")
    assert "cannot be read" in judge(signs(report(), long))[2].what
