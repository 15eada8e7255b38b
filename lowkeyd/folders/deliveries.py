"""What lies in the outbox, and which photo each file may be the copy of."""

import contextlib
import os
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from lowkeyd.model import PHOTO_SUFFIXES, Signature

_CLOSE_NS = 2_000_000_000
"""FAT keeps times to two seconds."""
_NUMBER = re.compile(rb" \(\d+\)$")
"""What the outbox puts behind a name that was taken."""


def walk(outbox: Path) -> Iterator[tuple[bytes, int]]:
    """Photos in the outbox, by their path in it, with their modification times. What vanishes meanwhile is left out."""
    root = os.fsencode(outbox)
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith(b"."))
        for name in sorted(names):
            path = os.path.relpath(os.path.join(folder, name), root)
            if _is_photo(name) and (signature := look(outbox, path)):
                yield path, signature.mtime_ns


def look(root: Path, path: bytes) -> Signature | None:
    """The file's size and time; None when it cannot be seen."""
    try:
        status = os.lstat(os.path.join(os.fsencode(root), path))
    except OSError:
        return None
    return Signature(status.st_size, status.st_mtime_ns)


class Originals:
    """Which photos deliveries may have been made of. For one walk, in which each folder is listed once."""

    def __init__(self) -> None:
        self._by_stem = lru_cache(maxsize=1)(by_stem)

    def of(self, root: Path, copy: bytes) -> Iterator[bytes]:
        """Where below `root` the photo of a delivery may lie, the likeliest first: `copy`, its path below the watch's
        folder, itself; the same with any photo's suffix; and both without the number."""
        folder, name = os.path.split(copy)
        stem = os.path.splitext(name)[0]
        beside = self._by_stem(os.path.join(os.fsencode(root), folder))
        if name in beside.get(stem, ()):
            yield copy
        for wanted in dict.fromkeys((stem, _NUMBER.sub(b"", stem))):
            yield from (os.path.join(folder, other) for other in beside.get(wanted, ()) if other != name)


def by_stem(folder: bytes) -> dict[bytes, list[bytes]]:
    """The names of photos in a folder, sorted, by their part before the suffix; none of a folder that is gone."""
    photos: dict[bytes, list[bytes]] = {}
    with contextlib.suppress(OSError):
        for name in sorted(filter(_is_photo, os.listdir(folder))):
            photos.setdefault(os.path.splitext(name)[0], []).append(name)
    return photos


def same_time(one_ns: int, other_ns: int) -> bool:
    """Whether two time stamps are the same, as far as file systems keep them."""
    return abs(one_ns - other_ns) < _CLOSE_NS


def _is_photo(name: bytes) -> bool:
    return not name.startswith(b".") and os.path.splitext(os.fsdecode(name))[1].lower() in PHOTO_SUFFIXES
