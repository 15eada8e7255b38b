"""`lowkeyd run`: be the daemon."""

import logging
import os
import sys
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

    With --once: exits with 75 if photos are left waiting, 1 if any failed.

    Example: lowkeyd run --config /etc/lowkeyd/config.toml
    """
    settings = load(config)
    _log()
    from lowkeyd import daemon

    raise typer.Exit(daemon.run(settings, path=configuration.locate(config), once=once))


def _log() -> None:
    """For people on a terminal, logfmt for everything else; a journal sets the time itself."""
    import structlog  # here, because other verbs need no log, and are the quicker without
    from structlog.typing import Processor

    processors: list[Processor] = [structlog.processors.add_log_level]
    first = ["level", "event"]
    if "JOURNAL_STREAM" not in os.environ:
        first.insert(0, "timestamp")
        processors.append(structlog.processors.TimeStamper("%Y-%m-%d %H:%M:%S", utc=False))
    if sys.stderr.isatty():
        processors.append(structlog.dev.ConsoleRenderer())
    else:
        processors += [structlog.processors.format_exc_info, structlog.processors.LogfmtRenderer(key_order=first)]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(level=logging.WARNING, format="level=%(levelname)s logger=%(name)s event=%(message)r")
