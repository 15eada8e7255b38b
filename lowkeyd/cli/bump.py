"""`lowkeyd bump`: a photo that is to be done before all others."""

import os
from pathlib import Path
from typing import Annotated

import typer

from lowkeyd.cli import places, shown
from lowkeyd.cli.options import ConfigFile, load
from lowkeyd.model import readable


def bump(
    photos: Annotated[list[Path], typer.Argument(help="Queued photos in watched folders.")],
    config: ConfigFile = None,
) -> None:
    """Have queued photos done before all others.

    Example: lowkeyd bump ~/lowkeyd/inbox/holiday/beach.jpg
    """
    settings = load(config)
    for folder in filter(os.path.isdir, photos):
        raise typer.BadParameter(f"{readable(folder)} is a folder, which `lowkeyd protect --queue` takes")
    from lowkeyd import wishes

    count = wishes.bump(settings, [places.photo(path, settings) for path in photos])
    typer.echo(f"{shown.count(count, 'photo')} will be done first.")
    if not count:
        typer.echo("None of them is queued; `lowkeyd status` shows what is.", err=True)
        raise typer.Exit(1)
