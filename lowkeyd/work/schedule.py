"""Quiet hours, as a state: is work wanted at this moment? Pure: it is told the time.

An event that comes at the hour's stroke would be missed by a daemon that starts later, or sleeps through it.
"""

from datetime import datetime, time
from zoneinfo import ZoneInfo

_MINUTE_S = 60.0
_LONGEST_WAIT_MINUTES = 2 * 24 * 60
"""A window that a night without its hour leaves out comes back on the next day."""


def is_active(window: str, timezone: str, now: float) -> bool:
    """Whether `now` (seconds since the epoch) lies in the window, `22:00-07:00`, which may span midnight.

    What counts is the time that clocks on the wall show there: the hour that a night in autumn has twice counts twice,
    and the one that a night in spring leaves out does not come.
    """
    if not window:
        return True
    start, end = (time.fromisoformat(text) for text in window.split("-"))
    shown = datetime.fromtimestamp(now, ZoneInfo(timezone) if timezone else None).time()
    return start <= shown < end if start < end else shown >= start or shown < end


def next_start(window: str, timezone: str, now: float) -> float:
    """When the window, in which `now` does not lie, begins: to the minute, found by looking at the clock on the wall as
    it will be, which no change of the clocks can fool."""
    minute = now - now % _MINUTE_S
    for count in range(1, _LONGEST_WAIT_MINUTES):
        if is_active(window, timezone, minute + count * _MINUTE_S):
            return minute + count * _MINUTE_S
    raise AssertionError(f"bug: {window} never begins")
