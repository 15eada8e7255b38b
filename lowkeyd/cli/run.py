"""`lowkeyd run`: be the daemon."""

from typing import Annotated

import typer

from lowkeyd import config as configuration
from lowkeyd.cli.options import ConfigFile, load


def run(
    config: ConfigFile = None,
    once: Annotated[bool, typer.Option("--once", help="Scan, finish what is there, and exit: for cron.")] = False,
) -> None:
    """Watch the folders and protect what appears in them, until a signal.

    SIGHUP has a service read its configuration again; a bad one changes nothing. Photos in work start over.

    With --once: exits with 75 if photos are left waiting, 1 if any failed in this run.

    Example: lowkeyd run --config /etc/lowkeyd/config.toml
    """
    settings = load(config)
    from lowkeyd import daemon
    from lowkeyd.cli import logs

    logs.set_up()
    raise typer.Exit(daemon.run(settings, path=configuration.locate(config), once=once))
