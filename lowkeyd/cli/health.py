"""`lowkeyd health`: for monitoring, an exit code; for people, what lies behind it."""

import contextlib
from dataclasses import asdict
from typing import Annotated

import typer

from lowkeyd.cli import shown
from lowkeyd.cli.findings import show
from lowkeyd.cli.options import ConfigFile, load
from lowkeyd.monitor import health as checks
from lowkeyd.monitor.finding import worst


def health(
    config: ConfigFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs; the schema has a version.")] = False,
) -> None:
    """Say whether the daemon does its work: a scan has ended, photos that are ready are taken, copies can be written.

    Exits with 0 if all is fine, 1 if it works but something is in its way, 2 if it does not work. Photos that failed
    are no ill health; `lowkeyd failed` lists them.

    Example: lowkeyd health || mail -s "lowkeyd is not well" me
    """
    findings = checks.check(load(config))
    level = worst(findings)
    with contextlib.suppress(BrokenPipeError, SystemExit):  # who has read enough still gets the right exit code
        if as_json:
            told = [asdict(finding) | {"level": finding.level.name.lower()} for finding in findings]
            shown.document({"version": 1, "health": level.name.lower(), "findings": told})
        else:
            show(findings)
    raise typer.Exit(level)
