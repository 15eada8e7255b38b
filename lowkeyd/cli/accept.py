"""`lowkeyd accept`: an offline folder that was replaced on purpose."""

from typing import Annotated

import typer

from lowkeyd.cli.options import ConfigFile, load


def accept(
    watch: Annotated[str | None, typer.Argument(help="The watch's name, as status shows it.")] = None,
    outbox: Annotated[bool, typer.Option("--outbox", help="The outbox instead of a watched folder.")] = False,
    config: ConfigFile = None,
) -> None:
    """Take the folder that is there now for a watched one, or for the outbox, although it is not the one from before.

    Status calls a folder offline when another one is in its place, as when its disk is not mounted.

    Example: lowkeyd accept inbox
    """
    if outbox is (watch is not None):
        raise typer.BadParameter("name a watch, or --outbox")
    settings = load(config)
    if watch is None:
        from lowkeyd import wishes

        wishes.accept_outbox(settings)
        typer.echo(f"Copies go from now on to the folder that is there: {settings.outbox.path}")
        return
    if watch not in [known.name for known in settings.watch]:
        raise typer.BadParameter(f"no [[watch]] is called {watch!r}")
    from lowkeyd import wishes

    wishes.accept(settings, watch)
    typer.echo(f"{watch}: from now on the folder that is there now.")
