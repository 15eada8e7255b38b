"""What several verbs take in the same way."""

import os
from pathlib import Path
from typing import Annotated

import typer

from lowkeyd import config
from lowkeyd.errors import ConfigError

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="Configuration file; goes before $LOWKEYD_CONFIG, the user's own and, for the daemon, the service's.",
        dir_okay=False,
        show_default=False,
    ),
]


def preset_named(name: str) -> str:
    """The same. Raises BadParameter when there is no such preset."""
    try:
        config.parse({"attack": {"preset": name}}, "--preset")
    except ConfigError as error:
        raise typer.BadParameter(str(error)) from error
    return name


def load(option: Path | None) -> config.Config:
    """The configuration that the user means. Raises ConfigError."""
    return config.load(config.locate(option))


def load_or_defaults(option: Path | None, *, service: bool = False) -> config.Config:
    """Without a file of the user's own the defaults do, or with `service` those of the machine's service; a file that
    was named has to be there. Raises ConfigError."""
    path = config.locate(option) if service else config.own(option)
    return config.load(path) if config.named(option) or os.path.exists(path) else config.Config()
