"""`lowkeyd status`: what waits, runs, is done, and why the rest is not."""

import json
import sys
import time
from collections.abc import Callable
from typing import Annotated

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lowkeyd.cli.options import ConfigFile, load
from lowkeyd.model import State, readable
from lowkeyd.status import Status, take
from lowkeyd.store.snapshot import Row

_EVERY_S = 1.0
_COLUMNS = {
    "ready": (State.READY,),
    "running": (State.RUNNING, State.PUBLISHING),
    "waiting": (State.WAITING,),
    "done": (State.DONE,),
    "no face": (State.NO_FACE,),
    "failed": (State.FAILED,),
}


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
    if as_json:
        json.dump(take(settings, rows).as_json(), sys.stdout, indent=2)
        typer.echo()
    elif watch:
        _stay(lambda: render(take(settings, rows)))
    else:
        Console().print(render(take(settings, rows)))


def _stay(screen: Callable[[], RenderableType]) -> None:
    with Live(screen(), console=Console(), auto_refresh=False) as live:
        try:
            while True:
                time.sleep(_EVERY_S)
                live.update(screen(), refresh=True)
        except KeyboardInterrupt:
            return


def render(status: Status) -> RenderableType:
    """The screen."""
    parts: list[RenderableType] = [_headline(status), *_workers(status), Text(), _counts(status)]
    if status.photos.weak:
        parts.append(Text(f"{status.photos.weak} done, but weak: a recogniser still accepts a face.", "yellow"))
    parts += _reasons("Waiting", status.photos.waiting, "yellow", status.taken_at)
    parts += _reasons("Failed", status.photos.failed, "red", status.taken_at)
    return Group(*parts)


def _headline(status: Status) -> Text:
    daemon = status.photos.daemon
    if not status.alive:
        last = f" Its last sign of life was {_duration(status.taken_at - daemon['beat_at'])} ago." if daemon else ""
        return Text(f"lowkeyd is not running; `lowkeyd run` starts it.{last}", "bold red")
    if daemon is None:
        return Text("lowkeyd is starting.", "bold yellow")
    since = _duration(status.taken_at - daemon["started_at"])
    line = Text.assemble(("lowkeyd runs", "bold green"), f" (process {daemon['pid']}, for {since})")
    if daemon.get("settling"):
        line.append(f" · {daemon['settling']} files still being written")
    return line


def _workers(status: Status) -> list[RenderableType]:
    if not status.alive or status.photos.daemon is None:
        return []
    lines: list[RenderableType] = []
    for worker in status.photos.daemon["workers"]:
        text = Text(f"worker {worker['device']}: {worker['state']}", "dim")
        if worker["photos"]:
            done, total = worker["done_steps"], worker["all_steps"]
            text.append(f" · {worker['photos']} photos" + (f" · step {done} of {total}" if total else ""))
        lines.append(text)
    return lines


def _counts(status: Status) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("folder")
    for title in _COLUMNS:
        table.add_column(title, justify="right")
    for watch in status.watches:
        numbers = (sum(status.count(state, watch) for state in states) for states in _COLUMNS.values())
        table.add_row(Text(readable(watch)), *(f"{number:,}" for number in numbers))
    return table


def _reasons(title: str, rows: tuple[Row, ...], style: str, now: float) -> list[RenderableType]:
    if not rows:
        return []
    lines: list[RenderableType] = [Text(), Text(title, f"bold {style}")]
    for row in rows:
        lines.append(Text.assemble(f"  {readable(row.watch)}/{row.path}  ", (f"at {row.stage}: {row.reason}", style)))
        if row.next_try_at > now:
            lines.append(Text(f"    next try in {_duration(row.next_try_at - now)}", "dim"))
        if row.advice:
            lines.append(Text(f"    {row.advice}", "dim"))
    return lines


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
