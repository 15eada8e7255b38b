"""How verbs show things: one console that knows a pipe from a terminal, and words for times and numbers."""

import json
import sys
import time
from collections.abc import Sequence

import typer
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

PIPE_COLUMNS = 100_000
"""What a program reads has each thing on one line, however long."""
NO_JUDGE = (
    "No independent judge: only the networks that were attacked looked at the copies. [attack] judges names others."
)


def console(pipe_columns: int = PIPE_COLUMNS) -> Console:
    """Colours and the terminal's width for a person, neither for a pipe. What it is given is shown to the letter:
    names, reasons and advice may have [brackets]."""
    return Console(width=None if sys.stdout.isatty() else pipe_columns, markup=False, emoji=False)


def document(content: object) -> None:
    """JSON for programs."""
    json.dump(content, sys.stdout, indent=2)
    typer.echo()


def indented(columns: int, text: Text) -> Padding:
    """With what does not fit into the line beneath itself."""
    return Padding(text, (0, 0, 0, columns), expand=False)


def named(names: Sequence[str], number: int) -> list[Padding]:
    """Some of `number` things by their names, and how many more there are."""
    return [*(indented(4, Text(name)) for name in names), *more(4, number, len(names))]


def more(columns: int, number: int, named: int) -> list[Padding]:
    """A line about those of a list that are not named, if there are any."""
    if number <= named:
        return []
    return [indented(columns, Text(f"and {number - named:,} more (--rows {number})", "dim"))]


def count(number: int, thing: str, things: str | None = None) -> str:
    """`1 photo`, `2 photos`; and whatever else the plural is."""
    return f"{number:,} {thing if number == 1 else things or f'{thing}s'}"


def duration(seconds: float) -> str:
    """The two greatest units."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def moment(at: float) -> str:
    """A time of day where this machine stands."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
    except (OverflowError, OSError, ValueError):
        return "a time that no calendar knows"
