"""`lowkeyd protect --queue`: photos that the daemon is to do before all others."""

from itertools import groupby
from pathlib import Path

import typer

from lowkeyd import config, wishes
from lowkeyd.cli import logs, places, shown, waits
from lowkeyd.intake.hand_in import HandedIn
from lowkeyd.model import readable
from lowkeyd.monitor.status import take
from lowkeyd.store import lock

_NAMED = 3
"""Photos that are named of those refused for one reason."""


def hand_in(photos: list[Path], settings: config.Config) -> bool:
    """Hand photos, and all that folders hold, to the daemon, and say what became of it. Returns whether all were taken.

    Raises typer.BadParameter for what is in no watched folder.
    """
    logs.keep_out()
    asked = places.photos(photos, settings)
    runs = lock.is_held(settings.state.path)
    handed = wishes.hand_in(settings, asked)
    _tell(handed, settings, runs=runs)
    if not asked:
        typer.echo("No photo is in there.", err=True)
    return bool(asked) and not handed.refused


def _tell(handed: HandedIn, settings: config.Config, *, runs: bool) -> None:
    if handed.queued:
        when = "will be done first" if runs else "will be done first, once the daemon runs: `lowkeyd run` starts it"
        typer.echo(f"{shown.count(handed.queued, 'photo')} {when}.")
    if handed.running:
        typer.echo(f"{shown.count(handed.running, 'photo')} in work already.")
    if handed.done:
        typer.echo(f"{shown.count(handed.done, 'photo')} done before: left as {_they(handed.done)}.")
    if handed.queued and runs:
        _tell_of_hold(settings)
    for why, group in groupby(sorted(handed.refused, key=lambda refused: refused[2]), key=lambda refused: refused[2]):
        alike = [f"{watch}/{path}" for watch, path, _ in group]
        more = f" and {len(alike) - _NAMED:,} more" if len(alike) > _NAMED else ""
        typer.echo(readable(f"Not queued: {', '.join(alike[:_NAMED])}{more}: {why}."), err=True)


def _they(count: int) -> str:
    return "it is" if count == 1 else "they are"


def _tell_of_hold(settings: config.Config) -> None:
    """First is not at once, where all work is held."""
    if (hold := waits.hold(take(settings, rows=0))) is not None:
        typer.echo(hold.plain)
