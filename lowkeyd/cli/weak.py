"""`lowkeyd weak`: copies that some recogniser still accepts, by recogniser."""

from itertools import groupby
from typing import Annotated, Any

import typer
from rich.text import Text

from lowkeyd.cli import shown
from lowkeyd.cli.options import ConfigFile, load
from lowkeyd.model import readable
from lowkeyd.store import location, lookup

_ADVICE = (
    "`lowkeyd explain PHOTO` tells which face it is, and how it was made. With another [attack] preset, or "
    "with that recogniser in its ensemble, `lowkeyd retry --weak` makes these copies again; delete those that you will "
    "not publish."
)


def weak(
    config: ConfigFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs; the schema has a version.")] = False,
    rows: Annotated[int, typer.Option(help="Photos to name for each recogniser.", min=0)] = 20,
) -> None:
    """List the copies in the outbox that some recogniser still accepts, grouped by who does.

    [outbox] weak = "hold" keeps such copies back from then on.

    Example: lowkeyd weak --rows 3
    """
    groups = _groups(lookup.weak(location.database(load(config).state.path)), rows)
    if as_json:
        shown.document({"version": 1, "weak": groups})
        return
    console = shown.console()
    if not groups:
        console.print("No copy is weak.")
        return
    for group in groups:
        title = f"{shown.count(group['count'], 'photo')} still recognised by {', '.join(group['by'])}"
        console.print(Text(readable(title), "yellow"))
        for line in shown.named(group["photos"], group["count"]):
            console.print(line)
    console.print(Text(_ADVICE))


def _groups(photos: list[lookup.Weak], rows: int) -> list[dict[str, Any]]:
    """Photos by who accepts them, the commonest first, with some of their names, the newest first."""
    alike = [
        list(group) for _, group in groupby(sorted(photos, key=lambda photo: photo.by), key=lambda photo: photo.by)
    ]
    return [
        {
            "by": group[0].by,
            "count": len(group),
            "photos": [f"{readable(photo.watch)}/{readable(photo.path)}" for photo in group[:rows]],
        }
        for group in sorted(alike, key=len, reverse=True)
    ]
