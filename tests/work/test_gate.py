import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lowkeyd import config
from lowkeyd.store.notes import Notes, Pause
from lowkeyd.work import gate
from lowkeyd.work.gate import Gate
from tests.helpers.library import Library

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC).timestamp()
HOUR_S = 3600.0


def test_nothing_stands_in_the_way_of_work(library: Library) -> None:
    assert library.gate.hold(time.time()) is None


def test_a_pause_has_a_reason_and_ends_when_a_person_says_so(library: Library) -> None:
    library.gate.pause(Pause("film night", NOON, None))
    hold = library.gate.hold(NOON + 1000 * HOUR_S)
    assert hold is not None
    assert (hold.kind, hold.reason, hold.until) == ("paused", "film night", None)
    assert library.gate.resume()
    assert library.gate.hold(NOON) is None
    assert not library.gate.resume()


def test_a_pause_with_an_end_ends_by_itself_and_outlives_the_daemon(library: Library) -> None:
    library.gate.pause(Pause("film night", NOON, NOON + HOUR_S))
    again = Gate(config.Schedule(), (), 0.0, Notes(library.photos))
    hold = again.hold(NOON + HOUR_S - 1)
    assert hold is not None
    assert hold.until == NOON + HOUR_S
    assert again.hold(NOON + HOUR_S) is None
    assert Notes(library.photos).pause() is None


def test_outside_the_hours_of_work_it_is_quiet_until_they_begin(library: Library) -> None:
    night = config.Schedule(active="22:00-07:00", timezone="UTC")
    at_night = Gate(night, (), 0.0, Notes(library.photos))
    hold = at_night.hold(NOON)
    assert hold is not None
    assert (hold.kind, hold.until) == ("quiet", NOON + 10 * HOUR_S)
    assert at_night.hold(NOON + 60) == hold
    assert at_night.hold(NOON + 10 * HOUR_S) is None
    again = at_night.hold(NOON + 20 * HOUR_S)
    assert again is not None
    assert again.until == NOON + 34 * HOUR_S


def test_below_the_floor_all_waits_and_above_it_all_goes_on(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    free = {library.outbox: 500.0, library.root: 150.0}
    monkeypatch.setattr(gate, "_free_mb", free.get)
    guarded = Gate(config.Schedule(), (library.outbox, library.root), 200.0, Notes(library.photos))
    hold = guarded.hold(NOON)
    assert hold is not None
    assert hold.kind == "space"
    assert hold.reason == f"the disk of {library.root} has 150 MB left, and 200 MB stay free"
    free[library.root] = 200.0
    assert guarded.hold(NOON) is None


def test_the_free_space_is_what_the_system_says(tmp_path: Path) -> None:
    free_mb = gate._free_mb(tmp_path)
    assert free_mb is not None
    assert free_mb > 0
    assert gate._free_mb(tmp_path / "gone") is None
