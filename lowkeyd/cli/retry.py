"""`lowkeyd retry`: give failed and waiting photos another chance."""

import os
from pathlib import Path
from typing import Annotated

import typer

from lowkeyd import config as configuration
from lowkeyd.cli.options import ConfigFile, load
from lowkeyd.model import readable


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

    paths = [_place(photo, settings) for photo in photos] if photos else None
    count = wishes.retry(settings, paths)
    typer.echo(f"{count} photo{'' if count == 1 else 's'} will be tried again.")
    if paths and not count:
        raise typer.Exit(1)


def _place(photo: Path, settings: configuration.Config) -> tuple[str, bytes]:
    resolved = Path(os.path.realpath(photo.parent)) / photo.name  # of links, the last one is not followed
    for watch in settings.watch:
        root = os.path.realpath(watch.path)
        if resolved.is_relative_to(root):
            return watch.name, os.fsencode(resolved.relative_to(root))
    raise typer.BadParameter(f"{readable(photo)} is in none of the watched folders")
