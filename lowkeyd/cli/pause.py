"""`lowkeyd pause` and `lowkeyd resume`: no work until a person says so, or for a while."""

import re
import time
from typing import Annotated

import typer

from lowkeyd.cli import shown
from lowkeyd.cli.options import ConfigFile, load

_UNITS_S = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "min": 60.0, "s": 1.0}
_LONGEST_S = 10 * 366 * 86_400.0
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(d|h|min|m|s)")


def pause(
    reason: Annotated[str, typer.Option(help="Shown by status to whoever wonders.")] = "paused by hand",
    duration: Annotated[
        str | None,
        typer.Option("--for", help="It ends by itself after so long: 90m, 2h, 1d, 1h30m.", show_default=False),
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Have no photo begun until `resume`, also after a restart. New photos are still found and queued.

    Example: lowkeyd pause --reason "film night" --for 3h
    """
    if not reason.strip():
        raise typer.BadParameter("--reason: say something, since status shows it")
    until = None if duration is None else time.time() + seconds(duration)
    settings = load(config)
    from lowkeyd import wishes

    wishes.pause(settings, reason, until)
    ending = "until `lowkeyd resume`" if until is None else f"until {shown.moment(until)}"
    typer.echo(f"Paused {ending}. What is in work is finished.")


def resume(config: ConfigFile = None) -> None:
    """End a pause.

    Example: lowkeyd resume
    """
    settings = load(config)
    from lowkeyd import wishes

    was_paused = wishes.resume(settings)
    typer.echo("Work goes on." if was_paused else "There was no pause.")


def seconds(duration: str) -> float:
    """`1h30m` in seconds. Raises BadParameter for what is no duration."""
    parts = _PART.findall(duration)
    if not parts or _PART.sub("", duration).strip():
        raise typer.BadParameter(f"--for: expected a duration such as 90m, 2h or 1d, got {duration!r}")
    total = sum(float(number) * _UNITS_S[unit] for number, unit in parts)
    if not 0 < total <= _LONGEST_S:
        raise typer.BadParameter(f"--for: expected more than nothing and at most ten years, got {duration!r}")
    return total
