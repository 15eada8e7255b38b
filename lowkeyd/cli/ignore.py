"""`lowkeyd ignore`: photos that are never to be protected."""

import os
from pathlib import Path
from typing import Annotated

import typer

from lowkeyd.cli import places, shown
from lowkeyd.cli.options import ConfigFile, load
from lowkeyd.model import readable


def ignore(
    photos: Annotated[list[Path], typer.Argument(help="Photos in watched folders.", show_default=False)],
    undo: Annotated[bool, typer.Option("--undo", help="Take it back: the photos are protected after all.")] = False,
    config: ConfigFile = None,
) -> None:
    """Leave photos alone for good, also when they are edited. A copy that lies in the outbox stays there.

    It is the place that is ignored, whether a photo is there yet or not: under another name a photo is another photo.
    Folders are left out with [[watch]] ignore. Works with or without a running daemon. Exits with 1 if one of them
    could not be ignored, since its copy is being published at this moment; with --undo, if one was not ignored.

    Example: lowkeyd ignore ~/lowkeyd/inbox/passport.jpg
    """
    settings = load(config)
    from lowkeyd import wishes

    paths = [places.photo(photo, settings) for photo in photos]
    for photo in photos:
        _look(photo)
    count = wishes.ignore(settings, paths, undo=undo)
    what = "will be protected after all" if undo else "will be left alone; `lowkeyd ignore --undo` takes that back"
    typer.echo(f"{shown.count(count, 'photo')} {what}.")
    if count < len(paths):
        why = "the others were not left alone" if undo else "the copies of the others are being published just now"
        typer.echo(f"That is not all: {why}.", err=True)
        raise typer.Exit(1)


def _look(photo: Path) -> None:
    """A slip of the finger is worth a word here: what it was meant for would be published."""
    if photo.is_dir():
        how = f'write ignore = ["{readable(photo.name)}"] into its [[watch]], or name the photos in it'
        raise typer.BadParameter(f"{readable(photo)} is a folder, whose later photos would not be ignored: {how}")
    if not os.path.lexists(photo):
        typer.echo(f"{readable(photo)}: nothing is there now.", err=True)
