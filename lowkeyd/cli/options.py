"""What several verbs take or show in the same way."""

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
