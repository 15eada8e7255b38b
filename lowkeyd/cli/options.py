"""What several verbs take or show in the same way."""

import os
from pathlib import Path
from typing import Annotated

import typer

from lowkeyd import config

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="Configuration file; goes before $LOWKEYD_CONFIG and the platform's folder.",
        dir_okay=False,
        show_default=False,
    ),
]


def load(option: Path | None) -> config.Config:
    """The configuration that the user means. Raises ConfigError."""
    return config.load(config.locate(option))


def load_or_defaults(option: Path | None) -> config.Config:
    """Without any configuration file the defaults do; a file that was named has to be there. Raises ConfigError."""
    path = config.locate(option)
    named = option is not None or config.ENVIRONMENT_VARIABLE in os.environ
    return config.load(path) if named or path.exists() else config.Config()
