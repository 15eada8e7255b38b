"""What a path on the command line stands for: a photo in a watched folder, or a copy in the outbox."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import typer

from lowkeyd import config
from lowkeyd.folders.scan import Walk
from lowkeyd.model import PhotoKey, readable


def in_watch(path: Path, settings: config.Config) -> PhotoKey | None:
    """The watch's name, and where the photo lies below its folder; None if it is in none of them."""
    resolved, as_named = _resolved(path), Path(os.path.abspath(path))
    for watch in settings.watch:
        root = os.path.realpath(watch.path)
        if resolved.is_relative_to(root):
            return watch.name, os.fsencode(resolved.relative_to(root))
        if watch.follow_symlinks and as_named.is_relative_to(watch.path):  # behind a link, which is its name then
            return watch.name, os.fsencode(as_named.relative_to(watch.path))
    return None


def in_outbox(path: Path, settings: config.Config) -> bytes | None:
    """Where the copy lies below the outbox; None if it is not in it."""
    resolved, root = _resolved(path), os.path.realpath(settings.outbox.path)
    return os.fsencode(resolved.relative_to(root)) if resolved.is_relative_to(root) else None


def photo(path: Path, settings: config.Config) -> PhotoKey:
    """As `in_watch`. Raises BadParameter for a path in no watched folder."""
    found = in_watch(path, settings)
    if found is None:
        roots = ", ".join(readable(watch.path) for watch in settings.watch)
        raise typer.BadParameter(f"{readable(path)} is in none of the watched folders: {roots}")
    return found


def photos(paths: Iterable[Path], settings: config.Config) -> list[PhotoKey]:
    """The same of all paths, each photo once; a folder stands for what is in it now, subfolders and all."""
    found = [(path, photo(path, settings)) for path in paths]
    return list(dict.fromkeys(place for path, at in found for place in _within(path, at, settings)))


def _within(path: Path, place: PhotoKey, settings: config.Config) -> Iterator[PhotoKey]:
    watch, below = place
    if not os.path.isdir(path):  # pathlib's raises where a folder on the way cannot be entered
        yield place
        return
    from lowkeyd.intake.roots import trees

    tree = trees(settings)[watch]
    if path.is_symlink() and not tree.rules.follow:
        raise typer.BadParameter(f"{readable(path)} is a link, and follow_symlinks is off for the folder it lies in")
    for seen in Walk(tree, b"" if below == b"." else below):
        yield watch, seen.path


def _resolved(path: Path) -> Path:
    return Path(os.path.realpath(path.parent)) / path.name  # of links, the last one is not followed
