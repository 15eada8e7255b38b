"""Quiet hours on ordinary days and on both nights on which Berlin's clocks are changed."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest

from lowkeyd.work.schedule import is_active, next_start

BERLIN = "Europe/Berlin"
NIGHT = "22:00-07:00"

try:
    ZoneInfo(BERLIN)
except ZoneInfoNotFoundError:
    pytest.skip("this machine knows no time zones (tzdata is not installed)", allow_module_level=True)


def at(text: str) -> float:
    """UTC, which has no such nights."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def shown(now: float) -> str:
    """On the wall in Berlin."""
    return datetime.fromtimestamp(now, ZoneInfo(BERLIN)).strftime("%m-%d %H:%M")


@pytest.mark.parametrize(
    ("utc", "active"),
    [
        ("2026-07-01 19:59:59", False), ("2026-07-01 20:00", True), ("2026-07-01 23:00", True),
        ("2026-07-02 04:59:59", True), ("2026-07-02 05:00", False), ("2026-07-02 12:00", False),
        ("2026-01-01 20:30", False),
        ("2026-01-01 21:00", True), ("2026-01-02 05:59", True), ("2026-01-02 06:00", False),
    ],
)  # fmt: skip
def test_a_window_that_spans_midnight_is_told_by_the_clock_on_the_wall(utc: str, active: bool) -> None:
    assert is_active(NIGHT, BERLIN, at(utc)) == active


@pytest.mark.parametrize(
    ("utc", "active"), [("2026-07-01 07:59", True), ("2026-07-01 06:00", True), ("2026-07-01 10:00", False)]
)
def test_a_window_within_a_day(utc: str, active: bool) -> None:
    assert is_active("08:00-12:00", BERLIN, at(utc)) == active


def test_no_window_is_at_any_time() -> None:
    assert is_active("", "", at("2026-07-01 12:00"))


def test_in_the_night_in_spring_the_hour_that_is_left_out_does_not_come() -> None:
    """On 2026-03-29 clocks go from 02:00 to 03:00, which is 01:00 UTC."""
    minutes = range(24 * 60)
    start = at("2026-03-28 23:00")
    active = [start + 60 * minute for minute in minutes if is_active("02:15-02:45", BERLIN, start + 60 * minute)]
    assert active == []
    assert shown(next_start("02:15-02:45", BERLIN, start)) == "03-30 02:15"


def test_in_the_night_in_spring_a_window_that_begins_in_that_hour_begins_when_it_is_over() -> None:
    assert not is_active("02:30-05:00", BERLIN, at("2026-03-29 00:59"))
    assert is_active("02:30-05:00", BERLIN, at("2026-03-29 01:00"))
    assert next_start("02:30-05:00", BERLIN, at("2026-03-29 00:30")) == at("2026-03-29 01:00")


def test_the_night_in_spring_is_an_hour_shorter_and_the_one_in_autumn_an_hour_longer() -> None:
    def hours(evening: str) -> float:
        minutes = [is_active(NIGHT, BERLIN, at(evening) + 60 * minute) for minute in range(18 * 60)]
        return sum(minutes) / 60

    assert hours("2026-07-01 16:00") == 9
    assert hours("2026-03-28 16:00") == 8
    assert hours("2026-10-24 16:00") == 10


def test_in_the_night_in_autumn_the_hour_that_comes_twice_counts_twice() -> None:
    """On 2026-10-25 clocks go back from 03:00 to 02:00, which is 01:00 UTC."""
    twice = [at("2026-10-25 00:30"), at("2026-10-25 01:30")]
    assert [shown(now) for now in twice] == ["10-25 02:30", "10-25 02:30"]
    assert all(is_active("02:15-02:45", BERLIN, now) for now in twice)
    assert not is_active("02:15-02:45", BERLIN, at("2026-10-25 01:00"))
    assert next_start("02:15-02:45", BERLIN, at("2026-10-25 01:00")) == at("2026-10-25 01:15")


def test_the_next_start_is_the_first_minute_of_work() -> None:
    assert next_start(NIGHT, BERLIN, at("2026-07-01 12:00:42")) == at("2026-07-01 20:00")
