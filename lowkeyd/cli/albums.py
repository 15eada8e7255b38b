"""What `lowkeyd protect` is to do here and now: photos, and folders of them."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import typer

from lowkeyd.folders import deliveries
from lowkeyd.folders.outbox import Outbox
from lowkeyd.folders.scan import Tree, Walk
from lowkeyd.imaging.metadata import xmp
from lowkeyd.model import readable


def folders(named: Sequence[Path], output: Path | None) -> list[Path]:
    """Those of the named paths that are folders.

    Raises typer.BadParameter where their copies would come to lie among originals.
    """
    found = [path for path in named if os.path.isdir(path)]  # pathlib's raises where a folder cannot be entered
    for folder in found:
        if output is None:
            raise typer.BadParameter(f"{readable(folder)} is a folder: say with -o where the copies are to go")
        if Path(os.path.realpath(output)).is_relative_to(os.path.realpath(folder)):
            raise typer.BadParameter(f"the copies of {readable(folder)} would lie in it: name another folder with -o")
    return found


def spread(named: Sequence[Path], albums: Sequence[Path]) -> tuple[dict[Path, bytes], list[Path]]:
    """All photos that are named or lie in `albums`, and which folder below the output each one's copy goes to: what
    lies in a folder keeps its place in it. And the folders that cannot be read."""
    found: dict[Path, bytes] = {}
    refused: list[Path] = []
    for path in named:
        if path not in albums:
            found.setdefault(path, b"")
            continue
        walk = Walk(Tree(path))
        for photo in sorted(seen.path for seen in walk):
            found.setdefault(path / os.fsdecode(photo), os.path.dirname(photo))
        refused += [path / os.fsdecode(folder) for folder in walk.refused]
    return found, refused


def undone(places: Mapping[Path, bytes], output: Path) -> dict[Path, bytes]:
    """Those of the photos, as `spread` gives them, that have no copy in the output yet."""
    beside = lru_cache(maxsize=1)(deliveries.by_stem)
    return {photo: folder for photo, folder in places.items() if not any(_copies(photo, folder, output, beside))}


def _copies(
    photo: Path, folder: bytes, output: Path, beside: Callable[[bytes], Mapping[bytes, Sequence[bytes]]]
) -> Iterator[bytes]:
    """What has the photo's name, but for the suffix, and date, and the mark of a copy."""
    mine = deliveries.look(photo.parent, os.fsencode(photo.name))
    names = beside(os.path.join(os.fsencode(output), folder)).get(os.fsencode(photo.stem), ())
    for copy in (os.path.join(folder, name) for name in names):
        other = deliveries.look(output, copy)
        if mine and other and deliveries.same_time(mine.mtime_ns, other.mtime_ns):
            content = Outbox(output).read(copy)
            if content is not None and xmp.is_marked(content):
                yield copy
