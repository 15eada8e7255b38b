"""The whole screen of `status`, as a person sees it: looked at once by eye, and kept as it was then.

`python -m tests.cli.test_screen` writes the screens anew; look at what changed before it is committed.
"""

import re
import sys
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from lowkeyd.cli import progress
from lowkeyd.cli.shown import PIPE_COLUMNS
from lowkeyd.cli.status import render
from lowkeyd.model import State
from lowkeyd.monitor.pace import Pace
from lowkeyd.monitor.status import Status
from lowkeyd.store.lookup import Event
from lowkeyd.store.snapshot import Row, Snapshot

SCREENS = Path(__file__).parent / "screens"
NOW = 1_700_000_000.0
WIDTHS = {"80": 80, "120": 120, "pipe": PIPE_COLUMNS}


def row(path: str, state: State, stage: str, reason: str | None = None, advice: str | None = None) -> Row:
    return Row("inbox", path, state, stage, reason, advice, 1, NOW + 500 * (state is State.WAITING), NOW)


def busy() -> Status:
    """A library in full work, with everything that can be on the screen."""
    counts = {
        **{("inbox", State.READY): 1066, ("inbox", State.RUNNING): 2, ("inbox", State.DONE): 142},
        **{("inbox", State.FAILED): 12, ("inbox", State.WAITING): 1, ("inbox", State.NO_FACE): 18},
        ("grandmother's phone", State.DONE): 12_345,
    }
    worker = {"device": "cuda:0", "state": "busy", "photos": 6, "faces": 11, "done_steps": 21, "all_steps": 50}
    idle = {
        "device": "cuda:1",
        "state": "idle",
        "photos": 0,
        "faces": 0,
        "done_steps": 0,
        "all_steps": 0,
        "peak_mb": 2140,
    }
    daemon = {"pid": 4242, "started_at": NOW - 7300, "beat_at": NOW, "workers": [worker, idle], "settling": 2}
    full = "the outbox cannot be written: No space left on device: /srv/lowkeyd/outbox/inbox/holiday/2026"
    photos = Snapshot(
        counts,
        18,
        3,
        (row("holiday/IMG_0162.jpg", State.RUNNING, "optimise"), row("IMG_0163.jpg", State.RUNNING, "verify")),
        (row("holiday/IMG_0161.jpg", State.WAITING, "publish", full, "Make room in the outbox."),),
        (row("a name that is so long that it does not fit into one line of any terminal at all, whatever one tries, "
             "however small the letters.jpg", State.FAILED, "decode", "is no picture",
             "Open it in a picture viewer: if it is damaged there too, restore it from a backup; then try again."),),
        daemon,
    )  # fmt: skip
    last = (
        Event(9, NOW - 24, "inbox", "holiday/IMG_0160.jpg", State.DONE, None, None, "weak", 12.3),
        Event(8, NOW - 90_000, "inbox", r"caf\udce9.jpg", State.DONE, None, None, "protected", 12.3),
    )
    watched = ("inbox", "grandmother's phone")
    return Status(True, watched, NOW, Path("/outbox"), photos, last, Pace(0.08, 40, 4.0), 74_200_000_000)


def printed(width: int, colours: bool = False) -> str:
    out = StringIO()
    Console(width=width, file=out, color_system="standard" if colours else None, force_terminal=colours).print(
        render(busy())
    )
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


@pytest.mark.parametrize("name", WIDTHS)
def test_the_screen_is_as_it_was_when_a_person_liked_it(name: str) -> None:
    assert printed(WIDTHS[name]) == (SCREENS / f"status-{name}.txt").read_text(encoding="utf-8")


def test_what_is_held_back_has_no_pace() -> None:
    status = busy()
    held = {**(status.photos.daemon or {}), "hold": {"kind": "paused", "reason": "film night", "until": None}}
    assert progress.pace(status) != []
    assert progress.pace(replace(status, photos=replace(status.photos, daemon=held))) == []


@pytest.mark.parametrize("width", [30, 40, 60, 80, 120])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    assert max(map(len, printed(width).splitlines())) <= width


def test_it_can_be_read_on_dark_and_on_light() -> None:
    """Black and white are what backgrounds are made of: neither is used, nor any background of our own."""
    codes = {
        int(code) for group in re.findall(r"\x1b\[([\d;]*)m", printed(80, colours=True)) for code in group.split(";")
    }
    assert codes <= {0, 1, 2, *range(31, 37), *range(90, 97)} - {97}
    assert {31, 32, 33} <= codes, "red, green and yellow say what is bad, good and in between"


if __name__ == "__main__":
    for name, width in WIDTHS.items():
        (SCREENS / f"status-{name}.txt").write_text(printed(width), encoding="utf-8")
        sys.stdout.write(printed(width))
