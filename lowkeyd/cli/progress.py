"""What `status` shows of work: what is in hand, how fast it goes, what came of it last, and the room that is left."""

from typing import Any

from rich.console import RenderableType
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lowkeyd.cli import shown
from lowkeyd.cli.history import outcome
from lowkeyd.model import readable
from lowkeyd.monitor.status import Status

_BAR_COLUMNS = 16


def workers(status: Status) -> list[RenderableType]:
    """One line for each, with a bar while it optimises."""
    daemon = status.photos.daemon
    if not status.alive or daemon is None:
        return []
    return [_worker(worker) for worker in daemon["workers"]]


def _worker(worker: dict[str, Any]) -> RenderableType:
    line = Text(readable(f"worker {worker['device']}: {worker['state']}"), "dim")
    if worker["photos"]:
        faces = f" with {shown.count(worker['faces'], 'face')}" if worker.get("faces") else ""
        line.append(f" · {shown.count(worker['photos'], 'photo')}{faces}")
    elif worker.get("peak_mb"):
        line.append(f" · has held up to {worker['peak_mb'] / 1000:.1f} GB")
    done, total = worker["done_steps"], worker["all_steps"]
    if not total:
        return line
    line.append(f" · step {done:,} of {total:,}")
    row = Table.grid(padding=(0, 1))
    row.add_column(overflow="fold")
    row.add_column(width=_BAR_COLUMNS)
    row.add_row(line, ProgressBar(total=total, completed=done, width=_BAR_COLUMNS))
    return row


def pace(status: Status) -> list[RenderableType]:
    """How fast it goes and how long the rest will take, if photos are on their way and enough of them came through."""
    if not status.to_go or not status.alive or status.hold:  # what is held back has no pace
        return []
    to_go = f"{shown.count(status.to_go, 'photo')} to go"
    if status.pace is None or status.left_s is None:
        return [Text(f"{to_go}; how long it takes will show after a few.", "dim")]
    return [Text(f"{_speed(status.pace.per_s)} · {to_go}: {_band(*status.left_s)}")]


def _speed(per_s: float) -> str:
    for unit, seconds in (("a second", 1), ("a minute", 60), ("an hour", 3600)):
        if per_s * seconds >= 1:
            return f"{per_s * seconds:.1f} photos {unit}"
    return f"{per_s * 86_400:.1f} photos a day"


def _band(best_s: float, worst_s: float) -> str:
    """In the unit of the worse end, and no more exact than is known."""
    for unit, seconds in (("days", 86_400), ("h", 3600), ("min", 60)):
        if worst_s >= 2 * seconds:
            low, high = best_s / seconds, worst_s / seconds
            return f"{low:.0f} to {high:.0f} {unit}" if low >= 1 else f"up to {high:.0f} {unit}"
    return "about a minute" if worst_s >= 60 else "less than a minute"


def last(status: Status) -> list[RenderableType]:
    """What was delivered lately and how strong it is, the newest first."""
    if not status.last:
        return []
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(no_wrap=True, style="dim")
    for event in status.last:
        ago = f"{shown.duration(status.taken_at - event.at)} ago"
        table.add_row(outcome(event), Text(f"{readable(event.watch)}/{event.path}"), ago)
    return [Text(), Text("Delivered last", "bold"), Padding(table, (0, 0, 0, 2), expand=False)]


def room(status: Status) -> list[RenderableType]:
    """What is left for copies."""
    if status.outbox_away is not None:
        return [Text(readable(status.outbox_away), "red")]
    if status.free_bytes is None:
        return [Text("The outbox cannot be looked at.", "red")]
    look = "yellow" if status.is_tight else "dim"
    return [Text(f"{status.free_bytes / 1e9:,.1f} GB free for copies", look)]
