"""`lowkeyd status`: what waits, runs, is done, and why the rest is not."""

import sys
import time
from collections.abc import Callable
from itertools import groupby
from typing import Annotated

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lowkeyd.cli import progress, shown, waits
from lowkeyd.cli.options import ConfigFile, load
from lowkeyd.config import Config
from lowkeyd.errors import StoreError
from lowkeyd.model import State, readable
from lowkeyd.monitor.status import Status, take
from lowkeyd.store.snapshot import Row

_EVERY_S = 1.0
_COLUMNS = {
    "ready": ((State.READY,), ""),
    "running": ((State.RUNNING, State.PUBLISHING), "bold"),
    "waiting": ((State.WAITING,), "yellow"),
    "done": ((State.DONE,), "green"),
    "no face": ((State.NO_FACE,), ""),
    "failed": ((State.FAILED,), "red"),
}
"""Title, what is counted, and how it looks when there is any."""


def status(
    config: ConfigFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs; the schema has a version.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Stay, and refresh every second.")] = False,
    rows: Annotated[int, typer.Option(help="Photos to name in each list.", min=0)] = 10,
) -> None:
    """Say what waits, runs, is done, and why the rest is not.

    Example: lowkeyd status --watch
    """
    settings = load(config)
    console = shown.console()
    if watch and (as_json or not sys.stdout.isatty()):
        raise typer.BadParameter("--watch is for a terminal; programs ask again with --json")
    if as_json:
        shown.document(take(settings, rows).as_json())
    elif watch:
        _stay(lambda: _look(settings, rows), console)
    else:
        console.print(render(take(settings, rows)))


def _look(settings: Config, rows: int) -> RenderableType:
    """Who watches may have come before the daemon's first run, or sit through a repair."""
    try:
        return render(take(settings, rows))
    except StoreError as error:
        return Text(readable(str(error)), "red")


def _stay(screen: Callable[[], RenderableType], console: Console) -> None:
    try:
        with Live(screen(), console=console, auto_refresh=False, screen=True) as live:
            while True:
                time.sleep(_EVERY_S)
                live.update(screen(), refresh=True)
    except KeyboardInterrupt:
        return


def render(status: Status) -> RenderableType:
    """The screen."""
    photos = status.photos
    parts: list[RenderableType] = [_headline(status), *progress.workers(status), Text(), _counts(status)]
    parts += [*waits.lines(status), *progress.pace(status), *progress.room(status)]
    if photos.weak:
        copies = "copy is" if photos.weak == 1 else "copies are"
        parts.append(Text(f"{photos.weak:,} {copies} weak, still accepted by a recogniser: `lowkeyd weak`.", "yellow"))
    if photos.left_alone:
        parts.append(Text(f"{shown.count(photos.left_alone, 'file')} left alone: `lowkeyd failed --ignored` says why."))
    parts += [*_running(status), *progress.last(status)]
    parts += _reasons("Waiting", photos.waiting, status.count(State.WAITING), "yellow", status.taken_at)
    parts += _reasons("Failed", photos.failed, status.count(State.FAILED), "red", status.taken_at)
    return Group(*parts)


def _headline(status: Status) -> Text:
    daemon = status.photos.daemon
    if not status.alive:
        last = (
            f" Its last sign of life was {shown.duration(status.taken_at - daemon['beat_at'])} ago." if daemon else ""
        )
        return Text.assemble(("lowkeyd is not running", "bold red"), f"; `lowkeyd run` starts it.{last}")
    if daemon is None:
        return Text("lowkeyd is starting.", "bold yellow")
    since = shown.duration(status.taken_at - daemon["started_at"])
    line = Text.assemble(("lowkeyd runs", "bold green"), f" (process {daemon['pid']}, for {since})")
    if daemon["settling"]:
        line.append(f" · {shown.count(daemon['settling'], 'file')} still being written")
    if status.silent_s is not None:
        line.append(f"\nIt has given no sign of life for {shown.duration(status.silent_s)}: restart it.", "bold red")
    return line


def _counts(status: Status) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("folder", overflow="fold", min_width=12)
    for title in _COLUMNS:
        table.add_column(title, justify="right", no_wrap=True)
    for watch in status.watches:
        if watch not in status.watched and not any(
            status.count(state, watch) for states, _ in _COLUMNS.values() for state in states
        ):
            continue
        numbers = [sum(status.count(state, watch) for state in states) for states, _ in _COLUMNS.values()]
        looks = [style if number else "dim" for number, (_, style) in zip(numbers, _COLUMNS.values(), strict=True)]
        cells = (Text(f"{number:,}", look) for number, look in zip(numbers, looks, strict=True))
        unwatched = "" if watch in status.watched else " (no longer watched)"
        table.add_row(Text(f"{readable(watch)}{unwatched}"), *cells)
    return table


def _running(status: Status) -> list[RenderableType]:
    rows = status.photos.running
    if not rows:
        return []
    if not status.alive:
        return [Text("What was running was cut short: the next start takes it up again.", "yellow")]
    lines = [shown.indented(2, Text.assemble(_name(row), (f"  {row.stage}", "dim"))) for row in rows]
    return [Text(), Text("Running", "bold"), *lines]


def _reasons(title: str, rows: tuple[Row, ...], count: int, style: str, now: float) -> list[RenderableType]:
    """Photos by what stands in their way, which many may share."""
    if not count:
        return []
    lines: list[RenderableType] = [Text(), Text(title, f"bold {style}")]
    for why, alike in groupby(sorted(rows, key=_why), key=_why):
        stage, reason, advice = why
        lines.append(shown.indented(2, Text(readable(f"at {stage}: {reason}"), style)))
        lines += [shown.indented(2, Text(readable(advice)))] if advice else []
        lines += [shown.indented(4, Text.assemble(_name(row), (_next_try(row, now), "dim"))) for row in alike]
    return [*lines, *shown.more(2, count, len(rows))]


def _why(row: Row) -> tuple[str, str, str]:
    return row.stage or "", row.reason or "", row.advice or ""


def _name(row: Row) -> str:
    return f"{readable(row.watch)}/{row.path}"


def _next_try(row: Row, now: float) -> str:
    return f"  next try in {shown.duration(row.next_try_at - now)}" if row.next_try_at > now else ""
