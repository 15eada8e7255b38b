"""`lowkeyd config`: write, check and show the configuration."""

import os
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from lowkeyd import config as configuration
from lowkeyd.cli import shown
from lowkeyd.cli.options import ConfigFile, load
from lowkeyd.errors import ConfigError
from lowkeyd.model import readable

app = typer.Typer(help="Write, check and show the configuration.", no_args_is_help=True)


@app.command()
def init(
    config: ConfigFile = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write the commented example as a start, and make the folders that it names.

    Example: lowkeyd config init
    """
    path = configuration.own(config)
    if os.path.lexists(path) and not force:
        raise ConfigError(f"{path}: is there already; edit it, or start over with --force")
    try:
        settings = _write(path)
    except OSError as error:
        raise ConfigError(f"{error.filename or path}: cannot be written: {error.strerror}") from error
    inbox, outbox = readable(settings.watch[0].path), readable(settings.outbox.path)
    typer.echo(f"Wrote {readable(path)}.")
    typer.echo(f"Drop photos into {inbox}; protected copies appear in {outbox}.")
    typer.echo(f"Next: lowkeyd run{f' --config {readable(config)}' if config else ''}")


def _write(path: Path) -> configuration.Config:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(files("lowkeyd").joinpath("config.example.toml").read_text(encoding="utf-8"), encoding="utf-8")
    settings = configuration.load(path)
    for folder in (settings.outbox.path, *(watch.path for watch in settings.watch)):
        folder.mkdir(parents=True, exist_ok=True)
    return settings


@app.command()
def check(config: ConfigFile = None) -> None:
    """Say whether the file is right, and the folders and networks that it names are there; name every fault if not
    (exit 78).

    What is in the networks' files is looked at by `lowkeyd models check`, devices by `lowkeyd doctor`.

    Example: lowkeyd config check --config /etc/lowkeyd/config.toml
    """
    path = configuration.locate(config)
    settings = configuration.load(path)
    from lowkeyd.attack.networks import catalogue
    from lowkeyd.intake.check import check_folders

    check_folders(settings)
    catalogue.require(settings.attack.networks, settings.attack.models)
    typer.echo(f"{readable(path)}: ok")


@app.command()
def show(config: ConfigFile = None) -> None:
    """Print every setting that is in force, defaults included, as JSON.

    Example: lowkeyd config show
    """
    shown.document(load(config).model_dump(mode="json"))
