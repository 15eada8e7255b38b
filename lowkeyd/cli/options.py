"""What several verbs take or show in the same way."""

from pathlib import Path
from typing import Annotated

import typer

from lowkeyd import config

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="Configuration file; goes before $LOWKEYD_CONFIG, the user's own and the service's.",
        dir_okay=False,
        show_default=False,
    ),
]


def load(option: Path | None) -> config.Config:
    """The configuration that the user means. Raises ConfigError."""
    return config.load(config.locate(option))


def load_or_defaults(option: Path | None) -> config.Config:
    """For work that is no daemon's: without a file of the user's own the defaults do; a file that was named has to be
    there. Raises ConfigError."""
    path = config.own(option)
    return config.load(path) if config.named(option) or path.exists() else config.Config()
