"""`lowkeyd failed`: what was given up, by what went wrong; or what has no copy for another reason, by which."""

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
    no_face: Annotated[bool, typer.Option("--no-face", help="Photos in which no face was found instead.")] = False,
) -> None:
    """List the photos that were given up, grouped by reason, with what can be done about it.

    `lowkeyd retry` has them tried again, `lowkeyd ignore` gives up on them for good, `lowkeyd explain` tells more.

    Example: lowkeyd failed --rows 3
    """
    if ignored and no_face:
        raise typer.BadParameter("--ignored or --no-face")
    look, title, none = lookup.failures, "failed", "No photo has failed."
    if ignored:
        look, title, none = lookup.left_alone, "ignored", "No file is left alone."
    elif no_face:
        look, title, none = lookup.faceless, "no_face", "In every photo a face was found."
    failures = look(location.database(load(config).state.path), rows)
    if as_json:
        shown.document({"version": 1, title: [asdict(failure) for failure in failures]})
        return
    console = shown.console()
    if not failures:
        console.print(none)
    for failure in failures:
        _show(failure, "red" if title == "failed" else "", console)


def _show(failure: lookup.Failure, style: str, console: Console) -> None:
    why = f"at {failure.stage}: {failure.reason}" if failure.reason else "without a face, copied all the same"
    title = f"{shown.count(failure.count, 'photo')} {why}"
    console.print(Text(readable(title), style))
    if failure.advice:
        console.print(shown.indented(2, Text(readable(failure.advice))))
    for line in shown.named(failure.photos, failure.count):
        console.print(line)
