"""`lowkeyd accept`: an offline folder that was replaced on purpose."""

from typing import Annotated

import typer

from lowkeyd.cli.options import ConfigFile, load


def accept(
    watch: Annotated[str, typer.Argument(help="The watch's name, as status shows it.")], config: ConfigFile = None
) -> None:
    """Take the folder that is there now for a watched one, although it is not the one that was there before.

    Status calls a folder offline when another one is in its place, as when its disk is not mounted.

    Example: lowkeyd accept inbox
    """
    settings = load(config)
    if watch not in [known.name for known in settings.watch]:
        raise typer.BadParameter(f"no [[watch]] is called {watch!r}")
    from lowkeyd import wishes

    wishes.accept(settings, watch)
    typer.echo(f"{watch}: from now on the folder that is there now.")
