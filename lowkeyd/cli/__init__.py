"""The command line: one file per verb, each importing what it needs only when it runs, so that `status` stays quick."""

import errno
import io
import os
import sys
from typing import Annotated

import typer

from lowkeyd import __version__
from lowkeyd.cli import (
    accept,
    bump,
    configure,
    demo,
    doctor,
    evaluate,
    explain,
    failed,
    health,
    history,
    ignore,
    install,
    models,
    pause,
    protect,
    retry,
    run,
    status,
    weak,
)
from lowkeyd.errors import Fatal, LowkeydError, TryLater
from lowkeyd.model import readable

_EPILOG = (
    "Exit codes: 0 ok · 1 something failed · 2 wrong usage · 11 another daemon holds the state folder · "
    "74 what it says cannot be written · 75 not all is done, try later · "
    "78 the configuration, the weights or the database need a person."
)

app = typer.Typer(
    help="Watches photo folders and writes copies that face recognition no longer matches to their owner.",
    epilog=_EPILOG,
    no_args_is_help=True,
    context_settings={"help_option_names": ["--help", "-h"]},
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"lowkeyd {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    _asked: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    pass


app.command()(run.run)
app.command()(protect.protect)
app.command()(status.status)
app.command()(demo.demo)
app.command()(evaluate.evaluate)
app.command()(explain.explain)
app.command()(failed.failed)
app.command()(weak.weak)
app.command()(retry.retry)
app.command()(ignore.ignore)
app.command()(bump.bump)
app.command()(pause.pause)
app.command()(pause.resume)
app.command()(accept.accept)
app.command()(history.history)
app.command()(health.health)
app.command()(doctor.doctor)
app.command()(install.install_service)
app.add_typer(models.app, name="models")
app.add_typer(configure.app, name="config")


def main() -> None:
    """Run the command line. What a person has to know comes as one sentence, with the right exit code."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by who called us
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 (for as long as we run)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # rather an escape than no answer on an old terminal
    os.environ["PYTHONSAFEPATH"] = "1"  # our children must not run a stranger's json.py from the folder we stand in
    code = 1
    try:
        code = _code()
        sys.stdout.flush()
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EPIPE) or error.filename is not None:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left would fail once more at the end
        if error.errno == errno.ENOSPC:
            code = os.EX_IOERR
            typer.echo("lowkeyd: what it says cannot be written: the disk is full", err=True)
    sys.exit(code)


def _code() -> int:
    """What the command ends with."""
    try:
        app()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
    except LowkeydError as error:
        typer.echo(f"lowkeyd: {readable(str(error))}", err=True)
        return error.exit_code if isinstance(error, Fatal) else os.EX_TEMPFAIL if isinstance(error, TryLater) else 1
    return 0
