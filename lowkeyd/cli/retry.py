"""`lowkeyd retry`: give failed and waiting photos another chance."""

from pathlib import Path
from typing import Annotated

import typer

from lowkeyd.cli import places
from lowkeyd.cli.options import ConfigFile, load


def retry(
    photos: Annotated[
        list[Path] | None,
        typer.Argument(help="Photos in watched folders; all failed and waiting ones if none is given."),
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Have photos tried again that failed or wait. Works with or without a running daemon.

    Example: lowkeyd retry ~/lowkeyd/inbox/holiday/beach.jpg
    """
    settings = load(config)
    from lowkeyd import wishes

    paths = [places.photo(photo, settings) for photo in photos] if photos else None
    count = wishes.retry(settings, paths)
    typer.echo(f"{count} photo{'' if count == 1 else 's'} will be tried again.")
    if paths and not count:
        raise typer.Exit(1)
