"""`lowkeyd protect`: photos in, protected copies out, without a daemon; or, with `--queue`, by it."""

from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from lowkeyd.cli import one_shot
from lowkeyd.cli.albums import folders, spread, undone
from lowkeyd.cli.options import ConfigFile, load, load_or_defaults, preset_named
from lowkeyd.cli.shown import count
from lowkeyd.config import Config
from lowkeyd.errors import OutboxUnavailable
from lowkeyd.folders.outbox import Outbox
from lowkeyd.model import readable


def protect(
    photos: Annotated[
        list[Path],
        typer.Argument(help="Photos to protect, or folders of them; they are only read.", show_default=False),
    ],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Folder for the copies; this one if none is named.", file_okay=False),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(help="Strength: subtle, balanced, strong, or paper for LowKey's own; else the configured one."),
    ] = None,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Leave out photos whose copies, with lowkeyd's mark, are there.")
    ] = False,
    queue: Annotated[
        bool,
        typer.Option("--queue", help="Hand photos in watched folders, or whole folders of them, to the daemon."),
    ] = False,
    config: ConfigFile = None,
) -> None:
    """Protect photos here and now, without the daemon. A name that is taken gets a number; nothing is overwritten.

    Of a folder all photos are protected, in subfolders too; the copies keep their places below --output. Copies of
    several folders come into one tree: name the folder above to keep them apart. After an interruption, --skip-existing
    goes on.

    With --queue the daemon protects them, before all others, and the copies go to its outbox; what is done already
    stays as it is, what failed is tried again. If none runs, they wait for the next one.

    Exits with 1 if any photo failed, or has no face and [outbox] no_face is not "copy"; with --queue, if any is not for
    the daemon.

    Example: lowkeyd protect holiday.jpg album/ -o protected/
    """
    if queue:
        _hand_in(photos, output, preset, config)
    albums = folders(photos, output)
    settings = _with_preset(load_or_defaults(config), preset)
    places, unreadable = spread(photos, albums)
    for folder in unreadable:
        typer.echo(f"{readable(folder)}: this folder cannot be read", err=True)
    if not places:
        raise typer.BadParameter(f"no photo is in {', '.join(map(readable, albums))}: none has a photo's name")
    output = output or Path()
    console = Console(stderr=True, emoji=False)
    outbox = _outbox(output, albums)
    if skip_existing:
        everything, places = len(places), undone(places, output)
        console.print(f"{count(everything - len(places), 'copy', 'copies')} there already.", highlight=False)
    failed = bool(places) and one_shot.protect(places, outbox, output, settings, console)
    raise typer.Exit(1 if failed or unreadable else 0)


def _hand_in(photos: list[Path], output: Path | None, preset: str | None, config: Path | None) -> NoReturn:
    if preset is not None:
        raise typer.BadParameter("with --queue, the daemon's configuration says how strong, so there is no --preset")
    if output is not None:
        raise typer.BadParameter("with --queue, copies go to the daemon's outbox, so there is no --output")
    from lowkeyd.cli.hand_in import hand_in

    raise typer.Exit(0 if hand_in(photos, load(config)) else 1)


def _with_preset(settings: Config, preset: str | None) -> Config:
    if preset is None:
        return settings
    attack = settings.attack.model_copy(update={"preset": preset_named(preset)})
    return settings.model_copy(update={"attack": attack})


def _outbox(folder: Path, albums: list[Path]) -> Outbox:
    """The folder, tried out: an hour of work is not to end with copies that have no place."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutboxUnavailable(f"{folder}: the folder for the copies cannot be made: {error.strerror}") from error
    outbox = Outbox(folder, watched=albums)
    outbox.probe()
    return outbox
