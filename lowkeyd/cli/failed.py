"""`lowkeyd failed`: what was given up, by what went wrong; or what is left alone, by why."""

from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from lowkeyd.cli import shown
from lowkeyd.cli.options import ConfigFile, load
from lowkeyd.model import readable
from lowkeyd.store import location, lookup


def failed(
    config: ConfigFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs; the schema has a version.")] = False,
    rows: Annotated[int, typer.Option(help="Photos to name for each reason.", min=0)] = 20,
    ignored: Annotated[
        bool, typer.Option("--ignored", help="Files that are left alone instead: RAW, protected before, by your wish.")
    ] = False,
) -> None:
    """List the photos that were given up, grouped by reason, with what can be done about it.

    `lowkeyd retry` has them tried again, `lowkeyd ignore` gives up on them for good, `lowkeyd explain` tells more.

    Example: lowkeyd failed --rows 3
    """
    look = lookup.left_alone if ignored else lookup.failures
    failures = look(location.database(load(config).state.path), rows)
    if as_json:
        title = "ignored" if ignored else "failed"
        shown.document({"version": 1, title: [asdict(failure) for failure in failures]})
        return
    console = shown.console()
    if not failures:
        console.print("No file is left alone." if ignored else "No photo has failed.")
    for failure in failures:
        _show(failure, "" if ignored else "red", console)


def _show(failure: lookup.Failure, style: str, console: Console) -> None:
    title = f"{shown.count(failure.count, 'photo')} at {failure.stage}: {failure.reason}"
    console.print(Text(readable(title), style))
    if failure.advice:
        console.print(shown.indented(2, Text(readable(failure.advice))))
    for line in shown.named(failure.photos, failure.count):
        console.print(line)
