"""`lowkeyd install-service`: everything that makes lowkeyd a service of the machine, to read first or to have done."""

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from lowkeyd import config as configuration
from lowkeyd.errors import ConfigError
from lowkeyd.model import readable

_USER = "lowkeyd"
_STATE = "/var/lib/lowkeyd"
_UNITS = Path("/etc/systemd/system")
_UNIT_PROGRAM = "/usr/local/bin/lowkeyd"
_STARTER = f"""# lowkeyd as a service. `lowkeyd config show` has every other setting, with its default.

[[watch]]
name = "inbox"
path = "/srv/lowkeyd/inbox"

[outbox]
path = "/srv/lowkeyd/outbox"

[state]
path = "{_STATE}"

[attack]
models = "{_STATE}/models"
"""


@dataclass(frozen=True)
class Step:
    """A file to write, if `content` is given, else a command to run; `why` is for people."""

    why: str
    command: tuple[str, ...] = ()
    path: Path | None = None
    content: str = ""

    def as_shell(self) -> str:
        """What a person would type."""
        if self.path is None:
            return shlex.join(self.command)
        return f"cat > {shlex.quote(str(self.path))} <<'EOF'\n{self.content}EOF"


def install_service(
    write: Annotated[bool, typer.Option("--write", help="Do it; root only. Without, it is only printed.")] = False,
    program: Annotated[
        Path | None, typer.Option(help="The installed program; the one that runs now if it is not given.")
    ] = None,
) -> None:
    """Print, as a shell script, what makes lowkeyd a service: its user, folders, configuration and unit. Or do it.

    A configuration that is there stays as it is, and its outbox is opened for the service. Nothing is started.

    Example: lowkeyd install-service | less
    """
    config = configuration.SERVICE
    steps = plan(_program(program), config, config.exists())
    if not write:
        typer.echo("#!/bin/sh -e")
        for step in steps:
            typer.echo(f"\n# {step.why}\n{step.as_shell()}")
        return
    if os.geteuid():
        raise typer.BadParameter("--write is for root; without it, the script is printed")
    for step in steps:
        typer.echo(step.why)
        _do(step, lambda command: subprocess.run(command, check=True))
    typer.echo(f"Now look at {config}, and then: systemctl enable --now lowkeyd")


def _program(given: Path | None) -> Path:
    program = given or Path(sys.argv[0]).absolute()
    if not os.access(program, os.X_OK) or program.is_dir():
        raise typer.BadParameter(f"{readable(program)}: no program; name the installed one with --program")
    for file in (program, *_interpreter(program)):
        hidden = [folder for folder in Path(os.path.realpath(file)).parents if not folder.stat().st_mode & 0o001]
        if hidden:
            where = f"{readable(file)} lies in {readable(hidden[-1])}, which the service's user may not enter"
            raise typer.BadParameter(f"{where}: install it for everybody, as into /opt, or name another with --program")
    return program


def _interpreter(program: Path) -> list[Path]:
    """The Python that a script is run by, which an environment may have from somebody's home."""
    with program.open("rb") as file:
        first = file.readline()
    return [Path(os.fsdecode(first[2:].split()[0]))] if first.startswith(b"#!/") else []


def plan(program: Path, config: Path, configured: bool) -> list[Step]:
    """All that has to be there, in an order in which it can be made. Raises ConfigError for a bad configuration."""
    settings = configuration.load(config) if configured else None
    outbox = settings.outbox.path if settings else Path("/srv/lowkeyd/outbox")
    made = [] if settings else [Path("/srv/lowkeyd/inbox"), outbox]
    if settings and settings.state.path != Path(_STATE):
        raise ConfigError(f'{config}: a service keeps its state in {_STATE}: write [state] path = "{_STATE}"')
    steps = [
        Step("A user of its own, who owns nothing and cannot log in", _quiet_if_there(_USER)),
        *(
            Step(f"The folder {folder}", ("install", "-d", "-o", _USER, "-g", _USER, "-m", "2770", str(folder)))
            for folder in made
        ),
        Step("Its configuration's folder", ("install", "-d", str(config.parent))),
    ]
    if not settings:
        steps.append(Step("Its configuration", path=config, content=_STARTER))
    unit = files("lowkeyd").joinpath("lowkeyd.service").read_text(encoding="utf-8")
    started = unit.replace(_UNIT_PROGRAM, str(program)).replace("/etc/lowkeyd/config.toml", str(config))
    steps.append(Step("The service", path=_UNITS / "lowkeyd.service", content=started))
    drop_in = _UNITS / "lowkeyd.service.d" / "outbox.conf"
    opened = f"# The outbox of {config}.\n[Service]\nReadWritePaths=-{_systemd_quoted(outbox)}\n"
    steps += [
        Step("Its drop-ins' folder", ("install", "-d", str(drop_in.parent))),
        Step("The outbox, which alone it may write to", path=drop_in, content=opened),
        Step("Let systemd read it", ("systemctl", "daemon-reload")),
    ]
    return steps


def _quiet_if_there(user: str) -> tuple[str, ...]:
    make = f"useradd --system --user-group --home-dir {_STATE} --no-create-home --shell /usr/sbin/nologin {user}"
    return ("sh", "-c", f"id {user} >/dev/null 2>&1 || {make}")


def _systemd_quoted(path: Path) -> str:
    """Blanks would end the path, and a percent sign begins a specifier."""
    text = str(path).replace("\\", "\\\\").replace("%", "%%")
    return f'"{text}"' if " " in text else text


def _do(step: Step, run: Callable[[tuple[str, ...]], object]) -> None:
    if step.path is None:
        run(step.command)
    else:
        step.path.write_text(step.content, encoding="utf-8")
