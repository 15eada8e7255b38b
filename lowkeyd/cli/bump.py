"""`lowkeyd bump`: a photo that is to be done before all others."""

from pathlib import Path
from typing import Annotated

import typer

from lowkeyd.cli import places
from lowkeyd.cli.options import ConfigFile, load


def bump(
    photos: Annotated[list[Path], typer.Argument(help="Queued photos in watched folders.")],
    config: ConfigFile = None,
) -> None:
    """Have queued photos done before all others.

    Example: lowkeyd bump ~/lowkeyd/inbox/holiday/beach.jpg
    """
    settings = load(config)
    from lowkeyd import wishes

    count = wishes.bump(settings, [places.photo(path, settings) for path in photos])
    typer.echo(f"{count} photo{'' if count == 1 else 's'} will be done first.")
    if not count:
        typer.echo("None of them is queued; `lowkeyd status` shows what is.", err=True)
        raise typer.Exit(1)
