"""`lowkeyd doctor`: what is wrong with this machine, seen with lowkeyd's eyes."""

from typing import Annotated

import typer

from lowkeyd import config as configuration
from lowkeyd.cli.findings import show
from lowkeyd.cli.options import ConfigFile
from lowkeyd.monitor.finding import worst


def doctor(
    config: ConfigFile = None,
    quick: Annotated[bool, typer.Option("--quick", help="Leave out the networks, which take seconds.")] = False,
) -> None:
    """Examine folders, permissions, space, database, inotify's limits, clock, GPU and networks, and advise.

    Run it as the user that lowkeyd runs as. It writes nothing but a hidden file in the outbox, which it removes. Exits
    with 0 if all is fine, 1 if something should be seen to, 2 if lowkeyd cannot work like this.

    Example: lowkeyd doctor --config /etc/lowkeyd/config.toml
    """
    from lowkeyd.monitor.doctor import examine

    findings = []
    for finding in examine(configuration.locate(config), load_networks=not quick):
        show([finding])
        findings.append(finding)
    raise typer.Exit(worst(findings))
