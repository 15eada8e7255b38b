"""`lowkeyd retry`: another chance for photos that failed or wait, and new copies of those that are done."""

import os
from pathlib import Path
from typing import Annotated

import typer

from lowkeyd.cli import places, shown
from lowkeyd.cli.options import ConfigFile, load
from lowkeyd.config import Config
from lowkeyd.folders.outbox import Outbox
from lowkeyd.model import PhotoKey, readable
from lowkeyd.store import location, lookup


def retry(
    photos: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Photos in watched folders, or whole folders of them; all failed and waiting ones if none is given."
        ),
    ] = None,
    weak: Annotated[bool, typer.Option("--weak", help="Those whose copies came out weak.")] = False,
    missing: Annotated[bool, typer.Option("--missing", help="Those whose copies are gone from the outbox.")] = False,
    outdated: Annotated[
        bool, typer.Option("--outdated", help="Those whose copies were made with other settings, or another version.")
    ] = False,
    config: ConfigFile = None,
) -> None:
    """Have photos tried again that failed or wait, or new copies made of those that are done.

    A copy that is still there is made anew only if it could come out differently: [attack], [metadata], formats or
    lowkeyd itself have changed since, or [outbox] weak now holds it back. It then takes the old one's place.
    Works with or without a running daemon.

    Example: lowkeyd retry ~/lowkeyd/inbox/holiday
    """
    if (photos is not None) + weak + missing + outdated > 1:
        raise typer.BadParameter("name photos, or one of --weak, --missing and --outdated")
    settings = load(config)
    from lowkeyd import wishes
    from lowkeyd.work.admit import fingerprint

    database, paths = location.database(settings.state.path), None
    if weak:
        paths = [(photo.watch, photo.path) for photo in lookup.weak(database)]
    elif missing:
        paths = _without_copies(settings)
    elif outdated:
        paths = lookup.outdated(database, fingerprint(settings))
    elif photos:
        paths = places.photos(photos, settings)
    same = _same_again(paths, settings, fingerprint(settings)) if paths and (weak or photos) else set()
    count = wishes.retry(settings, paths and [path for path in paths if path not in same])
    typer.echo(f"{shown.count(count, 'photo')} will be tried again.")
    if same:
        typer.echo(f"{shown.count(len(same), 'copy', 'copies')} would come out the same: change [attack] first.")
    elif photos and not count:
        typer.echo("None of them failed, waits or is done; `lowkeyd explain PHOTO` tells more.", err=True)
        raise typer.Exit(1)


def _same_again(photos: list[PhotoKey], settings: Config, fingerprint: str) -> set[PhotoKey]:
    """Those whose copies are there, and as they would be made today."""
    weak_too = settings.outbox.weak == "deliver"
    made = lookup.current(location.database(settings.state.path), photos, fingerprint, weak_too=weak_too)
    outbox = Outbox(settings.outbox.path)
    return {photo for photo, copy in made.items() if outbox.holds(copy)}


def _without_copies(settings: Config) -> list[PhotoKey]:
    """Photos whose copies are no longer there. If not one is, the outbox's disk may be away: then a person decides."""
    outbox = os.fsencode(settings.outbox.path)
    delivered = lookup.deliveries(location.database(settings.state.path))
    gone = [(watch, path) for watch, path, copy in delivered if not os.path.lexists(os.path.join(outbox, copy))]
    if gone and len(gone) == len(delivered):
        where = f"Not one of the {len(gone):,} copies is in {readable(settings.outbox.path)}"
        typer.confirm(f"{where}. Is that the right disk, and are all to be made again?", abort=True)
    return gone
