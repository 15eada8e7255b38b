"""`lowkeyd history`: what happened last."""

from dataclasses import asdict
from typing import Annotated

import typer
from rich.text import Text

from lowkeyd.cli import shown
from lowkeyd.cli.options import ConfigFile, load
from lowkeyd.model import State, readable
from lowkeyd.store import location, lookup

_LOOKS = {"protected": "green", "weak": "yellow", "failed": "red"}


def history(
    config: ConfigFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs; the schema has a version.")] = False,
    rows: Annotated[int, typer.Option(help="How many to show.", min=1)] = 20,
) -> None:
    """Show the last deliveries and failures with their times, the newest last. Ninety days are kept.

    Example: lowkeyd history --rows 100
    """
    events = lookup.history(location.database(load(config).state.path), rows)
    if as_json:
        shown.document({"version": 1, "history": [asdict(event) for event in events]})
        return
    console = shown.console()
    if not events:
        console.print("Nothing has happened yet.")
    for event in reversed(events):
        line = Text.assemble((shown.moment(event.at), "dim"), "  ", outcome(event))
        line.append(f"  {readable(event.watch)}/{event.path}")
        if event.state is State.FAILED:
            line.append(f"  at {event.stage}: {readable(event.reason or '')}", "dim")
        console.print(line)


def outcome(event: lookup.Event) -> Text:
    """In a word, of one width."""
    word = {State.FAILED: "failed", State.NO_FACE: "no face"}.get(event.state) or event.strength or "done"
    return Text(f"{word:9}", _LOOKS.get(word, ""))
